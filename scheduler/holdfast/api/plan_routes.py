"""The paths of plans, and the orders operators give them."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, HTTPException, Query, Request, Response

from holdfast.api import plans, shapes
from holdfast.api.answers import (
    BAD_REQUEST,
    NOT_FOUND,
    REFUSED,
    UNANSWERED,
    Responses,
    as_json,
    ok,
)
from holdfast.api.bodies import json_body, json_of
from holdfast.api.parameters import PlanName
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb
from holdfast.core.plan_commands import PARAMETER
from holdfast.plans.derive import DEPLOY

PARAMETERS_BYTES = 64 * 1024
"""More is refused: they are kept in one record, and end up in the environment of tasks."""

SHOWN: Responses = {
    200: ok(shapes.PlanBody, "The plan is complete"),
    202: ok(shapes.PlanBody, "The plan is under way or waits"),
    417: ok(shapes.PlanBody, "The plan has errors"),
    404: NOT_FOUND,
}
ORDERED: Responses = {
    200: ok(shapes.MessageBody, "Stored; it will happen"),
    208: ok(shapes.MessageBody, "There was nothing to do; nothing was changed"),
    400: BAD_REQUEST,
    404: NOT_FOUND,
    409: REFUSED,
    503: UNANSWERED,
}
PARAMETERS_BODY = json_body(
    "Parameters of the plan: environment variables of its tasks.",
    {
        "type": "object",
        "propertyNames": {"pattern": f"^{PARAMETER.pattern}$"},
        "additionalProperties": {
            "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
        },
    },
    {"BACKUP_NAME": "2026-11-24", "RETRIES": 3},
    required=False,
)
PhaseName = Annotated[str | None, Query(description="A phase, by its name or id.")]
StepName = Annotated[str | None, Query(description="A step of the phase, by its name or id.")]


def add_plans(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    orders = _Orders(source, answer_seconds)

    names = ok(list[str], example=["deploy", "recovery"])

    @router.get("/plans", tags=["plans"], responses={200: names})
    async def list_plans() -> Response:
        """The names of all plans: deploy, recovery, decommission while there is one, your own."""
        return as_json([plan.name for plan in source.view.plans])

    @router.get("/plans/{plan}", tags=["plans"], responses=SHOWN)
    async def show_plan(plan: PlanName) -> Response:
        """A plan with its phases and steps."""
        return _shown(source, plan)

    @router.post(
        "/plans/{plan}/start", tags=["plans"], responses=ORDERED, openapi_extra=PARAMETERS_BODY
    )
    async def start_plan(plan: PlanName, request: Request) -> Response:
        """Start a plan of your own, from its beginning when it is complete, else where it is."""
        _only(request)
        parameters = parameters_in(await json_of(request, _bad, PARAMETERS_BYTES, _too_long()))
        return await orders.give(Verb.PLAN_START, plan, parameters=parameters)

    @router.post("/plans/{plan}/stop", tags=["plans"], responses=ORDERED)
    async def stop_plan(plan: PlanName, request: Request) -> Response:
        """Stop a plan of your own; it begins anew when it is started again."""
        _only(request)
        return await orders.give(Verb.PLAN_STOP, plan)

    @router.post("/plans/{plan}/continue", tags=["plans"], responses=ORDERED)
    async def continue_plan(plan: PlanName, request: Request, phase: PhaseName = None) -> Response:
        """Let a plan or phase go on after an interruption; of a canary phase, one step more."""
        _only(request, "phase")
        return await orders.give(Verb.PLAN_CONTINUE, plan, phase)

    @router.post("/plans/{plan}/interrupt", tags=["plans"], responses=ORDERED)
    async def interrupt_plan(plan: PlanName, request: Request, phase: PhaseName = None) -> Response:
        """Have a plan or phase take up no more steps; what it started goes on."""
        _only(request, "phase")
        return await orders.give(Verb.PLAN_INTERRUPT, plan, phase)

    @router.post("/plans/{plan}/forceComplete", tags=["plans"], responses=ORDERED)
    async def force_complete_plan(
        plan: PlanName, request: Request, phase: PhaseName = None, step: StepName = None
    ) -> Response:
        """Count a step, a phase or the whole plan as complete, whatever its tasks do."""
        _only(request, "phase", "step")
        return await orders.give(Verb.PLAN_FORCE_COMPLETE, plan, phase, step)

    @router.post("/plans/{plan}/restart", tags=["plans"], responses=ORDERED)
    async def restart_plan(
        plan: PlanName, request: Request, phase: PhaseName = None, step: StepName = None
    ) -> Response:
        """Begin a step, a phase or the whole plan anew: its tasks are launched again in turn."""
        _only(request, "phase", "step")
        return await orders.give(Verb.PLAN_RESTART, plan, phase, step)


def add_deploy_plan(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    """The paths of a time when a service had one plan."""
    orders = _Orders(source, answer_seconds)

    @router.get("/plan", tags=["plans"], responses=SHOWN, deprecated=True)
    async def show_deploy() -> Response:
        """The deploy plan. Use `/v1/plans/deploy`."""
        return _shown(source, DEPLOY)

    @router.post("/plan/continue", tags=["plans"], responses=ORDERED, deprecated=True)
    async def continue_deploy(request: Request, phase: PhaseName = None) -> Response:
        """Use `/v1/plans/deploy/continue`."""
        _only(request, "phase")
        return await orders.give(Verb.PLAN_CONTINUE, DEPLOY, phase)

    @router.post("/plan/interrupt", tags=["plans"], responses=ORDERED, deprecated=True)
    async def interrupt_deploy(request: Request, phase: PhaseName = None) -> Response:
        """Use `/v1/plans/deploy/interrupt`."""
        _only(request, "phase")
        return await orders.give(Verb.PLAN_INTERRUPT, DEPLOY, phase)

    @router.post("/plan/forceComplete", tags=["plans"], responses=ORDERED, deprecated=True)
    async def force_complete_deploy(
        request: Request, phase: PhaseName = None, step: StepName = None
    ) -> Response:
        """Use `/v1/plans/deploy/forceComplete`."""
        _only(request, "phase", "step")
        return await orders.give(Verb.PLAN_FORCE_COMPLETE, DEPLOY, phase, step)

    @router.post("/plan/restart", tags=["plans"], responses=ORDERED, deprecated=True)
    async def restart_deploy(
        request: Request, phase: PhaseName = None, step: StepName = None
    ) -> Response:
        """Use `/v1/plans/deploy/restart`."""
        _only(request, "phase", "step")
        return await orders.give(Verb.PLAN_RESTART, DEPLOY, phase, step)


class _Orders:
    """Hands orders for plans to the engine, under the names it knows."""

    def __init__(self, source: ServiceSource, answer_seconds: float) -> None:
        self._source = source
        self._seconds = answer_seconds

    async def give(
        self,
        verb: Verb,
        name: str,
        phase: str | None = None,
        step: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Response:
        view = self._source.view
        plan = plans.find_plan(view, name)
        if step is not None and phase is None:
            raise HTTPException(
                400, f"Step {step!r} is named without its phase: add phase=. Nothing was changed."
            )
        if phase is not None:
            found = plans.find_phase(view.service.name, plan, phase)
            phase = found.name
            if step is not None:
                step = plans.find_step(view.service.name, plan, found, step).name
        answer = await ask(self._source, verb, name, self._seconds, phase, step, parameters)
        return as_json({"message": answer.body["message"]}, answer.status)


def _shown(source: ServiceSource, name: str) -> Response:
    view = source.view
    plan = plans.find_plan(view, name)
    return as_json(
        plans.plan_body(view.service.name, plan, plans.paused_in(view)), plans.plan_code(plan)
    )


def _only(request: Request, *allowed: str) -> None:
    """Refuse other parameters: a misspelt `phase` must not make an order one for the whole plan."""
    for name in request.query_params:
        if name not in allowed:
            known = f"there is {' and '.join(allowed)}" if allowed else "it takes none"
            raise HTTPException(
                400, f"{request.url.path} has no parameter {name!r}: {known}. Nothing was changed."
            )
        if len(request.query_params.getlist(name)) > 1:
            raise HTTPException(400, f"{name!r} is given more than once. Nothing was changed.")


def _too_long() -> HTTPException:
    return HTTPException(
        400,
        f"The parameters of a plan are limited to {PARAMETERS_BYTES} bytes. Put what is"
        " longer where tasks can fetch it. Nothing was changed.",
    )


def parameters_in(given: Any) -> dict[str, str]:
    """The parameters in what a request says, none if that is nothing. Raises HTTPException."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise _bad("the body is no JSON object")
    return {name: _parameter(name, value) for name, value in given.items()}


def _parameter(name: str, value: object) -> str:
    if not PARAMETER.fullmatch(name):
        raise _bad(f"{name!r} is no name of a parameter: letters, digits and _, no digit first")
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if not isinstance(value, str | int | float) or "\0" in text:
        raise _bad(f"{name} is no text, number, true or false that a variable can hold")
    return text


def _bad(what: str) -> HTTPException:
    return HTTPException(
        400,
        f'Expected a JSON object of parameters, as {{"NAME": "value"}}: {what}.'
        " Nothing was changed.",
    )
