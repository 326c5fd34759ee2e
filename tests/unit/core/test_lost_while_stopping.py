"""An instance whose agent is lost while a plan stops it: whoever must bring it back may."""

from dataclasses import replace

from holdfast.mesos.messages import TaskState
from holdfast.plans.goals import Aim, task_status
from holdfast.plans.plan import Status
from holdfast.records import Task
from holdfast.service.model import Goal, TaskSpec

AIM = Aim(lambda config: config == "new")
SPEC = TaskSpec("node", Goal.RUNNING, "run", 0.1, 32)
STOPPED = Task("node", "node-1", "old", TaskState.RUNNING, ready=True, stopping="it is to go")


def test_a_plan_holds_a_task_only_as_long_as_it_can_be_stopped() -> None:
    assert task_status(SPEC, STOPPED, AIM, 0.0) is Status.PREPARED
    lost = replace(STOPPED, state=TaskState.UNREACHABLE)
    assert task_status(SPEC, lost, AIM, 0.0) is Status.PENDING
