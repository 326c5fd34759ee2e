"""The paths that pause and resume the tasks of a pod instance."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response

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
from holdfast.api.bodies import json_body, json_of, texts_in
from holdfast.api.parameters import PodName
from holdfast.api.pod_routes import insists
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb
from holdfast.core.pause import INSIST

Force = Annotated[str | None, Query(description="true: also when its disruption-check says no.")]

BODY_BYTES = 64 * 1024

_TASKS = json_body(
    "The tasks it is about, as `server` or `hello-0-server`; without it, all.",
    {"type": "array", "items": {"type": "string"}},
    ["server"],
    required=False,
)


def add_pause(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    async def order(verb: Verb, name: str, request: Request, insisting: bool = False) -> Response:
        need("pod instance", name, pods.instance_names(source.view))
        given = await json_of(request, _bad, BODY_BYTES)
        tasks = [] if given is None else texts_in(given, _bad)
        if INSIST in tasks:
            raise _bad(f"{INSIST} is not the name of one")
        parameters = dict.fromkeys(tasks, "") | ({INSIST: "true"} if insisting else {})
        answer = await ask(source, verb, name, answer_seconds, parameters=parameters)
        if answer.status != 200:
            return as_json({"message": answer.body["message"]}, answer.status)
        known = pods.asked_task_names(source.view, name)
        chosen = {f"{name}-{task.removeprefix(f'{name}-')}" for task in tasks}
        shown = [task for task in known if not chosen or task in chosen]
        return as_json({"pod": name, "tasks": shown, "message": answer.body["message"]})

    example = {
        "pod": "hello-0",
        "tasks": ["hello-0-server"],
        "message": "server of hello-0 is being paused",
    }
    ordered: Responses = {
        200: ok(shapes.CommandBody, "Stored; it will happen", example),
        400: BAD_REQUEST,
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/pod/{name}/pause", tags=["pods"], responses=ordered, openapi_extra=_TASKS)
    async def pause_pod(name: PodName, request: Request, force: Force = None) -> Response:
        """Have tasks do nothing but sleep, on their volumes, until they are resumed.

        Refused when the `disruption-check` of the pod says no, unless with `force`.
        """
        return await order(Verb.POD_PAUSE, name, request, insists(force))

    @router.post("/pod/{name}/resume", tags=["pods"], responses=ordered, openapi_extra=_TASKS)
    async def resume_pod(name: PodName, request: Request) -> Response:
        """Have paused tasks do again what they are for."""
        return await order(Verb.POD_RESUME, name, request)


def _bad(what: str) -> HTTPException:
    return HTTPException(
        400, f'Expected a JSON list of tasks, as ["server"]: {what}. Nothing was changed.'
    )
