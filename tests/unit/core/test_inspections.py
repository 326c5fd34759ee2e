"""Agents asked what they can do, before anything is launched on them."""

from dataclasses import replace

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core import inspections
from holdfast.mesos.messages import AgentFeatures
from holdfast.service.model import NetworkSpec, SeccompSpec, ServiceSpec

from .offers import offer, service
from .world import World

UNABLE = AgentFeatures("linux", frozenset({"network/cni"}), frozenset(), True, (1, 11, 0))
ABLE = replace(UNABLE, isolation=UNABLE.isolation | {"linux/seccomp"})


def confined(count: int = 1) -> ServiceSpec:
    spec = service(count)
    pod = replace(spec.pods[0], seccomp=SeccompSpec(profile="strict"))
    return replace(spec, pods=(pod,))


def offered(world: World, number: int = 1, after: float = 1.0) -> list[ef.Effect]:
    """What comes of an offer of one agent."""
    return world.step(ev.OffersReceived((offer(number, id_=f"x/agent-{number}"),)), after=after)


def questions(effects: list[ef.Effect]) -> list[ef.InspectAgent]:
    return [effect for effect in effects if isinstance(effect, ef.InspectAgent)]


def why(world: World, host: str = "host-1") -> str:
    return world.core.view(world.now).explanations["db-0"].agents[host]


def tell(
    world: World, features: AgentFeatures | None, reason: str = "", number: int = 1
) -> list[ef.Effect]:
    return world.step(ev.AgentInspected(f"agent-{number}", features, reason))


def test_nobody_is_asked_without_need() -> None:
    assert questions(offered(World(service(1)))) == []


def test_an_agent_is_asked_once_and_used_when_it_can() -> None:
    world = World(confined())
    assert questions(offered(world)) == [ef.InspectAgent("agent-1", "http://10.0.0.1:5051")]
    assert why(world) == "agent: is being asked what it can do"
    assert questions(offered(world)) == []
    assert ef.Revive() in tell(world, ABLE), "its offer was declined for some seconds"
    offered(world)
    assert world.running() == {"db-0-node"}
    (launch,) = world.calls
    assert isinstance(launch, ef.Accept)


def test_an_agent_that_cannot_is_never_launched_on() -> None:
    world = World(confined(), agents=2)
    offered(world)
    tell(world, UNABLE)
    offered(world)
    assert why(world) == "agent: cannot: seccomp (start it with --isolation=...,linux/seccomp)"
    assert world.launched == []
    offered(world, 2)
    tell(world, ABLE, number=2)
    offered(world)
    assert world.launched == []
    offered(world, 2)
    assert world.running() == {"db-0-node"}


def test_an_agent_that_could_not_is_asked_again_after_a_while() -> None:
    world = World(confined())
    offered(world)
    tell(world, UNABLE)
    assert questions(offered(world, after=inspections.AGAIN_SECONDS)) == []
    assert questions(offered(world)) != []
    tell(world, ABLE)
    offered(world)
    assert world.running() == {"db-0-node"}


def test_an_agent_that_did_not_answer_is_asked_again_after_a_while() -> None:
    world = World(confined())
    offered(world)
    tell(world, None, "its API does not answer")
    assert questions(offered(world)) == []
    assert why(world) == "agent: what it can do is not known: its API does not answer"
    assert questions(offered(world, after=inspections.AGAIN_SECONDS)) != []
    # This time nothing is heard of the question at all.
    assert questions(offered(world, after=inspections.PATIENCE_SECONDS + 1)) != []


def test_an_agent_that_was_gone_is_asked_again() -> None:
    world = World(confined())
    offered(world)
    tell(world, UNABLE)
    world.step(ev.AgentFailed("agent-1"))
    assert questions(offered(world)) != []


def test_the_end_of_an_executor_says_nothing_of_its_agent() -> None:
    world = World(confined())
    offered(world)
    tell(world, UNABLE)
    world.step(ev.AgentFailed("agent-1", "executor"))
    assert questions(offered(world)) == []


def test_an_answer_of_an_agent_not_asked_is_dropped() -> None:
    world = World(confined())
    tell(world, ABLE)
    assert questions(offered(world)) != []


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspections, "MOST_AGENTS", 1)
    world = World(confined(), agents=2)
    offered(world)
    offered(world, 2)
    assert questions(offered(world)) != [], "the first is forgotten for the second"


def test_an_instance_comes_back_only_to_an_agent_that_still_can() -> None:
    world = World(confined())
    offered(world)
    tell(world, ABLE)
    world.settle()
    world.step(ev.AgentFailed("agent-1"))
    world.end("db-0-node")
    world.settle()
    tell(world, UNABLE)
    world.settle()
    assert world.running() == set()
    assert "seccomp" in why(world)
    assert world.pod("db-0").reservation is not None


def test_an_address_of_its_own_is_kept_and_told_to_peers() -> None:
    spec = confined(2)
    spec = replace(spec, pods=(replace(spec.pods[0], networks=(NetworkSpec("dcos"),)),))
    world = World(spec, agents=2)
    offered(world)
    offered(world, 2)
    tell(world, ABLE)
    tell(world, ABLE, number=2)
    offered(world)
    agent = world.agents["agent-1"]
    ((task_id, running),) = agent.tasks.items()
    assert running.info["executor"]["container"]["network_infos"] == [{"name": "dcos"}]
    assert not any(resource["name"] == "ports" for resource in running.info["resources"])
    world.container_ips[task_id] = "9.0.0.7"
    world.settle()
    assert world.task("db-0", "node").ip == "9.0.0.7"
    assert world.environment("db-1-node")["POD_PEERS"] == "db-0=9.0.0.7"
    world.order(ev.Verb.POD_REPLACE, "db-0")
    replaced = world.pod("db-0").replaced
    assert replaced is not None
    assert replaced.ip == "9.0.0.7"
