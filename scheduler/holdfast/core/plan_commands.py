"""What an operator orders of a plan, turned into orders and records."""

import re
from collections.abc import Sequence
from dataclasses import replace

from holdfast.core import events as ev
from holdfast.core.commands import Refused
from holdfast.core.ledger import Ledger
from holdfast.plans import orders as of_plans
from holdfast.plans.derive import BUILT_IN, DECOMMISSION, DEPLOY, RECOVERY, step_name
from holdfast.plans.goals import RESTART
from holdfast.plans.orders import ALREADY, OK, Orders
from holdfast.plans.plan import Phase, Plan, Status, Step

PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def order(ledger: Ledger, plans: Sequence[Plan], command: ev.Command) -> tuple[int, str]:
    """Carry out a command on a plan: the HTTP status and the words for the operator.

    208 says that there was nothing to do. Raises Refused.
    """
    plan = next((plan for plan in plans if plan.name == command.target), None)
    if plan is None:
        names = ", ".join(plan.name for plan in plans)
        raise Refused(404, f"no plan {command.target}; there are {names}")
    phase, step = _element(plan, command)
    custom = plan.name not in BUILT_IN
    known = ledger.orders.get(plan.name, Orders(plan.name, interrupted=custom))
    if plan.name == DEPLOY and known.about != ledger.target_id:
        known = replace(known, about=ledger.target_id, forced=frozenset(), canaries={})
    what = " ".join(filter(None, (plan.name, command.phase, command.step)))
    status = OK
    match command.verb:
        case ev.Verb.PLAN_CONTINUE:
            new, status = of_plans.proceed(known, plan, phase)
            text = f"{what} goes on"
        case ev.Verb.PLAN_INTERRUPT:
            new, status = of_plans.interrupt(known, plan, phase)
            text = f"{what} takes up no more steps; what it started goes on"
        case ev.Verb.PLAN_FORCE_COMPLETE:
            if not _can_be_forced(plan, step):
                raise Refused(409, f"{plan.name} is about tasks as they are; use interrupt")
            new, status = of_plans.force_complete(known, plan, phase, step)
            text = f"{what} counts as complete, whatever its tasks do"
        case ev.Verb.PLAN_START:
            _refuse_built_in(plan, "continue")
            _check_parameters(command)
            new = of_plans.start(known, plan, command.parameters)
            text = f"{what} is started"
        case ev.Verb.PLAN_STOP:
            _refuse_built_in(plan, "interrupt")
            new = of_plans.stop(known)
            text = f"{what} is stopped, and begins anew when it is started again"
        case ev.Verb.PLAN_RESTART:
            new, status = _restart(ledger, known, plan, phase, step)
            text = f"{what} begins anew; tasks that run are launched again when their turn comes"
        case _:
            raise Refused(400, f"{command.verb} is no command on a plan")
    if status == ALREADY:
        return ALREADY, f"{what} needs nothing of the kind; nothing was changed"
    ledger.put_orders(new)
    return OK, text


def _element(plan: Plan, command: ev.Command) -> tuple[Phase | None, Step | None]:
    if command.phase is None:
        if command.step is not None:
            raise Refused(400, "a step is named together with its phase")
        return None, None
    phase = plan.phase(command.phase)
    if phase is None:
        names = ", ".join(phase.name for phase in plan.phases) or "none"
        raise Refused(404, f"plan {plan.name} has no phase {command.phase}; it has {names}")
    if command.step is None:
        return phase, None
    for step in phase.steps:
        if step.name == command.step:
            return phase, step
    names = ", ".join(step.name for step in phase.steps)
    raise Refused(404, f"phase {phase.name} has no step {command.step}; it has {names}")


def _can_be_forced(plan: Plan, step: Step | None) -> bool:
    """Whether somebody may say that it is done. Of the plan `decommission` only what an instance
    that leaves should run before; whether it was stopped is a matter of fact."""
    if plan.name == DECOMMISSION:
        return step is not None and step.name == step_name(step.pod, step.tasks)
    return plan.name != RECOVERY


def _refuse_built_in(plan: Plan, instead: str) -> None:
    if plan.name in BUILT_IN:
        raise Refused(409, f"{plan.name} is not started or stopped by hand; use {instead}")


def _check_parameters(command: ev.Command) -> None:
    for name in command.parameters:
        if not PARAMETER.fullmatch(name):
            raise Refused(400, f"{name!r} is no name of a parameter: letters, digits and _ only")


def _restart(
    ledger: Ledger, known: Orders, plan: Plan, phase: Phase | None, step: Step | None
) -> tuple[Orders, int]:
    chosen = [
        a_step
        for a_phase in plan.phases
        if phase is None or a_phase.name == phase.name
        for a_step in a_phase.steps
        if step is None or a_step.name == step.name
    ]
    if plan.name == DECOMMISSION or all(s.status is Status.PENDING for s in chosen):
        return known, ALREADY
    for a_step in chosen:
        if plan.name == RECOVERY:
            _forgive(ledger, a_step)
        else:
            _launch_anew(ledger, a_step, deploys=plan.name == DEPLOY)
    new = of_plans.restart(known, phase, step)
    if plan.name not in BUILT_IN and phase is None:
        new = replace(new, run=new.run + 1)
    return new, OK


def _forgive(ledger: Ledger, step: Step) -> None:
    """Have the step's tasks tried again without a pause."""
    pod = ledger.pods[step.pod]
    tasks = (replace(task, failures=0, not_before=0.0) for task in pod.tasks)
    ledger.put_pod(replace(pod, tasks=tuple(tasks)))


def _launch_anew(ledger: Ledger, step: Step, deploys: bool) -> None:
    """Mark the step's tasks: they have their goal before them again, and no failures behind.

    Only a plan that `deploys` takes back that the instance is deployed: one that is being replaced
    would otherwise be made anew without the steps of `replace`.
    """
    pod = ledger.pods.get(step.pod)
    if pod is None:
        return
    tasks = tuple(
        replace(task, run=RESTART, reached=None, failures=0, not_before=0.0)
        if task.name in step.tasks
        else task
        for task in pod.tasks
    )
    new = replace(pod, tasks=tasks)
    if deploys:
        spared = tuple(name for name in pod.spared if name not in step.tasks)
        new = replace(new, deployed=None, spared=spared)
    ledger.put_pod(new)
