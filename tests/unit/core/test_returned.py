"""An agent is back under another id, and a new master says nothing of the former one."""

from dataclasses import replace

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.reconcile import SILENT_SECONDS
from holdfast.mesos.messages import TaskState, TaskStatus
from holdfast.records import BACK_AS_ANOTHER, pod_from_json
from holdfast.service.failure_model import DisasterSpec, ReplacementPolicy
from holdfast.service.model import Goal, ServiceSpec, TaskSpec, VolumeSpec

from .offers import service
from .world import MASTER, Agent, World

DATA, LOG = VolumeSpec("data", 100), VolumeSpec("log", 50)


def build(*volumes: VolumeSpec, count: int = 1) -> ServiceSpec:
    node = TaskSpec("node", Goal.RUNNING, "run", cpus=0.5, memory_mb=128, volumes=volumes)
    return service(count, tasks=(node,))


def deployed(*volumes: VolumeSpec, count: int = 1) -> World:
    """With agents 1 to `count`, of which each has one instance."""
    spec = build(*volumes, count=count)
    pods = tuple(replace(pod, placement=()) for pod in spec.pods)
    world = World(replace(spec, pods=pods), agents=count).settle()
    assert world.running() == {f"db-{n}-node" for n in range(count)}
    return world


def change_master(world: World, *numbers: int) -> None:
    """These agents have lost their ids when another master leads, which never met the old ones.

    What ran on them runs on unseen, if it runs. They come back as agents 101 and on.
    """
    world.forget()
    for number in numbers:
        former = world.agents.pop(f"agent-{number}")
        world.agents[f"agent-{100 + number}"] = Agent(
            100 + number, former.reserved, hostname=f"host-{number}"
        )
    world.step(ev.Disconnected("the master is gone"))
    world.step(ev.Subscribed("framework", MASTER))
    for agent in world.agents.values():
        world._reconcile(agent)


def silence(world: World) -> None:
    """Mesos tells nothing for as long as it takes."""
    world.settle(int(SILENT_SECONDS) + 2)


def test_it_starts_again_on_its_volumes_long_before_mesos_speaks() -> None:
    world = deployed(DATA, LOG)
    before = world.pod("db-0")
    change_master(world, 1)
    world.settle(int(SILENT_SECONDS) - 2)
    assert world.names_launched() == [], "Mesos may answer yet"
    silence(world)
    assert world.names_launched() == ["db-0-node"]
    after = world.pod("db-0")
    assert before.reservation is not None
    assert after.reservation is not None
    assert after.reservation.volumes == before.reservation.volumes
    assert after.reservation.agent_id == "agent-101"
    assert after.replaced is None
    assert not world.core.ledger.retired
    (said,) = [text for text in world.decisions if "under another id" in text]
    assert said == (
        "db-0: agent host-1 is back under another id (agent-101) and offers all its volumes, so"
        " nothing uses them; Mesos tells nothing of the former id (agent-1)"
    )
    assert "db-0: replace" not in " ".join(world.decisions)


def test_what_is_stored_before_the_launch_is_on_its_new_agent() -> None:
    world = deployed(DATA)
    change_master(world, 1)
    for _ in range(30):
        offer = world.agents["agent-101"].offer("0/agent-101", 8.0)
        effects = world.step(ev.OffersReceived((offer,)), after=1.0)
        if any(isinstance(effect, ef.Accept) for effect in effects):
            break
    first = next(n for n, e in enumerate(effects) if not isinstance(e, ef.Write))
    stored = [e for e in effects[:first] if isinstance(e, ef.Write) and e.path == "pods/db-0"]
    assert stored[0].data is not None
    pod = pod_from_json(stored[0].data)
    assert pod.reservation is not None
    assert pod.reservation.agent_id == "agent-101"
    assert [task.state for task in pod.tasks] == [TaskState.STAGING]


def test_volumes_that_were_seen_are_known_to_exist() -> None:
    """Also while its agent has yet to offer the rest of what it holds."""
    world = deployed(DATA)
    pod = world.pod("db-0")
    assert pod.reservation is not None
    world.core.ledger.put_pod(
        replace(pod, reservation=replace(pod.reservation, confirmed=False, seen=None))
    )
    change_master(world, 1)
    agent = world.agents["agent-101"]
    key = (pod.reservation.resource_id, "cpus")
    del agent.reserved[key]
    for _ in range(int(SILENT_SECONDS) * 2):
        world.step(ev.OffersReceived((agent.offer("0/agent-101", 8.0),)), after=1.0)
    assert lost(world)
    assert world.names_launched() == []
    held = world.pod("db-0").reservation
    assert held is not None
    assert held.confirmed


def lost(world: World) -> bool:
    return any(task.message == BACK_AS_ANOTHER for task in world.pod("db-0").tasks)


def offered(world: World, agent: Agent) -> None:
    """The agent offers what it has, again and again, and nothing of the instance's starts."""
    for _ in range(int(SILENT_SECONDS) * 3):
        offer = agent.offer(f"0/agent-{agent.number}", 8.0)
        world.step(ev.OffersReceived((offer,)), after=1.0)
    assert not lost(world)
    assert world.names_launched() == []
    assert world.task("db-0", "node").state is TaskState.RUNNING


def test_one_of_its_volumes_is_no_proof() -> None:
    world = deployed(DATA, LOG)
    change_master(world, 1)
    agent = world.agents["agent-101"]
    held = world.pod("db-0").reservation
    assert held is not None
    del agent.reserved[held.volumes[1].resource_id, "disk"]
    offered(world, agent)


def test_a_reservation_without_volumes_is_no_proof() -> None:
    world = deployed()
    change_master(world, 1)
    offered(world, world.agents["agent-101"])


def test_another_host_with_the_same_volume_is_no_proof() -> None:
    """It may be a copy of the machine."""
    world = deployed(DATA)
    change_master(world, 1)
    world.agents["agent-101"].hostname = "host-7"
    offered(world, world.agents["agent-101"])


def test_two_agents_with_the_same_volume_are_no_proof() -> None:
    world = deployed(DATA)
    change_master(world, 1)
    one = world.agents["agent-101"]
    two = Agent(102, dict(one.reserved), hostname="host-1")
    for _ in range(int(SILENT_SECONDS) * 3):
        offers = tuple(a.offer(f"0/agent-{a.number}", 8.0) for a in (one, two))
        world.step(ev.OffersReceived(offers), after=1.0)
    assert not lost(world)
    assert world.names_launched() == []


def test_a_volume_that_may_be_shared_is_no_proof() -> None:
    world = deployed(DATA)
    change_master(world, 1)
    agent = world.agents["agent-101"]
    for key, resource in agent.reserved.items():
        if key[1] == "disk":
            agent.reserved[key] = {**resource, "shared": {}}
    offered(world, agent)


def test_the_same_id_is_no_proof() -> None:
    """Mesos knows that agent, and will say what became of the task."""
    world = deployed(DATA)
    world.forget()
    empty = Agent(1, world.agents["agent-1"].reserved)
    offered(world, empty)


def test_a_former_volume_of_the_instance_is_no_proof() -> None:
    """What a replaced instance left counts for nothing: its present volumes decide."""
    world = deployed(DATA)
    world.agents["agent-2"] = Agent(2)
    left = world.pod("db-0").reservation
    assert left is not None
    world.free_cpus = 0.0
    world.order(ev.Verb.POD_REPLACE, "db-0", parameters={"force": "true"})
    world.settle(3)
    old = world.agents.pop("agent-1")
    world.free_cpus = 8.0
    world.settle()
    assert world.running() == {"db-0-node"}
    world.forget()
    world.step(ev.Disconnected("the master is gone"))
    world.step(ev.Subscribed("framework", MASTER))
    offered(world, Agent(101, old.reserved, hostname="host-2"))


@pytest.mark.parametrize("state", [TaskState.RUNNING, TaskState.STAGING, TaskState.UNREACHABLE])
def test_what_mesos_says_counts_for_as_long_as_it_speaks(state: TaskState) -> None:
    world = deployed(DATA)
    change_master(world, 1)
    agent = world.agents["agent-101"]
    task_id = world.task("db-0", "node").id
    for _ in range(int(SILENT_SECONDS) - 3):
        offer = agent.offer("0/agent-101", 8.0)
        world.step(ev.OffersReceived((offer,)), after=1.0)
    world.step(ev.StatusReceived(TaskStatus(task_id, state, agent_id="agent-1")))
    world.step(ev.OffersReceived((agent.offer("0/agent-101", 8.0),)), after=5.0)
    assert not lost(world)
    assert bool(world.names_launched()) == (state is TaskState.UNREACHABLE)


def test_a_question_that_did_not_arrive_is_no_silence() -> None:
    world = deployed(DATA)
    change_master(world, 1)
    agent = world.agents["agent-101"]
    for _ in range(20):
        failed = [
            ev.CallFailed(call, "the line broke", sent=False)
            for call in world.step(ev.OffersReceived((agent.offer("0/agent-101", 8.0),)), after=1.0)
            if isinstance(call, ef.Reconcile)
        ]
        world.step(ev.OffersReceived((agent.offer("0/agent-101", 8.0),)), *failed)
    assert not lost(world)


def test_an_offer_that_is_taken_back_proves_nothing() -> None:
    world = deployed(DATA)
    change_master(world, 1)
    for _ in range(20):
        offer = world.agents["agent-101"].offer("0/agent-101", 8.0)
        world.step(ev.OffersReceived((offer,)), ev.OfferRescinded(offer.id), after=1.0)
    assert not lost(world)
    assert world.names_launched() == []


def test_offers_are_asked_for_while_mesos_is_silent() -> None:
    """Nothing else would: on record all is well."""
    world = deployed(DATA)
    change_master(world, 1)
    asked = [
        isinstance(effect, ef.Revive)
        for _ in range(int(SILENT_SECONDS) + 5)
        for effect in world.step(ev.Tick(), after=1.0)
    ]
    assert any(asked)
    assert not world.core.suppressed


def test_the_former_task_is_killed_should_it_show_up() -> None:
    world = deployed(DATA)
    task_id = world.task("db-0", "node").id
    change_master(world, 1)
    silence(world)
    assert world.names_launched() == ["db-0-node"]
    effects = world.step(
        ev.StatusReceived(TaskStatus(task_id, TaskState.RUNNING, agent_id="agent-1"))
    )
    kills = [effect for effect in effects if isinstance(effect, ef.Kill)]
    assert kills == [ef.Kill(task_id, "agent-1")]
    assert world.task("db-0", "node").state is TaskState.RUNNING


def test_it_is_no_disaster_and_no_replacement() -> None:
    """Three of three at once, under a policy: all are back in place."""
    spec = build(DATA, count=3)
    policy = ReplacementPolicy(timeout=5, delay=0)
    pods = tuple(replace(pod, replacement=policy, max_unavailable=1) for pod in spec.pods)
    world = World(replace(spec, pods=pods, disaster=DisasterSpec()), agents=3).settle(20)
    volumes = {n: p.reservation.volumes for n, p in world.core.ledger.pods.items() if p.reservation}
    change_master(world, 1, 2, 3)
    silence(world)
    assert sorted(world.names_launched()) == ["db-0-node", "db-1-node", "db-2-node"]
    after = {n: p.reservation.volumes for n, p in world.core.ledger.pods.items() if p.reservation}
    assert after == volumes
    assert world.core.ledger.history.replacements == ()
    assert world.core.ledger.history.ended is None
    assert not any("disaster" in text for text in world.decisions)


def test_a_former_instance_that_mesos_tells_nothing_of_is_explained() -> None:
    world = deployed(DATA)
    world.agents["agent-2"] = Agent(2)
    world.agents.pop("agent-1")
    world.step(ev.Disconnected("the master is gone"))
    world.step(ev.Subscribed("framework", MASTER))
    world.order(ev.Verb.POD_REPLACE, "db-0", parameters={"force": "true"})
    world.settle(3)
    assert "is still being stopped" in world.core.view(world.now).explanations["db-0"].reason
    silence(world)
    reason = world.core.view(world.now).explanations["db-0"].reason
    assert "may still run" in reason
    assert "agent_reregister_timeout" in reason


def test_an_agent_that_is_back_with_nothing_is_not_called_out_of_reach() -> None:
    world = deployed(DATA)
    world.lose(1)
    world.step(ev.Tick(), after=1.0)
    assert "cannot be reached" in world.core.view(world.now).verdicts["db-0"].reason
    del world.agents["agent-1"]
    world.agents["agent-101"] = Agent(101, hostname="host-1")
    world.settle(3)
    view = world.core.view(world.now)
    assert view.verdicts["db-0"].reason.startswith(
        "agent host-1 is back under another id (agent-101) without what it holds; "
    )
    reason = view.explanations["db-0"].reason
    assert "back under another id (agent-101) without its volumes" in reason
    assert "`holdfast pod replace db-0`" in reason
    world.step(ev.AgentFailed("agent-101", None))
    world.step(ev.Tick(), after=1.0)
    assert "cannot be reached" in world.core.view(world.now).explanations["db-0"].reason
