"""The paths of maintenance: hosts in it, what Mesos was answered, and what it would do."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

from holdfast.api import shapes
from holdfast.api.answers import (
    BAD_REQUEST,
    NOT_FOUND,
    REFUSED,
    UNANSWERED,
    Responses,
    as_json,
    ok,
    said,
)
from holdfast.api.parameters import HostName
from holdfast.api.source import ServiceSource, ask
from holdfast.core import servicing
from holdfast.core.events import Verb
from holdfast.core.view import View
from holdfast.service.instance_names import type_of

Hosts = Annotated[
    str | None,
    Query(
        description="Hosts, with commas between, named as `agent` of pods.", examples=["10.0.0.9"]
    ),
]


def add_maintenance(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    @router.get("/maintenance", tags=["maintenance"], responses={200: ok(shapes.MaintenanceBody)})
    async def show_maintenance() -> Response:
        """Hosts in maintenance, and what Mesos was told about its maintenance schedule."""
        return as_json(maintenance_body(source.view))

    checked: Responses = {200: ok(shapes.MaintenanceCheckBody), 400: BAD_REQUEST}

    @router.get("/maintenance/check", tags=["maintenance"], responses=checked)
    async def check_maintenance(hosts: Hosts = None) -> Response:
        """Whether these hosts may be taken down together now; changes nothing."""
        return as_json(check_body(source.view, host_names(hosts)))

    planned: Responses = {200: ok(shapes.MaintenancePlanBody), 400: BAD_REQUEST}

    @router.get("/maintenance/plan", tags=["maintenance"], responses=planned)
    async def plan_maintenance(hosts: Hosts = None) -> Response:
        """In which order these hosts can be serviced; changes nothing."""
        return as_json(plan_body(servicing.order(source.view, host_names(hosts))))

    ordered: Responses = {
        200: said("Stored; it will happen", "10.0.0.7 is in maintenance: hello-0 will be stopped"),
        400: BAD_REQUEST,
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/maintenance/{host}/start", tags=["maintenance"], responses=ordered)
    async def start_maintenance(host: HostName) -> Response:
        """Stop what is on the host, as `max-unavailable` allows, and start nothing there."""
        answer = await ask(source, Verb.MAINTENANCE_START, host, answer_seconds)
        return as_json(answer.body, answer.status)

    @router.post("/maintenance/{host}/end", tags=["maintenance"], responses=ordered)
    async def end_maintenance(host: HostName) -> Response:
        """Use the host again: what was stopped starts there, on its volumes."""
        answer = await ask(source, Verb.MAINTENANCE_END, host, answer_seconds)
        return as_json(answer.body, answer.status)


def host_names(hosts: str | None) -> list[str]:
    """The hosts of a query, each once. Raises HTTPException when there is none."""
    names = [name.strip() for name in (hosts or "").split(",") if name.strip()]
    if not names:
        raise HTTPException(400, "Name the hosts: ?hosts=10.0.0.7,10.0.0.8. Nothing was changed.")
    return list(dict.fromkeys(names))


def maintenance_body(view: View) -> shapes.MaintenanceBody:
    on_host: dict[str, list[str]] = {host: [] for host in view.upkeep.cordons}
    for pod in view.pods.values() if on_host else ():
        if pod.reservation is not None and pod.reservation.hostname in on_host:
            on_host[pod.reservation.hostname].append(pod.name)
    return {
        "hosts": [
            {
                "host": host,
                "since": cordon.at,
                "pods": sorted(on_host[host]),
                "running": sorted(
                    n for n in on_host[host] if any(not t.dead for t in view.pods[n].tasks)
                ),
            }
            for host, cordon in sorted(view.upkeep.cordons.items())
        ],
        "windows": [
            {
                "host": answer.hostname,
                "agent": agent_id,
                "start": answer.window.start,
                "end": answer.window.end,
                "accepted": not answer.refusal,
                "reason": answer.refusal,
            }
            for agent_id, answer in sorted(
                view.upkeep.answers.items(), key=lambda each: each[1].window.start
            )
        ],
        "drained": drained_bodies(
            (pod.reservation.hostname, pod.name)
            for pod in view.pods.values()
            if pod.reservation is not None and pod.drained
        ),
    }


def drained_bodies(waiting: Iterable[tuple[str, str]]) -> list[shapes.DrainedBody]:
    """By host, of the drained hosts and the pod instances that wait there."""
    by_host: dict[str, list[str]] = {}
    for host, pod in waiting:
        by_host.setdefault(host, []).append(pod)
    return [{"host": host, "pods": sorted(by_host[host])} for host in sorted(by_host)]


def check_body(view: View, hosts: list[str]) -> shapes.MaintenanceCheckBody:
    found = servicing.check(view, hosts)
    return {
        "hosts": hosts,
        "safe": not found.problems,
        "pods": list(found.pods),
        "down": list(found.down),
        "problems": list(found.problems),
        "unknown": list(found.unknown),
        "unasked": [n for n in found.pods if view.service.pod(type_of(n)).disruption_check],
    }


def plan_body(found: servicing.Order) -> shapes.MaintenancePlanBody:
    return {
        "batches": [{"hosts": list(b.hosts), "pods": list(b.pods)} for b in found.batches],
        "waits_for": list(found.waits_for),
        "never": dict(found.never),
    }
