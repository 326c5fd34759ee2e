"""Where a pod instance stands on the way to its goal."""

from collections.abc import Callable

from holdfast.mesos.messages import TaskState
from holdfast.plans.plan import Status
from holdfast.records import Pod, Task
from holdfast.service.model import Goal, PodSpec, TaskSpec

SameConfig = Callable[[str], bool]
"""Whether the configuration of that id asks the same of the pod as the one looked at."""


def at_goal(spec: TaskSpec, task: Task | None, same_config: SameConfig) -> bool:
    """Whether the task is where its goal wants it under the configuration looked at."""
    if task is None:
        return False
    match spec.goal:
        case Goal.RUNNING:
            return task.state is TaskState.RUNNING and task.ready and same_config(task.config_id)
        case Goal.FINISH:
            return task.state is TaskState.FINISHED and same_config(task.config_id)
        case Goal.ONCE:
            return task.state is TaskState.FINISHED


def pod_at_goal(spec: PodSpec, pod: Pod, same_config: SameConfig) -> bool:
    return all(at_goal(task, pod.task(task.name), same_config) for task in spec.tasks)


def to_launch(spec: PodSpec, pod: Pod | None, same_config: SameConfig) -> tuple[TaskSpec, ...]:
    """The tasks a launch of the whole pod instance must start: all but those that finished."""
    return tuple(
        task
        for task in spec.tasks
        if task.goal is Goal.RUNNING
        or not at_goal(task, pod.task(task.name) if pod else None, same_config)
    )


def step_status(spec: PodSpec, pod: Pod | None, same_config: SameConfig, now: float) -> Status:
    """The status of the deploy step of one pod instance.

    Once complete under a configuration a step stays complete under it: what fails later is the
    recovery plan's business.
    """
    if pod is None:
        return Status.PENDING
    if pod.deployed is not None and same_config(pod.deployed):
        return Status.COMPLETE
    if not pod.has_live_tasks:
        return Status.DELAYED if pod.not_before > now else Status.PENDING
    if pod.stopping or not all(same_config(task.config_id) for task in pod.tasks if task.live):
        return Status.PENDING
    starting = {TaskState.STAGING, TaskState.STARTING}
    if any(task.state in starting for task in pod.tasks):
        return Status.STARTING
    return Status.STARTED


def recovery_status(spec: PodSpec, pod: Pod, now: float) -> Status | None:
    """The status of the recovery of a deployed pod instance; None when nothing is wrong with it."""
    running = [pod.task(task.name) for task in spec.tasks if task.goal is Goal.RUNNING]
    if all(task and task.state is TaskState.RUNNING and task.ready for task in running):
        return Status.PENDING if pod.stopping else None
    if not pod.has_live_tasks or pod.stopping:
        return Status.DELAYED if pod.not_before > now else Status.PENDING
    if any(task and task.state is TaskState.RUNNING for task in running):
        return Status.STARTED
    return Status.STARTING
