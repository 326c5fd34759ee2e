"""A forgotten machine comes back: what is on it is kept, and only what is named is given back."""

import pytest

from holdfast.core import events as ev
from tests.simulation import faults
from tests.simulation.faults import Fault
from tests.simulation.run import report, run
from tests.simulation.world import World

SEED = 3
BEFORE_STORING = 1
"""The first place to die at: the order was never answered, and nothing of it is done."""


def quarantined(world: World) -> dict[str, str]:
    return {item.id: item.kind for item in world.newest.engine.view.quarantined.values()}


@pytest.mark.parametrize("crash", [None, BEFORE_STORING, 2, 3, 4])
def test_only_named_reservations_of_a_forgotten_machine_go(
    monkeypatch: pytest.MonkeyPatch, crash: int | None
) -> None:
    """db-0's machine is cut off, db-0 replaced and its former place forgotten; then it is back.

    With `crash` the scheduler dies at that place between storing and sending after the order.
    """
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    named: list[str] = []

    def forget(world: World, pick: int) -> None:
        for left in world.newest.engine.view.retired.values():
            world.order(ev.Verb.VOLUMES_FORGET, left.reservation.resource_id)

    def free(world: World, pick: int) -> None:
        before.update(quarantined(world))
        named.extend(name for name, kind in before.items() if kind in ("cpus", "ports"))
        for name in named:
            world.order(ev.Verb.VOLUMES_DESTROY, name)
        world.newest.faults.crash_in = crash

    def look(world: World, pick: int) -> None:
        after.update(quarantined(world))
        assert not world.newest.engine.view.intents

    for action in (forget, free, look):
        monkeypatch.setitem(faults.KINDS, action.__name__, action)
    schedule = [
        Fault(60.0, "cut_long", 479),
        Fault(160.0, "pod_replace", 0),
        Fault(200.0, "forget", 0),
        Fault(270.0, "kill", 0),  # its successor looks at all offers
        Fault(300.0, "free", 0),
        Fault(400.0, "look", 0),
    ]
    outcome = run(SEED, schedule, patience=300.0, service="serial")
    assert not outcome.violations, report(outcome, 40)
    assert {"cpus", "mem", "volume"} <= set(before.values()), before
    assert named
    gone = named if crash != BEFORE_STORING else []
    assert after == {name: kind for name, kind in before.items() if name not in gone}
