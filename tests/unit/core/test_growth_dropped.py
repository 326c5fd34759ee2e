"""Whether a RESERVE for more was carried out is unknown when an instance is out of sight."""

from dataclasses import replace

import pytest

from holdfast.mesos.messages import TaskState
from holdfast.service.model import Goal, TaskSpec, VolumeSpec

from .offers import service
from .world import ENDS, Agent, World

VOLUMES = (VolumeSpec("data", 100),)


def lost(volumes: tuple[VolumeSpec, ...], *, dropped: bool) -> World:
    """More was to be reserved for `format`; `node`, which does not need it, runs and is lost."""
    node = TaskSpec("node", Goal.RUNNING, "run", cpus=0.5, memory_mb=128, volumes=volumes)
    once = TaskSpec("format", Goal.ONCE, "format", cpus=0.5, memory_mb=128)
    spec = service(1, tasks=(node, once))
    world = World(spec)
    world.behaviour["format"] = ENDS
    world.settle()
    world.agents["agent-1"].drops = dropped
    larger = replace(node, cmd="run it"), replace(once, cpus=3.0, memory_mb=1024)
    world.start(service(1, tasks=larger))
    world.settle()
    assert world.running() == {"db-0-node"}
    held = world.pod("db-0").reservation
    assert held is not None
    assert held.seen is not None
    world.agents["agent-1"].drops = False
    world.lose(1)
    world.forget()
    return world


def renamed(world: World, *, empty: bool) -> None:
    """The agent is back under a new id; when it is not `empty`, what ran there runs on."""
    former = world.agents.pop("agent-1")
    tasks = {} if empty else former.tasks
    world.agents["agent-2"] = Agent(2, former.reserved, tasks)


def test_its_volumes_on_offer_are_enough_to_start_it_again() -> None:
    world = lost(VOLUMES, dropped=True)
    renamed(world, empty=True)
    world.settle()
    assert world.names_launched() == ["db-0-node"]
    assert "RESERVE" in world.operations()
    assert world.task("db-0", "node").state is TaskState.RUNNING


@pytest.mark.parametrize("dropped", [True, False])
@pytest.mark.parametrize("volumes", [VOLUMES, ()])
def test_nothing_starts_while_it_runs(volumes: tuple[VolumeSpec, ...], dropped: bool) -> None:
    """Although, when it grew, more than it had before is on offer."""
    world = lost(volumes, dropped=dropped)
    renamed(world, empty=False)
    world.settle()
    assert world.names_launched() == []


def test_without_volumes_the_whole_of_it_on_offer_is_enough() -> None:
    world = lost((), dropped=False)
    renamed(world, empty=True)
    world.settle()
    assert world.names_launched() == ["db-0-node"]
