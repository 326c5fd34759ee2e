"""Who is asked about, and when again."""

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.reconcile import PERIOD, Reconciliation
from holdfast.mesos.messages import TaskState, TaskStatus
from holdfast.plans.plan import Status

from .offers import service
from .world import World


def asked(of: Reconciliation, begin: int, end: int) -> dict[int, tuple[str, ...]]:
    """The questions by the second they fall due in, of those from `begin` up to `end`."""
    questions = {now: of.due(float(now)) for now in range(begin, end)}
    return {now: tasks for now, tasks in questions.items() if tasks}


def test_who_does_not_answer_is_asked_again_after_1_2_4_and_at_most_30_seconds() -> None:
    reconciliation = Reconciliation()
    reconciliation.start(["a"], 100.0)
    assert list(asked(reconciliation, 100, 250)) == [100, 101, 103, 107, 115, 131, 161, 191, 221]


def test_only_who_has_not_answered_is_asked_again() -> None:
    reconciliation = Reconciliation()
    reconciliation.start(["c", "a", "b"], 0.0)
    assert reconciliation.due(0.0) == ("a", "b", "c")
    reconciliation.answered("b")
    assert not reconciliation.awaits("b")
    assert reconciliation.due(1.0) == ("a", "c")
    reconciliation.answered("a")
    reconciliation.answered("c")
    assert asked(reconciliation, 2, 200) == {}


def test_a_round_is_due_after_the_period_and_asks_at_once_and_anew() -> None:
    reconciliation = Reconciliation(period=60.0)
    assert reconciliation.round_due(0.0)
    reconciliation.start(["a", "b"], 0.0)
    reconciliation.answered("b")
    asked(reconciliation, 0, 60)
    assert not reconciliation.round_due(59.0)
    assert reconciliation.round_due(60.0)
    reconciliation.start(["b"], 60.0)
    assert asked(reconciliation, 60, 70) == {60: ("b",), 61: ("b",), 63: ("b",), 67: ("b",)}
    assert not reconciliation.round_due(119.0)
    assert reconciliation.round_due(120.0)


def test_one_noticed_while_nobody_is_asked_about_is_asked_about_at_once() -> None:
    reconciliation = Reconciliation()
    reconciliation.start(["a"], 0.0)
    asked(reconciliation, 0, 40)
    reconciliation.answered("a")
    reconciliation.ask("b", 41.0)
    assert asked(reconciliation, 41, 50) == {41: ("b",), 42: ("b",), 44: ("b",), 48: ("b",)}


def test_one_noticed_meanwhile_joins_the_next_question() -> None:
    reconciliation = Reconciliation()
    reconciliation.start(["a"], 0.0)
    assert list(asked(reconciliation, 0, 5)) == [0, 1, 3]
    reconciliation.ask("b", 5.0)
    reconciliation.ask("b", 5.0)
    assert asked(reconciliation, 5, 16) == {7: ("a", "b"), 15: ("a", "b")}


def questions(world: World, after: float) -> list[ef.Reconcile]:
    return [e for e in world.step(ev.Tick(), after=after) if isinstance(e, ef.Reconcile)]


def test_the_core_asks_in_one_call_for_all_who_have_not_answered() -> None:
    world = World(service(2), agents=2)
    world.until(lambda: world.status() is Status.COMPLETE)
    ids = sorted(world.task(pod, "node").id for pod in ("db-0", "db-1"))
    for agent in world.agents.values():
        agent.reachable = False
    world.start(world.core.ledger.service)
    assert questions(world, 0.5) == []
    both = ef.Reconcile(tuple((id_, world.core.ledger.agent_of(id_)) for id_ in ids))
    assert questions(world, 0.5) == [both]
    world.step(ev.StatusReceived(TaskStatus(ids[0], TaskState.RUNNING, agent_id="agent-1")))
    assert questions(world, 2.0) == [ef.Reconcile(both.tasks[1:])]


def test_the_core_begins_a_new_round_after_the_period() -> None:
    world = World(service(1))
    world.until(lambda: world.status() is Status.COMPLETE)
    id_ = world.task("db-0", "node").id
    assert questions(world, PERIOD / 2) == []
    one = ef.Reconcile(((id_, world.core.ledger.agent_of(id_)),))
    assert questions(world, PERIOD / 2) == [ef.Reconcile(()), one]
