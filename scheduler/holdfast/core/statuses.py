"""A task status taken into the record of its pod instance. Pure."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from holdfast.core.effects import AcknowledgeOperation
from holdfast.mesos.messages import OperationStatus, TaskState, TaskStatus
from holdfast.plans.goals import at_goal
from holdfast.records import DEAD, DRAINED, NEVER_STARTED, UNCERTAIN, Pod, Retired, Task
from holdfast.service.model import Goal, PodSpec, TaskSpec

STEADY_SECONDS = 600.0
"""Seconds of running after which failures are forgotten."""

LARGEST = 700.0
"""The natural logarithm of a number that a float can still hold."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses after failures, in seconds: the `first`, each `factor` times longer, at `most`.

    `at_once` has a first failure tried again without one.
    """

    first: float = 5.0
    factor: float = 2.0
    most: float = 300.0
    at_once: bool = True

    def after(self, failures: int) -> float:
        """The pause after that many failures in a row."""
        steps = failures - 2 if self.at_once else failures - 1
        if steps < 0:
            return 0.0
        if steps * math.log(self.factor) > LARGEST:
            return self.most
        return min(self.most, self.first * self.factor**steps)


DEFAULT_BACKOFF = Backoff()

LAUNCHED = frozenset(
    {
        TaskState.STARTING,
        TaskState.RUNNING,
        TaskState.KILLING,
        TaskState.FINISHED,
        TaskState.FAILED,
    }
)
"""States a task reaches only after its launch came to the agent, and so after the CREATE."""


def task_after(task: Task, status: TaskStatus, now: float) -> Task:
    """The task once the status is known. What comes after death is not believed."""
    if task.dead:
        return task
    status = _as_known(status)
    if status.state is TaskState.STAGING and task.state is not TaskState.STAGING:
        if not task.uncertain:
            return task  # an answer to an old question
    elif status.state is TaskState.STARTING and task.state is TaskState.RUNNING:
        return task
    ready = task.ready
    if status.state is TaskState.RUNNING:
        ready = task.ready or not status.has_check or status.check_exit_code == 0
    elif status.state not in UNCERTAIN:
        ready = False
    if status.state is task.state and ready == task.ready:
        return task
    # Out of sight is out of sight, whatever name the master of the day has for it.
    unchanged = status.state is task.state or (task.uncertain and status.state in UNCERTAIN)
    return replace(
        task,
        state=status.state,
        ready=ready,
        message=status.message[:500],
        since=task.since if unchanged else now,
    )


def _as_known(status: TaskStatus) -> TaskStatus:
    """The status with TASK_DROPPED kept for launches that certainly never ran.

    An agent also answers so for a task it has forgotten, as after its machine lost power; that one
    may have run, and written (slave.cpp: "task unknown to the agent", "Cannot find executor").
    """
    forgotten = {"REASON_RECONCILIATION", "REASON_EXECUTOR_TERMINATED"}
    if status.state is TaskState.DROPPED and status.reason in forgotten:
        return replace(status, state=TaskState.GONE)
    return status


def pod_after(
    pod: Pod,
    status: TaskStatus,
    spec_of: Callable[[Pod], PodSpec],
    now: float,
    backoff: Backoff = DEFAULT_BACKOFF,
) -> Pod:
    """The pod instance once the status of one of its tasks is known."""
    before = next(task for task in pod.tasks if task.id == status.task_id)
    spec = next((t for t in spec_of(pod).tasks if t.name == before.name), None)
    if spec is not None and spec.readiness_check is not None:
        status = replace(status, has_check=True)  # silence is no proof that it is ready
    task = task_after(before, status, now)
    if before.dead and _gives_up(pod, status):
        task = replace(before, state=status.state, message=status.message[:500], since=now)
    if status.container_ip and not task.dead and not spec_of(pod).uses_host_ports:
        task = replace(task, ip=status.container_ip)
    if before.paused and task.ready:
        task = replace(task, ready=False)  # it only sleeps, whatever its checks say
    if task == before:
        return pod
    if spec is not None:
        if at_goal(spec, task):
            task = replace(task, reached=task.config_id)
        if task.dead and _is_drained(status):
            task = replace(task, message=DRAINED)
        elif task.dead and _is_failure(spec, task):
            task = _failed(task, now, backoff)
    pod = pod.with_task(task)
    if pod.reservation and _proves_volumes(status):
        pod = replace(pod, reservation=pod.reservation.proven())
    if task.state in (TaskState.RUNNING, TaskState.FINISHED) and not task.paused:
        pod = replace(pod, hook=None)
    return pod


def retired_after(retired: Retired, status: TaskStatus, now: float) -> Retired:
    """The retired reservation once the status of one of its tasks is known."""
    tasks = tuple(
        task_after(task, status, now) if task.id == status.task_id else task
        for task in retired.tasks
    )
    return replace(retired, tasks=tasks)


def _proves_volumes(status: TaskStatus) -> bool:
    if status.state in LAUNCHED or status.source == "SOURCE_EXECUTOR":
        return True
    return status.state is TaskState.KILLED and status.source == "SOURCE_AGENT"


def _gives_up(pod: Pod, status: TaskStatus) -> bool:
    """Whether an operator has marked the agent gone that an instance waits for which is down."""
    return (
        status.state is TaskState.GONE_BY_OPERATOR
        and pod.reservation is not None
        and pod.reservation.agent_id == status.agent_id
        and all(task.dead for task in pod.tasks)
        and all(task.state is not status.state for task in pod.tasks)
    )


def _is_failure(spec: TaskSpec, task: Task) -> bool:
    """Whether the end counts against the task: not when we asked for it, nor when Mesos lost it."""
    if task.stopping:
        return False
    if task.state in (TaskState.FAILED, TaskState.ERROR, TaskState.KILLED):
        return True
    return task.state is TaskState.FINISHED and spec.goal is Goal.RUNNING


def _is_drained(status: TaskStatus) -> bool:
    """Whether Mesos ended the task to empty its agent, and did not declare the agent gone."""
    gone = status.state is TaskState.GONE_BY_OPERATOR
    return status.reason == "REASON_AGENT_DRAINING" and not gone


def _failed(task: Task, now: float, backoff: Backoff) -> Task:
    steady = now - task.launched > STEADY_SECONDS
    failures = 1 if steady else task.failures + 1
    return replace(task, failures=failures, not_before=now + backoff.after(failures))


def never_started(pod: Pod) -> bool:
    """Whether no code of the last launch can have run."""
    return bool(pod.tasks) and all(task.state in NEVER_STARTED for task in pod.tasks)


def runs(status: TaskStatus) -> bool:
    """Whether the status says that the task runs or is about to."""
    return status.state not in DEAD and status.state not in UNCERTAIN


def operation_acknowledged(status: OperationStatus) -> Iterator[AcknowledgeOperation]:
    """The acknowledgement of an operation's status, if it wants one."""
    if status.uuid:
        yield AcknowledgeOperation(
            status.operation_id, status.uuid, status.agent_id, status.resource_provider_id
        )
