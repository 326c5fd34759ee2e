"""The invariants of clusters that only Mesos and the scheduler tell of: what violates them is seen.

In a world where all is well but for one thing that thing is found; or nothing, where it may be so.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import invariants, taken_down
from tests.unit.made_up_world import (
    AGENT,
    OWN,
    World,
    framework,
    held,
    operation,
    reservation,
    where_all_is_well,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with where_all_is_well(tmp_path) as world:
        yield world


def test_where_all_is_well_nothing_is_found_and_all_is_asked(world: World) -> None:
    assert world.look() == []
    assert {asked.path for asked in world.server.asked} >= {"/frameworks", "/slaves", "/api/v1"}


def test_a_second_active_framework_of_the_name_is_found(world: World) -> None:
    world.frameworks.append(framework("5d8b3a1e-0002"))
    (fault,) = world.look()
    assert fault.startswith("I1: Mesos has 2 active frameworks called {'db'}")
    assert OWN in fault
    assert "5d8b3a1e-0002" in fault


def test_a_framework_of_the_name_that_waits_to_fail_over_does_not_lead(world: World) -> None:
    world.frameworks.append(framework("5d8b3a1e-0002", active=False))
    assert world.look() == []


@pytest.mark.parametrize("class_", ["forgotten", "unknown"])
@pytest.mark.parametrize("kind", ["reservation", "volume"])
def test_what_no_record_explains_is_found(world: World, kind: str, class_: str) -> None:
    world.orphans.append(held("r3", class_, kind=kind))
    (fault,) = world.look()
    assert fault.startswith(
        f"I4: {kind} r3-cpus on 10.0.0.1 is {class_}, and not in quarantine: `holdfast orphans"
    )


def test_what_is_shown_as_quarantined_is_as_it_should_be(world: World) -> None:
    world.orphans.append(held("r3", "forgotten"))
    world.bodies["/v1/quarantine"].append({"id": "r3-cpus"})
    assert world.look() == []


@pytest.mark.parametrize("more", [{"applicable": False}, {"kind": "task"}])
def test_what_cannot_be_in_quarantine_need_not_be(world: World, more: dict[str, Any]) -> None:
    """What was not offered yet, or is no resource at all."""
    world.orphans.append(held("r3", "forgotten", **more))
    assert world.look() == []


def test_a_reservation_that_the_scheduler_does_not_tell_of_is_found(world: World) -> None:
    world.reserved.append(reservation("r3"))
    (fault,) = world.look()
    assert fault.startswith(
        "I4: cpus on 10.0.0.1 is reserved for db, and /v1/orphans does not tell of it"
    )
    assert "'resource_id': 'r3'" in fault


def test_a_reservation_of_another_service_is_its_own_matter(world: World) -> None:
    world.reserved.extend([reservation("r3", "another"), {"name": "mem", "reservations": [{}]}])
    assert world.look() == []


def test_an_operation_without_an_outcome_is_found(world: World) -> None:
    world.operations.append(operation("OPERATION_PENDING"))
    assert world.look() == [f"I5: operation RESERVE on agent {AGENT} has no outcome"]


@pytest.mark.parametrize("more", [{"agent": "5d8b3a1e-S1"}, {"framework_id": "another"}])
def test_an_operation_may_wait_for_its_agent(world: World, more: dict[str, str]) -> None:
    """One that is not reachable; operations of other frameworks are theirs."""
    world.operations.append(operation("OPERATION_PENDING", **more))
    assert world.look() == []


def stopping(world: World, *numbers: int) -> None:
    for number in numbers:
        world.instance(f"node-{number}")["state"] = "stopping"


def test_more_that_are_stopped_at_once_than_may_be_are_found(world: World) -> None:
    stopping(world, 0, 2)
    assert world.look() == ["I6: ['node-0', 'node-2'] are being stopped at once, at most 1 may be"]


def test_as_many_as_may_be_are_stopped_at_once(world: World) -> None:
    stopping(world, 0)
    assert world.look() == []
    world.bodies["/v1/configurations/target"]["pods"][0]["max_unavailable"] = 2
    stopping(world, 2)
    assert world.look() == []


def test_what_failed_or_is_not_wanted_any_more_is_not_counted(world: World) -> None:
    stopping(world, 0, 1, 2)
    world.instance("node-0")["decision"] = {"action": "replace"}
    world.bodies["/v1/configurations/target"]["pods"][0]["count"] = 2
    assert world.look() == []


def test_by_force_more_may_be_stopped_for_a_while(world: World) -> None:
    stopping(world, 0, 1)
    order: dict[str, Any] = {"what": "pod restart node-1 with force", "at": time.time()}
    world.bodies["/v1/events?kind=command&limit=500"]["events"].append(order)
    assert world.look() == []
    order["at"] -= taken_down.FORCED_SECONDS + 1
    (fault,) = world.look()
    assert fault.startswith("I6: ['node-0', 'node-1'] are being stopped at once")


def test_two_on_one_agent_that_are_to_be_apart_are_found(world: World) -> None:
    world.instance("node-2")["agent"] = world.instance("node-0")["agent"]
    (fault,) = world.look()
    assert fault == (
        "I7: ['node-0', 'node-2'] are on 10.0.0.1, and each is to have a host of its own"
    )


def test_two_may_be_on_one_agent_or_on_none(world: World) -> None:
    """Where nothing else is asked for; and what is to go may be where it is."""
    for name in ("node-0", "node-1"):
        world.instance(name)["agent"] = None
    assert world.look() == []
    world.instance("node-1")["agent"] = world.instance("node-2")["agent"]
    spec = world.bodies["/v1/configurations/target"]["pods"][0]
    spec["count"] = 2
    assert world.look() == []
    spec["count"] = 3
    assert world.look() != []
    spec["placement"][0]["operator"] = "GROUP_BY"
    assert world.look() == []


def test_what_goes_on_being_violated_fails_a_test_and_what_is_mended_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invariants, "POLL_SECONDS", 0.001)
    volumes = invariants.Volumes(world.cluster)
    world.operations.append(operation("OPERATION_PENDING"))
    with pytest.raises(AssertionError, match="invariants are violated:\nI5: operation RESERVE"):
        invariants.check(world, volumes, seconds=0.05)

    looks = []

    def mended(service: invariants.Service, volumes: invariants.Volumes) -> list[str]:
        looks.append(1)
        return ["I5: not yet"] if len(looks) < 3 else []

    monkeypatch.setattr(invariants, "look", mended)
    invariants.check(world, volumes, seconds=20)
    assert len(looks) == 3
