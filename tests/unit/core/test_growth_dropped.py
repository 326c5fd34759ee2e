"""Whether more was reserved is unknown when an instance that grew is out of sight."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import pytest

from holdfast.core import events as ev
from holdfast.mesos.messages import TaskState
from holdfast.plans.orders import ALREADY, OK
from holdfast.plans.plan import Status
from holdfast.service.model import Goal, ServiceSpec, TaskSpec, VolumeSpec

from .offers import service
from .world import ENDS, Agent, World

VOLUMES = (VolumeSpec("data", 100),)
MORE = VolumeSpec("more", 50)


class Fate(StrEnum):
    """What became of the ACCEPT that was to reserve more."""

    DONE = "done"
    DROPPED = "its RESERVE was dropped, its launch was not"
    UNHEARD = "none of it reached the agent"


def former(volumes: tuple[VolumeSpec, ...]) -> ServiceSpec:
    node = TaskSpec("node", Goal.RUNNING, "run", cpus=0.5, memory_mb=128, volumes=volumes)
    once = TaskSpec("format", Goal.ONCE, "format", cpus=0.5, memory_mb=128)
    return service(1, tasks=(node, once))


def larger(spec: ServiceSpec, *added: VolumeSpec) -> ServiceSpec:
    """More for `format`, which has finished; `node` is to run with what there was before."""
    node, once = spec.pods[0].tasks
    volumes = (*node.volumes, *added)
    return service(
        1,
        tasks=(
            replace(node, cmd="run it", volumes=volumes),
            replace(once, cpus=3.0, memory_mb=1024),
        ),
    )


def lost(spec: ServiceSpec, to_be: ServiceSpec, fate: Fate) -> World:
    """The instance was to grow, and its agent is lost after that."""
    world = World(spec)
    world.behaviour["format"] = ENDS
    world.settle()
    agent = world.agents["agent-1"]
    agent.drops, agent.deaf = fate is Fate.DROPPED, fate is Fate.UNHEARD
    world.start(to_be)
    world.settle()
    assert world.running() == (set() if fate is Fate.UNHEARD else {"db-0-node"})
    held = world.pod("db-0").reservation
    assert held is not None
    assert held.seen is not None
    agent.drops = agent.deaf = False
    world.lose(1)
    world.forget()
    return world


def renamed(world: World) -> None:
    """The agent is back under a new id, with what is reserved, and without what ran."""
    world.agents["agent-2"] = Agent(2, world.agents.pop("agent-1").reserved)


def runs_again(world: World) -> bool:
    world.settle(20)
    assert world.running() <= {"db-0-node"}
    return world.running() == {"db-0-node"} and all(
        plan.status is Status.COMPLETE for plan in world.core.view(world.now).plans
    )


def nothing(world: World) -> None:
    pass


def fails_over(world: World) -> None:
    world.start(world.core.ledger.service)


def pauses(world: World) -> None:
    assert world.order(ev.Verb.POD_PAUSE, "db-0") == 200


def restarts(world: World) -> None:
    assert world.order(ev.Verb.POD_RESTART, "db-0") == 200


def deploys_anew(world: World) -> None:
    assert world.order(ev.Verb.PLAN_RESTART, "deploy") in (OK, ALREADY)


def rolls_back(world: World) -> None:
    """Not what is on the volumes of the instance: these stay."""
    volumes = world.core.ledger.service.pods[0].volumes
    world.start(former(volumes))


MEANWHILE = (nothing, fails_over, pauses, restarts, deploys_anew, rolls_back)


@pytest.mark.parametrize("fate", Fate)
@pytest.mark.parametrize("volumes", [VOLUMES, ()], ids=["volume", "none"])
@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_it_starts_again_on_its_agent_whatever_its_id(
    meanwhile: Callable[[World], None], volumes: tuple[VolumeSpec, ...], fate: Fate
) -> None:
    spec = former(volumes)
    world = lost(spec, larger(spec), fate)
    meanwhile(world)
    world.settle()
    assert world.names_launched() == []
    renamed(world)
    if meanwhile is pauses:
        world.settle(20)
        assert world.running() == {"db-0-node"}
        assert world.order(ev.Verb.POD_RESUME, "db-0") == 200
    assert runs_again(world)
    held = world.pod("db-0").reservation
    assert held is not None
    assert held.agent_id == "agent-2"


@pytest.mark.parametrize("fate", [Fate.DONE, Fate.UNHEARD])
@pytest.mark.parametrize("volumes", [VOLUMES, ()], ids=["volume", "none"])
def test_a_volume_that_was_never_made_is_made_and_the_others_kept(
    volumes: tuple[VolumeSpec, ...], fate: Fate
) -> None:
    spec = former(volumes)
    world = lost(spec, larger(spec, MORE), fate)
    held = world.pod("db-0").reservation
    assert held is not None
    renamed(world)
    assert runs_again(world)
    after = world.pod("db-0").reservation
    assert after is not None
    assert after.volumes == held.volumes
    made = [op for op in world.operations() if op == "CREATE"]
    assert made == ([] if fate is Fate.DONE else ["CREATE"])


@pytest.mark.parametrize("fate", Fate)
@pytest.mark.parametrize("volumes", [VOLUMES, ()], ids=["volume", "none"])
def test_it_starts_again_on_an_agent_that_is_back_without_it(
    volumes: tuple[VolumeSpec, ...], fate: Fate
) -> None:
    spec = former(volumes)
    world = lost(spec, larger(spec), fate)
    agent = world.agents["agent-1"]
    ended(world, TaskState.GONE)
    agent.reachable = True
    assert runs_again(world)


@pytest.mark.parametrize("fate", Fate)
@pytest.mark.parametrize("volumes", [VOLUMES, ()], ids=["volume", "none"])
def test_it_starts_elsewhere_once_its_agent_is_marked_gone(
    volumes: tuple[VolumeSpec, ...], fate: Fate
) -> None:
    spec = former(volumes)
    world = lost(spec, larger(spec), fate)
    world.agents["agent-2"] = Agent(2)
    world.settle()
    assert world.names_launched() == []
    ended(world, TaskState.GONE_BY_OPERATOR)
    assert runs_again(world)


def ended(world: World, state: TaskState) -> None:
    """What ran on the first agent, or was to run there, does not."""
    agent = world.agents["agent-1"]
    ids = (*agent.tasks, *agent.unheard)
    agent.tasks.clear()
    for id_ in ids:
        world._status(agent, id_, state, "SOURCE_MASTER")


@pytest.mark.parametrize("fate", [Fate.DONE, Fate.DROPPED])
@pytest.mark.parametrize("volumes", [VOLUMES, ()], ids=["volume", "none"])
def test_nothing_starts_while_it_may_run(volumes: tuple[VolumeSpec, ...], fate: Fate) -> None:
    """The agent is back as who it was, and what became of its tasks is not told yet.

    Although, when it grew, more than it had before is on offer.
    """
    spec = former(volumes)
    world = lost(spec, larger(spec), fate)
    world.agents["agent-1"].reachable = True
    world.settle()
    assert world.names_launched() == []


@pytest.mark.parametrize(("volumes", "fate"), [(VOLUMES, Fate.DROPPED), ((), Fate.DONE)])
def test_what_is_on_offer_proves_that_it_does_not_run(
    volumes: tuple[VolumeSpec, ...], fate: Fate
) -> None:
    """All its volumes, or without any the whole of it, before its agent has told of its tasks."""
    spec = former(volumes)
    world = lost(spec, larger(spec), fate)
    agent = world.agents["agent-1"]
    agent.tasks.clear()
    agent.reachable = True
    assert runs_again(world)
