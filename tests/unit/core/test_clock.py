"""Clocks that are set forwards or back: what waits does not wait for longer."""

import itertools
from collections.abc import Callable
from dataclasses import replace

from holdfast.core import events as ev
from holdfast.core.core import Core
from holdfast.core.future import not_from_the_future
from holdfast.core.startup import open_ledger
from holdfast.engine import Engine
from holdfast.mesos.channel import SENT
from holdfast.plans.plan import Status
from holdfast.state.memory import MemoryStore

from .test_plan_engine import build, deployed, task
from .world import CRASHES, SETTINGS


class Deaf:
    """A master that takes every call."""

    def call(self, message: object) -> object:
        return SENT

    teardown = update_framework = None


def engine(clock: Callable[[], float], steady: Callable[[], float]) -> Engine:
    ids = itertools.count()
    ledger, _ = open_ledger({}, build(task("node")))
    core = Core(ledger, SETTINGS, lambda: f"id{next(ids)}")
    return Engine(
        *(core, MemoryStore(), Deaf(), lambda: "id", lambda question: None),  # type: ignore[arg-type]
        clock=clock,
        steady=steady,
    )


def test_time_goes_on_as_ever_when_the_clock_is_set() -> None:
    wall, steady = 1_000_000.0, 50.0
    one = engine(lambda: wall, lambda: steady)
    one.cycle([ev.Tick()])
    assert one._now == 1_000_000.0
    wall, steady = wall + 1, steady + 1
    one.cycle([ev.Tick()])
    assert one._now == 1_000_001.0
    wall, steady = wall - 3600, steady + 10
    one.cycle([ev.Tick()])
    assert one._now == 1_000_011.0
    wall, steady = wall + 7200, steady + 1
    one.cycle([ev.Tick()])
    assert one._now == 1_000_012.0


def test_what_was_stored_with_a_clock_that_was_ahead_is_tried_again_in_time() -> None:
    world = deployed(build(task("node")))
    world.now += 7200.0
    world.behaviour["node"] = CRASHES
    world.end("db-0-node")
    world.settle(30)
    assert world.status("recovery") is Status.DELAYED
    world.now -= 7200.0
    world.behaviour.clear()
    world.start(build(task("node")))
    pod = world.pod("db-0")
    assert all(t.since <= world.now and t.launched <= world.now for t in pod.tasks)
    world.until(lambda: "db-0-node" in world.running(), 330)
    assert any("from the future" in text for text in world.decisions)


def test_clocks_that_differ_a_little_change_no_record() -> None:
    world = deployed(build(task("node")))
    pod = world.pod("db-0")
    assert not_from_the_future(pod, world.now - 50.0, 300.0) is pod
    ahead = replace(pod, tasks=tuple(replace(t, since=world.now + 3600.0) for t in pod.tasks))
    mended = not_from_the_future(ahead, world.now, 300.0)
    assert [t.since for t in mended.tasks] == [world.now]
