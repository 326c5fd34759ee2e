"""The URL of a disruption check, asked over HTTP, and what is made of its answers."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from holdfast.core.effects import AskDisruption
from holdfast.core.events import DisruptionAnswered
from holdfast.disruption_url import MOST_BYTES, said_by_url
from holdfast.service.disruption_model import DisruptionCheck

QUESTION = {"service": "db", "pod": "db-0", "tasks": ["node"], "action": "restart", "reason": "x"}


class Coordinator(ThreadingHTTPServer):
    """Answers with `status` and `body`; a byte each tenth of a second when it is slow."""

    status = 200
    body = b'{"allow": true}'
    slow = False
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Any] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/may-go"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Coordinator

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        if 300 <= self.server.status < 400:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()
        if not self.server.slow:
            self.wfile.write(self.server.body)
            return
        for byte in self.server.body:
            time.sleep(0.1)
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return  # the other side has had enough

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def coordinator() -> Iterator[Coordinator]:
    server = Coordinator()
    yield server
    server.shutdown()
    server.server_close()


def ask(url: str, seconds: float = 5.0) -> DisruptionAnswered:
    return said_by_url(AskDisruption("q1", "db", DisruptionCheck(url), QUESTION, {}), seconds)


def test_it_is_told_all_and_may_say_yes(coordinator: Coordinator) -> None:
    assert ask(coordinator.url) == DisruptionAnswered("q1", "db", True)
    assert coordinator.asked == [("/may-go", "application/json", QUESTION)]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b'{"allow": false, "reason": "no quorum"}', "no quorum"),
        (201, b'{"allow": false}', "it gives no reason"),
        (200, b'{"allow": "true"}', 'in the place of {"allow": true}'),
        (200, b"[true]", "in the place of"),
        (200, b"yes", "answers 'yes' in the place of"),
        (200, b"", "answers '' in the place of"),
        (302, b'{"allow": true}', "gave HTTP 302"),
        (503, b'{"allow": true}', 'gave HTTP 503, {"allow": true}'),
        (500, b"", "gave HTTP 500, no reason"),
        (200, b" " * (MOST_BYTES + 1), f"answers with more than {MOST_BYTES} bytes"),
    ],
)
def test_anything_but_a_clear_yes_is_a_no(
    coordinator: Coordinator, status: int, body: bytes, reason: str
) -> None:
    coordinator.status, coordinator.body = status, body
    answer = ask(coordinator.url)
    assert not answer.allowed
    assert reason in answer.reason
    assert len(answer.reason) < 600
    assert len(coordinator.asked) == 1, "redirections are not followed"


def test_an_answer_that_drips_in_is_not_waited_for(coordinator: Coordinator) -> None:
    coordinator.slow = True
    began = time.monotonic()
    answer = ask(coordinator.url, 0.5)
    assert time.monotonic() - began < 1.4
    assert "takes more than 0.5 s to answer" in answer.reason


def test_silence_and_a_closed_port_are_a_no() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        answer = ask(url, 0.2)
        assert f"{url} does not answer: no answer in time" in answer.reason
    answer = ask(url)
    assert not answer.allowed
    assert "nothing listens there" in answer.reason
