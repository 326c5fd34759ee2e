"""All that is broken, what would mend it, and the order to do that."""

import orjson
from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from holdfast.api import pods, shapes
from holdfast.api.answers import BAD_REQUEST, REFUSED, UNANSWERED, Responses, as_json, ok
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb
from holdfast.core.view import View
from holdfast.plans.derive import RECOVERY
from holdfast.recovery.proposal import proposal


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
        200: ok(shapes.MessageBody, "Stored; it will happen"),
        400: BAD_REQUEST,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/recover", tags=["pods"], responses=ordered)
    async def recover(request: Request) -> Response:
        """Give these orders. The body is the list of all `action`s as they were shown: when they
        are others by now, nothing is done."""
        seen = _names_in(await request.body())
        answer = await ask(
            source, Verb.RECOVER, "all", answer_seconds, parameters={"seen": "\n".join(seen)}
        )
        return as_json(answer.body, answer.status)


def _names_in(content: bytes) -> list[str]:
    """The list of names in a request body. Raises HTTPException (400)."""
    expected = 'Expected a JSON list of actions, as ["pod replace node-0"]. Nothing was changed.'
    try:
        given = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise HTTPException(400, expected) from None
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise HTTPException(400, expected)
    return given
