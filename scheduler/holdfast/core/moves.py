"""What one pod instance needs next. Pure: a record and a configuration in, one move out."""

from dataclasses import dataclass

from holdfast.plans.goals import SameConfig, at_goal
from holdfast.records import Pod, Task
from holdfast.service.model import Goal, PodSpec, TaskSpec


@dataclass(frozen=True, slots=True)
class Start:
    """Launch it as soon as an offer fits. `waits_for` ends "it waits until ..."."""

    waits_for: str = "an offer fits"


@dataclass(frozen=True, slots=True)
class Stop:
    """Kill its live tasks, all of them, before anything else."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done yet. `until` is a time in seconds since the epoch, when it is known."""

    reason: str
    until: float | None = None


Move = Start | Stop | Wait | None


def next_move(
    spec: PodSpec, pod: Pod | None, same_config: SameConfig, may_begin: bool, now: float
) -> Move:
    """The next move of a pod instance; None when it runs, or is starting, as it should.

    `spec` is the pod under the configuration it should have, `same_config` tells which others ask
    the same of it, `may_begin` whether the deploy plan lets it start for the first time.
    """
    if pod is None or not pod.tasks:
        return _begin(pod, may_begin or (pod is not None and pod.deployed is not None), now)
    if pod.stopping:
        return Stop(pod.stopping) if pod.has_live_tasks else _start(pod, now)
    if any(task.live and not same_config(task.config_id) for task in pod.tasks):
        return Stop("it takes up a new configuration")
    down = [task.name for task in spec.tasks if _is_down(task, pod.task(task.name), same_config)]
    uncertain = any(task.uncertain for task in pod.tasks)
    if not down and not uncertain:
        return None
    if pod.has_live_tasks:
        if down:
            return Stop(f"its task {down[0]} is down")
        return Wait("part of it is out of sight of the master")
    return _start(pod, now)


def _begin(pod: Pod | None, may_begin: bool, now: float) -> Move:
    if not may_begin:
        return Wait("its turn in the deploy plan has not come")
    if pod is not None and now < pod.not_before:
        return Wait("it failed before and waits to be tried again", pod.not_before)
    return Start()


def _start(pod: Pod, now: float) -> Move:
    if now < pod.not_before:
        return Wait(
            f"it failed {pod.failures} times in a row and waits to be tried again", pod.not_before
        )
    if pod.reservation is None:
        return Start()
    where = pod.reservation.hostname
    if any(task.uncertain for task in pod.tasks):
        return Start(f"agent {where}, which has its data and cannot be reached, is back")
    return Start(f"agent {where} offers its reservation again")


def _is_down(spec: TaskSpec, task: Task | None, same_config: SameConfig) -> bool:
    if task is None:
        return True
    if spec.goal is Goal.RUNNING:
        return task.dead
    return task.dead and not at_goal(spec, task, same_config)
