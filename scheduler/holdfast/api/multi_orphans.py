"""What the master has for all services of a framework at once, and freeing what none explains."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from fastapi import APIRouter, HTTPException

from holdfast.api.orphan_routes import AskMaster, Found, add_orphan_routes, told_by
from holdfast.api.orphans import orphans_of_all, roles_of, silent_agents
from holdfast.api.source import answered
from holdfast.core.events import Verb
from holdfast.core.multi_view import MultiView
from holdfast.core.view import View
from holdfast.engine import Answer

GiveOrder = Callable[[Verb, str, Mapping[str, str] | None, str], Future[Answer]]
"""Hands in an order: what, with which name, the parameters, and for which service."""


def add_orphans_of_all(
    router: APIRouter,
    picture: Callable[[], MultiView],
    ask_master: AskMaster,
    give: GiveOrder,
    answer_seconds: float,
) -> None:
    async def look() -> Found:
        roles = {role for view in picture().services.values() for role in roles_of(view)}
        inventory = await told_by(ask_master, roles)
        view = picture()  # has what was launched before the master told
        items = orphans_of_all(view.services, view.framework_id, inventory, time.time())
        silent = {h for each in view.services.values() for h in silent_agents(each, inventory)}
        return items, sorted(silent | set(inventory.silent))

    async def order(verb: Verb, target: str, parameters: Mapping[str, str] | None) -> Answer:
        service = _whose(picture().services, target)
        future = give(verb, target, parameters, service)
        return await answered(future, f"{verb} {target}", answer_seconds)

    add_orphan_routes(router, look, order)


def _whose(views: Mapping[str, View], name: str) -> str:
    """Who keeps it in quarantine. A task that no records know may be killed by any service."""
    keeps = (service for service, view in views.items() if name in view.quarantined)
    service = next(keeps, next(iter(views), None))
    if service is None:
        raise HTTPException(409, "There is no service here any more. Nothing was changed.")
    return service
