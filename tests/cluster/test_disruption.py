"""A disruption check on a real cluster: who is asked, what a no holds up, and what --force does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

SERVICE = """
name: guarded
scheduler:
  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'
pods:
  node:
    count: 2
    disruption-check: {url: '{{{COORDINATOR}}}/$POD_INSTANCE/$NODE_0_IP'}
    volume: {path: data, type: ROOT, size: 16}
    tasks:
      server:
        goal: RUNNING
        cmd: echo {{VERSION}} && exec sleep 100000
        cpus: 0.1
        memory: 32
"""


class Coordinator(ThreadingHTTPServer):
    """Says yes or no, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.allow = False
        self.asked: list[tuple[str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def pods_asked(self) -> set[str]:
        return {question["pod"] for _, question in self.asked}


class _Handler(BaseHTTPRequestHandler):
    server: Coordinator

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, question))
        body = json.dumps({"allow": self.server.allow, "reason": "a copy is missing"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def coordinator() -> Iterator[Coordinator]:
    server = Coordinator()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def small(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=1))


def test_an_update_and_an_order_wait_for_a_yes(
    small: Cluster, coordinator: Coordinator, tmp_path: Path
) -> None:
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(SERVICE)
    url = f"http://127.0.0.1:{coordinator.server_address[1]}"
    environment = {"COORDINATOR": url, "VERSION": "1"}
    with Scheduler(small, svc_yml, tmp_path, environment=environment).start() as service:
        wait_until("it is deployed", service.is_well)
        assert coordinator.asked == [], "a deployment stops nothing"
        first = service.task_ids()

        service.end()
        service.set_environment(VERSION="2")
        service.start()
        wait_until("the check is asked", lambda: coordinator.asked)
        path, question = coordinator.asked[0]
        assert path == f"/node-0/{small.agents[0].ip}"
        assert question["action"] == "restart"
        wait_until(
            "pod status tells why it waits",
            lambda: "a copy is missing" in (service.instances()["node-0"]["reason"] or ""),
        )
        steps = service.get("plans/deploy")["phases"][0]["steps"]
        assert "does not let it be stopped: a copy is missing" in steps[0]["message"]
        assert coordinator.pods_asked == {"node-0"}, "the other one has not its turn"

        refused = service.session.post(f"{service.url}/v1/pod/node-1/restart", timeout=10)
        assert refused.status_code == 409
        assert "a copy is missing" in refused.text
        assert service.task_ids() == first, "nothing was stopped by a no"

        service.post("pod/node-1/restart?force=true")
        wait_until(
            "the operator's word is enough",
            lambda: service.task_ids()["node-1-server"] != first["node-1-server"],
        )
        assert service.task_ids()["node-0-server"] == first["node-0-server"]

        coordinator.allow = True
        wait_until("the update is done", service.is_well)
        assert service.task_ids()["node-0-server"] != first["node-0-server"]
