"""The nested containers of a fake agent: the calls of the operator API, carried out by processes.

A container's file system is this machine's, so the path of the sandbox in its command is exchanged
for the sandbox itself. As in a real container, all of it dies with its first process.
"""

import base64
import contextlib
import json
import os
import select
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

Message = dict[str, Any]
EXECUTOR_CONTAINER: Message = {"value": "executor-container"}
INSIDE = "/mnt/mesos/sandbox"


class FakeContainers:
    """`refusals` answers the next launches, each with a status and a text."""

    def __init__(self) -> None:
        self.sandbox = Path("/")
        self.calls: list[Message] = []
        self.headers: list[dict[str, str]] = []
        self.refusals: list[tuple[int, str]] = []
        self.hold = threading.Event()
        self.hold.set()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def of(self, kind: str) -> list[Message]:
        """What was called, in order: the body of each call of that type."""
        return [call[kind.lower()] for call in self.calls if call["type"] == kind]

    def on_call(self, handler: BaseHTTPRequestHandler, call: Message) -> None:
        self.calls.append(call)
        self.headers.append(dict(handler.headers))
        kind = call["type"]
        body = call[kind.lower()]
        name = body["container_id"]["value"]
        if kind == "LAUNCH_CONTAINER":
            self._launch(handler, name, body)
        elif kind == "LAUNCH_NESTED_CONTAINER_SESSION":
            self._session(handler, name, body)
        elif kind in ("WAIT_CONTAINER", "WAIT_NESTED_CONTAINER"):
            self._wait(handler, kind, name)
        elif kind == "KILL_CONTAINER":
            self._kill(handler, name, body["signal"])
        elif kind in ("REMOVE_CONTAINER", "REMOVE_NESTED_CONTAINER"):
            answer(handler, 200, "")
        else:
            raise AssertionError(f"call {kind}")

    def _launch(self, handler: BaseHTTPRequestHandler, name: str, body: Message) -> None:
        self.hold.wait(20)
        if self.refusals:
            answer(handler, *self.refusals.pop(0))
            return
        with self._lock:
            if name in self.processes:
                answer(handler, 202, "")
                return
            self.processes[name] = self._start(body["command"], None)
        answer(handler, 200, "")

    def _start(self, command: Message, stdout: int | None) -> subprocess.Popen[bytes]:
        variables = command["environment"]["variables"]
        value = command["value"].replace(INSIDE, str(self.sandbox))
        words = ["/bin/sh", "-c", value] if command["shell"] else command["arguments"]
        return subprocess.Popen(
            words,
            env={"PATH": os.environ["PATH"], **{v["name"]: v["value"] for v in variables}},
            cwd=self.sandbox,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            start_new_session=True,
        )

    def _session(self, handler: BaseHTTPRequestHandler, name: str, body: Message) -> None:
        process = self._start(body["command"], subprocess.PIPE)
        self.processes[name] = process
        assert process.stdout is not None
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:
            readable = select.select([process.stdout, handler.connection], [], [], 20)[0]
            if process.stdout not in readable:
                process.kill()  # the session was closed
                return
            data = os.read(process.stdout.fileno(), 4096)
            if not data:
                break
            io = {"type": "STDOUT", "data": base64.b64encode(data).decode()}
            record = json.dumps({"type": "DATA", "data": io}).encode()
            text = f"{len(record)}\n".encode() + record
            handler.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    def _wait(self, handler: BaseHTTPRequestHandler, kind: str, name: str) -> None:
        process = self.processes.get(name)
        if process is None:
            answer(handler, 404, f"Container {name} cannot be found")
            return
        code = process.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        status = -code if code < 0 else code << 8
        answer(handler, 200, json.dumps({"type": kind, kind.lower(): {"exit_status": status}}))

    def _kill(self, handler: BaseHTTPRequestHandler, name: str, number: int) -> None:
        process = self.processes.get(name)
        if process is None:
            answer(handler, 404, "")
            return
        process.send_signal(number)
        answer(handler, 200, "")

    def close(self) -> None:
        """End what is left."""
        self.hold.set()
        for process in self.processes.values():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def answer(handler: BaseHTTPRequestHandler, status: int, text: str) -> None:
    """A whole answer; the connection may have been cut meanwhile."""
    try:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())
    except OSError:
        return
