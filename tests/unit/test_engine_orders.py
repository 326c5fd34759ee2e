"""Orders that are answered in a later cycle than the one that took them up."""

from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.view import View
from holdfast.engine import Answer, Engine
from holdfast.mesos.channel import SENT, CallResult
from holdfast.state.memory import MemoryStore
from holdfast.state.store import Fenced, Writes
from tests.unit.api.pictures import well


class Slow:
    """A core that answers an order once something else has happened."""

    def __init__(self) -> None:
        self._waiting: list[ev.Command] = []

    def step(self, events: Iterable[ev.Event], now: float) -> list[ef.Effect]:
        taken = list(events)
        asked = self._waiting if any(isinstance(e, ev.DisruptionAnswered) for e in taken) else []
        self._waiting = [e for e in taken if isinstance(e, ev.Command)]
        return [
            effect
            for command in asked
            for effect in (ef.Write("pods/a-0", {}), ef.Reply(command.id, 200, {}))
        ]

    def view(self, now: float) -> View:
        return well()

    def journalled(self) -> Iterator[ef.Journalled]:
        return iter(())


class Link:
    def call(self, message: Any) -> CallResult:
        return SENT

    teardown = update_framework = lambda self: SENT


class FailingStore(MemoryStore):
    def commit(self, writes: Writes) -> None:
        raise Fenced("another scheduler leads")


def engine(store: MemoryStore) -> Engine:
    return Engine(Slow(), store, Link(), lambda: "order", lambda _: None)


def test_an_order_is_answered_when_its_core_has_an_answer() -> None:
    running = engine(MemoryStore())
    answer = running.command(ev.Verb.POD_RESTART, "a-0")
    running.cycle(running._batch() or [])
    assert not answer.done()
    running.cycle([ev.DisruptionAnswered("q", "a", True)])
    assert answer.result(0) == Answer(200, {})


def test_an_order_that_waits_was_not_carried_out_when_the_engine_stops() -> None:
    running = engine(MemoryStore())
    answer = running.command(ev.Verb.POD_RESTART, "a-0")
    running.cycle(running._batch() or [])
    running.stop()
    running.run()
    with pytest.raises(CancelledError):
        answer.result(0)


def test_nobody_says_so_when_it_may_have_been_stored() -> None:
    running = engine(FailingStore())
    answer = running.command(ev.Verb.POD_RESTART, "a-0")
    running.cycle(running._batch() or [])
    running.post(ev.DisruptionAnswered("q", "a", True))
    with pytest.raises(Fenced):
        running.run()
    assert not answer.done()
