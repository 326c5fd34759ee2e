"""Plans as dcos-commons shows them, and their elements as operators name them."""

import uuid
from collections.abc import Callable

from holdfast.api.names import Unknown
from holdfast.api.shapes import PhaseBody, PlanBody, StepBody
from holdfast.core.pause import step_shown
from holdfast.core.view import View
from holdfast.plans.plan import Phase, Plan, Status, Step

_NAMESPACE = uuid.UUID("0d6a54e0-6f0c-5c3e-9f5b-3a1b6a5f7c11")
_HELD = "it is a canary, held back until an operator lets its phase continue"


Paused = Callable[[Step], str | None]
"""How a step is shown whose tasks are all paused, or about to be; None for any other."""


def paused_in(view: View) -> Paused:
    def shown(step: Step) -> str | None:
        return step_shown(view.pods.get(step.pod), step.tasks, view.paused.get(step.pod, ()))

    return shown


def plan_body(service: str, plan: Plan, paused: Paused = lambda step: None) -> PlanBody:
    return {
        "phases": [_phase(f"{service}\n{plan.name}", phase, paused) for phase in plan.phases],
        "errors": list(plan.errors),
        "strategy": plan.strategy.value,
        "status": plan.status.value,
        "interrupted": plan.interrupted,
    }


def plan_code(plan: Plan) -> int:
    """200 complete, 202 under way or waiting, 417 with errors."""
    if plan.errors:
        return 417
    return 200 if plan.status is Status.COMPLETE else 202


def step_status(step: Step) -> Status:
    """A canary that is held back waits, unless there is nothing left to hold back."""
    held = step.held and step.status in (Status.PENDING, Status.DELAYED)
    return Status.WAITING if held else step.status


def find_plan(view: View, name: str) -> Plan:
    """The plan of that name. Raises Unknown."""
    known = {plan.name: plan for plan in view.plans}
    if name not in known:
        raise Unknown("plan", name, known)
    return known[name]


def find_phase(service: str, plan: Plan, given: str) -> Phase:
    """The phase of that name or id. Raises Unknown."""
    for phase in plan.phases:
        if given in (phase.name, _id(f"{service}\n{plan.name}\n{phase.name}")):
            return phase
    raise Unknown(f"phase of {plan.name}", given, [phase.name for phase in plan.phases])


def find_step(service: str, plan: Plan, phase: Phase, given: str) -> Step:
    """The step of that name or id. Raises Unknown."""
    for step in phase.steps:
        if given in (step.name, _id(f"{service}\n{plan.name}\n{phase.name}\n{step.name}")):
            return step
    raise Unknown(f"step of {plan.name} {phase.name}", given, [step.name for step in phase.steps])


def _phase(parent: str, phase: Phase, paused: Paused) -> PhaseBody:
    path = f"{parent}\n{phase.name}"
    return {
        "id": _id(path),
        "name": phase.name,
        "steps": [_step(path, step, paused) for step in phase.steps],
        "strategy": phase.strategy.value,
        "status": phase.status.value,
        "interrupted": phase.interrupted,
    }


def _step(parent: str, step: Step, paused: Paused) -> StepBody:
    status = step_status(step)
    return {
        "id": _id(f"{parent}\n{step.name}"),
        "status": paused(step) or status.value,
        "name": step.name,
        "message": _HELD if status is Status.WAITING else step.message,
    }


def _id(path: str) -> str:
    """Made of the names, so that it outlives a restart; dcos-commons makes new ones each time."""
    return str(uuid.uuid5(_NAMESPACE, path))
