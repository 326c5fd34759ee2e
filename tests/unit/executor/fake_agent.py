"""An agent's executor endpoint for tests: enough of the v1 executor API to supervise one executor.

A real process of the executor is run against it, so tests see what an agent would see.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from holdfast_executor.contract import TaskLaunch
from tests.unit.executor.fake_containers import EXECUTOR_CONTAINER, FakeContainers

Message = dict[str, Any]
DEADLINE = 20.0
T = TypeVar("T")


def eventually(probe: Callable[[], T], what: str, timeout: float = DEADLINE) -> T:
    """The first true value of `probe`, within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


class FakeAgent:
    """Accepts one executor at a time; `acknowledge` says whether updates are acknowledged.

    `resources` are the executor's.
    """

    def __init__(self) -> None:
        self.acknowledge = True
        self.subscribe_status = 200
        self.update_status = 202
        self.capabilities: list[Message] = []
        self.resources: list[Message] = []
        self.subscribes: list[Message] = []
        self.updates: list[Message] = []
        self.headers: list[Mapping[str, str]] = []
        self.paths: list[str] = []
        self.containers = FakeContainers()
        self._lock = threading.Lock()
        self._streams: list[BaseHTTPRequestHandler] = []
        self._sockets: list[socket.socket] = []
        self._server: ThreadingHTTPServer | None = None
        self._tls: ssl.SSLContext | None = None
        self.port = 0
        self.start()

    def use_tls(self, certificate: Path, key: Path) -> None:
        """From the next start on."""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)

    def start(self) -> None:
        agent = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                if agent._tls is not None:
                    self.request = agent._tls.wrap_socket(self.request, server_side=True)
                super().setup()
                with agent._lock:
                    agent._sockets.append(self.connection)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                agent._on_call(self, json.loads(body))

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Connections are cut on purpose."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Die as a killed agent does: no listener, every connection cut; containers run on."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        self.cut()

    def cut(self) -> None:
        with self._lock:
            sockets, self._sockets, self._streams = self._sockets, [], []
        for connection in sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _on_call(self, handler: BaseHTTPRequestHandler, call: Message) -> None:
        if handler.path == "/slave(1)/api/v1":
            self.containers.on_call(handler, call)
            return
        self.headers.append(dict(handler.headers))
        self.paths.append(handler.path)
        if call["type"] == "SUBSCRIBE":
            self._on_subscribe(handler, call)
        elif call["type"] == "UPDATE":
            status = call["update"]["status"]
            if self.update_status == 202:
                self.updates.append(status)
            handler.send_response(self.update_status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            if self.acknowledge and self.update_status == 202:
                self.ack(status)
        else:
            raise AssertionError(f"call {call['type']}")

    def _on_subscribe(self, handler: BaseHTTPRequestHandler, call: Message) -> None:
        self.subscribes.append(call)
        if self.subscribe_status != 200:
            text = b"Executor cannot be found"
            handler.send_response(self.subscribe_status)
            handler.send_header("Content-Length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        subscribed = {
            "executor_info": {"executor_id": call["executor_id"], "resources": self.resources},
            "framework_info": {"user": "root", "name": "test", "capabilities": self.capabilities},
            "agent_info": {"hostname": "localhost"},
            "container_id": EXECUTOR_CONTAINER,
        }
        with self._lock:
            self._streams = [handler]
            self._write(handler, {"type": "SUBSCRIBED", "subscribed": subscribed})
        if self.acknowledge:
            for update in call["subscribe"]["unacknowledged_updates"]:
                self.ack(update["status"])
        stream = handler
        while stream in self._streams:
            time.sleep(0.01)

    def send(self, event: Message) -> None:
        eventually(lambda: self._streams, "the executor subscribes")
        with self._lock:
            for stream in self._streams:
                self._write(stream, event)

    def _write(self, stream: BaseHTTPRequestHandler, event: Message) -> None:
        text = json.dumps(event).encode()
        record = f"{len(text)}\n".encode() + text
        stream.wfile.write(f"{len(record):x}\r\n".encode() + record + b"\r\n")
        stream.wfile.flush()

    def ack(self, status: Message) -> None:
        acknowledged = {"task_id": status["task_id"], "uuid": status["uuid"]}
        self.send({"type": "ACKNOWLEDGED", "acknowledged": acknowledged})

    def kill(self, task_id: str, grace: float | None = None) -> None:
        kill: Message = {"task_id": {"value": task_id}}
        if grace is not None:
            kill["kill_policy"] = {"grace_period": {"nanoseconds": int(grace * 1e9)}}
        self.send({"type": "KILL", "kill": kill})

    def states(self, task_id: str = "t1") -> list[str]:
        return [s["state"] for s in self.updates if s["task_id"]["value"] == task_id]

    def status(self, state: str, task_id: str = "t1", timeout: float = DEADLINE) -> Message:
        """The first update of a task with that state, waiting for it."""

        def find() -> Message | None:
            for status in list(self.updates):
                if status["state"] == state and status["task_id"]["value"] == task_id:
                    return status
            return None

        try:
            found = eventually(find, f"{task_id} in {state}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; updates: {self.updates}") from None
        assert found is not None
        return found


class RunningExecutor:
    """A process of the executor with its sandbox."""

    def __init__(
        self,
        agent: FakeAgent,
        archive: Path,
        sandbox: Path,
        python: str = sys.executable,
        checkpoint: bool = True,
        **variables: str,
    ) -> None:
        self.agent = agent
        self.sandbox = sandbox
        environment = {
            "PATH": os.environ["PATH"],
            "MESOS_AGENT_ENDPOINT": f"127.0.0.1:{agent.port}",
            "MESOS_SLAVE_PID": f"slave(1)@127.0.0.1:{agent.port}",
            "MESOS_FRAMEWORK_ID": "framework-1",
            "MESOS_EXECUTOR_ID": "executor-1",
            "MESOS_CHECKPOINT": "1" if checkpoint else "0",
            "MESOS_RECOVERY_TIMEOUT": "15mins",
            "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs",
            "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
            "MESOS_SANDBOX": str(sandbox),
            **variables,
        }
        with (sandbox / "stdout").open("ab") as stdout, (sandbox / "stderr").open("ab") as stderr:
            self.process = subprocess.Popen(
                [python, str(archive)],
                cwd=sandbox,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    def launch(self, task: TaskLaunch | str, task_id: str = "t1", **fields: Any) -> None:
        """Send a LAUNCH; a text is a command without environment."""
        launch = TaskLaunch(task, {}) if isinstance(task, str) else task
        self.agent.send(
            {"type": "LAUNCH", "launch": {"task": task_info(launch, task_id, **fields)}}
        )

    def wait(self, timeout: float = DEADLINE) -> int:
        """Exit code of the executor."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            log = self.read("stderr")
            raise AssertionError(f"the executor did not exit within {timeout} s: {log}") from None

    def read(self, name: str) -> str:
        path = self.sandbox / name
        return path.read_text() if path.exists() else ""

    def members(self) -> list[int]:
        """Every living process started in this sandbox, the executor aside."""
        found = []
        mark = f"MESOS_SANDBOX={self.sandbox}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.process.pid:
                try:
                    inside = mark in (entry / "environ").read_bytes().split(b"\0")
                except OSError:
                    continue
                if inside:
                    found.append(int(entry.name))
        return found

    def close(self) -> None:
        for pid in [self.process.pid, *self.members()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)


def task_info(launch: TaskLaunch, task_id: str = "t1", **fields: Any) -> Message:
    """A TaskInfo as the agent hands it to the executor."""
    return {
        "name": "server",
        "task_id": {"value": task_id},
        "agent_id": {"value": "agent-1"},
        "data": launch.encode(),
        **fields,
    }
