"""The paths of the API: those of dcos-commons, and those of our own beside them."""

import time
from collections.abc import Callable, Mapping

from fastapi import APIRouter, HTTPException, Request, Response

from holdfast.api import endpoints, service_endpoints, shapes, volumes
from holdfast.api.answers import (
    ANSWER_SECONDS,
    FAULT,
    NOT_ALLOWED,
    NOT_FOUND,
    REFUSED,
    UNANSWERED,
    UNKNOWN_CALLER,
    Responses,
    as_json,
    need,
    ok,
    ok_text,
    said,
)
from holdfast.api.certificate_routes import add_certificates
from holdfast.api.codahale import of_service
from holdfast.api.configurations import add_configurations, add_templates
from holdfast.api.debug_routes import add_debug, add_offers
from holdfast.api.event_routes import add_events
from holdfast.api.health import health
from holdfast.api.maintenance import add_maintenance
from holdfast.api.metrics import CONTENT_TYPE, Metrics
from holdfast.api.orphan_routes import AskMaster, Views, add_orphans
from holdfast.api.page import HEADERS, status_page
from holdfast.api.parameters import ArtifactName, EndpointName, OwnEndpointName, VolumeId
from holdfast.api.pause_routes import add_pause
from holdfast.api.plan_routes import add_deploy_plan, add_plans
from holdfast.api.pod_routes import add_explanations, add_pods
from holdfast.api.recover_routes import add_recover
from holdfast.api.source import ServiceSource, ask
from holdfast.api.state_routes import add_state
from holdfast.api.uninstall_routes import add_retired, add_uninstall
from holdfast.core.events import Verb
from holdfast.vitals import Vitals

# The default response keeps FastAPI from documenting validation errors of its own shape.
ANYTHING_ELSE: Responses = {
    401: UNKNOWN_CALLER,
    403: NOT_ALLOWED,
    500: FAULT,
    "default": {"model": shapes.MessageBody, "description": "Anything else that went wrong"},
}


def api_router(
    source: ServiceSource,
    artifacts: Mapping[str, bytes],
    answer_seconds: float = ANSWER_SECONDS,
    *,
    ask_master: AskMaster,
    vitals: Callable[[], Vitals],
    services: Views,
) -> APIRouter:
    """All routes over `source`; `artifacts` are files for agents by name."""
    router = APIRouter(prefix="/v1", default_response_class=Response)
    add_plans(router, source, answer_seconds)
    add_deploy_plan(router, source, answer_seconds)
    add_pods(router, source, answer_seconds)
    add_explanations(router, source)
    add_recover(router, source, answer_seconds)
    add_pause(router, source, answer_seconds)
    add_maintenance(router, source, answer_seconds)
    add_certificates(router, source, answer_seconds)
    _add_volumes(router, source, answer_seconds)
    add_retired(router, source, answer_seconds)
    add_orphans(router, source, ask_master, services, answer_seconds)
    add_uninstall(router, source, answer_seconds)
    _add_endpoints(router, source)
    add_state(router, source, answer_seconds)
    add_configurations(router, source)
    add_debug(router, source)
    add_events(router, source)
    _add_monitoring(router, source, vitals)
    add_templates(router, source)
    add_artifacts(router, artifacts)
    _add_service_endpoints(router, source)
    whole = APIRouter(responses=ANYTHING_ELSE, default_response_class=Response)
    _add_page(whole, source)
    second = APIRouter(prefix="/v2", default_response_class=Response)
    add_offers(second, source)
    whole.include_router(router)
    whole.include_router(second)
    return whole


def _add_page(router: APIRouter, source: ServiceSource) -> None:
    page = ok_text("A page", "<!doctype html><title>hello-world</title>", "text/html")

    @router.get("/", tags=["monitoring"], responses={200: page})
    async def show_page() -> Response:
        """The service at a glance, for a browser."""
        return Response(status_page(source.view), media_type="text/html", headers=HEADERS)


def _add_volumes(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    def known() -> dict[str, shapes.VolumeBody]:
        return {volume["id"]: volume for volume in volumes.volumes_body(source.view, time.time())}

    @router.get("/volumes", tags=["volumes"], responses={200: ok(list[shapes.VolumeBody])})
    async def list_volumes() -> Response:
        """Every volume: in use, kept after its pod instance left it, or of an unknown owner."""
        return as_json(volumes.volumes_body(source.view, time.time()))

    one: Responses = {200: ok(shapes.VolumeBody), 404: NOT_FOUND}

    @router.get("/volumes/{id:path}", tags=["volumes"], responses=one)
    async def show_volume(id: VolumeId) -> Response:
        """One volume, as in `/v1/volumes`."""
        found = known()
        need("volume", id, found.keys())
        return as_json(found[id])

    ordered: Responses = {
        200: said(
            "Stored; the volume goes once its agent offers it",
            "e19fd42d8f5b49b0 will be destroyed",
        ),
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.delete("/volumes/{id:path}", tags=["volumes"], responses=ordered)
    async def destroy_volume(id: VolumeId) -> Response:
        """Order a volume that no pod instance uses destroyed, with the data on it."""
        need("volume", id, known().keys())
        answer = await ask(source, Verb.VOLUMES_DESTROY, id, answer_seconds)
        return as_json(answer.body, answer.status)

    @router.get("/quarantine", tags=["volumes"], responses={200: ok(list[shapes.QuarantinedBody])})
    async def list_quarantine() -> Response:
        """Everything reserved for the service that no record explains, volumes or not."""
        return as_json(volumes.quarantine_body(source.view, time.time()))


def _add_endpoints(router: APIRouter, source: ServiceSource) -> None:
    names = ok(list[str], example=["client", "peer"])

    @router.get("/endpoints", tags=["endpoints"], responses={200: names})
    async def list_endpoints() -> Response:
        """The names of all advertised ports, and of the endpoints the service defines itself."""
        return as_json(endpoints.endpoint_names(source.view))

    one: Responses = {200: ok(shapes.EndpointBody), 404: NOT_FOUND}

    @router.get("/endpoints/{name}", tags=["endpoints"], responses=one)
    async def show_endpoint(name: EndpointName, request: Request) -> Response:
        """Where an advertised port is reached now; `dns` names resolve on DC/OS only.

        An endpoint the service defines itself has its addresses in the same shape, or a text; as
        JSON, if that is what is accepted.
        """
        view = source.view
        need("endpoint", name, endpoints.endpoint_names(view))
        spec = service_endpoints.endpoint_spec(view, name)
        if spec is None:
            return as_json(endpoints.endpoint_body(view, name))
        if spec.template is not None and "json" in request.headers.get("accept", ""):
            return as_json(service_endpoints.text(view, spec))
        if spec.template is not None:
            return Response(service_endpoints.text(view, spec), media_type="text/plain")
        return as_json(service_endpoints.addresses(view, spec))


def _add_service_endpoints(router: APIRouter, source: ServiceSource) -> None:
    """At paths of the service's own; none of the API's, which come before."""
    shown = ok(dict[str, list[str]], example={"seeds": ["10.0.0.5", "10.0.0.7"]})
    named: Responses = {200: shown, 404: NOT_FOUND}

    @router.get("/{name}", tags=["endpoints"], responses=named)
    async def show_own_endpoint(name: OwnEndpointName) -> Response:
        """An endpoint the service defines itself: its addresses under its name, or its text."""
        view = source.view
        spec = service_endpoints.endpoint_spec(view, name)
        if spec is None:
            raise HTTPException(404)
        if spec.template is not None:
            return Response(service_endpoints.text(view, spec), media_type="text/plain")
        return as_json({name: service_endpoints.addresses(view, spec)["address"]})


def _add_monitoring(router: APIRouter, source: ServiceSource, vitals: Callable[[], Vitals]) -> None:
    metrics = Metrics(lambda: [source.view], vitals)
    codes = {
        200: "Running",
        202: "Deploying",
        203: "Recovering or decommissioning",
        207: "Waits for an operator",
        208: "Waits after failures",
        500: "A plan has errors",
        503: "Not subscribed to a master",
    }

    @router.get(
        "/health",
        tags=["monitoring"],
        responses={code: ok(shapes.HealthBody, text) for code, text in codes.items()},
    )
    async def show_health() -> Response:
        """The state of the service as an HTTP status."""
        code, body = health(source.view)
        return as_json(body, code)

    @router.get("/metrics", tags=["monitoring"], responses={200: ok(shapes.MetricsBody)})
    async def show_metrics() -> Response:
        """Counters, gauges and timers in Codahale's JSON, under the names of dcos-commons."""
        return as_json(of_service(source.view, source.offers_timer, time.time()))

    text = ok_text("Prometheus text format", 'holdfast_connected{service="hello-world"} 1.0')

    @router.get("/metrics/prometheus", tags=["monitoring"], responses={200: text})
    async def show_prometheus_metrics() -> Response:
        """Counters and gauges for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def add_artifacts(router: APIRouter, artifacts: Mapping[str, bytes]) -> None:
    """The paths of the files that agents fetch."""

    def artifact(name: str) -> Response:
        need("artifact", name, artifacts.keys())
        return Response(
            artifacts[name],
            media_type="application/octet-stream",
            headers={"cache-control": "public, max-age=31536000, immutable"},
        )

    file = ok_text("The file", "PK...", "application/octet-stream")
    found: Responses = {200: file, 404: NOT_FOUND}

    @router.get("/artifacts/{name}", tags=["artifacts"], responses=found)
    async def get_artifact(name: ArtifactName) -> Response:
        """A file agents fetch. What has a name never changes."""
        return artifact(name)

    # The fetcher of Mesos asks for the size first, and does not cache where HEAD fails.
    @router.head("/artifacts/{name}", include_in_schema=False)
    async def head_artifact(name: str) -> Response:
        return artifact(name)
