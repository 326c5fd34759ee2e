"""The uninstall: what it takes down, what it waits for, and what it leaves alone."""

from dataclasses import replace

import pytest

from holdfast.api.pods import instance_names
from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.events import Verb
from holdfast.core.startup import is_being_uninstalled, open_ledger, open_uninstall
from holdfast.core.uninstall_record import (
    Forgotten,
    Left,
    Uninstalling,
    uninstalling_from_json,
    uninstalling_to_json,
)
from holdfast.mesos.messages import TaskState
from holdfast.plans.plan import Status
from holdfast.service.encode import config_id
from tests.unit.core.offers import service
from tests.unit.core.world import World

SPEC = service(2)


def deployed() -> World:
    world = World(SPEC, agents=3)
    world.until(lambda: world.status() is Status.COMPLETE)
    return world


def phases(world: World) -> dict[str, Status]:
    return {phase.name: phase.status for phase in world.plan().phases}


def finish(world: World) -> None:
    """Until the framework is to be torn down, and the master has done it."""
    world.until(lambda: world.torn_down > 0)
    world.step(ev.FrameworkRemoved())


def test_everything_goes_in_order_and_nothing_is_left() -> None:
    world = deployed()
    volumes = {v.id for p in world.core.ledger.pods.values() for v in p.reservation.volumes}  # type: ignore[union-attr]
    assert world.order(Verb.UNINSTALL, "db") == 200
    assert "cannot be undone" in world.answer
    world.step()
    plan = world.plan()
    assert [p.name for p in plan.phases] == [
        "kill-tasks",
        "unreserve-resources-host-1",
        "unreserve-resources-host-2",
        "deregister-service",
    ]
    assert {s.name.split("__")[0] for s in plan.phases[0].steps} == {"kill-task-db"}
    assert all(s.name.startswith("unreserve-") for s in plan.phases[1].steps)
    assert plan.status is Status.IN_PROGRESS
    finish(world)
    assert world.plan().status is Status.COMPLETE
    assert world.running() == set()
    assert all(agent.reserved == {} for agent in world.agents.values())
    destroyed = {
        volume["disk"]["persistence"]["id"]
        for accept in world.calls
        if isinstance(accept, ef.Accept)
        for operation in accept.operations
        if operation["type"] == "DESTROY"
        for volume in operation["destroy"]["volumes"]
    }
    assert destroyed == volumes
    assert world.store.records == {}


def test_every_volume_is_named_by_a_stored_intent_before_anything_is_destroyed() -> None:
    world = deployed()
    volumes = {v.id for p in world.core.ledger.pods.values() for v in p.reservation.volumes}  # type: ignore[union-attr]
    world.order(Verb.UNINSTALL, "db")
    world.step()
    stored = {path.removeprefix("intents/") for path in world.store.records if "intents/" in path}
    assert stored == volumes
    assert "DESTROY" not in world.operations()


def test_the_picture_can_be_shown_at_every_step() -> None:
    """Its records are those of the core, which are no plain dictionaries."""
    world = deployed()
    assert instance_names(world.core.view(world.now)) == ["db-0", "db-1"]
    world.order(Verb.UNINSTALL, "db")
    world.step()
    assert instance_names(world.core.view(world.now)) == ["db-0", "db-1"]


def test_the_name_must_be_that_of_the_service() -> None:
    world = deployed()
    assert world.order(Verb.UNINSTALL, "other") == 400
    assert world.core.ledger.uninstalling is None
    assert world.status() is Status.COMPLETE


@pytest.mark.parametrize(
    "command",
    [
        (Verb.POD_RESTART, "db-0"),
        (Verb.POD_REPLACE, "db-0"),
        (Verb.PLAN_INTERRUPT, "deploy"),
        (Verb.UNINSTALL, "db"),
        (Verb.PLAN_FORCE_COMPLETE, "deploy"),
    ],
)
def test_nothing_else_is_done_any_more(command: tuple[Verb, str]) -> None:
    world = deployed()
    world.order(Verb.UNINSTALL, "db")
    assert world.order(*command) == 409


def test_a_host_that_is_gone_is_waited_for_visibly_until_it_is_forgotten() -> None:
    world = deployed()
    world.lose(1)
    lost = world.pod("db-0").reservation
    assert lost is not None
    world.order(Verb.UNINSTALL, "db")
    (waiting, *_) = world.plan().phases[1].steps
    assert "host-1 has not been heard of since at least" in waiting.message
    world.settle(60)
    assert world.torn_down == 0
    status = phases(world)
    assert status["unreserve-resources-host-2"] is Status.COMPLETE
    assert status["unreserve-resources-host-1"] is Status.IN_PROGRESS
    (waiting, *_) = world.plan().phases[1].steps
    assert "host-1 has not been heard of since" in waiting.message
    assert "plan force-complete deploy unreserve-resources-host-1" in waiting.message
    forced = {"phase": "unreserve-resources-host-1"}
    assert world.order(Verb.PLAN_FORCE_COMPLETE, "deploy", **forced, step=waiting.name) == 409
    assert world.order(Verb.PLAN_FORCE_COMPLETE, "deploy", **forced) == 200
    world.find(1)  # too late: what it has is nobody's now
    finish(world)
    assert world.plan().status is Status.COMPLETE
    record = world.core.ledger.uninstalling
    assert record is not None
    assert [(f.pod, f.hostname, f.volumes) for f in record.forgotten] == [
        ("db-0", "host-1", tuple(v.id for v in lost.volumes))
    ]
    told = world.warnings[-1]
    assert "machines: forgotten on host-1: the place of db-0 with " in told
    assert lost.volumes[0].id in told
    assert lost.volumes[0].id in {
        resource.get("disk", {}).get("persistence", {}).get("id")
        for resource in world.agents["agent-1"].reserved.values()
    }, "what was forgotten must not be destroyed"
    assert world.killed.count("db-0-node") >= 1


def test_what_no_record_explains_is_left_and_reported() -> None:
    world = deployed()
    world.order(Verb.POD_REPLACE, "db-1")
    world.until(lambda: world.status("recovery") is Status.COMPLETE)
    (retired,) = world.core.ledger.retired.values()
    volume = retired.reservation.volumes[0].id
    assert world.order(Verb.VOLUMES_FORGET, volume) == 200
    world.order(Verb.UNINSTALL, "db")
    finish(world)
    record = world.core.ledger.uninstalling
    assert record is not None
    assert volume in {item.id for item in record.left}
    assert volume in world.plan().phases[-1].steps[0].message
    left = [r for a in world.agents.values() for r in a.reserved.values() if "disk" in r]
    assert [r["disk"]["persistence"]["id"] for r in left] == [volume]


def test_retired_reservations_are_part_of_it() -> None:
    world = deployed()
    world.order(Verb.POD_REPLACE, "db-1")
    world.until(lambda: world.status("recovery") is Status.COMPLETE)
    world.order(Verb.UNINSTALL, "db")
    finish(world)
    assert all(agent.reserved == {} for agent in world.agents.values())


def test_the_environment_begins_it_and_goes_on_with_it_after_each_crash() -> None:
    world = deployed()
    world.start_uninstall(SPEC)
    crashes = 0
    while not world.torn_down:
        world.settle(4 + crashes)
        world.start_uninstall(SPEC)
        crashes += 1
    assert crashes > 5
    world.step(ev.FrameworkRemoved())
    assert world.plan().status is Status.COMPLETE
    assert all(agent.reserved == {} for agent in world.agents.values())
    assert world.store.records == {}


def test_a_changed_definition_does_not_become_the_target_of_what_goes() -> None:
    world = deployed()
    world.start_uninstall(replace(SPEC, principal="another"))
    assert world.core.ledger.service.principal == "db-principal"


def test_deregistering_is_stored_before_the_framework_is_torn_down() -> None:
    world = deployed()
    world.order(Verb.UNINSTALL, "db")
    for _ in range(100):
        effects = world.step(after=1.0)
        if any(isinstance(effect, ef.Teardown) for effect in effects):
            assert uninstalling_from_json(world.store.load()["uninstalling"]).deregistering
            return
        world.round()
    raise AssertionError("the framework is never torn down")


def test_a_teardown_without_an_answer_is_sent_again() -> None:
    world = deployed()
    world.order(Verb.UNINSTALL, "db")
    world.until(lambda: world.torn_down == 1)
    world.step(ev.CallFailed(ef.Teardown(), "no answer", sent=True))
    world.settle(10)
    assert world.torn_down > 1


def test_nothing_stored_means_that_all_is_done_and_nothing_is_stored() -> None:
    world = World(SPEC)
    world.store.records.clear()
    world.start_uninstall(SPEC)
    world.step(after=1.0)
    assert world.plan().status is Status.COMPLETE
    assert world.store.records == {}
    assert world.torn_down == 0


def test_orders_after_the_end_are_refused_and_not_stored() -> None:
    world = deployed()
    world.order(Verb.UNINSTALL, "db")
    finish(world)
    assert world.order(Verb.POD_RESTART, "db-0") == 409
    assert world.order(Verb.UNINSTALL, "db") == 409
    assert world.store.records == {}


def test_half_wiped_records_are_wiped_on() -> None:
    world = deployed()
    world.order(Verb.UNINSTALL, "db")
    world.until(lambda: world.torn_down > 0)
    for path in list(world.store.records):
        if path not in ("uninstalling", "target"):
            del world.store.records[path]
    world.start_uninstall(SPEC)
    world.step(after=1.0)
    assert world.plan().status is Status.COMPLETE
    assert world.store.records == {}


def test_a_service_that_never_subscribed_needs_no_master() -> None:
    world = World(SPEC)
    del world.store.records["framework"]
    world.start_uninstall(SPEC)
    world.step(after=1.0)
    assert world.plan().status is Status.COMPLETE
    assert world.store.records == {}


def test_the_records_say_that_there_is_no_way_back() -> None:
    world = deployed()
    assert not is_being_uninstalled(world.store.load())
    world.order(Verb.UNINSTALL, "db")
    assert is_being_uninstalled(world.store.load())
    ledger, _ = open_ledger(world.store.load(), SPEC)
    assert ledger.uninstalling is not None
    again = open_uninstall(world.store.load(), SPEC, 5.0)
    assert again.uninstalling == ledger.uninstalling, "the first word counts"


def test_the_record_survives_being_stored() -> None:
    record = Uninstalling(
        3.0,
        deregistering=True,
        forgotten=(Forgotten("db-0", "host-1", ("v1", "v2"), 4.0),),
        left=(Left("v9", "volume", 10.0, "host-2"),),
    )
    assert uninstalling_from_json(uninstalling_to_json(record)) == record


def test_what_others_took_at_once_is_taken_for_given_back_after_a_while() -> None:
    """The agent offers nothing any more once its resources are free: others have them all."""
    world = deployed()
    world.order(Verb.UNINSTALL, "db")
    world.until(lambda: all(agent.reserved == {} for agent in world.agents.values()))
    offers_before = world.torn_down
    for _ in range(200):
        world.step(after=1.0)
    assert (offers_before, world.torn_down > 0) == (0, True)


# -- forgetting without an uninstall ------------------------------------------------------------


def replaced(world: World) -> str:
    """The id of the volume that db-0 left on an agent that is gone."""
    world.lose(1)
    world.order(Verb.POD_REPLACE, "db-0")
    world.until(lambda: world.status("recovery") is Status.COMPLETE)
    (left,) = world.core.ledger.retired.values()
    return left.reservation.volumes[0].id


@pytest.mark.parametrize("by", ["volume", "pod", "reservation"])
def test_what_is_on_a_lost_machine_can_be_forgotten(by: str) -> None:
    world = deployed()
    volume = replaced(world)
    (left,) = world.core.ledger.retired.values()
    names = {"volume": volume, "pod": "db-0", "reservation": left.reservation.resource_id}
    world.order(Verb.VOLUMES_DESTROY, volume)
    assert world.order(Verb.VOLUMES_FORGET, names[by]) == 200
    assert "quarantined" in world.answer
    assert world.core.ledger.retired == {}
    assert world.core.ledger.intents == {}
    world.find(1)
    world.settle()
    assert volume in world.core.view(world.now).quarantined
    assert "DESTROY" not in world.operations()


def test_only_what_is_retired_can_be_forgotten() -> None:
    world = deployed()
    pod = world.pod("db-1").reservation
    assert pod is not None
    assert world.order(Verb.VOLUMES_FORGET, pod.volumes[0].id) == 404
    assert world.order(Verb.VOLUMES_FORGET, "db-1") == 404


def test_what_still_runs_is_not_forgotten() -> None:
    world = deployed()
    world.order(Verb.POD_REPLACE, "db-0")
    assert world.order(Verb.VOLUMES_FORGET, "db-0") == 409
    assert world.task("db-1", "node").state is TaskState.RUNNING


def test_the_target_is_not_stored_anew() -> None:
    world = deployed()
    stored = dict(world.store.records)
    world.start_uninstall(service(5))
    assert f"configs/{config_id(SPEC)}" in stored
    assert set(world.store.records) - set(stored) <= {"uninstalling"} | {
        path
        for path in world.store.records
        if path.split("/")[0] in ("uninstall", "retired", "intents")
    }
