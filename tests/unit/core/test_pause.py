"""Pausing tasks: what is launched instead, what it holds up, and that it lasts."""

from dataclasses import replace

import pytest

from holdfast.core import events as ev
from holdfast.core.confidential import Shortage
from holdfast.core.events import Verb
from holdfast.core.pause import PAUSED, PAUSING, RESUMING, shown, step_shown
from holdfast.core.pausing import SLEEP
from holdfast.mesos.messages import TaskState
from holdfast.plans.plan import Status
from holdfast.service.model import (
    Goal,
    HealthCheckSpec,
    HookSpec,
    HooksSpec,
    SecretSpec,
    ServiceSpec,
    TaskSpec,
    VolumeSpec,
)
from holdfast_executor.contract import TaskLaunch
from tests.unit.core.offers import service
from tests.unit.core.test_plan_engine import build
from tests.unit.core.world import World

CHECK = HealthCheckSpec("true", 5, 0, 3, 0, 5)


def task(name: str, **changes: object) -> TaskSpec:
    spec = TaskSpec(name, Goal.RUNNING, "run", 0.1, 32, health_check=CHECK)
    return replace(spec, **changes)  # type: ignore[arg-type]


SERVER = task("server", volumes=(VolumeSpec("data", 10),))
HELPER = task("helper", essential=False)


def deployed(spec: ServiceSpec | None = None) -> World:
    world = World(spec or service(2, tasks=(SERVER, HELPER)), agents=2)
    world.until(lambda: world.status() is Status.COMPLETE)
    return world


def launch(world: World, name: str) -> TaskLaunch:
    return TaskLaunch.decode(world._find(name)[1].info["data"])


def as_shown(world: World, pod: str, name: str) -> str | None:
    known = world.pod(pod).task(name)
    return shown(known, name in world.core.ledger.paused.get(pod, ()))


def settle_paused(world: World, name: str = "server") -> None:
    world.until(lambda: as_shown(world, "db-0", name) == PAUSED)


def test_a_paused_pod_sleeps_on_its_volumes_without_checks_that_pass() -> None:
    world = deployed()
    before = world.pod("db-0")
    assert world.order(Verb.POD_PAUSE, "db-0") == 200
    assert as_shown(world, "db-0", "server") == PAUSING
    settle_paused(world)
    settle_paused(world, "helper")
    info = world._find("db-0-server")[1].info
    assert launch(world, "db-0-server").command == SLEEP
    assert "health_check" not in info
    assert info["check"]["command"]["command"]["value"] == "exit 1"
    assert world.pod("db-0").reservation == before.reservation
    assert launch(world, "db-1-server").command == "run"


def test_it_is_never_ready_whatever_its_check_says() -> None:
    world = deployed()
    world.order(Verb.POD_PAUSE, "db-0")
    settle_paused(world)
    world.ready = True
    agent, running = world._find("db-0-server")
    world._report(agent, running, TaskState.RUNNING)
    assert not world.task("db-0", "server").ready
    assert world.status("recovery") is not Status.COMPLETE


def test_only_the_tasks_named_are_paused_by_either_name() -> None:
    for given in ("helper", "db-0-helper"):
        world = deployed()
        server = world.task("db-0", "server").id
        assert world.order(Verb.POD_PAUSE, "db-0", parameters={given: ""}) == 200
        settle_paused(world, "helper")
        assert world.task("db-0", "server").id == server
        assert world.task("db-0", "server").running


def test_resuming_brings_the_command_back_in_place() -> None:
    world = deployed()
    before = world.pod("db-0").reservation
    world.order(Verb.POD_PAUSE, "db-0")
    settle_paused(world)
    assert world.order(Verb.POD_RESUME, "db-0") == 200
    assert as_shown(world, "db-0", "server") == RESUMING
    world.until(lambda: world.task("db-0", "server").running)
    assert launch(world, "db-0-server").command == "run"
    assert as_shown(world, "db-0", "server") is None
    assert world.pod("db-0").reservation == before
    world.until(lambda: world.status("recovery") is Status.COMPLETE)
    assert "paused/db-0" not in world.store.records


def test_it_outlives_the_scheduler_and_a_failure_of_the_task() -> None:
    world = deployed()
    world.order(Verb.POD_PAUSE, "db-0")
    settle_paused(world)
    asleep = world.task("db-0", "server").id
    world.start(world.core.ledger.service)
    world.settle()
    assert world.task("db-0", "server").id == asleep
    world.end("db-0-server")
    world.until(lambda: world.task("db-0", "server").id != asleep)
    settle_paused(world)
    assert launch(world, "db-0-server").command == SLEEP


def test_an_update_does_not_go_past_a_paused_instance() -> None:
    world = deployed()
    world.order(Verb.POD_PAUSE, "db-0")
    settle_paused(world)
    changed = service(2, tasks=(replace(SERVER, cmd="run 2"), HELPER))
    world.start(changed)
    world.settle(40)
    assert world.status() is not Status.COMPLETE
    assert launch(world, "db-0-server").command == SLEEP
    assert launch(world, "db-1-server").command == "run"
    world.order(Verb.POD_RESUME, "db-0")
    world.until(lambda: world.status() is Status.COMPLETE)
    assert launch(world, "db-0-server").command == "run 2"


def test_a_hook_that_is_owed_waits_until_the_task_does_its_work() -> None:
    spec = service(1, tasks=(SERVER,))
    (pod,) = spec.pods
    hooked = replace(spec, pods=(replace(pod, hooks=HooksSpec(create=HookSpec("hook", 5))),))
    world = World(hooked)
    world.order(Verb.POD_PAUSE, "db-0")
    world.until(lambda: "db-0" in world.core.ledger.pods)
    settle_paused(world)
    assert launch(world, "db-0-server").hook is None
    world.order(Verb.POD_RESUME, "db-0")
    world.until(lambda: world.status() is Status.COMPLETE)
    assert launch(world, "db-0-server").hook is not None


def test_the_operator_is_warned_of_others_that_are_down() -> None:
    world = deployed()
    world.order(Verb.POD_PAUSE, "db-1")
    world.until(lambda: as_shown(world, "db-1", "server") == PAUSED)
    assert world.order(Verb.POD_PAUSE, "db-0") == 200
    assert "mind that db-1 is down too" in world.answer


@pytest.mark.parametrize(
    ("verb", "pod", "tasks", "status"),
    [
        (Verb.POD_PAUSE, "db-9", {}, 404),
        (Verb.POD_PAUSE, "db-0", {"nothing": ""}, 404),
        (Verb.POD_RESUME, "db-0", {}, 409),
        (Verb.POD_RESUME, "db-0", {"server": ""}, 409),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    verb: Verb, pod: str, tasks: dict[str, str], status: int
) -> None:
    world = deployed()
    before = kept(world)
    assert world.order(verb, pod, parameters=tasks) == status
    assert "othing was changed" in world.answer
    assert kept(world) == before


def kept(world: World) -> dict[str, bytes]:
    """What is stored, without the journal of commands."""
    records = world.store.records.items()
    return {path: data for path, data in records if not path.startswith("journal/")}


@pytest.mark.parametrize("pod", ["nobody", "", "db-", "-", "db-x"])
def test_names_that_are_none_are_refused(pod: str) -> None:
    assert deployed().order(Verb.POD_PAUSE, pod) == 404


def test_what_could_not_start_again_is_left_alone() -> None:
    spec = service(1, tasks=(SERVER,))
    (pod,) = spec.pods
    secret = SecretSpec("pw", "password", env_key="PASSWORD")
    world = deployed(replace(spec, pods=(replace(pod, secrets=(secret,)),)))
    world.step(ev.ShortageChanged(Shortage({"password": "there is no such file"})))
    before = kept(world)
    assert world.order(Verb.POD_PAUSE, "db-0") == 409
    assert "there is no such file" in world.answer
    assert kept(world) == before
    world.step(ev.ShortageChanged(Shortage()))
    assert world.order(Verb.POD_PAUSE, "db-0") == 200


def test_twice_is_refused() -> None:
    world = deployed()
    world.order(Verb.POD_PAUSE, "db-0")
    assert world.order(Verb.POD_PAUSE, "db-0") == 409


def test_a_step_is_shown_as_paused_only_when_all_of_it_is() -> None:
    world = deployed()
    world.order(Verb.POD_PAUSE, "db-0", parameters={"server": ""})
    settle_paused(world)
    pod, paused = world.pod("db-0"), world.core.ledger.paused["db-0"]
    assert step_shown(pod, ("server",), paused) == PAUSED
    assert step_shown(pod, ("server", "helper"), paused) is None
    assert step_shown(pod, ("helper",), paused) is None
    assert step_shown(None, ("server",), paused) is None
    world.step(ev.Command("c", Verb.POD_PAUSE, "db-0"))
    pod, paused = world.pod("db-0"), world.core.ledger.paused["db-0"]
    assert step_shown(pod, ("server", "helper"), paused) == PAUSING


def test_an_instance_that_leaves_takes_its_pause_along() -> None:
    spec = service(2, tasks=(SERVER,))
    (pod,) = spec.pods
    spec = replace(spec, pods=(replace(pod, allow_decommission=True),))
    world = deployed(spec)
    world.order(Verb.POD_PAUSE, "db-1")
    fewer = replace(spec, pods=(replace(spec.pods[0], count=1),))
    world.start(fewer)
    world.until(lambda: "db-1" not in world.core.ledger.pods)
    assert "paused/db-1" not in world.store.records


def test_a_pause_of_what_was_never_launched_goes_with_it() -> None:
    world = World(build(task("node"), count=2, allow_decommission=True), 1)
    assert world.order(ev.Verb.POD_PAUSE, "db-1") == 200
    world.start(build(task("node"), allow_decommission=True))
    assert not world.core.ledger.paused
    world.start(build(task("node"), count=2, allow_decommission=True))
    assert not world.core.ledger.paused, "another one of that name is not meant"


def test_instances_that_nobody_asks_for_any_more_can_be_paused() -> None:
    kept = service(1, tasks=(SERVER,))
    leaving = replace(kept.pods[0], type="old", count=2, allow_decommission=True)
    phases = (*kept.deploy.phases, replace(kept.deploy.phases[0], name="old", pod="old"))
    both = replace(kept, pods=(*kept.pods, leaving), deploy=replace(kept.deploy, phases=phases))
    world = World(both, agents=3)
    world.until(lambda: world.status() is Status.COMPLETE)
    world.start(kept)
    assert "old-1" in world.core.ledger.pods, "it is being stopped"
    assert world.order(Verb.POD_PAUSE, "old-0") == 200
    assert "mind that" not in world.answer


def test_a_replaced_instance_that_is_not_launched_yet_can_be_paused() -> None:
    world = deployed()
    assert world.order(Verb.POD_REPLACE, "db-0") == 200
    assert world.pod("db-0").tasks == ()
    assert world.order(Verb.POD_PAUSE, "db-0") == 200
    settle_paused(world)
