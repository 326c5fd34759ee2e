"""What the plans want of a pod instance, and which of them may work on what of it."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from holdfast.core.ledger import Ledger
from holdfast.core.moves import Start, Work
from holdfast.core.wanted import Wanted
from holdfast.plans.derive import BUILT_IN, DECOMMISSION, DEPLOY, RECOVERY
from holdfast.plans.goals import Aim
from holdfast.plans.orders import Orders
from holdfast.plans.plan import Plan, Status, Step
from holdfast.plans.progress import Share
from holdfast.plans.single import LEAVE, replace_steps
from holdfast.service.model import Goal

AT_WORK = frozenset({Status.PREPARED, Status.STARTING, Status.STARTED})

Need = tuple[str, str, str]
"""A pod instance, and the `task` or the resource `set` of it, by name."""


@dataclass(frozen=True, slots=True)
class Job:
    """The work a step of a plan has with a pod instance."""

    index: int
    config_id: str
    work: Work
    parameters: Mapping[str, str]
    leaves: bool = False
    """Whether it is what the instance runs before it goes for good."""

    def wanted(self, name: str, start: Start) -> Wanted:
        return Wanted(
            name,
            self.work.spec,
            self.index,
            self.config_id,
            start.tasks,
            start.join,
            None if self.work.recovers and not self.work.aim.run else self.work.aim.run,
            self.parameters,
        )


def jobs_of(ledger: Ledger, shares: Sequence[Share]) -> list[Job]:
    """What the plans want of a pod instance, in the order of their claims on it.

    What one plan is starting or stopping is not touched by another, nor the resource set of
    a task that runs to its end. A plan of the operator's that needs what recovery needs, in
    order to launch it itself, goes first: otherwise they would undo each other's work.
    """
    open_ = [(plan, step) for plan, steps in shares for step in steps]
    if not open_:
        return []
    claimed = _claims(ledger, shares)
    recovering = {
        key for plan, step in open_ if plan.name == RECOVERY for key in _needs(ledger, step)
    }

    def rank(entry: tuple[Plan, Step]) -> int:
        plan, step = entry
        if plan.name in BUILT_IN:
            return 0 if plan.name == DEPLOY else 2
        return 1 if recovering & _needs(ledger, step) else 3

    return [
        _job(ledger, plan.name, step)
        for plan, step in sorted(open_, key=rank)
        if all(claimed.get(key, plan.name) == plan.name for key in _needs(ledger, step))
    ]


def is_recoverys(ledger: Ledger, plan: Plan, step: Step) -> bool:
    """Whether recovery alone works on the instance: its new volumes are yet to be filled."""
    pod = ledger.pods.get(step.pod)
    return plan.name != RECOVERY and bool(replace_steps(ledger.service, pod))


def _claims(ledger: Ledger, plans: Sequence[Share]) -> dict[Need, str]:
    """Which plan is at work on what of an instance, given its share in each."""
    claimed: dict[Need, str] = {}
    recovery_last = sorted(plans, key=lambda entry: entry[0].name == RECOVERY)
    for plan, steps in recovery_last:
        candidates = set(steps)
        if plan.name == DEPLOY:
            for step in _later(plan, candidates):
                for task in step.tasks:
                    claimed.setdefault((step.pod, "task", task), plan.name)
        for step in plan.steps():
            if is_recoverys(ledger, plan, step):
                continue
            if step.status is Status.STARTING or (
                step.status is Status.PREPARED and step in candidates
            ):
                for task in step.tasks:
                    claimed.setdefault((step.pod, "task", task), plan.name)
            if step.status in (Status.STARTING, Status.STARTED):
                for set_id in _ending_sets(ledger, step):
                    claimed.setdefault((step.pod, "set", set_id), plan.name)
    return claimed


def _ending_sets(ledger: Ledger, step: Step) -> set[str]:
    """The resource sets in use by tasks of the step that will end by themselves."""
    pod = ledger.pods.get(step.pod)
    spec = ledger.service.pod(ledger.instance(step.pod)[0])
    return {
        spec.resources(spec.task(name)).id
        for name in step.tasks
        if spec.task(name).goal is not Goal.RUNNING
        and pod is not None
        and (task := pod.task(name)) is not None
        and task.live
    }


def _needs(ledger: Ledger, step: Step) -> set[Need]:
    """The tasks of the step, and the resource sets they run on."""
    spec = ledger.service.pod(ledger.instance(step.pod)[0])
    known = [task for task in spec.tasks if task.name in step.tasks]
    return {(step.pod, "task", name) for name in step.tasks} | {
        (step.pod, "set", spec.resources(task).id) for task in known
    }


def _job(ledger: Ledger, plan: str, step: Step) -> Job:
    pod_type, index = ledger.instance(step.pod)
    pod = ledger.pods.get(step.pod)
    recovers = plan in (RECOVERY, DECOMMISSION)
    anew = bool(replace_steps(ledger.service, pod))
    config_id = ledger.config_for(pod, may_move=plan == DEPLOY or anew)
    orders = ledger.orders.get(plan, Orders(plan))
    is_run = plan not in BUILT_IN
    aim = Aim(
        ledger.asks_the_same(pod_type, config_id),
        LEAVE if plan == DECOMMISSION else orders.run_id if is_run else "",
        orders.run <= 1,
    )
    spec = ledger.configs[config_id].pod(pod_type)
    restart = pod.restart if pod is not None and plan == RECOVERY and not anew else ""
    work = Work(spec, step.tasks, aim, recovers, restart)
    parameters = orders.parameters if is_run else {}
    return Job(index, config_id, work, parameters, plan == DECOMMISSION)


def _later(plan: Plan, candidates: Container[Step]) -> list[Step]:
    """The steps whose turn comes after one of their instance that is at work.

    Recovery must not be before them.
    """
    later = []
    for phase in plan.phases:
        at_work: set[str] = set()
        for step in phase.steps:
            if step.pod in at_work and step.status is not Status.COMPLETE:
                later.append(step)
            if step in candidates and step.status in AT_WORK:
                at_work.add(step.pod)
    return later
