"""Hosts an operator closes, agents Mesos drains, and what is said beforehand."""

from dataclasses import replace

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.servicing import check, order
from holdfast.mesos.messages import TaskState, TaskStatus
from holdfast.plans.plan import Status
from holdfast.records import DRAINED
from holdfast.recovery.decide import Choice
from holdfast.recovery.failure import Cause
from holdfast.recovery.proposal import proposal
from holdfast.service.failure_model import ReplacementPolicy

from .offers import service
from .world import World


def deployed(count: int = 3, agents: int = 3) -> World:
    world = World(service(count), agents).settle(12)
    assert len(world.running()) == count
    world.forget()
    return world


def reason(world: World, pod: str) -> str:
    return world.core.view(world.now).explanations[pod].reason


def drain(world: World, number: int, state: TaskState = TaskState.KILLED) -> None:
    """Mesos ends what is on the agent, which then offers nothing; how it does with `mark_gone` is
    told by `state`."""
    agent = world.agents[f"agent-{number}"]
    agent.reachable = False
    for task_id in list(agent.tasks):
        del agent.tasks[task_id]
        status = TaskStatus(
            task_id,
            state,
            agent_id=f"agent-{number}",
            uuid="uuid",
            source="SOURCE_EXECUTOR",
            reason="REASON_AGENT_DRAINING",
        )
        world.step(ev.StatusReceived(status))


def test_a_closed_host_is_emptied_and_waits_until_it_is_opened() -> None:
    world = deployed()
    volume = world.pod("db-0").reservation
    assert world.order(ev.Verb.MAINTENANCE_START, "host-1") == 200
    assert "db-0 will be stopped as max-unavailable allows" in world.answer
    world.settle()
    assert world.killed == ["db-0-node"]
    assert world.running() == {"db-1-node", "db-2-node"}
    assert reason(world, "db-0").startswith("its agent host-1 is in maintenance")
    assert world.task("db-0", "node").failures == 0
    world.settle(5, after=100.0)
    assert not world.launched
    assert world.order(ev.Verb.MAINTENANCE_END, "host-1") == 200
    world.settle()
    assert world.names_launched() == ["db-0-node"]
    assert world.pod("db-0").reservation == volume
    assert world.status("recovery") is Status.COMPLETE


def test_two_closed_hosts_are_emptied_one_after_the_other() -> None:
    world = deployed()
    world.order(ev.Verb.MAINTENANCE_START, "host-1")
    world.order(ev.Verb.MAINTENANCE_START, "host-2")
    world.settle()
    assert world.killed == ["db-0-node"]
    assert "max-unavailable" in reason(world, "db-1")
    world.order(ev.Verb.MAINTENANCE_END, "host-1")
    world.until(lambda: "db-0-node" in world.running())
    world.settle()
    assert world.killed == ["db-0-node", "db-1-node"]
    assert world.running() == {"db-0-node", "db-2-node"}


def test_a_closed_host_outlives_the_scheduler_and_gets_nothing_new() -> None:
    world = World(service(2), 3)
    world.order(ev.Verb.MAINTENANCE_START, "host-1")
    assert "Nothing of this service is there now" in world.answer
    spec = world.core.ledger.service
    world.start(spec)
    world.settle()
    places = {
        pod.reservation.hostname for pod in world.core.ledger.pods.values() if pod.reservation
    }
    assert places == {"host-2", "host-3"}
    world.order(ev.Verb.MAINTENANCE_START, "host-2")
    world.settle()
    world.order(ev.Verb.POD_REPLACE, "db-0")
    world.settle()
    agents = world.core.view(world.now).explanations["db-0"].agents
    assert (
        agents["host-1"] == "maintenance: `holdfast maintenance end host-1` opens the agent again"
    )


@pytest.mark.parametrize(
    ("verb", "host", "status"),
    [
        (ev.Verb.MAINTENANCE_END, "host-1", 404),
        (ev.Verb.MAINTENANCE_START, "", 400),
        (ev.Verb.MAINTENANCE_START, "a/b", 400),
        (ev.Verb.MAINTENANCE_START, "host-9", 409),
    ],
)
def test_orders_that_make_no_sense_change_nothing(verb: ev.Verb, host: str, status: int) -> None:
    world = deployed()
    world.order(ev.Verb.MAINTENANCE_START, "host-9")
    before = dict(world.core.ledger.cordons)
    assert world.order(verb, host) == status
    assert world.core.ledger.cordons == before


# -- drains ---------------------------------------------------------------------------------------


def test_a_drained_agent_is_waited_for_and_counts_as_no_failure() -> None:
    world = deployed()
    for _ in range(3):
        drain(world, 2)
        world.settle(3)
        assert reason(world, "db-1") == (
            "it waits until agent host-2, which Mesos drained, is in service again"
        )
        assert world.order(ev.Verb.POD_RESTART, "db-0") == 409
        assert world.task("db-1", "node").failures == 0
        world.agents["agent-2"].reachable = True
        world.settle(4)
        assert len(world.running()) == 3
    assert world.names_launched() == ["db-1-node"] * 3


POLICY = ReplacementPolicy(timeout=100, delay=50, per_hour=2)


def with_policy() -> World:
    pods = replace(service(3).pods[0], replacement=POLICY)
    world = World(replace(service(3), pods=(pods,)), 5).settle(12)
    assert len(world.running()) == 3
    world.forget()
    return world


def test_no_policy_replaces_what_waits_for_a_drained_agent() -> None:
    world = with_policy()
    drain(world, 2)
    world.settle(30, after=100.0)
    assert not world.core.ledger.retired
    verdict = world.core.view(world.now).verdicts["db-1"]
    assert (verdict.choice, verdict.cause, verdict.deadline) == (Choice.WAIT, Cause.DRAINED, None)
    assert "Mesos drained its agent host-2" in verdict.reason
    assert not proposal([verdict], None), "it cannot start there, and its data is not lost"
    # The machine dies while it is drained, and the scheduler restarts.
    world.step(ev.AgentFailed("agent-2"))
    world.start(world.core.ledger.service)
    world.settle(30, after=100.0)
    assert not world.core.ledger.retired
    world.agents["agent-2"].reachable = True
    world.settle(4)
    assert world.names_launched() == ["db-1-node"]
    # From now on it is an instance like any other.
    world.lose(2)
    world.until(lambda: bool(world.core.ledger.retired))


def test_no_policy_replaces_what_was_stopped_for_a_closed_host() -> None:
    world = with_policy()
    assert world.order(ev.Verb.MAINTENANCE_START, "host-1") == 200
    world.settle(30, after=100.0)
    assert "db-0-node" not in world.running()
    assert not world.core.ledger.retired
    assert "db-0" not in world.core.view(world.now).verdicts


def test_a_drain_that_marks_the_agent_gone_gives_it_up_at_once() -> None:
    world = with_policy()
    drain(world, 2, TaskState.GONE_BY_OPERATOR)
    (left,) = world.core.ledger.retired.values()
    assert left.pod == "db-1"
    assert "was marked gone" in left.reason
    assert [task.message for task in left.tasks] != [DRAINED]


def test_what_waits_for_a_drained_agent_is_given_up_once_that_is_marked_gone() -> None:
    world = with_policy()
    drain(world, 2)
    world.settle(5, after=100.0)
    task_id = world.task("db-1", "node").id
    gone = TaskStatus(task_id, TaskState.GONE_BY_OPERATOR, agent_id="agent-2")
    world.step(ev.StatusReceived(gone))
    (left,) = world.core.ledger.retired.values()
    assert "was marked gone" in left.reason


def test_a_task_that_ends_while_its_agent_is_well_is_a_failure() -> None:
    world = deployed()
    world.end("db-1-node", TaskState.KILLED)
    assert world.task("db-1", "node").failures == 1


# -- beforehand -----------------------------------------------------------------------------------


def test_the_check_tells_what_would_go_down() -> None:
    world = deployed()
    one = check(world.core.view(world.now), ["host-1"])
    assert (one.pods, one.down, one.problems) == (("db-0",), (), ())
    both = check(world.core.view(world.now), ["host-1", "host-2", "elsewhere"])
    assert both.unknown == ("elsewhere",)
    assert both.problems == (
        "at most 1 of db may be down at a time (max-unavailable), and db-0, db-1 would go down",
    )
    world.lose(3)
    late = check(world.core.view(world.now), ["host-1"])
    assert late.down == ("db-2",)
    assert "db-2 is down or about to be, and db-0 would go down" in late.problems[0]
    assert not check(world.core.view(world.now), ["host-3"]).problems


def test_the_check_counts_what_mesos_was_told_may_go() -> None:
    view = deployed().core.view(0.0)
    going = replace(view, upkeep=replace(view.upkeep, going=("db-2",)))
    assert not check(view, ["host-1"]).problems
    assert check(going, ["host-1"]).problems


def test_an_order_is_judged_by_the_news_that_came_with_it() -> None:
    world = deployed()
    task_id = world.task("db-1", "node").id
    failed = TaskStatus(task_id, TaskState.FAILED, agent_id="agent-2", uuid="uuid")
    effects = world.step(
        ev.Command("first", ev.Verb.POD_RESTART, "db-0"), ev.StatusReceived(failed)
    )
    (refused,) = (effect for effect in effects if isinstance(effect, ef.Reply))
    assert refused.status == 409
    assert "db-1 is down or about to be" in refused.body["message"]


def test_of_two_orders_at_once_the_second_counts_what_the_first_takes_down() -> None:
    world = deployed()
    effects = world.step(
        ev.Command("first", ev.Verb.POD_RESTART, "db-0"),
        ev.Command("second", ev.Verb.POD_RESTART, "db-1"),
    )
    replies = {effect.id: effect.status for effect in effects if isinstance(effect, ef.Reply)}
    assert replies == {"first": 200, "second": 409}


def test_the_order_takes_hosts_as_the_budget_allows() -> None:
    world = deployed(agents=5)
    hosts = [f"host-{n}" for n in range(1, 6)]
    planned = order(world.core.view(world.now), hosts)
    assert sorted(name for batch in planned.batches for name in batch.pods) == [
        *("db-0", "db-1", "db-2")
    ]
    assert all(len(batch.pods) <= 1 for batch in planned.batches)
    assert sorted(host for batch in planned.batches for host in batch.hosts) == hosts
    assert (planned.waits_for, dict(planned.never)) == ((), {})
    world.lose(2)
    again = order(world.core.view(world.now), ["host-1", "host-2"])
    assert [batch.hosts for batch in again.batches] == [("host-2",), ("host-1",)]
    assert order(world.core.view(world.now), ["host-1"]).waits_for == ("db-1",)


def test_a_host_with_too_many_can_never_go() -> None:
    world = World(service(2, placement=()), 1).settle(12)
    planned = order(world.core.view(world.now), ["host-1"])
    assert not planned.batches
    assert "db-0, db-1 would go down" in planned.never["host-1"]
