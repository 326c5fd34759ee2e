"""Which pod instances have failed, how, and since when."""

from dataclasses import dataclass
from enum import StrEnum

from holdfast.mesos.messages import TaskState
from holdfast.records import BACK_AS_ANOTHER, Pod
from holdfast.service.model import Goal, PodSpec

LOST_STATES = frozenset(
    {
        TaskState.UNREACHABLE,
        TaskState.LOST,
        TaskState.UNKNOWN,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
    }
)
"""Mesos says that the agent or the executor is lost; the others are about the task alone."""


class Cause(StrEnum):
    """What is known of the place of a failed instance."""

    MARKED_GONE = "marked gone"
    DRAINED = "drained"
    SERVICED = "serviced"
    OUT_OF_SIGHT = "out of sight"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Failure:
    """A pod instance without any task that runs, though one should. `since`: seconds, epoch.

    `lost` when Mesos lost its agent or executor, other than in a drain or a maintenance window;
    `host` and `agent_id` where it was. `service_ends` is the end of that window, if it has one.
    """

    cause: Cause
    since: float
    host: str
    agent_id: str
    lost: bool
    service_ends: float | None = None


def failure_of(pod: Pod, spec: PodSpec) -> Failure | None:
    """The failure of a pod instance launched as `spec`; None while something of it runs.

    What a plan or an operator stopped on purpose has not failed, nor what has reached its goal.
    A pause after failures (`not_before`) is not counted: it is tried again only after that.
    A drained agent that dies is drained still: its data may be there, until it is marked gone.
    """
    held = pod.reservation
    if held is None or pod.has_live_tasks:
        return None
    since_all_ended = max((task.since for task in pod.tasks), default=0.0)
    gone = [task for task in pod.tasks if task.state is TaskState.GONE_BY_OPERATOR]
    # What an offer proves to be lost has its data at hand: it starts again there.
    back = {task.id for task in pod.tasks if task.message == BACK_AS_ANOTHER}
    hidden = [task for task in pod.tasks if task.uncertain and task.id not in back]
    if gone:
        cause, since = Cause.MARKED_GONE, min(task.since for task in gone)
    elif hidden and not pod.drained:
        cause, since = Cause.OUT_OF_SIGHT, since_all_ended
    else:
        goals = {task.name: task.goal for task in spec.tasks}
        failed = [
            task
            for task in pod.tasks
            if task.stopping is None
            and task.name in goals
            and (goals[task.name] is Goal.RUNNING or task.reached is None)
        ]
        if not failed:
            return None
        cause = Cause.DRAINED if pod.drained else Cause.DOWN
        since = max(since_all_ended, *(task.not_before for task in failed))
    lost = cause is not Cause.DRAINED and any(
        task.state in LOST_STATES and task.id not in back for task in pod.tasks
    )
    return Failure(cause, since, held.hostname, held.agent_id, lost)
