"""What one pod instance needs next. Pure: a record and some work in, one move out."""

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.mesos.messages import TaskState
from holdfast.plans.goals import Aim, is_delayed, is_done, is_under_way
from holdfast.records import BACK_AS_ANOTHER, Pod, Task
from holdfast.service.changes import executor_changed
from holdfast.service.model import Goal, PodSpec


@dataclass(frozen=True, slots=True)
class Start:
    """Launch these tasks as soon as an offer fits. `waits_for` ends "it waits until ...".

    `join` them to the executor that runs; otherwise a new one starts, with the whole reservation.
    """

    tasks: tuple[str, ...]
    join: bool = False
    waits_for: str = "an offer fits"


@dataclass(frozen=True, slots=True)
class Stop:
    """Kill these live tasks before anything else."""

    tasks: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done yet. `until` is a time in seconds since the epoch, when it is known."""

    reason: str
    until: float | None = None


Move = Start | Stop | Wait | None


@dataclass(frozen=True, slots=True)
class Work:
    """Some tasks of a pod instance that a plan wants brought to their goal.

    `spec` is the pod under the configuration they should have. The work of the recovery plan is
    about what runs, not about what was reached once (`recovers`). `restart` says why tasks that
    run as they should are restarted all the same.
    """

    spec: PodSpec
    tasks: tuple[str, ...]
    aim: Aim
    recovers: bool = False
    restart: str = ""

    @property
    def known(self) -> tuple[str, ...]:
        """The tasks that the pod has under that configuration."""
        names = {task.name for task in self.spec.tasks}
        return tuple(name for name in self.tasks if name in names)


def next_move(work: Work, pod: Pod | None, former: PodSpec | None, now: float) -> Move:
    """The next move for the work; None when all of it is under way or done.

    `former` is the pod as its live tasks were launched.
    """
    if pod is None or not pod.tasks:
        return _start(work, pod, work.known, now) if work.known else None
    if any(task.uncertain for task in pod.tasks):
        return _out_of_sight(work, pod, now)
    open_ = [name for name in work.known if not _is_settled(work, pod.task(name), name)]
    if not open_ and work.restart:
        return _stop([t for t in pod.tasks if t.live and t.name in work.known], work.restart)
    if not open_:
        return None
    stops = _in_the_way(work, pod, former, open_)
    if stops:
        return stops
    if any((task := pod.task(name)) and task.live for name in open_):
        return Wait("its tasks are being stopped")
    return _start(work, pod, tuple(open_), now)


def _is_settled(work: Work, task: Task | None, name: str) -> bool:
    """Nothing is to be done for the task now: it is where it should be, or on the way."""
    if task is None:
        return False
    if work.recovers:
        done = work.spec.task(name).goal is not Goal.RUNNING and task.reached is not None
        if not work.aim.run:
            return (task.live and task.stopping is None) or done
        of_run = task.run == work.aim.run or work.spec.task(name).goal is Goal.RUNNING
        return of_run and ((task.live and task.stopping is None) or done)
    return is_done(work.spec.task(name), task, work.aim) or is_under_way(task, work.aim)


def _in_the_way(work: Work, pod: Pod, former: PodSpec | None, open_: Iterable[str]) -> Stop | None:
    """The live tasks that must go before the open ones can be launched."""
    opened = list(open_)
    if former is not None and pod.has_live_tasks and executor_changed(former, work.spec):
        return _stop([t for t in pod.tasks if t.live], "the pod takes up a new configuration")
    has = {task.name for task in work.spec.tasks}
    gone = [t for t in pod.tasks if t.live and t.stopping is None and t.name not in has]
    if gone:
        return _stop(gone, "the pod does not have it any more")
    outdated = [t for t in pod.tasks if t.live and t.name in opened]
    if outdated and not all(task.stopping for task in outdated):
        return _stop(outdated, "it is to be launched anew")
    essential = [name for name in opened if work.spec.task(name).essential]
    if work.recovers and essential:
        # What was launched after the failure is fresh already.
        down = max((t.since for t in pod.tasks if t.name in essential), default=0.0)
        others = [
            t
            for t in pod.tasks
            if t.live and t.name in work.tasks and t.stopping is None and t.launched <= down
        ]
        if others:
            return _stop(others, f"its fellow {essential[0]} is down")
    sets = {work.spec.resources(work.spec.task(name)).id for name in opened}
    same_set = [
        task
        for task in pod.tasks
        if task.live
        and task.stopping is None
        and task.name not in opened
        and task.name in has
        and work.spec.resources(work.spec.task(task.name)).id in sets
    ]
    return _stop(same_set, f"its resources are for {opened[0]} now") if same_set else None


def _stop(tasks: Iterable[Task], reason: str) -> Stop | None:
    names = tuple(task.name for task in tasks if task.stopping is None)
    return Stop(names, reason) if names else None


def _out_of_sight(work: Work, pod: Pod, now: float) -> Move:
    """Some task may run where the master cannot see it: only its whole place on offer helps."""
    if pod.has_live_tasks:
        return Wait("part of it is out of sight of the master")
    names = tuple(name for name in work.known if not _is_settled(work, pod.task(name), name))
    if not names:
        return None
    held = pod.reservation
    where = held.hostname if held else "?"
    which = "has its data and cannot" if held and held.volumes else "cannot"
    if any(task.message == BACK_AS_ANOTHER for task in pod.tasks if task.uncertain):
        waits_for = f"agent {where}, which is back under another id, offers its volumes again"
    elif any(task.state is TaskState.UNREACHABLE for task in pod.tasks):
        waits_for = f"agent {where}, which {which} be reached, is back"
    else:
        waits_for = f"agent {where}, of whose tasks Mesos lost sight, offers what it holds again"
    return _delayed(work, pod, names, now) or Start(names, waits_for=waits_for)


def _start(work: Work, pod: Pod | None, tasks: tuple[str, ...], now: float) -> Move:
    if pod is not None and work.recovers:
        # What must run does not wait for what need not.
        ready = [n for n in tasks if work.spec.task(n).essential or not _pauses(work, pod, n, now)]
        tasks = tuple(ready) or tasks
    delayed = _delayed(work, pod, tasks, now)
    if delayed is not None or pod is None or pod.reservation is None:
        return delayed or Start(tasks)
    where = pod.reservation.hostname
    if pod.drained:
        return Start(tasks, waits_for=f"agent {where}, which Mesos drained, is in service again")
    if not pod.has_live_tasks:
        return Start(tasks, waits_for=f"agent {where} offers its reservation again")
    if any(task.live and task.stopping for task in pod.tasks):
        return Wait("other tasks of it are being stopped")
    return Start(tasks, join=True, waits_for=f"agent {where} offers its resources again")


def _pauses(work: Work, pod: Pod, name: str, now: float) -> bool:
    task = pod.task(name)
    return task is not None and is_delayed(task, work.aim, now)


def _delayed(work: Work, pod: Pod | None, tasks: Iterable[str], now: float) -> Wait | None:
    """The pause after a failure. The tasks of a launch wait for each other."""
    paused = [name for name in tasks if pod and _pauses(work, pod, name, now)]
    failed = [task for name in paused if pod and (task := pod.task(name))]
    if not failed:
        return None
    worst = max(failed, key=lambda task: task.not_before)
    return Wait(
        f"{worst.name} failed {worst.failures} times in a row and waits to be tried again",
        worst.not_before,
    )
