"""What an instance owes before it starts, and what it is told of whom it takes over from."""

from holdfast.core import events as ev
from holdfast.mesos.messages import TaskState
from holdfast.plans.plan import Status
from holdfast.records import Predecessor, pod_from_json, pod_to_json
from holdfast.service.model import HookSpec, HooksSpec, ReadinessCheckSpec
from holdfast_executor.contract import TaskLaunch

from .test_plan_engine import DATA, build, deployed, task
from .world import World

HOOKS = HooksSpec(HookSpec("make", 10.0), HookSpec("take over", 10.0))
PAIR = build(task("a", volumes=DATA), task("b"), deploy=(("a", "b"),), hooks=HOOKS)


def hook(world: World, name: str) -> str | None:
    data = world._find(name)[1].info["data"]
    found = TaskLaunch.decode(data).hook
    return found.name if found else None


def test_all_tasks_launched_together_owe_the_hook() -> None:
    world = World(PAIR)
    world.behaviour = {"a": (), "b": ()}
    world.until(lambda: len(world.running()) == 2)
    assert hook(world, "db-0-a") == hook(world, "db-0-b") == "create"


def test_a_failed_hook_is_owed_again() -> None:
    world = World(PAIR)
    world.behaviour = {"a": (TaskState.FAILED,), "b": (TaskState.FAILED,)}
    world.settle(3)
    assert world.pod("db-0").hook == "create"
    world.behaviour = {}
    world.settle(20)
    assert world.status() is Status.COMPLETE
    assert world.pod("db-0").hook is None


def test_a_replaced_instance_knows_where_its_predecessor_was() -> None:
    world = deployed(PAIR, agents=2)
    former = world.pod("db-0").reservation
    assert former
    assert "REPLACED_IP" not in world.environment("db-0-a")
    world.behaviour = {"a": (), "b": ()}
    world.order(ev.Verb.POD_REPLACE, "db-0")
    world.until(lambda: len(world.launched) == 2)
    for name in ("db-0-a", "db-0-b"):
        assert hook(world, name) == "replace"
        environment = world.environment(name)
        assert environment["REPLACED_IP"] == former.ip
        assert environment["REPLACED_HOSTNAME"] == former.hostname


def test_the_predecessor_is_told_until_the_instance_is_deployed() -> None:
    check = ReadinessCheckSpec("true", 1.0, 0.0, 1.0)
    world = deployed(build(task("a", volumes=DATA, readiness_check=check), hooks=HOOKS), agents=3)
    first = world.pod("db-0").reservation
    assert first
    world.ready = False
    world.order(ev.Verb.POD_REPLACE, "db-0")
    world.until(lambda: world.pod("db-0").has_live_tasks)
    world.settle(2)
    second = world.pod("db-0")
    assert second.reservation != first
    assert (second.hook, second.replaced) == (None, Predecessor(first.ip, first.hostname))
    world.order(ev.Verb.POD_REPLACE, "db-0")
    assert world.pod("db-0").replaced == second.replaced, "the second never served"
    world.ready = True
    world.until(lambda: world.status("recovery") is Status.COMPLETE)
    assert world.environment("db-0-a")["REPLACED_IP"] == first.ip
    assert world.pod("db-0").replaced is None
    world.order(ev.Verb.POD_RESTART, "db-0")
    world.forget()
    world.until(lambda: bool(world.launched))
    assert "REPLACED_IP" not in world.environment("db-0-a")


def test_an_instance_that_never_ran_has_no_predecessor() -> None:
    world = World(PAIR, 2)
    world.behaviour = {"a": (), "b": ()}
    world.until(lambda: len(world.running()) == 2)
    world.order(ev.Verb.POD_REPLACE, "db-0")
    pod = world.pod("db-0")
    assert (pod.hook, pod.replaced) == ("create", None)


def test_the_record_keeps_the_predecessor() -> None:
    world = deployed(PAIR, agents=2)
    world.order(ev.Verb.POD_REPLACE, "db-0")
    pod = world.pod("db-0")
    assert pod.replaced is not None
    assert pod_from_json(pod_to_json(pod)) == pod
    former = pod_to_json(pod)
    del former["replaced"]
    assert pod_from_json(former).replaced is None
