"""Failed pod instances are replaced by policy, at the time that follows from the records."""

from dataclasses import replace
from typing import Any

from holdfast.api.recover_routes import recover_body
from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.events import Verb
from holdfast.mesos.messages import TaskState
from holdfast.plans.plan import Status
from holdfast.recovery.decide import Choice
from holdfast.service.failure_model import DisasterSpec, ReplacementPolicy
from holdfast.service.model import Goal, ServiceSpec

from .offers import UNIQUE_HOST
from .test_plan_engine import DATA, build, deployed, task
from .world import ENDS, World

POLICY = ReplacementPolicy(timeout=100, delay=50, per_hour=2)


def databases(count: int = 3, **changes: Any) -> ServiceSpec:
    with_policy = {"replacement": POLICY, **changes}
    return build(task("node", volumes=DATA), count=count, placement=(UNIQUE_HOST,), **with_policy)


def choices(world: World) -> dict[str, Choice]:
    return {name: each.choice for name, each in world.core.view(world.now).verdicts.items()}


def lost(world: World, name: str) -> int:
    """The agent of that instance is lost; its number."""
    number = host(world, name)
    world.lose(number)
    return number


def host(world: World, name: str) -> int:
    held = world.pod(name).reservation
    assert held is not None
    return int(held.agent_id.removeprefix("agent-"))


def is_replaced(world: World, name: str = "db-0") -> bool:
    return any(left.pod == name for left in world.core.ledger.retired.values())


def test_without_a_policy_it_waits_for_ever() -> None:
    world = deployed(databases(replacement=None), agents=4)
    lost(world, "db-0")
    assert world.warnings == [str(world.core.view(world.now).verdicts["db-0"])]
    assert "there is no replacement-failure-policy" in world.warnings[0]
    world.settle(20, after=1000.0)
    assert choices(world) == {"db-0": Choice.WAIT}
    assert world.launched == []
    assert not is_replaced(world)


def test_one_without_volumes_waits_as_well_and_is_not_said_to_have_data() -> None:
    world = deployed(build(task("node"), count=1), agents=2)
    lost(world, "db-0")
    world.settle(20, after=1000.0)
    assert choices(world) == {"db-0": Choice.WAIT}
    view = world.core.view(world.now)
    texts = view.verdicts["db-0"].reason, view.explanations["db-0"].reason
    assert "starts it elsewhere, as it has no volumes" in texts[0]
    assert texts[1] == "it waits until agent host-1, which cannot be reached, is back"
    assert not any("data" in text for text in texts)


def test_nothing_is_decided_or_proposed_once_it_is_uninstalled() -> None:
    world = deployed(databases(replacement=None), agents=4)
    for name in ("db-0", "db-1", "db-2"):
        lost(world, name)
    before = world.core.view(world.now)
    assert before.disaster
    assert recover_body(before)["actions"]
    assert world.order(Verb.PLAN_INTERRUPT, "recovery") == 200
    assert world.order(Verb.UNINSTALL, "db") == 200
    world.step()
    view = world.core.view(world.now)
    assert (dict(view.verdicts), view.disaster) == ({}, None)
    assert recover_body(view)["actions"] == []


def test_it_is_replaced_once_the_timeout_is_over() -> None:
    world = deployed(databases(), agents=4)
    began = world.now
    number = lost(world, "db-0")
    verdict = world.core.view(world.now).verdicts["db-0"]
    assert (verdict.choice, verdict.deadline) == (Choice.REPLACE, world.now + 100)
    assert world.warnings == []
    world.until(lambda: is_replaced(world))
    assert began + 100 <= world.now <= began + 102
    world.settle()
    assert world.status("recovery") is Status.COMPLETE
    assert host(world, "db-0") != number
    (left,) = world.core.ledger.retired.values()
    assert left.reason.startswith("replaced by policy: agent ")
    assert [task.state for task in left.tasks] == [TaskState.UNREACHABLE]
    assert world.core.ledger.history.replacements
    assert choices(world) == {}


def test_it_is_left_where_it_is_when_it_comes_back_in_time() -> None:
    world = deployed(databases(), agents=4)
    number = lost(world, "db-0")
    world.settle(90)
    world.find(number)
    world.settle(200)
    assert not is_replaced(world)
    assert host(world, "db-0") == number


def test_the_former_task_is_killed_when_its_agent_comes_back() -> None:
    world = deployed(databases(), agents=4)
    number = lost(world, "db-0")
    world.until(lambda: is_replaced(world))
    world.settle()
    world.forget()
    world.find(number)
    world.settle()
    assert world.killed == ["db-0-node"]
    (left,) = world.core.ledger.retired.values()
    assert all(task.dead for task in left.tasks)
    assert sorted(world.running()) == ["db-0-node", "db-1-node", "db-2-node"]


def test_timers_outlive_the_scheduler() -> None:
    world = deployed(databases(replacement=replace(POLICY, timeout=300)), agents=4)
    began = world.now
    lost(world, "db-0")
    world.settle(200)
    world.start(databases(replacement=replace(POLICY, timeout=300)))
    unanswered(world)
    world.until(lambda: is_replaced(world))
    assert began + 300 <= world.now <= began + 302


def test_a_new_scheduler_hears_mesos_before_it_replaces() -> None:
    world = deployed(databases(), agents=4)
    number = lost(world, "db-0")
    world.settle(50)
    world.now += 1000.0  # it was away; the agent has come back
    world.agents[f"agent-{number}"].reachable = True
    world.start(databases())
    world.settle(100)
    assert not is_replaced(world)
    assert world.status("recovery") is Status.COMPLETE


def test_nothing_is_replaced_before_mesos_has_answered() -> None:
    world = deployed(databases(), agents=4)
    lost(world, "db-0")
    world.settle(50)
    world.start(databases())
    world.settle(300)
    assert not is_replaced(world)
    unanswered(world)
    world.settle(2)
    assert is_replaced(world)


def unanswered(world: World) -> None:
    """The master says that the agents that cannot be reached still cannot."""
    for agent in world.agents.values():
        if not agent.reachable:
            world.lose(agent.number)


def test_an_agent_marked_gone_is_given_up_at_once() -> None:
    world = deployed(databases(replacement=None), agents=4)
    number = lost(world, "db-0")
    gone = world.agents[f"agent-{number}"]
    for task_id in list(gone.tasks):
        world._status(gone, task_id, TaskState.GONE_BY_OPERATOR, "SOURCE_MASTER")
    gone.tasks.clear()
    assert is_replaced(world)
    world.settle()
    assert world.status("recovery") is Status.COMPLETE
    (left,) = world.core.ledger.retired.values()
    assert "was marked gone in Mesos, and its volumes with it" in left.reason
    assert left.reservation.volumes
    assert world.core.ledger.history.replacements == ()


def test_one_instance_of_a_type_at_a_time() -> None:
    world = deployed(databases(count=7, max_unavailable=2), agents=9)
    lost(world, "db-0")
    world.settle(1)
    lost(world, "db-1")
    world.until(lambda: is_replaced(world, "db-0"))
    assert not is_replaced(world, "db-1")
    began = world.now
    world.until(lambda: is_replaced(world, "db-1"))
    assert began + 50 <= world.now <= began + 53


def test_more_than_may_be_down_is_for_the_operator() -> None:
    world = deployed(databases(count=7), agents=9)
    lost(world, "db-0")
    number = lost(world, "db-1")
    assert choices(world) == {"db-0": Choice.ASK, "db-1": Choice.ASK}
    world.settle(300)
    assert not is_replaced(world)
    world.find(number)
    world.settle(3)
    assert is_replaced(world)  # it alone is down now


def test_a_disaster_stops_it_and_ends_by_itself() -> None:
    world = deployed(databases(count=4, max_unavailable=4), agents=8)
    numbers = [lost(world, name) for name in ("db-0", "db-1", "db-2")]
    view = world.core.view(world.now)
    assert view.disaster == "3 of 4 pod instances on 3 agents were lost within 600 s"
    assert any(text.startswith("disaster: 2 of 4 pod instances") for text in world.warnings)
    assert {str(each) for each in view.verdicts.values()} <= set(world.warnings)
    assert set(choices(world).values()) == {Choice.ASK}
    world.settle(300)
    assert not world.core.ledger.retired
    world.start(databases(count=4, max_unavailable=4))
    unanswered(world)
    assert world.core.ledger.history.disaster is not None
    for number in numbers[1:]:
        world.find(number)
    world.settle(2)
    assert world.core.view(world.now).disaster is None
    ended = world.core.ledger.history.ended
    assert ended is not None
    assert "the disaster is over; replacement by policy goes on" in world.decisions
    world.until(lambda: is_replaced(world, "db-0"))
    assert ended + 50 <= world.now <= ended + 62  # it settles for 60 s after a restart


def test_an_agent_marked_gone_beside_a_lost_one_is_no_disaster() -> None:
    world = deployed(databases(), agents=6)
    lost(world, "db-0")
    gone = world.agents[f"agent-{host(world, 'db-1')}"]
    for task_id in list(gone.tasks):
        world._status(gone, task_id, TaskState.GONE_BY_OPERATOR, "SOURCE_MASTER")
    gone.tasks.clear()
    assert is_replaced(world, "db-1")
    assert not [text for text in world.decisions if "disaster" in text]
    assert world.core.ledger.history.ended is None, "the policy need not wait after it"


def test_the_operator_replaces_also_in_a_disaster() -> None:
    world = deployed(databases(), agents=6)
    for name in ("db-0", "db-1"):
        lost(world, name)
    assert world.core.view(world.now).disaster
    assert world.order(ev.Verb.POD_REPLACE, "db-0") == 200
    world.settle()
    assert world.core.view(world.now).disaster is None


def test_the_rate_outlives_the_scheduler() -> None:
    spec = databases(count=6, max_unavailable=6, replacement=replace(POLICY, per_hour=1))
    spec = replace(spec, disaster=DisasterSpec(100, 99, 1))
    world = deployed(spec, agents=9)
    lost(world, "db-0")
    lost(world, "db-1")
    world.until(lambda: bool(world.core.ledger.retired))
    began = world.now
    world.settle()
    world.start(spec)
    world.settle(35, after=100.0)
    assert len(world.core.ledger.retired) == 1
    unanswered(world)
    world.until(lambda: len(world.core.ledger.retired) == 2)
    assert began + 3600 <= world.now <= began + 3603


def test_a_crash_loop_is_no_reason_to_give_data_up() -> None:
    world = deployed(databases(replacement=replace(POLICY, timeout=20)), agents=4)
    world.behaviour = {"node": (TaskState.FAILED,)}
    world.end("db-0-node")
    world.settle(600)
    assert not is_replaced(world)


def test_paused_recovery_replaces_nothing() -> None:
    world = deployed(databases(), agents=4)
    lost(world, "db-0")
    assert world.order(ev.Verb.PLAN_INTERRUPT, "recovery") == 200
    world.settle(300)
    assert choices(world) == {"db-0": Choice.WAIT}
    assert not is_replaced(world)
    world.order(ev.Verb.PLAN_CONTINUE, "recovery")
    assert is_replaced(world)


def test_out_of_sight_under_another_name_is_no_new_failure() -> None:
    world = deployed(databases(), agents=4)
    number = lost(world, "db-0")
    since = world.task("db-0", "node").since
    world.now += 30
    agent = world.agents[f"agent-{number}"]
    world._status(agent, world.task("db-0", "node").id, TaskState.UNKNOWN, "SOURCE_MASTER")
    assert world.task("db-0", "node").state is TaskState.UNKNOWN
    assert world.task("db-0", "node").since == since


def order_recovery(world: World, *seen: str) -> int:
    return world.order(ev.Verb.RECOVER, "all", parameters={"seen": "\n".join(seen)})


def test_all_that_is_broken_is_mended_at_one_word() -> None:
    world = deployed(databases(replacement=None), agents=7)
    for name in ("db-0", "db-1"):
        lost(world, name)
    assert world.order(ev.Verb.PLAN_INTERRUPT, "recovery") == 200
    names = ["plan continue recovery", "pod replace db-0", "pod replace db-1"]
    assert order_recovery(world, *reversed(names)) == 200
    world.settle()
    assert world.status("recovery") is Status.COMPLETE
    assert sorted(world.names_launched()) == ["db-0-node", "db-1-node"]
    assert {left.reason for left in world.core.ledger.retired.values()} == {
        "replaced by the operator"
    }


def test_what_is_down_within_reach_is_tried_again_and_not_replaced() -> None:
    world = deployed(databases(), agents=4)
    world.behaviour = {"node": (TaskState.FAILED,)}
    world.end("db-0-node")
    world.settle(9)
    assert world.task("db-0", "node").not_before > world.now
    world.behaviour = {}
    assert order_recovery(world, "pod restart db-0") == 200
    world.settle(2)
    assert world.status("recovery") is Status.COMPLETE
    assert not is_replaced(world)


def test_nothing_is_done_when_the_situation_has_changed() -> None:
    world = deployed(databases(replacement=None), agents=7)
    lost(world, "db-0")
    wrong: tuple[tuple[str, ...], ...] = ((), ("pod replace db-1",), ("pod restart db-0",))
    for seen in wrong:
        assert order_recovery(world, *seen) == 409
        assert "To be done is now: pod replace db-0." in world.answer
    number = lost(world, "db-1")
    world.find(number)
    assert order_recovery(world, "pod replace db-0", "pod replace db-1") == 409
    assert not world.core.ledger.retired


def test_there_may_be_nothing_to_mend() -> None:
    world = deployed(databases(), agents=3)
    assert order_recovery(world) == 200
    assert world.answer == "there was nothing to order"


def test_an_instance_that_is_down_is_given_up_with_its_agent() -> None:
    world = deployed(databases(replacement=None), agents=4)
    number = host(world, "db-0")
    agent = world.agents[f"agent-{number}"]
    world.end("db-0-node")
    assert world.order(ev.Verb.POD_RESTART, "db-0") == 200
    task_id = world.task("db-0", "node").id
    agent.reachable = False
    world.settle()
    assert world.names_launched() == []
    effects = world.step(ev.AgentFailed(agent_id=f"agent-{number}", executor_id=None))
    (asked,) = [e for e in effects if isinstance(e, ef.Reconcile)]
    assert (task_id, f"agent-{number}") in asked.tasks
    for state in (TaskState.UNREACHABLE, TaskState.GONE):
        world._status(agent, task_id, state, "SOURCE_MASTER")
        assert world.task("db-0", "node").state is TaskState.FAILED
    other = next(each for each in world.agents.values() if each is not agent)
    world._status(other, task_id, TaskState.GONE_BY_OPERATOR, "SOURCE_MASTER")
    assert not is_replaced(world), "that is about where it was before"
    world._status(agent, task_id, TaskState.GONE_BY_OPERATOR, "SOURCE_MASTER")
    assert is_replaced(world)
    world.settle()
    assert world.status("recovery") is Status.COMPLETE
    assert host(world, "db-0") != number


def test_what_has_finished_waits_for_its_agent_while_more_is_to_be_launched_there() -> None:
    once = task("format", Goal.ONCE, volumes=DATA), task("node", volumes=DATA)
    spec = build(*once, deploy=(("format",), ("node",)))
    world = World(spec, agents=2)
    world.behaviour = {"format": ENDS}
    world.until(lambda: "db-0" in world.core.ledger.pods and world.task("db-0", "format").dead)
    assert world.names_launched() == ["db-0-format"]
    number = host(world, "db-0")
    agent = world.agents[f"agent-{number}"]
    task_id = world.task("db-0", "format").id
    agent.reachable = False
    assert asked_when_lost(world, number) == [task_id]
    world._status(agent, task_id, TaskState.GONE_BY_OPERATOR, "SOURCE_MASTER")
    assert is_replaced(world)
    world.settle()
    assert world.status() is Status.COMPLETE
    assert host(world, "db-0") != number
    assert world.names_launched() == ["db-0-format", "db-0-format", "db-0-node"]


def test_what_is_finished_for_good_waits_for_no_agent() -> None:
    world = World(build(task("format", Goal.ONCE, volumes=DATA)), agents=2)
    world.behaviour = {"format": ENDS}
    world.settle()
    assert world.status() is Status.COMPLETE
    assert asked_when_lost(world, host(world, "db-0")) == []


def asked_when_lost(world: World, number: int) -> list[str]:
    """The tasks Mesos is asked about once it has said that the agent is lost."""
    effects = world.step(ev.AgentFailed(agent_id=f"agent-{number}", executor_id=None))
    asked = [each for each in effects if isinstance(each, ef.Reconcile)]
    return [task_id for each in asked for task_id, _ in each.tasks]
