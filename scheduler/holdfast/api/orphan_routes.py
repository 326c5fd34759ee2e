"""The paths about what the records do not explain: what there is, and freeing it by name."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
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
from holdfast.api.bodies import json_body, json_of, texts_in
from holdfast.api.orphans import orphans_body, roles_of, silent_agents
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb
from holdfast.core.view import View
from holdfast.engine import Answer
from holdfast.mesos.inventory import Inventory, NoInventory

AskMaster = Callable[[Collection[str]], Inventory]
"""Asks the leading master once about these roles; raises NoInventory."""


Views = Callable[[], Mapping[str, View]]
"""All services of a framework of many, by name; none for that of a single service."""

Found = tuple[list[shapes.OrphanBody], list[str]]
"""What the master has, and the agents that it tells nothing of."""

Look = Callable[[], Awaitable[Found]]
Order = Callable[[Verb, str, Mapping[str, str] | None], Awaitable[Answer]]
"""What is to be done, with what of that name, and the parameters."""


def no_master(roles: Collection[str]) -> Inventory:
    """Where there is none to ask."""
    raise NoInventory("no master is connected at the moment")


_UNTOLD = said(
    "The master did not tell; nothing was changed",
    "The Mesos master did not tell what it has: no answer in time. Nothing was changed.",
)
_NAMES = json_body(
    "The names, as GET /v1/orphans tells them.",
    {
        "type": "object",
        "required": ["names"],
        "properties": {"names": {"type": "array", "minItems": 1, "items": {"type": "string"}}},
        "additionalProperties": False,
    },
    {"names": ["e19fd42d8f5b49b0"]},
)


async def told_by(ask_master: AskMaster, roles: Collection[str]) -> Inventory:
    """What the master has; raises HTTPException when it does not tell."""
    try:
        return await asyncio.to_thread(ask_master, roles)
    except NoInventory as problem:
        text = f"The Mesos master did not tell what it has: {problem}. Nothing was changed."
        raise HTTPException(503, text) from problem


def add_orphans(
    router: APIRouter,
    source: ServiceSource,
    ask_master: AskMaster,
    services: Views,
    answer_seconds: float,
) -> None:
    """Those of one service."""

    async def look() -> Found:
        inventory = await told_by(ask_master, roles_of(source.view))
        # What was launched before the master told is in the records of now.
        view = source.view
        others = {name: each for name, each in services().items() if name != view.service.name}
        items = orphans_body(view, others, inventory, time.time())
        return items, silent_agents(view, inventory)

    async def order(verb: Verb, target: str, parameters: Mapping[str, str] | None) -> Answer:
        return await ask(source, verb, target, answer_seconds, parameters=parameters)

    add_orphan_routes(router, look, order)


def add_orphan_routes(router: APIRouter, look: Look, order: Order) -> None:
    """`look` asks the master, `order` hands in an order for one of what was found."""
    shown: Responses = {200: ok(shapes.OrphansBody), 503: _UNTOLD}

    @router.get("/orphans", tags=["volumes"], responses=shown)
    async def list_orphans() -> Response:
        """Everything reserved and running for the service, as the master tells it now.

        `silent` are agents it tells nothing of at the moment.
        """
        items, silent = await look()
        return as_json({"items": items, "silent": silent})

    ordered: Responses = {
        200: ok(list[shapes.MessageBody], "Stored, one answer for each name"),
        400: BAD_REQUEST,
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/orphans/apply", tags=["volumes"], responses=ordered, openapi_extra=_NAMES)
    async def apply(request: Request) -> Response:
        """Destroy, give back or kill what is named, if no record explains it.

        Nothing is changed when one of the names cannot be freed.
        """
        names = _names_in(await json_of(request, _bad))
        items, _ = await look()
        known = {item["name"]: item for item in items}
        for name in names:
            need("orphan", name, known.keys())
            if not known[name]["applicable"]:
                text = f"{name} is left as it is: {known[name]['hint']}. Nothing was changed."
                raise HTTPException(409, text)
        answers = []
        for name in names:
            item = known[name]
            if item["kind"] == "task":
                parameters = {"agent": item["agent_id"]}
                answer = await order(Verb.ORPHANS_KILL, name, parameters)
            else:
                answer = await order(Verb.VOLUMES_DESTROY, name, None)
            if answer.status != 200:
                return as_json(answer.body, answer.status)
            answers.append({"message": answer.body["message"]})
        return as_json(answers)


def _names_in(given: Any) -> list[str]:
    if not isinstance(given, dict) or set(given) != {"names"}:
        raise _bad("it has not that one key")
    names = texts_in(given["names"], lambda _what: _bad("the names are no list of texts"))
    if not names:
        raise _bad("there is no name in it")
    return list(dict.fromkeys(names))


def _bad(what: str) -> HTTPException:
    return HTTPException(
        400, f'Expected a JSON object as {{"names": ["NAME"]}}: {what}. Nothing was changed.'
    )
