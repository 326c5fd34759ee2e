"""What concerns machines rather than one service, over all services of a framework at once."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future

from fastapi import APIRouter, Response

from holdfast.api import pods, shapes
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
from holdfast.api.maintenance import (
    Hosts,
    check_body,
    drained_bodies,
    host_names,
    maintenance_body,
    plan_body,
)
from holdfast.api.parameters import HostName
from holdfast.api.source import answered
from holdfast.core.events import Verb
from holdfast.core.servicing import order_of_all
from holdfast.core.view import View
from holdfast.engine import Answer

Views = Callable[[], Mapping[str, View]]


def maintenance_of_all(views: Mapping[str, View]) -> shapes.MaintenanceBody:
    """As of a single service, with the name of its service before each pod instance."""
    hosts: dict[str, shapes.CordonBody] = {}
    windows: list[shapes.WindowBody] = []
    drained: list[tuple[str, str]] = []
    for name, view in views.items():
        body = maintenance_body(view)
        for host in body["hosts"]:
            known = hosts.setdefault(host["host"], {**host, "pods": [], "running": []})
            known["since"] = min(known["since"], host["since"])
            known["pods"] += _named(name, host["pods"])
            known["running"] += _named(name, host["running"])
        windows += [{**window, "reason": _of(name, window["reason"])} for window in body["windows"]]
        drained += [(d["host"], pod) for d in body["drained"] for pod in _named(name, d["pods"])]
    windows.sort(key=lambda window: window["start"])
    return {
        "hosts": [hosts[host] for host in sorted(hosts)],
        "windows": windows,
        "drained": drained_bodies(drained),
    }


def check_of_all(views: Mapping[str, View], hosts: list[str]) -> shapes.MaintenanceCheckBody:
    """Whether the hosts may go down for all services together."""
    bodies = {name: check_body(view, hosts) for name, view in views.items()}
    return {
        "hosts": hosts,
        "safe": all(body["safe"] for body in bodies.values()),
        "pods": [text for name, body in bodies.items() for text in _named(name, body["pods"])],
        "down": [text for name, body in bodies.items() for text in _named(name, body["down"])],
        "problems": [
            text for name, body in bodies.items() for text in _named(name, body["problems"])
        ],
        "unknown": [h for h in hosts if all(h in body["unknown"] for body in bodies.values())],
        "unasked": [
            text for name, body in bodies.items() for text in _named(name, body["unasked"])
        ],
    }


def _named(service: str, texts: list[str]) -> list[str]:
    return [_of(service, text) for text in texts]


def _of(service: str, text: str) -> str:
    return f"{service}: {text}" if text else ""


def add_overview(
    router: APIRouter,
    views: Views,
    order: Callable[[Verb, str, str], Future[Answer]],
    answer_seconds: float,
) -> None:
    """`order` hands one in for a service: what, on which host, and for whom."""

    @router.get("/failures", tags=["pods"], responses={200: ok(list[shapes.FailuresBody])})
    async def show_failures() -> Response:
        """Of each service, what becomes of its failed pod instances, and whether there is a
        disaster."""
        return as_json([pods.failures_body(view) for view in views().values()])

    @router.get("/maintenance", tags=["maintenance"], responses={200: ok(shapes.MaintenanceBody)})
    async def show_maintenance() -> Response:
        """Hosts in maintenance for any service, and what Mesos was told by each."""
        return as_json(maintenance_of_all(views()))

    checked: Responses = {200: ok(shapes.MaintenanceCheckBody), 400: BAD_REQUEST}

    @router.get("/maintenance/check", tags=["maintenance"], responses=checked)
    async def check_maintenance(hosts: Hosts = None) -> Response:
        """Whether these hosts may be taken down together now, for all services."""
        return as_json(check_of_all(views(), host_names(hosts)))

    planned: Responses = {200: ok(shapes.MaintenancePlanBody), 400: BAD_REQUEST}

    @router.get("/maintenance/plan", tags=["maintenance"], responses=planned)
    async def plan_maintenance(hosts: Hosts = None) -> Response:
        """In which order these hosts can be serviced, as every service allows; changes nothing."""
        return as_json(plan_body(order_of_all(views(), host_names(hosts))))

    ordered: Responses = {
        200: said("Stored; it will happen", "web: 10.0.0.7 is in maintenance: ..."),
        400: BAD_REQUEST,
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    async def each(verb: Verb, host: str) -> Response:
        """Give the order to every service; done when one has carried it out, and told for all."""
        futures = {name: order(verb, host, name) for name in views()}
        answers = {
            name: await answered(future, f"{verb} {host}", answer_seconds)
            for name, future in futures.items()
        }
        if not answers:
            return as_json({"message": "there is no service here; nothing was changed"}, 404)
        texts = (f"{name}: {answer.body['message']}" for name, answer in answers.items())
        codes = [answer.status for answer in answers.values()]
        return as_json({"message": "\n".join(texts)}, 200 if 200 in codes else codes[0])

    @router.post("/maintenance/{host}/start", tags=["maintenance"], responses=ordered)
    async def start_maintenance(host: HostName) -> Response:
        """Stop what is on the host of all services, each within its `max-unavailable`."""
        return await each(Verb.MAINTENANCE_START, host)

    @router.post("/maintenance/{host}/end", tags=["maintenance"], responses=ordered)
    async def end_maintenance(host: HostName) -> Response:
        """Use the host again, for all services."""
        return await each(Verb.MAINTENANCE_END, host)
