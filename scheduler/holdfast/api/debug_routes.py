"""The `debug` paths of dcos-commons."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from holdfast.api import debugging, shapes
from holdfast.api.answers import NOT_FOUND, Responses, as_json, as_text, ok, ok_text
from holdfast.api.source import ServiceSource

PlanName = Annotated[str | None, Query(description="Only this plan.")]
PhaseName = Annotated[str | None, Query(description="Only this phase of the plan.")]
StepName = Annotated[str | None, Query(description="Only this step of the phase.")]
Sync = Annotated[
    str | None, Query(description="Of dcos-commons; the answer is never older than one step.")
]


def add_debug(router: APIRouter, source: ServiceSource) -> None:
    """Paths under /v1/debug."""
    shown: Any = shapes.DebugPlansBody | shapes.InvalidInputBody
    plans: Responses = {200: ok(shown, "The plans, or what is wrong with the choice")}

    @router.get("/debug/plans", tags=["debug"], responses=plans)
    async def debug_plans(
        plan: PlanName = None,
        phase: PhaseName = None,
        step: StepName = None,
        sync: Sync = None,
    ) -> Response:
        """Every plan at a glance: how many steps are done, and which plans are under way."""
        view = source.view
        wrong = debugging.invalid_input(view, plan, phase, step)
        if wrong:
            return as_json({"invalid-input": wrong})
        return as_json(debugging.plans_body(view, plan, phase, step))

    statuses: Responses = {200: ok(list[shapes.DebugStatusPlanBody]), 404: NOT_FOUND}

    @router.get("/debug/taskStatuses", tags=["debug"], responses=statuses)
    async def debug_task_statuses(
        plan: PlanName = None,
        phase: PhaseName = None,
        step: StepName = None,
        sync: Sync = None,
    ) -> Response:
        """The Mesos state of the tasks of each step, plan by plan."""
        return as_json(debugging.statuses_body(source.view, plan, phase, step))

    reserved = ok(dict[str, list[str]], example={"10.0.0.7": ["0f1d", "93ab"]})

    @router.get("/debug/reservations", tags=["debug"], responses={200: reserved})
    async def debug_reservations() -> Response:
        """Ids of the resources reserved for pod instances, by host name of their agent."""
        return as_json(debugging.reservations_body(source.view))

    stacks = ok_text("A text", 'api (daemon=True)\n  File "server.py", line 80, in _serve\n')

    @router.get("/debug/threads", tags=["debug"], responses={200: stacks})
    async def debug_threads() -> Response:
        """Where each thread of the scheduler is."""
        return as_text(debugging.threads_text())


def add_offers(router: APIRouter, source: ServiceSource) -> None:
    """The one path under /v2."""

    @router.get("/debug/offers", tags=["debug"], responses={200: ok(shapes.DebugOffersBody)})
    async def debug_offers() -> Response:
        """Which rule each agent failed for the pod instances that wait; `/v1/explain` says more."""
        return as_json(debugging.offers_body(source.view, time.time()))
