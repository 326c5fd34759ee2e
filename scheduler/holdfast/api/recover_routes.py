"""All that is broken, what would mend it, and the order to do that."""

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from holdfast.api import pods, shapes
from holdfast.api.answers import BAD_REQUEST, REFUSED, UNANSWERED, Responses, as_json, ok, said
from holdfast.api.bodies import json_body, json_of, texts_in
from holdfast.api.health import health, unfinished
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb
from holdfast.core.view import View
from holdfast.plans.derive import RECOVERY
from holdfast.plans.plan import Plan, Status, Step
from holdfast.recovery.proposal import dangers, proposal

_ACTIONS = json_body(
    "Every `action` of GET /v1/recover.",
    {"type": "array", "items": {"type": "string"}},
    ["pod replace hello-1"],
)

_UNDER_WAY = (Status.IN_PROGRESS, Status.PREPARED, Status.STARTING, Status.STARTED)


def recover_body(view: View) -> shapes.RecoverBody:
    orders = view.orders.get(RECOVERY) if view.uninstalling is None else None
    actions = proposal(view.verdicts.values(), orders)
    _, healthy = health(view)
    mended = {action.target for action in actions}
    return {
        **pods.failures_body(view),
        "actions": [{"action": action.name, "why": action.why} for action in actions],
        "dangers": list(dangers(actions, view.service, view.pods.values())),
        "waiting": [each for each in _waiting(view) if each["name"] not in mended],
        "status": healthy["status"],
        "message": healthy["message"],
        "retired_volumes": sum(len(left.reservation.volumes) for left in view.retired.values()),
        "quarantined": len(view.quarantined),
    }


def _waiting(view: View) -> Iterator[shapes.WaitingBody]:
    """The instances that do not wholly run, and the plans that do not go on."""
    plans = unfinished(view)
    steps = [step for plan in plans for step in _steps(plan)]
    # What is being uninstalled is not meant to run: its plan tells all.
    for name in pods.instance_names(view) if view.uninstalling is None else ():
        state = pods.pod_state(view.pods.get(name))
        if state is not pods.PodState.RUNNING:
            verdict = view.verdicts.get(name)
            why = (
                verdict.reason
                if verdict
                else pods.explained(view, name) or _told(s for s in steps if s.pod == name)
            )
            yield {"kind": "pod", "name": name, "state": state.value, "reason": why}
    for plan in plans:
        if plan.status not in _UNDER_WAY:
            why = "; ".join(plan.errors) or _told(_steps(plan))
            yield {"kind": "plan", "name": plan.name, "state": plan.status.value, "reason": why}


def _told(steps: Iterable[Step]) -> str:
    """The first thing that a step says of what it waits for."""
    return next((f"{step.name}: {step.message}" for step in steps if step.message), "")


def _steps(plan: Plan) -> list[Step]:
    return [step for step in plan.steps() if step.status is not Status.COMPLETE]


def add_recover(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    @router.get("/recover", tags=["pods"], responses={200: ok(shapes.RecoverBody)})
    async def show_recovery() -> Response:
        """All that is broken, and the orders that would mend it."""
        return as_json(recover_body(source.view))

    ordered: Responses = {
        200: said("Stored; it will happen", "pod replace hello-1: hello-1 is being replaced"),
        400: BAD_REQUEST,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/recover", tags=["pods"], responses=ordered, openapi_extra=_ACTIONS)
    async def recover(request: Request) -> Response:
        """Give these orders, each `action` as it was shown.

        When they are others by now, nothing is done.
        """
        seen = texts_in(await json_of(request, _bad), _bad)
        answer = await ask(
            source, Verb.RECOVER, "all", answer_seconds, parameters={"seen": "\n".join(seen)}
        )
        return as_json(answer.body, answer.status)


def _bad(what: str) -> HTTPException:
    return HTTPException(
        400,
        f'Expected a JSON list of actions, as ["pod replace node-0"]: {what}. Nothing was changed.',
    )
