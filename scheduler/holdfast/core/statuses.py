"""A task status taken into the record of its pod instance. Pure."""

from collections.abc import Callable
from dataclasses import replace

from holdfast.mesos.messages import TaskState, TaskStatus
from holdfast.plans.goals import at_goal
from holdfast.records import DRAINED, NEVER_STARTED, Pod, Retired, Task
from holdfast.service.model import Goal, PodSpec, TaskSpec

FIRST_BACKOFF = 5.0
MAX_BACKOFF = 300.0
STEADY_SECONDS = 600.0
"""Seconds: after the second failure, at most, and of running after which failures are forgotten."""

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
    elif status.state not in (TaskState.UNREACHABLE, TaskState.LOST, TaskState.UNKNOWN):
        ready = False
    if status.state is task.state and ready == task.ready:
        return task
    return replace(
        task,
        state=status.state,
        ready=ready,
        message=status.message[:500],
        since=now if status.state is not task.state else task.since,
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


def pod_after(pod: Pod, status: TaskStatus, spec_of: Callable[[Pod], PodSpec], now: float) -> Pod:
    """The pod instance once the status of one of its tasks is known."""
    before = next(task for task in pod.tasks if task.id == status.task_id)
    spec = next((t for t in spec_of(pod).tasks if t.name == before.name), None)
    if spec is not None and spec.readiness_check is not None:
        status = replace(status, has_check=True)  # silence is no proof that it is ready
    task = task_after(before, status, now)
    if status.container_ip and not task.dead and not spec_of(pod).uses_host_ports:
        task = replace(task, ip=status.container_ip)
    if task == before:
        return pod
    if spec is not None:
        if at_goal(spec, task):
            task = replace(task, reached=task.config_id)
        if task.dead and _is_drained(status):
            task = replace(task, message=DRAINED)
        elif task.dead and _is_failure(spec, task):
            task = _failed(task, now)
    pod = pod.with_task(task)
    if pod.reservation and _proves_volumes(status):
        pod = replace(pod, reservation=pod.reservation.settled())
    if task.state in (TaskState.RUNNING, TaskState.FINISHED):
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


def _failed(task: Task, now: float) -> Task:
    """The first failure is tried again at once, later ones after a growing pause."""
    steady = now - task.launched > STEADY_SECONDS
    failures = 1 if steady else task.failures + 1
    pause = 0.0 if failures == 1 else min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** (failures - 2))
    return replace(task, failures=failures, not_before=now + pause)


def never_started(pod: Pod) -> bool:
    """Whether no code of the last launch can have run."""
    return bool(pod.tasks) and all(task.state in NEVER_STARTED for task in pod.tasks)
