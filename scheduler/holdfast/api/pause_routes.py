"""The paths that pause and resume the tasks of a pod instance."""

from typing import Any

import orjson
from fastapi import APIRouter, HTTPException, Request, Response

from holdfast.api import pods, shapes
from holdfast.api.answers import (
    BAD_REQUEST,
    NOT_FOUND,
    REFUSED,
    UNANSWERED,
    Responses,
    as_json,
    need,
    ok,
)
from holdfast.api.bodies import body_of
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb

BODY_BYTES = 64 * 1024

_TASKS = {
    "requestBody": {
        "required": False,
        "description": "The tasks it is about, as `server` or `hello-0-server`; without it, all.",
        "content": {
            "application/json": {
                "schema": {"type": "array", "items": {"type": "string"}},
                "example": ["server"],
            }
        },
    }
}


def add_pause(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    async def order(verb: Verb, name: str, request: Request) -> Response:
        need("pod instance", name, pods.instance_names(source.view))
        too_long = _bad(f"it is longer than {BODY_BYTES} bytes")
        tasks = tasks_in(await body_of(request, BODY_BYTES, too_long))
        parameters = dict.fromkeys(tasks, "")
        answer = await ask(source, verb, name, answer_seconds, parameters=parameters)
        if answer.status != 200:
            return as_json({"message": answer.body["message"]}, answer.status)
        known = pods.asked_task_names(source.view, name)
        chosen = {f"{name}-{task.removeprefix(f'{name}-')}" for task in tasks}
        shown = [task for task in known if not chosen or task in chosen]
        return as_json({"pod": name, "tasks": shown, "message": answer.body["message"]})

    ordered: Responses = {
        200: ok(shapes.CommandBody, "Stored; it will happen"),
        400: BAD_REQUEST,
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/pod/{name}/pause", tags=["pods"], responses=ordered, openapi_extra=_TASKS)
    async def pause_pod(name: str, request: Request) -> Response:
        """Have tasks do nothing but sleep, on their volumes, until they are resumed."""
        return await order(Verb.POD_PAUSE, name, request)

    @router.post("/pod/{name}/resume", tags=["pods"], responses=ordered, openapi_extra=_TASKS)
    async def resume_pod(name: str, request: Request) -> Response:
        """Have paused tasks do again what they are for."""
        return await order(Verb.POD_RESUME, name, request)


def tasks_in(content: bytes) -> list[str]:
    """The names in a request body, none for an empty one. Raises HTTPException (400)."""
    if not content.strip():
        return []
    try:
        given: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _bad(f"the body is no JSON ({error})") from None
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise _bad("the body is no list of texts")
    return given


def _bad(what: str) -> HTTPException:
    return HTTPException(
        400, f'Expected a JSON list of tasks, as ["server"]: {what}. Nothing was changed.'
    )
