"""Where tasks stand on the way to their goals, and what is to be recovered."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from holdfast.mesos.messages import TaskState
from holdfast.plans.goals import (
    RESTART,
    Aim,
    any_plan_tasks,
    least,
    planned_tasks,
    recovery_status,
    serves,
    step_status,
    task_status,
    unwell,
)
from holdfast.plans.plan import Status
from holdfast.records import Pod, Task
from holdfast.service.model import (
    Goal,
    InstanceSteps,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    ServiceSpec,
    TaskSpec,
)

NOW = 1000.0


def only(config: str) -> Callable[[str], bool]:
    return lambda other: other == config


DEPLOY = Aim(only("new"))


def spec(name: str = "t", goal: Goal = Goal.RUNNING, essential: bool = True) -> TaskSpec:
    return TaskSpec(name, goal, "run", 0.1, 32, essential=essential)


def task(state: TaskState = TaskState.RUNNING, name: str = "t", **facts: Any) -> Task:
    values: dict[str, Any] = {"config_id": "new", "ready": state is TaskState.RUNNING} | facts
    return Task(name, f"id-{name}", state=state, **values)


DONE = task(reached="new")


@pytest.mark.parametrize(
    ("goal", "facts", "expected"),
    [
        (Goal.RUNNING, None, Status.PENDING),
        (Goal.RUNNING, task(TaskState.STAGING), Status.STARTING),
        (Goal.RUNNING, task(TaskState.STARTING), Status.STARTING),
        (Goal.RUNNING, task(ready=False), Status.STARTED),
        (Goal.RUNNING, DONE, Status.COMPLETE),
        # Once complete it stays so; recovery does the rest.
        (Goal.RUNNING, replace(DONE, state=TaskState.FAILED), Status.COMPLETE),
        (Goal.RUNNING, replace(DONE, state=TaskState.UNREACHABLE), Status.COMPLETE),
        (Goal.RUNNING, task(TaskState.FAILED), Status.PENDING),
        (Goal.RUNNING, task(TaskState.FAILED, not_before=NOW + 1), Status.DELAYED),
        (Goal.RUNNING, task(TaskState.FAILED, not_before=NOW), Status.PENDING),
        (Goal.RUNNING, task(TaskState.FINISHED), Status.PENDING),
        # Under another configuration.
        (Goal.RUNNING, task(config_id="old", reached="old"), Status.PENDING),
        (Goal.RUNNING, task(config_id="old", reached="old", stopping="u"), Status.PREPARED),
        (Goal.RUNNING, task(TaskState.FAILED, config_id="old", not_before=9e9), Status.PENDING),
        # It was well under this one, and then launched with another.
        (Goal.RUNNING, task(config_id="old", reached="new"), Status.PENDING),
        # An operator wants it launched anew.
        (Goal.RUNNING, task(run=RESTART), Status.PENDING),
        (Goal.RUNNING, task(run=RESTART, stopping="u"), Status.PREPARED),
        (Goal.FINISH, task(ready=True), Status.STARTED),
        (Goal.FINISH, task(TaskState.FINISHED, reached="new"), Status.COMPLETE),
        (Goal.FINISH, task(TaskState.FINISHED, config_id="old", reached="old"), Status.PENDING),
        (Goal.ONCE, task(TaskState.FINISHED, config_id="old", reached="old"), Status.COMPLETE),
        (Goal.ONCE, task(TaskState.FAILED), Status.PENDING),
    ],
)
def test_of_the_deploy_plan(goal: Goal, facts: Task | None, expected: Status) -> None:
    assert task_status(spec(goal=goal), facts, DEPLOY, NOW) is expected


@pytest.mark.parametrize(
    ("goal", "facts", "first", "expected"),
    [
        # What runs already is done in the first run, and launched again in later ones.
        (Goal.RUNNING, DONE, True, Status.COMPLETE),
        (Goal.RUNNING, DONE, False, Status.PENDING),
        (Goal.RUNNING, task(config_id="old", reached="old"), True, Status.PENDING),
        # What ended before is run in every run.
        (Goal.ONCE, task(TaskState.FINISHED, reached="new"), True, Status.PENDING),
        (Goal.ONCE, task(TaskState.FINISHED, reached="new", run="b/2"), False, Status.COMPLETE),
        (Goal.ONCE, task(TaskState.STAGING, run="b/2"), False, Status.STARTING),
        (Goal.ONCE, task(TaskState.RUNNING, run="other/1"), True, Status.PENDING),
    ],
)
def test_of_a_plan_of_the_operators(goal: Goal, facts: Task, first: bool, expected: Status) -> None:
    aim = Aim(only("new"), run="b/1" if first else "b/2", first_run=first)
    assert task_status(spec(goal=goal), facts, aim, NOW) is expected


def test_a_step_is_as_far_as_its_last_task() -> None:
    order = [Status.ERROR, Status.DELAYED, Status.PENDING, Status.PREPARED, Status.STARTING]
    order += [Status.STARTED, Status.COMPLETE]
    for number, status in enumerate(order):
        assert least(order[number:]) is status
    assert least([]) is Status.COMPLETE


POD = PodSpec("db", 1, (spec("a"), spec("b")))


def test_step_of_an_instance_that_was_deployed_stays_complete() -> None:
    replaced = Pod("db", 0, deployed="new")

    def status(pod: Pod | None, deployed: tuple[str, ...], *tasks: str) -> Status:
        return step_status(POD, pod, tasks, DEPLOY, deployed, NOW)

    assert status(None, (), "a") is Status.PENDING
    assert status(replaced, ("a", "b"), "a", "b") is Status.COMPLETE
    assert status(replaced, ("a",), "b") is Status.PENDING, "the plan did not have it then"
    moved = replace(replaced, tasks=(task(TaskState.FAILED, "a", config_id="other"),))
    assert status(moved, ("a", "b"), "a") is Status.PENDING, "it was launched with another since"


SERVER_AND_HELP = PodSpec(
    "db", 1, (spec("a"), spec("b"), spec("help", essential=False), spec("once", Goal.ONCE))
)
ALL = {"a", "b", "help", "once"}


def pod(**states: TaskState) -> Pod:
    tasks = tuple(task(state, name, reached="new") for name, state in states.items())
    return Pod("db", 0, tasks=tasks)


RUNNING, FAILED = TaskState.RUNNING, TaskState.FAILED


def test_what_is_to_be_recovered() -> None:
    def ill(pod: Pod, planned: set[str] = ALL, forced: tuple[str, ...] = ()) -> tuple[str, ...]:
        return unwell(SERVER_AND_HELP, pod, planned, forced)

    assert ill(pod(a=RUNNING, b=RUNNING, help=RUNNING)) == ()
    assert ill(pod(a=FAILED, b=RUNNING, help=RUNNING)) == ("a", "b", "help")
    assert ill(pod(a=RUNNING, b=RUNNING, help=FAILED)) == ("help",)
    assert ill(pod(a=TaskState.UNREACHABLE, b=RUNNING)) == ("a", "b")
    assert ill(pod(a=RUNNING, once=FAILED)) == (), "plans try those again, recovery does not"
    assert ill(pod(a=RUNNING, b=FAILED), planned={"a"}) == (), "no plan has it"
    never = Pod("db", 0, tasks=(task(FAILED, "a"),))
    assert ill(never) == (), "it is being deployed"
    assert ill(never, forced=("a",)) == ("a",), "the operator took it from the deploy plan"
    assert ill(Pod("db", 0, tasks=(task(FAILED, "a", run=RESTART),))) == ("a",)


def test_an_instance_serves_while_its_essential_tasks_run() -> None:
    assert serves(SERVER_AND_HELP, pod(a=RUNNING, b=RUNNING, help=FAILED), ALL)
    assert not serves(SERVER_AND_HELP, pod(a=RUNNING, b=FAILED), ALL)
    assert serves(SERVER_AND_HELP, pod(a=RUNNING, b=FAILED), {"a"})
    assert not serves(SERVER_AND_HELP, pod(a=TaskState.STAGING), ALL)
    help_only = PodSpec("db", 1, (spec("help", essential=False),))
    assert not serves(help_only, pod(help=FAILED), ALL)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (task(TaskState.UNREACHABLE), Status.PENDING),
        (task(FAILED), Status.PENDING),
        (task(FAILED, not_before=NOW + 1), Status.DELAYED),
        (task(stopping="restart"), Status.PREPARED),
        (task(TaskState.STAGING), Status.STARTING),
        (task(ready=False), Status.STARTED),
        (task(), Status.COMPLETE),
    ],
)
def test_recovery(facts: Task, expected: Status) -> None:
    assert recovery_status(Pod("db", 0, tasks=(facts,)), ["t"], NOW) is expected


def test_what_plans_launch() -> None:
    steps = (InstanceSteps(0, (("a",), ("b", "a"))), InstanceSteps(None, (("a",),)))
    deploy = PlanSpec("deploy", (PhaseSpec("one", "db", steps=steps),))
    once = (InstanceSteps(None, (("once",),)),)
    backup = PlanSpec("backup", (PhaseSpec("one", "db", steps=once),))
    pods = (replace(SERVER_AND_HELP, count=2),)
    service = ServiceSpec("s", "root", "p", "z:1", pods, deploy, plans=(backup,))
    assert planned_tasks(service, "db", 0) == ("a", "b")
    assert planned_tasks(service, "db", 1) == ("a",)
    assert any_plan_tasks(service, "db", 0) == {"a", "b", "once"}
