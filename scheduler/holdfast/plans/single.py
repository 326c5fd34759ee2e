"""The plans for single pod instances: `replace`, for one that takes over from another one, and
`decommission`, for one that is about to go. Each has the phases of the plan for its type."""

from collections.abc import Collection

from holdfast.plans.goals import least, planned_tasks, recovery_of
from holdfast.plans.plan import Status
from holdfast.records import Pod, Task
from holdfast.service.model import Goal, PodSpec, ServiceSpec

REPLACE = "replace"
LEAVE = "decommission"
"""Names of plans in svc.yml; the second also marks the tasks that were launched by it."""

Steps = tuple[tuple[str, ...], ...]


def replace_steps(service: ServiceSpec, pod: Pod | None) -> Steps:
    """How an instance that was deployed is made anew; nothing if it is not being replaced, or if
    there is no such plan for it: then all that was deployed in it is launched at once."""
    if pod is None or pod.replaced is None or pod.deployed is None:
        return ()
    return service.steps_in(REPLACE, pod.type, pod.index)


def leave_steps(service: ServiceSpec, pod: Pod) -> Steps:
    """What is launched in an instance before it is ended for good."""
    return service.steps_in(LEAVE, pod.type, pod.index)


def spared_tasks(service: ServiceSpec, pod: Pod) -> tuple[str, ...]:
    """What was done once in an instance that is now replaced, and its successor does not do."""
    steps = service.steps_in(REPLACE, pod.type, pod.index)
    if pod.deployed is None or not steps:
        return ()
    again = {name for step in steps for name in step}
    spec = service.pod(pod.type)
    return tuple(
        name
        for name in planned_tasks(service, pod.type, pod.index)
        if name not in again and spec.task(name).goal is not Goal.RUNNING
    )


def has_taken_over(service: ServiceSpec, pod: Pod) -> bool:
    """Whether a replaced instance has all of its predecessor's goals behind it."""
    steps = replace_steps(service, pod) or (planned_tasks(service, pod.type, pod.index),)
    return all(
        (task := pod.task(name)) is not None and task.reached for step in steps for name in step
    )


def has_left(spec: PodSpec, pod: Pod, tasks: Collection[str], now: float) -> bool:
    """Whether all of them that end by themselves have, in an instance that leaves."""
    forever = {task.name for task in spec.tasks if task.goal is Goal.RUNNING}
    ending = [name for name in tasks if name not in forever]
    return single_status(spec, pod, ending, LEAVE, now) is Status.COMPLETE


def single_status(spec: PodSpec, pod: Pod, tasks: Collection[str], run: str, now: float) -> Status:
    """The status of a step: tasks that run for ever run now, others have ended in this `run`."""
    known = {task.name: task for task in spec.tasks}
    return least(
        _status(known[name].goal, pod.task(name), run, now) if name in known else Status.PENDING
        for name in tasks
    )


def _status(goal: Goal, task: Task | None, run: str, now: float) -> Status:
    if task is not None and goal is not Goal.RUNNING:
        if task.reached is not None and (not run or task.run == run):
            return Status.COMPLETE
        if task.live and task.stopping is None and run and task.run != run:
            return Status.PENDING
        status = recovery_of(task, now)
        return Status.STARTED if status is Status.COMPLETE else status
    return recovery_of(task, now)
