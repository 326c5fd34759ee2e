"""Where the tasks of a pod instance stand on the way to their goals."""

from collections.abc import Callable, Collection, Container, Iterable, Iterator
from dataclasses import dataclass

from holdfast.mesos.messages import TaskState
from holdfast.plans.plan import Status
from holdfast.records import Pod, Task
from holdfast.service.model import Goal, PlanSpec, PodSpec, ServiceSpec, TaskSpec

RESTART = "restart"
"""The run of a task that an operator wants launched anew when its step's turn comes."""

SameConfig = Callable[[str], bool]
"""Whether the configuration of that id asks the same of the pod as the one looked at."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What counts as done: `same_config` under which configuration, `run` in which run.

    The deploy plan has no run. In the first run of a custom plan a task that runs already is done.
    """

    same_config: SameConfig
    run: str = ""
    first_run: bool = True


def at_goal(spec: TaskSpec, task: Task) -> bool:
    """Whether the task is, at this moment, where its goal wants it."""
    if spec.goal is Goal.RUNNING:
        return task.running
    return task.state is TaskState.FINISHED


def is_done(spec: TaskSpec, task: Task | None, aim: Aim) -> bool:
    """Whether the task has reached its goal as aimed at; what became of it since does not count."""
    if task is None or task.reached is None:
        return False
    if aim.run and task.run == aim.run:
        return True  # whatever its configuration: a run takes the instances as it finds them
    # It may have been launched with another configuration since it was done under this one.
    as_asked = aim.same_config(task.reached) and aim.same_config(task.config_id)
    if aim.run:
        return spec.goal is Goal.RUNNING and aim.first_run and as_asked
    return spec.goal is Goal.ONCE or as_asked


def is_spared(spec: TaskSpec, pod: Pod, aim: Aim) -> bool:
    """Whether it was done in a former incarnation of the instance, and that counts as aimed at."""
    if spec.name not in pod.spared or aim.run:
        return False
    return spec.goal is Goal.ONCE or (pod.deployed is not None and aim.same_config(pod.deployed))


def is_under_way(task: Task, aim: Aim) -> bool:
    """Whether the task was launched as aimed at and may still get there."""
    of_run = task.run == aim.run if aim.run else task.run != RESTART
    as_aimed = of_run and (bool(aim.run) or aim.same_config(task.config_id))
    return task.live and task.stopping is None and as_aimed


def is_delayed(task: Task, aim: Aim, now: float) -> bool:
    """Whether it pauses after failures; with another configuration it is tried at once."""
    return task.not_before > now and aim.same_config(task.config_id)


def task_status(spec: TaskSpec, task: Task | None, aim: Aim, now: float) -> Status:
    """The status of one task of a step."""
    if task is not None and is_done(spec, task, aim):
        return Status.COMPLETE
    if task is None:
        return Status.PENDING
    if task.dead:
        return Status.DELAYED if is_delayed(task, aim, now) else Status.PENDING
    if not is_under_way(task, aim):
        return Status.PREPARED if task.live and task.stopping else Status.PENDING
    if task.state in (TaskState.STAGING, TaskState.STARTING):
        return Status.STARTING
    return Status.STARTED


_LEAST_FIRST = (
    Status.ERROR,
    Status.DELAYED,
    Status.PENDING,
    Status.PREPARED,
    Status.STARTING,
    Status.STARTED,
    Status.COMPLETE,
)


def least(statuses: Iterable[Status]) -> Status:
    """The status of a step from those of its tasks."""
    return min(statuses, key=_LEAST_FIRST.index, default=Status.COMPLETE)


def step_status(
    spec: PodSpec,
    pod: Pod | None,
    tasks: Collection[str],
    aim: Aim,
    deployed: Collection[str],
    now: float,
) -> Status:
    """The status of a step of the deploy plan or of a custom plan.

    Once complete a step stays so: what fails later, or is replaced, is the recovery plan's
    business. `deployed` are the tasks whose deployment was done under what the pod asks for now.
    """
    if (
        pod is not None
        and not aim.run
        and all(
            name in deployed and _is_not_elsewhere(spec.task(name), pod.task(name), aim)
            for name in tasks
        )
    ):
        return Status.COMPLETE
    return least(
        Status.COMPLETE
        if pod is not None and is_spared(spec.task(name), pod, aim)
        else task_status(spec.task(name), pod.task(name) if pod else None, aim, now)
        for name in tasks
    )


def _is_not_elsewhere(spec: TaskSpec, task: Task | None, aim: Aim) -> bool:
    """Whether the last launch, if any, was with the configuration aimed at."""
    return task is None or spec.goal is Goal.ONCE or aim.same_config(task.config_id)


def planned_tasks(service: ServiceSpec, pod_type: str, index: int) -> tuple[str, ...]:
    """The tasks the deploy plan launches in that pod instance, each once."""
    return tuple(dict.fromkeys(_launched_by((service.deploy,), service, pod_type, index)))


def any_plan_tasks(service: ServiceSpec, pod_type: str, index: int) -> frozenset[str]:
    """The tasks that some plan launches in that pod instance."""
    return frozenset(_launched_by((service.deploy, *service.plans), service, pod_type, index))


def _launched_by(
    plans: Iterable[PlanSpec], service: ServiceSpec, pod_type: str, index: int
) -> Iterator[str]:
    spec = service.pod(pod_type)
    for plan in plans:
        for phase in plan.phases:
            if phase.pod == pod_type:
                for step in phase.steps_of(spec, index):
                    yield from step


def unwell(
    spec: PodSpec, pod: Pod, planned: Container[str], forced: Container[str] = ()
) -> tuple[str, ...]:
    """The tasks that must be recovered, or are being: RUNNING ones that ran and do not now.

    An essential one takes all others that ran with it. Only what some plan launches (`planned`)
    is recovered; what was launched in a step that was `forced` counts as if it had run.
    """
    ran = [
        (task_spec, task)
        for task_spec in spec.tasks
        if task_spec.goal is Goal.RUNNING
        and task_spec.name in planned
        and (task := pod.task(task_spec.name)) is not None
        and (task.reached is not None or task.run == RESTART or task.name in forced)
    ]
    ill = [(task_spec, task) for task_spec, task in ran if not task.running]
    if any(task_spec.essential and is_down(task) for task_spec, task in ill):
        return tuple(task.name for _, task in ran)
    return tuple(task.name for _, task in ill)


def serves(spec: PodSpec, pod: Pod, planned: Container[str]) -> bool:
    """Whether an instance that was launched does what it is for: its essential tasks run."""
    of_it = [
        (task_spec, task)
        for task_spec in spec.tasks
        if task_spec.goal is Goal.RUNNING
        and task_spec.name in planned
        and (task := pod.task(task_spec.name)) is not None
    ]
    essential = [task for task_spec, task in of_it if task_spec.essential]
    return all(task.running for task in essential or [task for _, task in of_it])


def is_down(task: Task) -> bool:
    """It does not run, or is being ended, or nobody knows."""
    return task.dead or task.uncertain or task.stopping is not None


def recovery_status(pod: Pod, tasks: Iterable[str], now: float) -> Status:
    """The status of the recovery of those tasks."""
    return least(recovery_of(pod.task(name), now) for name in tasks)


def recovery_of(task: Task | None, now: float) -> Status:
    """The status of the recovery of one task."""
    if task is None or task.uncertain:
        return Status.PENDING
    if task.dead:
        return Status.DELAYED if task.not_before > now else Status.PENDING
    if task.stopping:
        return Status.PREPARED
    if task.state is TaskState.RUNNING:
        return Status.COMPLETE if task.ready else Status.STARTED
    return Status.STARTING
