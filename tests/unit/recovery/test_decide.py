"""What becomes of one failed pod instance."""

from dataclasses import replace
from typing import Any

import pytest

from holdfast.mesos.messages import TaskState
from holdfast.records import DRAINED, Pod, Reservation, Task
from holdfast.recovery.decide import Choice, Situation, Verdict, verdict
from holdfast.recovery.failure import Cause, Failure, failure_of
from holdfast.recovery.history import History, history_from_json, history_to_json
from holdfast.service.failure_model import ReplacementPolicy
from holdfast.service.model import Goal, PodSpec, TaskSpec

NODE = TaskSpec("node", Goal.RUNNING, "run", 0.5, 64)
FORMAT = TaskSpec("format", Goal.ONCE, "finish", 0.5, 64)
POLICY = ReplacementPolicy(timeout=100, delay=50, per_hour=2)
SPEC = PodSpec("db", 3, (NODE, FORMAT), replacement=POLICY)
HELD = Reservation("r", "agent-1", "h1", "10.0.0.1", None, None, {}, 1.0, 64.0, (), ())
HIDDEN = Failure(Cause.OUT_OF_SIGHT, 1000.0, "h1", "agent-1", True)


def pod(*tasks: Task) -> Pod:
    return Pod("db", 0, HELD, tasks)


def task(state: TaskState, name: str = "node", **changes: Any) -> Task:
    return replace(Task(name, f"{name}-1", "c", state, since=1000.0, reached="c"), **changes)


def decided(**situation: Any) -> Verdict:
    return verdict("db-0", SPEC, Situation(**{"failures": {"db-0": HIDDEN}, **situation}))


LIVE = ("STAGING", "STARTING", "RUNNING", "KILLING")
MEANING = {
    **dict.fromkeys(LIVE),
    "UNREACHABLE": (Cause.OUT_OF_SIGHT, True),
    "LOST": (Cause.OUT_OF_SIGHT, True),
    "UNKNOWN": (Cause.OUT_OF_SIGHT, True),
    "GONE": (Cause.DOWN, True),
    "GONE_BY_OPERATOR": (Cause.MARKED_GONE, True),
    "DROPPED": (Cause.DOWN, False),
    "KILLED": (Cause.DOWN, False),
    "FAILED": (Cause.DOWN, False),
    "ERROR": (Cause.DOWN, False),
    "FINISHED": (Cause.DOWN, False),
}
"""As in the table of docs/concepts.md: the cause, and whether the place is lost."""


@pytest.mark.parametrize("state", TaskState)
def test_each_state_has_one_meaning(state: TaskState) -> None:
    failure = failure_of(pod(task(state)), SPEC)
    found = failure and (failure.cause, failure.lost)
    assert found == MEANING[state.name.removeprefix("TASK_")]


def test_a_pause_after_failures_does_not_count() -> None:
    failure = failure_of(pod(task(TaskState.FAILED, not_before=1300.0)), SPEC)
    assert failure == Failure(Cause.DOWN, 1300.0, "h1", "agent-1", False)


def drained(**changes: Any) -> Task:
    return task(TaskState.KILLED, message=DRAINED, launched=500.0, **changes)


def test_what_mesos_drained_is_drained_until_it_is_launched_again() -> None:
    ended = drained()
    assert failure_of(pod(ended), SPEC) == Failure(Cause.DRAINED, 1000.0, "h1", "agent-1", False)
    hidden = task(TaskState.UNREACHABLE, "format", reached=None)
    assert failure_of(pod(ended, hidden), SPEC) == Failure(
        Cause.DRAINED, 1000.0, "h1", "agent-1", False
    )
    later = task(TaskState.UNREACHABLE, "format", reached=None, launched=1001.0)
    found = failure_of(pod(ended, later), SPEC)
    assert found
    assert found.cause is Cause.OUT_OF_SIGHT
    gone = task(TaskState.GONE_BY_OPERATOR, "format")
    found = failure_of(pod(ended, gone), SPEC)
    assert found
    assert found.cause is Cause.MARKED_GONE
    assert failure_of(pod(drained(stopping="a new configuration")), SPEC) is None


def test_what_is_drained_is_waited_for_by_the_others_too() -> None:
    failures = {"db-0": HIDDEN, "db-1": replace(HIDDEN, cause=Cause.DRAINED)}
    found = decided(failures=failures, down={"db": ["db-0", "db-1"]})
    assert (found.choice, found.deadline) == (Choice.WAIT, None)
    assert "first db-1 must serve again" in found.reason


def test_what_was_stopped_on_purpose_has_not_failed() -> None:
    assert failure_of(pod(task(TaskState.KILLED, stopping="a new configuration")), SPEC) is None


def test_what_is_done_has_not_failed() -> None:
    done = task(TaskState.FINISHED, "format")
    assert failure_of(pod(done), SPEC) is None
    assert failure_of(pod(done, task(TaskState.RUNNING)), SPEC) is None
    failed = failure_of(pod(done, task(TaskState.FAILED, since=7.0)), SPEC)
    # Until its last task ended something of it ran.
    assert failed == Failure(Cause.DOWN, 1000.0, "h1", "agent-1", False)


def test_what_has_no_place_has_not_failed() -> None:
    assert failure_of(Pod("db", 0, None, ()), SPEC) is None


def test_without_a_policy_it_waits_and_says_so() -> None:
    found = verdict("db-0", replace(SPEC, replacement=None), Situation({"db-0": HIDDEN}))
    assert (found.choice, found.deadline) == (Choice.WAIT, None)
    assert "there is no replacement-failure-policy" in found.reason
    assert "`holdfast pod replace db-0`" in found.reason


def test_an_agent_marked_gone_is_replaced_at_once_whatever_the_policy() -> None:
    gone = replace(HIDDEN, cause=Cause.MARKED_GONE)
    situation = Situation({"db-0": gone}, disaster="all is lost", paused={"db-0"})
    found = verdict("db-0", replace(SPEC, replacement=None), situation)
    assert (found.choice, found.deadline) == (Choice.REPLACE, 1000.0)


def test_it_is_replaced_after_the_timeout() -> None:
    found = decided()
    assert (found.choice, found.deadline) == (Choice.REPLACE, 1100.0)
    assert str(found) == (
        "db-0: replace: agent h1 cannot be reached; it has been down for 100 s by then"
    )


@pytest.mark.parametrize(
    ("situation", "choice", "words"),
    [
        ({"paused": {"db-0"}}, Choice.WAIT, "recovery is paused"),
        ({"disaster": "much is lost"}, Choice.ASK, "disaster: much is lost"),
        ({"down": {"db": ["db-0", "db-2"]}}, Choice.WAIT, "first db-2 must serve again"),
        (
            {
                "failures": {"db-0": HIDDEN, "db-1": HIDDEN},
                "down": {"db": ["db-0", "db-1"]},
            },
            Choice.ASK,
            "db-1 failed too: more than max-unavailable (1)",
        ),
        ({"replacing": {"db": {"db-1"}}}, Choice.WAIT, "the replacement of db-1"),
    ],
)
def test_what_stands_against_it(situation: Any, choice: Choice, words: str) -> None:
    found = decided(**situation)
    assert (found.choice, found.deadline) == (choice, None)
    assert words in found.reason


@pytest.mark.parametrize(
    ("history", "deadline", "words"),
    [
        (History((1080.0,)), 1130.0, "another instance was replaced just before"),
        (History((10.0, 900.0)), 3610.0, "at most 2 in an hour"),
        (History((1.0, 10.0, 900.0)), 3610.0, "at most 2 in an hour"),
        (History(ended=1200.0), 1250.0, "a disaster has just ended"),
        (History((900.0,), ended=1000.0), 1100.0, "it has been down for 100 s"),
    ],
)
def test_limits_put_it_off(history: History, deadline: float, words: str) -> None:
    found = decided(history=history)
    assert (found.choice, found.deadline) == (Choice.REPLACE, deadline)
    assert words in found.reason


def test_history_forgets_what_is_an_hour_old() -> None:
    history = History((0.0, 1000.0)).with_replacement(4000.0)
    assert history == History((1000.0, 4000.0))
    assert history_from_json(history_to_json(history)) == history
