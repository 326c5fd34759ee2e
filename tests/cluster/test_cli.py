"""The command line about a real service, run as the DC/OS command line runs its plugin."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from holdfast_playground.cluster import ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

NAME = "folder/store"
SVC_YML = """
name: /folder/store
scheduler:
  zookeeper: {{{FRAMEWORK_ZOOKEEPER}}}
pods:
  node:
    count: 2
    tasks:
      server:
        goal: RUNNING
        cmd: exec sleep 100000
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
        ports:
          http: {port: 0, advertise: true}
"""


@contextmanager
def admin_router(service: Scheduler) -> Iterator[str]:
    """Passes /service/NAME/... on to the scheduler, and refuses who has not the token."""

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            prefix = f"/service/{NAME}/"
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != "token=t0ken":
                self._answer(401, b"<html>who?</html>", "text/html")
            elif not self.path.startswith(prefix):
                self._answer(404, b"<html>no such service</html>", "text/html")
            else:
                kind = self.headers.get("Content-Type") or "application/json"
                answer = requests.request(
                    self.command,
                    f"http://{service.host}:{service.port}/{self.path.removeprefix(prefix)}",
                    data=body,
                    headers={"Accept": "application/json", "Content-Type": kind},
                    timeout=30,
                )
                self._answer(answer.status_code, answer.content, "application/json")

        do_GET = do_POST = do_PUT = do_DELETE = _pass_on

        def _answer(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def all_new(before: dict[str, str], now: dict[str, str]) -> bool:
    return not set(before.values()) & set(now.values())


def test_the_main_commands_as_dcos_runs_them(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(SVC_YML)
    service = Scheduler(cluster_factory(ClusterSpec(agents=2)), svc_yml, tmp_path).start()

    def dcos(
        *argv: str, token: str = "t0ken", name: str = NAME
    ) -> subprocess.CompletedProcess[str]:
        ours = {key: value for key, value in os.environ.items() if not key.startswith("DCOS_")}
        return subprocess.run(
            [sys.executable, "-m", "holdfast_cli.dcos", "holdfast", *argv, f"--name={name}"],
            env={**ours, "DCOS_URL": url, "DCOS_ACS_TOKEN": token},
            capture_output=True,
            text=True,
            check=False,
        )

    def said(*argv: str) -> str:
        done = dcos(*argv)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout

    try:
        wait_until("the API answers", service.answers)
        with admin_router(service) as url:
            followed = said("plan", "show", "deploy", "--watch", "--timeout", "90")
            assert "deploy COMPLETE, 2 of 2 steps complete" in followed
            assert said("pod", "list") == "node-0\nnode-1\n"
            assert said("endpoints") == "http\n"
            assert said("debug", "state", "framework_id").strip() in service.get(
                "state/frameworkId"
            )
            assert json.loads(said("debug", "config", "target"))["name"] == "/folder/store"
            volumes = {
                one["pod"]: one["id"] for one in json.loads(said("volumes", "list", "--json"))
            }
            assert set(volumes) == {"node-0", "node-1"}

            # A restart keeps the volume; the journal tells who ordered what.
            before = service.task_ids()["node-0-server"]
            said("pod", "restart", "node-0")
            wait_until("a new task", lambda: service.task_ids()["node-0-server"] != before)
            service.wait_well()
            assert "node-0" in said("events", "--kind", "command")
            (info,) = json.loads(said("pod", "info", "node-0"))
            assert info["status"]["state"] == "TASK_RUNNING"

            # The plan begins anew: new tasks, on the same volumes.
            before_all = service.task_ids()
            said("update", "force-restart")
            wait_until("all are new", lambda: all_new(before_all, service.task_ids()))
            assert "deploy COMPLETE" in said("update", "status", "--watch", "--timeout", "90")
            assert {one["pod"]: one["id"] for one in service.get("volumes")} == volumes

            # What is refused, and why.
            assert said("debug", "state", "refresh_cache")
            assert dcos("volumes", "destroy", volumes["node-0"]).returncode == 5
            assert dcos("pod", "restart", "nod-0").returncode == 4
            assert dcos("pod", "list", name="other").returncode == 3
            assert "dcos auth login" in dcos("pod", "list", token="old").stderr
    finally:
        service.close()
