"""Plans as dcos-commons shows them."""

import uuid

from holdfast.api.shapes import PhaseBody, PlanBody, StepBody
from holdfast.plans.plan import Phase, Plan, Status, Step

_NAMESPACE = uuid.UUID("0d6a54e0-6f0c-5c3e-9f5b-3a1b6a5f7c11")


def plan_body(service: str, plan: Plan) -> PlanBody:
    return {
        "phases": [_phase(f"{service}\n{plan.name}", phase) for phase in plan.phases],
        "errors": list(plan.errors),
        "strategy": plan.strategy.value,
        "status": plan.status.value,
    }


def plan_code(plan: Plan) -> int:
    """200 complete, 202 under way or waiting, 417 with errors."""
    if plan.errors:
        return 417
    return 200 if plan.status is Status.COMPLETE else 202


def _phase(parent: str, phase: Phase) -> PhaseBody:
    path = f"{parent}\n{phase.name}"
    return {
        "id": _id(path),
        "name": phase.name,
        "steps": [_step(path, step) for step in phase.steps],
        "strategy": phase.strategy.value,
        "status": phase.status.value,
    }


def _step(parent: str, step: Step) -> StepBody:
    return {
        "id": _id(f"{parent}\n{step.name}"),
        "status": step.status.value,
        "name": step.name,
        "message": step.message,
    }


def _id(path: str) -> str:
    """Made of the names, so that it outlives a restart; dcos-commons makes new ones each time."""
    return str(uuid.uuid5(_NAMESPACE, path))
