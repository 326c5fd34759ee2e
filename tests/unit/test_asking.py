"""Questions are asked beside the scheduler, and each is answered by one event, whatever happens."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from holdfast import agents, disruptions
from holdfast.agents import AgentInspector
from holdfast.core.effects import AskDisruption, InspectAgent
from holdfast.core.events import AgentInspected, DisruptionAnswered
from holdfast.disruptions import DisruptionAsker
from holdfast.mesos.access import Access
from holdfast.service.disruption_model import DisruptionCheck
from tests.web_server import WebServer, answering

QUESTION = {"service": "db", "pod": "db-0", "tasks": ["node"], "action": "restart", "reason": "x"}


@dataclass
class Answers:
    """Those that were posted."""

    events: list[Any] = field(default_factory=list)
    told: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def post(self, event: Any) -> None:
        self.events.append(event)
        self.told.release()

    def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.told.acquire(timeout=10)


@pytest.fixture
def coordinator() -> Iterator[WebServer]:
    with answering() as server:
        server.body = b'{"allow": true}'
        yield server


def question(id_: str, url: str = "", command: str = "") -> AskDisruption:
    return AskDisruption(id_, "db", DisruptionCheck(url, command), QUESTION, {})


def test_every_question_is_answered_until_it_is_stopped(coordinator: WebServer) -> None:
    answers = Answers()
    asker = DisruptionAsker(answers.post)
    asker.ask(question("a", coordinator.url))
    asker.ask(question("b", "http://127.0.0.1:1/"))
    asker.ask(question("c", command="exit 0"))
    asker.ask(question("d", command="echo no quorum; exit 1"))
    answers.wait(4)
    assert {event.id: event.allowed for event in answers.events} == {
        "a": True,
        "b": False,
        "c": True,
        "d": False,
    }
    asker.stop()
    asker.ask(question("e", coordinator.url))
    assert len(answers.events) == 4


def test_stop_ends_the_command_that_runs(tmp_path: Path) -> None:
    file, answers = tmp_path / "started", Answers()
    asker = DisruptionAsker(answers.post)
    asker.ask(question("a", command=f"mkfifo {file}; cat {file}; exit 0"))
    with file_opened(file):
        asker.stop()
        answers.wait()
    (answer,) = answers.events
    assert (answer.allowed, answer.reason) == (
        False,
        "its command was killed: the scheduler stops",
    )


def file_opened(fifo: Path) -> Any:
    """The writing end, once the command reads from it."""
    deadline = threading.Event()
    for _ in range(1000):
        if fifo.exists():
            return fifo.open("w")
        deadline.wait(0.01)
    raise AssertionError("the command was not started")


def test_what_nobody_thought_of_is_a_no_and_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> DisruptionAnswered:
        raise KeyError("surprise")

    monkeypatch.setattr(disruptions, "said_by_url", broken)
    answers = Answers()
    with capture_logs() as logs:
        DisruptionAsker(answers.post).ask(question("a", "http://a/"))
        answers.wait()
    why = "asking went wrong, see the log: KeyError('surprise')"
    assert answers.events == [DisruptionAnswered("a", "db", False, why)]
    (logged,) = [entry for entry in logs if entry["event"] == "asking went wrong"]
    assert logged["exc_info"]


def test_so_it_is_of_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> AgentInspected:
        raise RuntimeError("surprise")

    monkeypatch.setattr(agents, "inspect", broken)
    answers = Answers()
    with capture_logs() as logs:
        AgentInspector(Access(), answers.post).ask(InspectAgent("agent-1", "http://a"))
        answers.wait()
    (answer,) = answers.events
    assert answer.features is None
    assert "asking went wrong, see the log: RuntimeError('surprise')" in answer.reason
    assert [entry["event"] for entry in logs] == ["asking went wrong"]
