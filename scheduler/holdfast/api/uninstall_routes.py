"""The paths that end a service, and those that give up what a machine that is gone still has."""

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from holdfast.api import shapes
from holdfast.api.answers import (
    BAD_REQUEST,
    NOT_FOUND,
    REFUSED,
    UNANSWERED,
    Responses,
    as_json,
    need,
    ok,
    said,
)
from holdfast.api.bodies import json_body, json_of
from holdfast.api.parameters import RetiredName
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb
from holdfast.core.view import View
from holdfast.records import Retired

BODY_BYTES = 4096

_NAME = json_body(
    "The service's name, so that no slip of an address ends another one.",
    {
        "type": "object",
        "required": ["service"],
        "properties": {"service": {"type": "string"}},
        "additionalProperties": False,
    },
    {"service": "hello-world"},
)


def add_uninstall(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    @router.get("/uninstall", tags=["uninstall"], responses={200: ok(shapes.UninstallBody)})
    async def show_uninstall() -> Response:
        """Whether the service is being uninstalled, and what of it stays on machines."""
        return as_json(_uninstall_body(source.view))

    ordered: Responses = {
        200: said(
            "Stored; it will happen, and cannot be undone", "hello-world is being uninstalled"
        ),
        400: BAD_REQUEST,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/uninstall", tags=["uninstall"], responses=ordered, openapi_extra=_NAME)
    async def uninstall(request: Request) -> Response:
        """Uninstall the service: its tasks, its reservations and its volumes, for good."""
        name = _name_in(await json_of(request, _bad, BODY_BYTES))
        answer = await ask(source, Verb.UNINSTALL, name, answer_seconds)
        return as_json({"message": answer.body["message"]}, answer.status)


def add_retired(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    @router.get("/retired", tags=["volumes"], responses={200: ok(list[shapes.RetiredBody])})
    async def list_retired() -> Response:
        """The reservations that pod instances have left behind, with or without volumes."""
        return as_json([*map(_retired_body, source.view.retired.values())])

    ordered: Responses = {
        200: said("Stored; nothing is destroyed", "what hello-1 left on 10.0.0.9 is forgotten"),
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/retired/{name}/forget", tags=["volumes"], responses=ordered)
    async def forget_retired(name: RetiredName) -> Response:
        """Give up what was left on a machine that never returns; nothing is destroyed.

        409 when a pod instance left several, or when a task of it still runs.
        """
        left = [_retired_body(one) for one in source.view.retired.values()]
        known = {n for one in left for n in (one["reservation"], one["pod"], *one["volumes"])}
        need("retired reservation, volume or pod instance", name, known)
        answer = await ask(source, Verb.VOLUMES_FORGET, name, answer_seconds)
        return as_json({"message": answer.body["message"]}, answer.status)


def _uninstall_body(view: View) -> shapes.UninstallBody:
    record = view.uninstalling
    if record is None:
        return {
            "service": view.service.name,
            "state": "none",
            "since": None,
            "forgotten": [],
            "left": [],
        }
    return {
        "service": view.service.name,
        "state": "done" if record.done else "under-way",
        "since": record.at,
        "forgotten": [
            {"pod": f.pod, "agent": f.hostname, "volumes": list(f.volumes), "at": f.at}
            for f in record.forgotten
        ],
        "left": [
            {"id": item.id, "kind": item.kind, "size": item.size, "agent": item.hostname}
            for item in record.left
        ],
    }


def _retired_body(left: Retired) -> shapes.RetiredBody:
    return {
        "reservation": left.reservation.resource_id,
        "pod": left.pod,
        "agent": left.reservation.hostname,
        "volumes": [volume.id for volume in left.reservation.volumes],
        "reason": left.reason,
        "since": left.at,
    }


def _name_in(given: Any) -> str:
    if not isinstance(given, dict) or set(given) != {"service"}:
        raise _bad("it has not that one key")
    name = given["service"]
    if not isinstance(name, str):
        raise _bad("the name is no text")
    return name


def _bad(what: str) -> HTTPException:
    return HTTPException(
        400,
        'Expected a JSON object that names the service to uninstall, as {"service": "NAME"}:'
        f" {what}. Nothing was changed.",
    )
