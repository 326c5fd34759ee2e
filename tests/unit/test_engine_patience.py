"""What the engine does about a master that takes no calls."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

from structlog.testing import capture_logs

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.core import Core
from holdfast.engine import RETRY_SECONDS, Engine
from holdfast.mesos.channel import CallResult, Outcome, rejected
from holdfast.state.memory import MemoryStore


class Insists:
    """A core that gives the same call again as soon as it failed."""

    def step(self, events: Iterable[ev.Event], now: float) -> list[ef.Effect]:
        return [ef.Suppress(("role",))]

    def view(self, now: float) -> Any:
        class Empty:
            configs: Mapping[str, Any] = {}

        return Empty()

    def journalled(self) -> Iterable[ef.Journalled]:
        return ()


class OutOfReach:
    def __init__(self, calls: int) -> None:
        self.times: list[float] = []
        self.calls = calls
        self.engine: Engine[Any] | None = None

    def call(self, message: Mapping[str, Any]) -> CallResult:
        assert self.engine is not None
        self.times.append(time.monotonic())
        if len(self.times) == self.calls:
            self.engine.stop()
        return rejected("not sent: No route to host")

    def teardown(self) -> CallResult:
        raise AssertionError("nothing is torn down here")

    def update_framework(self) -> CallResult:
        return CallResult(Outcome.SENT)


def test_a_call_that_fails_again_and_again_is_tried_ever_more_seldom() -> None:
    link = OutOfReach(4)
    engine: Engine[Any] = Engine(
        cast(Core, Insists()), MemoryStore(), link, lambda: "id", lambda ask: None
    )
    link.engine = engine
    engine.post(ev.Tick())
    engine.run()
    pauses = [later - earlier for earlier, later in zip(link.times, link.times[1:], strict=False)]
    assert len(pauses) == 3
    for doubled, pause in enumerate(pauses):
        assert pause >= RETRY_SECONDS / 2 * 2**doubled


def test_what_waits_for_an_operator_is_a_warning_of_its_own() -> None:
    class Decides(Insists):
        def step(self, events: Iterable[ev.Event], now: float) -> list[ef.Effect]:
            decisions = [ef.Decision("declined"), ef.Decision("it waits", "db", warning=True)]
            return [*decisions, *super().step(events, now)]

    link = OutOfReach(1)
    engine: Engine[Any] = Engine(
        cast(Core, Decides()), MemoryStore(), link, lambda: "id", lambda ask: None
    )
    link.engine = engine
    engine.post(ev.Tick())
    with capture_logs() as logs:
        engine.run()
    told = [(entry["log_level"], entry["event"]) for entry in logs]
    assert ("warning", "db: it waits") in told
    assert ("info", "declined") in told
