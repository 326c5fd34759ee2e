"""The operator API of an agent, and what is made of its answers."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from holdfast.agents import AgentInspector, features, inspect
from holdfast.core.effects import InspectAgent
from holdfast.core.events import AgentInspected
from holdfast.mesos.access import Access
from holdfast.mesos.messages import AgentFeatures

FLAGS = {
    "launcher": "linux",
    "isolation": "filesystem/linux, linux/seccomp",
    "image_providers": "docker",
    "network_cni_config_dir": "/etc/cni",
}
VERSION = {"version_info": {"version": "1.11.0-dev"}}
KNOWN = AgentFeatures(
    "linux",
    frozenset({"filesystem/linux", "linux/seccomp"}),
    frozenset({"docker"}),
    True,
    (1, 11, 0),
)


class Agent(ThreadingHTTPServer):
    """Answers as an agent does, or with `status` and `body` when these are set."""

    status = 200
    body = b""
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/slave(1)"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Agent

    def do_POST(self) -> None:
        kind = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["type"]
        self.server.asked.append((self.path, kind, self.headers.get("Authorization")))
        flags = [{"name": name, "value": value} for name, value in FLAGS.items()]
        answers: dict[str, Any] = {
            "GET_FLAGS": {"get_flags": {"flags": flags}},
            "GET_VERSION": {"get_version": VERSION},
        }
        body = self.server.body or json.dumps(answers[kind]).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def agent() -> Iterator[Agent]:
    server = Agent()
    yield server
    server.shutdown()
    server.server_close()


def test_an_agent_is_asked_with_the_credentials(agent: Agent) -> None:
    found = inspect(Access("p", "s"), InspectAgent("a1", agent.url))
    assert found == AgentInspected("a1", KNOWN)
    basic = "Basic cDpz"
    path = "/slave(1)/api/v1"
    assert agent.asked == [(path, "GET_FLAGS", basic), (path, "GET_VERSION", basic)]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (403, b"not you", "refuses: GET_FLAGS gave HTTP 403, not you"),
        (307, b"", "refuses: GET_FLAGS gave HTTP 307"),
        (200, b"<html>", "something else than JSON"),
        (200, b"[]", "is not understood"),
        (200, b'{"get_flags": {}, "get_version": {}}', "is not understood: KeyError('flags')"),
    ],
)
def test_another_answer_is_told(agent: Agent, status: int, body: bytes, reason: str) -> None:
    agent.status, agent.body = status, body
    found = inspect(Access(), InspectAgent("a1", agent.url))
    assert found.features is None
    assert agent.url in found.reason
    assert reason in found.reason


def test_no_answer_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = inspect(Access(), InspectAgent("a1", f"http://127.0.0.1:{port}"))
    assert "does not answer: nothing listens there" in found.reason
    assert "do not tell its address" in inspect(Access(), InspectAgent("a1", "")).reason


def test_agents_are_spoken_to_by_tls_where_the_master_is(agent: Agent) -> None:
    """Their offers say http in any case; this one does not speak TLS, which shows in the reason."""
    answers: list[AgentInspected] = []
    told = threading.Event()

    def post(event: AgentInspected) -> None:
        answers.append(event)
        told.set()

    inspector = AgentInspector(Access(), post, encrypted=lambda: True)
    inspector.ask(InspectAgent("a1", agent.url))
    assert told.wait(10)
    inspector.stop()
    assert agent.url.replace("http:", "https:") in answers[0].reason
    assert "does it speak TLS at all" in answers[0].reason


def test_what_is_not_set_has_the_default_of_mesos() -> None:
    assert features({"flags": []}, {"version_info": {"version": "1.9.0"}}) == AgentFeatures(
        "posix", frozenset({"posix/cpu", "posix/mem"}), frozenset(), False, (1, 9, 0)
    )


def test_every_question_is_answered_by_an_event_until_it_is_stopped(agent: Agent) -> None:
    answers: list[AgentInspected] = []
    both = threading.Semaphore(0)

    def post(event: AgentInspected) -> None:
        answers.append(event)
        both.release()

    inspector = AgentInspector(Access(), post)
    inspector.ask(InspectAgent("a1", agent.url))
    inspector.ask(InspectAgent("a2", ""))
    assert both.acquire(timeout=10)
    assert both.acquire(timeout=10)
    assert {event.agent_id: event.features for event in answers} == {"a1": KNOWN, "a2": None}
    inspector.stop()
    inspector.ask(InspectAgent("a3", agent.url))
    assert len(answers) == 2
