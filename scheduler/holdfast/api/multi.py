"""The API of a framework of many services: each has the paths of a single one, further down."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Protocol
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.api import plans, shapes
from holdfast.api.access import Access
from holdfast.api.answers import (
    ANSWER_SECONDS,
    BAD_REQUEST,
    NOT_FOUND,
    REFUSED,
    TOO_LARGE,
    UNANSWERED,
    Responses,
    as_json,
    ok,
    ok_text,
    said,
)
from holdfast.api.app import new_app, open_app
from holdfast.api.codahale import of_many
from holdfast.api.credentials import CredentialsFile
from holdfast.api.event_routes import add_events
from holdfast.api.health import health
from holdfast.api.metrics import CONTENT_TYPE, Metrics
from holdfast.api.multi_bodies import SERVICE_BODY, given_service
from holdfast.api.multi_orphans import add_orphans_of_all
from holdfast.api.multi_overview import add_overview
from holdfast.api.names import Unknown
from holdfast.api.orphan_routes import AskMaster, no_master
from holdfast.api.page import HEADERS, services_page
from holdfast.api.parameters import ServiceName
from holdfast.api.plan_routes import SHOWN
from holdfast.api.routes import ANYTHING_ELSE, add_artifacts
from holdfast.api.source import answered, ask, caller
from holdfast.core import events as ev
from holdfast.core.events import Verb
from holdfast.core.hosted import service_key
from holdfast.core.multi_view import MultiView
from holdfast.core.view import View
from holdfast.engine import Answer
from holdfast.eventlog import EventLog
from holdfast.framework import Framework
from holdfast.service.redact import NOT_SHOWN, looks_secret
from holdfast.timing import Timer
from holdfast.vitals import Vitals

SERVICE_PREFIX = "/v1/service/"
LISTED = 10
"""Services that are listed, at the most, to whoever named none."""

_chosen: ContextVar[str] = ContextVar("chosen")
"""The service that the request under way is about."""


class MultiSource(Protocol):
    """A running framework of many services; the engine is one."""

    @property
    def view(self) -> MultiView: ...

    @property
    def events(self) -> EventLog: ...

    @property
    def offers_timer(self) -> Timer: ...

    def events_of(self, service: str) -> EventLog: ...

    def command(
        self,
        verb: Verb,
        target: str,
        phase: str | None = None,
        step: str | None = None,
        parameters: Mapping[str, str] | None = None,
        by: str = "",
        service: str = "",
    ) -> "Future[Answer]": ...

    def order(self, make: Callable[[str], ev.Command | ev.HostService]) -> "Future[Answer]": ...


class ChosenService:
    """The one service that the request under way names, as a source of its own."""

    def __init__(self, source: MultiSource) -> None:
        self._source = source

    @property
    def view(self) -> View:
        return _view_of(self._source, _chosen.get())

    @property
    def events(self) -> EventLog:
        return self._source.events_of(_chosen.get())

    @property
    def offers_timer(self) -> Timer:
        return self._source.offers_timer

    def command(
        self,
        verb: Verb,
        target: str,
        phase: str | None = None,
        step: str | None = None,
        parameters: Mapping[str, str] | None = None,
        by: str = "",
    ) -> "Future[Answer]":
        service = _chosen.get()
        return self._source.command(verb, target, phase, step, parameters, by, service)


class ServicePaths:
    """`/v1/service/NAME/...` as `/v1/...` of the API of a single service; the rest as it is."""

    def __init__(self, app: ASGIApp, one: ASGIApp, source: MultiSource) -> None:
        self._app = app
        self._one = one
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        given, slash, rest = path.removeprefix(SERVICE_PREFIX).partition("/")
        if scope["type"] != "http" or not path.startswith(SERVICE_PREFIX):
            await self._app(scope, receive, send)
            return
        name = known_name(self._source.view, given)
        if name is None:
            unknown = Unknown("service", given, self._source.view.services.keys())
            answer = as_json({"message": unknown.detail}, unknown.status_code)
            await answer(scope, receive, send)
            return
        _chosen.set(name)
        if not slash:  # links of the page are relative to it
            await RedirectResponse(f"{path}/")(scope, receive, send)
            return
        whole = rest == "openapi.json" or rest.startswith(("v1/", "v2/"))
        root = f"{SERVICE_PREFIX}{given}"
        path = f"{root}/{rest}" if whole or not rest else f"{root}/v1/{rest}"
        inner = {**scope, "root_path": root, "path": path, "raw_path": quote(path).encode()}
        await self._one(inner, receive, send)


def create_multi_app(
    source: MultiSource,
    artifacts: Mapping[str, bytes],
    framework: Framework,
    answer_seconds: float = ANSWER_SECONDS,
    credentials: CredentialsFile | None = None,
    ask_master: AskMaster = no_master,
    vitals: Callable[[], Vitals] = Vitals,
) -> ASGIApp:
    """The API over many services. `artifacts` are the files agents fetch, by name.

    `ask_master`, `vitals` and `credentials` are those of `create_app`; roles hold for all services.
    """
    app = framework_app(source, artifacts, framework, answer_seconds, vitals, ask_master)
    one = open_app(
        ChosenService(source),
        {},
        answer_seconds,
        ask_master,
        vitals,
        SERVICE_PREFIX,
        lambda: source.view.services,
    )
    return Access(ServicePaths(app, one, source), source, credentials)


def framework_app(
    source: MultiSource,
    artifacts: Mapping[str, bytes],
    framework: Framework,
    answer_seconds: float,
    vitals: Callable[[], Vitals],
    ask_master: AskMaster = no_master,
) -> FastAPI:
    """What is the framework's own, for whoever has found out who asks."""
    app = new_app(
        "The API of a Holdfast scheduler: many services on Apache Mesos.",
        elsewhere=lambda: _services_are_at(source.view),
    )
    router = APIRouter(prefix="/v1", responses=ANYTHING_ELSE, default_response_class=Response)
    _add_services(router, source, framework, answer_seconds)
    _add_uninstall(router, source, framework)
    add_overview(
        router,
        lambda: source.view.services,
        lambda verb, host, name: source.command(verb, host, by=caller.get(), service=name),
        answer_seconds,
    )
    add_orphans_of_all(
        router,
        lambda: source.view,
        ask_master,
        lambda verb, target, parameters, name: source.command(
            verb, target, parameters=parameters, by=caller.get(), service=name
        ),
        answer_seconds,
    )
    _add_monitoring(router, source, vitals)
    add_events(router, source)
    add_artifacts(router, artifacts)
    app.include_router(router)

    @app.get("/", include_in_schema=False)
    async def show_page() -> Response:
        page = services_page(framework.name, source.view.services)
        return Response(page, media_type="text/html", headers=HEADERS)

    return app


def _add_services(
    router: APIRouter, source: MultiSource, framework: Framework, answer_seconds: float
) -> None:
    @router.get("/multi", tags=["services"], responses={200: ok(list[shapes.HostedBody])})
    async def list_services() -> Response:
        """Every service of the framework."""
        view = source.view
        return as_json([_summary(view, name) for name in view.services])

    shown: Responses = {200: ok(shapes.HostedInFullBody), 404: NOT_FOUND}

    @router.get("/multi/{name}", tags=["services"], responses=shown)
    async def show_service(name: ServiceName) -> Response:
        """One service, with its svc.yml and what that is rendered with."""
        view = source.view
        hosted = view.hosted[_known(view, name)]
        shown = {
            key: NOT_SHOWN if looks_secret(key) else value
            for key, value in hosted.environment.items()
        }
        return as_json(
            {
                **_summary(view, hosted.name),
                "yaml": hosted.yaml,
                "environment": shown,
                "files": sorted(hosted.files),
            }
        )

    added: Responses = {
        200: said("Stored; it will happen", "/team/web is added; its plan deploy shows more"),
        400: BAD_REQUEST,
        409: REFUSED,
        413: TOO_LARGE,
        503: UNANSWERED,
    }

    @router.post("/multi/{name}", tags=["services"], responses=added, openapi_extra=SERVICE_BODY)
    async def host_service(name: ServiceName, request: Request) -> Response:
        """Add a service, or give it a changed svc.yml.

        The body is JSON with `yaml`, `environment` and `files`; a form with the field `yaml`; or
        the YAML itself.
        """
        hosted, spec = await given_service(name, request, framework)
        by = caller.get()
        future = source.order(lambda id_: ev.HostService(id_, hosted, spec, by))
        answer = await answered(future, f"service add {spec.name}", answer_seconds)
        return as_json(answer.body, answer.status)

    removed: Responses = {
        200: said("Stored; it will happen, and cannot be undone", "/team/web is being uninstalled"),
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.delete("/multi/{name}", tags=["services"], responses=removed)
    async def remove_service(name: ServiceName) -> Response:
        """Uninstall a service: its tasks, its reservations and its volumes, for good."""
        known = _known(source.view, name)
        _chosen.set(known)
        answer = await ask(ChosenService(source), Verb.UNINSTALL, known, answer_seconds)
        return as_json({"message": answer.body["message"]}, answer.status)


def _add_uninstall(router: APIRouter, source: MultiSource, framework: Framework) -> None:
    @router.get("/plans/deploy", tags=["plans"], responses=SHOWN)
    async def show_uninstall() -> Response:
        """While the framework is uninstalled with all of its services, how far that is."""
        plan = source.view.uninstall
        if plan is None:
            text = "The framework itself has no plan, unless it is being uninstalled."
            raise HTTPException(404, f"{text} {_services_are_at(source.view)}")
        return as_json(plans.plan_body(framework.name, plan), plans.plan_code(plan))


def _add_monitoring(router: APIRouter, source: MultiSource, vitals: Callable[[], Vitals]) -> None:
    metrics = Metrics(lambda: source.view.services.values(), vitals)
    text = ok_text("Prometheus text format", 'holdfast_connected{service="/team/web"} 1.0')

    @router.get("/metrics", tags=["monitoring"], responses={200: ok(shapes.MetricsBody)})
    async def show_metrics() -> Response:
        """Counters of all services together, and the plans of each, in Codahale's JSON."""
        return as_json(of_many(source.view, source.offers_timer, time.time()))

    @router.get("/metrics/prometheus", tags=["monitoring"], responses={200: text})
    async def show_prometheus_metrics() -> Response:
        """The metrics of all services for Prometheus, each with the label `service`."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    codes = {
        200: "Nothing is left to do",
        202: "A plan of a service is under way or waits",
        417: "A plan of a service has errors",
        503: "Not subscribed to a master",
    }

    @router.get(
        "/health",
        tags=["monitoring"],
        responses={code: ok(shapes.FrameworkHealthBody, text) for code, text in codes.items()},
    )
    async def show_health() -> Response:
        """417 when a plan of any service has errors, 202 while any is under way, else 200.

        While the framework is uninstalled, the code of its plan.
        """
        bodies = [health(view) for view in source.view.services.values()]
        code = 200
        ending = source.view.uninstall
        if any(code >= 500 and body["status"] == "error" for code, body in bodies):
            code = 417
        elif ending is not None:
            code = plans.plan_code(ending)
        elif not source.view.connected:
            code = 503
        elif any(each != 200 for each, _ in bodies):
            code = 202
        services = [body for _, body in bodies]
        return as_json({"connected": source.view.connected, "services": services}, code)

    ids = ok(list[str], example=["5d8b3a1e-0000"])

    @router.get("/state/frameworkId", tags=["state"], responses={200: ids})
    async def show_framework_id() -> Response:
        """The framework id as a list of one, as of a single service; empty before there is one."""
        id_ = source.view.framework_id
        return as_json([] if id_ is None else [id_])


def _services_are_at(view: MultiView) -> str:
    """Where to ask for what a single service has, which somebody asked the framework for."""
    keys = sorted(service_key(name) for name in view.services)
    there = f"there are: {', '.join(keys[:LISTED])}{', ...' if len(keys) > LISTED else ''}"
    return (
        "This is a framework of many services: each has its own address, so set HOLDFAST_URL, or"
        f" --url, to this scheduler's followed by {SERVICE_PREFIX}NAME;"
        f" {there if keys else 'there is none yet'}."
    )


def _summary(view: MultiView, name: str) -> shapes.HostedBody:
    of_it = view.services[name]
    _, body = health(of_it)
    return {
        "service": name,
        "uninstall": of_it.uninstalling is not None,
        "state": body["status"],
        "message": body["message"],
        "held": name in view.held,
        "path": f"{SERVICE_PREFIX}{service_key(name)}/",
    }


def known_name(view: MultiView, given: str) -> str | None:
    """The service that a path names: slashes of its name are `__` or dots there."""
    for name in view.services:
        bare = name.strip("/")
        if given in (name, bare, service_key(name), bare.replace("/", ".")):
            return name
    return None


def _known(view: MultiView, given: str) -> str:
    name = known_name(view, given)
    if name is None:
        raise Unknown("service", given, view.services.keys())
    return name


def _view_of(source: MultiSource, name: str) -> View:
    """Raises Unknown when the service has gone while the request was under way."""
    view = source.view
    if name not in view.services:
        raise Unknown("service", name, view.services.keys())
    return view.services[name]
