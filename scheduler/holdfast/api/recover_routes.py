"""All that is broken, what would mend it, and the order to do that."""

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from holdfast.api import pods, shapes
from holdfast.api.answers import BAD_REQUEST, REFUSED, UNANSWERED, Responses, as_json, ok, said
from holdfast.api.bodies import json_body, json_of, texts_in
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb
from holdfast.core.view import View
from holdfast.plans.derive import RECOVERY
from holdfast.recovery.proposal import proposal

_ACTIONS = json_body(
    "Every `action` of GET /v1/recover.",
    {"type": "array", "items": {"type": "string"}},
    ["pod replace hello-1"],
)


def recover_body(view: View) -> shapes.RecoverBody:
    actions = proposal(view.verdicts.values(), view.orders.get(RECOVERY))
    return {
        **pods.failures_body(view),
        "actions": [{"action": action.name, "why": action.why} for action in actions],
        "retired_volumes": sum(len(left.reservation.volumes) for left in view.retired.values()),
    }


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
