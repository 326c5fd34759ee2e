"""An instance that is to grow runs on until its agent has the room for that."""

from typing import Any

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.rooms import AGAIN_SECONDS, VALID_SECONDS
from holdfast.placement.free import Free
from holdfast.placement.owner import ExecutorShare
from holdfast.placement.room import lacking
from holdfast.plans.plan import Status
from holdfast.service.model import PortSpec, VolumeSpec

from .test_plan_engine import DATA, build, changed, deployed, task
from .world import World

SPEC = build(task("node", volumes=DATA))
LARGER = changed(SPEC, cpus=4.0)


def waiting(free_cpus: float = 0.3) -> World:
    """The instance is to have 3.5 cpus more than it has."""
    world = deployed(SPEC, agents=2)
    world.forget()
    world.free_cpus = free_cpus
    world.start(LARGER)
    return world


def reason(world: World) -> str:
    return world.core.view(world.now).explanations["db-0"].reason


def cpus(world: World) -> float:
    held = world.pod("db-0").reservation
    assert held is not None
    return held.cpus


def test_without_room_it_runs_on_and_says_what_lacks() -> None:
    world = waiting()
    assert reason(world) == (
        "it is to grow, and runs on as it is while agent host-1 has not offered room"
    )
    world.settle(30)
    assert (world.killed, world.launched) == ([], [])
    lacks = "cpus: needs 3.5 more, the agent offers 0.3"
    assert f"while agent host-1 lacks room ({lacks})" in reason(world)
    explanation = world.core.view(world.now).explanations["db-0"]
    assert explanation.agents["host-1"] == lacks
    (step,) = world.plan().steps()
    assert lacks in step.message
    assert not world.core.suppressed, "what the agent offers decides"


def test_once_there_is_room_it_is_resized_once_on_its_volumes() -> None:
    world = waiting()
    world.settle(5)
    before = world.pod("db-0").reservation
    world.free_cpus = 4.0
    world.settle(10)
    after = world.pod("db-0").reservation
    assert before is not None
    assert after is not None
    assert world.killed == ["db-0-node"]
    assert world.names_launched() == ["db-0-node"]
    assert cpus(world) == pytest.approx(4.1)
    assert (after.agent_id, after.volumes) == (before.agent_id, before.volumes)
    assert world.status() is Status.COMPLETE
    assert world.core.suppressed


def test_offers_are_asked_for_when_none_come() -> None:
    world = deployed(SPEC)
    world.settle(3)
    assert world.core.suppressed
    effects: list[ef.Effect] = []
    honest = world.step

    def step(*events: ev.Event, after: float = 0.0) -> list[ef.Effect]:
        found = honest(*events, after=after)
        effects.extend(found)
        return found

    world.step = step  # type: ignore[method-assign]
    world.start(LARGER)
    world.step(after=30.0)
    assert any(isinstance(effect, ef.Revive) for effect in effects)


def test_room_that_is_gone_after_the_stop_lets_it_start_as_it_was() -> None:
    world = waiting(4.0)
    world.until(lambda: bool(world.killed))
    world.free_cpus = 0.3
    world.settle(5)
    assert world.running() == {"db-0-node"}
    assert cpus(world) == pytest.approx(0.6)
    assert any("as it was, on its volumes, since there is no room" in t for t in world.decisions)
    assert "had no room left for that once it was stopped" in reason(world)
    world.forget()
    world.free_cpus = 8.0
    world.settle(10)
    assert world.killed == [], "it is not stopped again at once"
    world.settle(8, after=AGAIN_SECONDS / 6)
    world.settle(5)
    assert world.killed == ["db-0-node"]
    assert cpus(world) == pytest.approx(4.1)
    assert world.status() is Status.COMPLETE


def test_one_that_fails_while_it_waits_starts_as_it_was() -> None:
    world = waiting()
    world.settle(3)
    world.end("db-0-node")
    world.settle(8)
    assert world.running() == {"db-0-node"}
    assert cpus(world) == pytest.approx(0.6)
    assert world.killed == []


def test_one_that_fails_while_there_is_room_starts_as_it_is_to_be() -> None:
    world = waiting()
    world.settle(3)
    world.end("db-0-node")
    world.free_cpus = 8.0
    world.settle(8)
    assert cpus(world) == pytest.approx(4.1)
    assert world.status() is Status.COMPLETE


def test_room_that_was_offered_long_ago_does_not_count() -> None:
    world = waiting(4.0)
    rooms, pod = world.core._rooms, world.pod("db-0")
    spec = LARGER.pods[0]
    assert rooms.refusal(pod, spec, world.now) is not None
    effects = world.core.step(
        [ev.OffersReceived((world.agents["agent-1"].offer("0/agent-1", 4.0),))], world.now
    )
    assert not [e for e in effects if isinstance(e, ef.Kill)]
    assert rooms.refusal(pod, spec, world.now + VALID_SECONDS) is None
    assert rooms.refusal(pod, spec, world.now + VALID_SECONDS + 1) is not None


def test_the_former_definition_ends_the_wait() -> None:
    world = waiting()
    world.settle(3)
    world.start(SPEC)
    world.settle(12)
    assert world.running() == {"db-0-node"}
    assert (world.killed, world.launched) == ([], [])
    assert world.status() is Status.COMPLETE
    assert world.core.suppressed


def free(cpus: float = 0, mem: float = 0, disk: float = 0, ports: tuple[int, int] = (1, 0)) -> Free:
    made = Free()
    made.amounts |= {"cpus": cpus, "mem": mem, "disk": disk}
    made.ports = [ports] if ports[0] <= ports[1] else []
    return made


@pytest.mark.parametrize(
    ("change", "there", "lacks"),
    [
        ({}, free(), ""),
        ({"cpus": 0.1, "memory_mb": 32}, free(), ""),
        ({"cpus": 0.7}, free(cpus=0.2), ""),
        ({"cpus": 0.7}, free(cpus=0.1), "cpus: needs 0.2 more, the agent offers 0.1"),
        ({"cpus": 0.1, "memory_mb": 96}, free(), "mem: needs 32 more, the agent offers 0"),
        ({"ports": (PortSpec("a", 2000),)}, free(), "ports: port 2000 is not on offer"),
        ({"ports": (PortSpec("a", 0),)}, free(ports=(3000, 3000)), ""),
        ({"ports": (PortSpec("a", 0),)}, free(), "ports: no port is left for node.a"),
        (
            {"volumes": (*DATA, VolumeSpec("log", 50))},
            free(disk=49),
            "disk: needs 50, the agent offers 49",
        ),
        ({"volumes": (*DATA, VolumeSpec("log", 50))}, free(disk=50), ""),
    ],
)
def test_what_lacks(change: dict[str, Any], there: Free, lacks: str) -> None:
    held = deployed(SPEC).pod("db-0").reservation
    assert held is not None
    spec = changed(SPEC, **change).pods[0]
    assert str(lacking(ExecutorShare(), spec, held, there) or "") == lacks


def test_two_on_one_agent_do_not_count_on_the_same_room() -> None:
    held = deployed(SPEC).pod("db-0").reservation
    assert held is not None
    spec = LARGER.pods[0]
    there = free(cpus=5.0)
    assert lacking(ExecutorShare(), spec, held, there) is None
    assert str(lacking(ExecutorShare(), spec, held, there)).startswith("cpus: needs 3.5 more")
