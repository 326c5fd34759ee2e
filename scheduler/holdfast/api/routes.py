"""The paths of the API: those of dcos-commons, and those of our own beside them."""

import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from holdfast.api import configurations, endpoints, pods, shapes, volumes
from holdfast.api.answers import (
    ANSWER_SECONDS,
    NOT_FOUND,
    REFUSED,
    UNANSWERED,
    Responses,
    as_json,
    need,
    ok,
)
from holdfast.api.health import health
from holdfast.api.metrics import CONTENT_TYPE, Metrics
from holdfast.api.plan_routes import add_deploy_plan, add_plans
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb
from holdfast.service.encode import to_json


def api_router(
    source: ServiceSource, artifacts: Mapping[str, bytes], answer_seconds: float = ANSWER_SECONDS
) -> APIRouter:
    """All routes over `source`; `artifacts` are files for agents by name."""
    # The default response keeps FastAPI from documenting validation errors of its own shape.
    other = {"model": shapes.MessageBody, "description": "Anything else that went wrong"}
    router = APIRouter(prefix="/v1", responses={"default": other}, default_response_class=Response)
    add_plans(router, source, answer_seconds)
    add_deploy_plan(router, source, answer_seconds)
    _add_pods(router, source, answer_seconds)
    _add_explanations(router, source)
    _add_volumes(router, source, answer_seconds)
    _add_endpoints(router, source)
    _add_configuration(router, source)
    _add_monitoring(router, source)
    _add_artifacts(router, artifacts)
    return router


def _add_pods(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    def need_pod(name: str) -> None:
        need("pod instance", name, pods.instance_names(source.view))

    @router.get("/pod", tags=["pods"], responses={200: ok(list[str])})
    async def list_pods() -> Response:
        """The names of all pod instances."""
        return as_json(pods.instance_names(source.view))

    @router.get("/pod/status", tags=["pods"], responses={200: ok(shapes.PodsBody)})
    async def show_pods() -> Response:
        """Every pod instance: its tasks, where it is, its volumes, and why it does not run."""
        return as_json(pods.pods_body(source.view))

    one: Responses = {200: ok(shapes.InstanceBody), 404: NOT_FOUND}

    @router.get("/pod/{name}/status", tags=["pods"], responses=one)
    async def show_pod(name: str) -> Response:
        """One pod instance, as in `/v1/pod/status`."""
        need_pod(name)
        return as_json(pods.instance_body(source.view, name))

    infos: Responses = {200: ok(list[shapes.TaskInfoBody]), 404: NOT_FOUND}

    @router.get("/pod/{name}/info", tags=["pods"], responses=infos)
    async def show_pod_info(name: str) -> Response:
        """The last launch of each task of a pod instance and its last status."""
        need_pod(name)
        return as_json(pods.info_body(source.view, name))

    async def order(verb: Verb, name: str) -> Response:
        need_pod(name)
        tasks = pods.task_names(source.view, name)
        answer = await ask(source, verb, name, answer_seconds)
        if answer.status != 200:
            return as_json(answer.body, answer.status)
        return as_json({"pod": name, "tasks": tasks, **answer.body})

    ordered: Responses = {
        200: ok(shapes.CommandBody, "Stored; it will happen"),
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/pod/{name}/restart", tags=["pods"], responses=ordered)
    async def restart_pod(name: str) -> Response:
        """Stop the tasks of a pod instance and start them again on the same agent and volumes."""
        return await order(Verb.POD_RESTART, name)

    @router.post("/pod/{name}/replace", tags=["pods"], responses=ordered)
    async def replace_pod(name: str) -> Response:
        """Start a pod instance anew elsewhere, with empty volumes. The old volumes are kept."""
        return await order(Verb.POD_REPLACE, name)


def _add_explanations(router: APIRouter, source: ServiceSource) -> None:
    @router.get("/explain", tags=["pods"], responses={200: ok(shapes.ExplanationsBody)})
    async def explain_all() -> Response:
        """Why pod instances do not run: what each waits for, and each agent's first refusal."""
        return as_json(pods.explanations_body(source.view))

    one: Responses = {200: ok(shapes.ExplanationBody), 404: NOT_FOUND}

    @router.get("/explain/{pod}", tags=["pods"], responses=one)
    async def explain(pod: str) -> Response:
        """The same for one pod instance; `reason` is null when there is nothing to explain."""
        need("pod instance", pod, pods.instance_names(source.view))
        return as_json(pods.explanation_body(source.view, pod))


def _add_volumes(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    def known() -> dict[str, shapes.VolumeBody]:
        return {volume["id"]: volume for volume in volumes.volumes_body(source.view, time.time())}

    @router.get("/volumes", tags=["volumes"], responses={200: ok(list[shapes.VolumeBody])})
    async def list_volumes() -> Response:
        """Every volume: in use, kept after its pod instance left it, or of an unknown owner."""
        return as_json(volumes.volumes_body(source.view, time.time()))

    one: Responses = {200: ok(shapes.VolumeBody), 404: NOT_FOUND}

    @router.get("/volumes/{id:path}", tags=["volumes"], responses=one)
    async def show_volume(id: str) -> Response:
        """One volume, as in `/v1/volumes`."""
        found = known()
        need("volume", id, found.keys())
        return as_json(found[id])

    ordered: Responses = {
        200: ok(shapes.MessageBody, "Stored; the volume goes once its agent offers it"),
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.delete("/volumes/{id:path}", tags=["volumes"], responses=ordered)
    async def destroy_volume(id: str) -> Response:
        """Order a volume that no pod instance uses destroyed, with the data on it."""
        need("volume", id, known().keys())
        answer = await ask(source, Verb.VOLUMES_DESTROY, id, answer_seconds)
        return as_json(answer.body, answer.status)

    @router.get("/quarantine", tags=["volumes"], responses={200: ok(list[shapes.QuarantinedBody])})
    async def list_quarantine() -> Response:
        """Everything reserved for the service that no record explains, volumes or not."""
        return as_json(volumes.quarantine_body(source.view, time.time()))


def _add_endpoints(router: APIRouter, source: ServiceSource) -> None:
    @router.get("/endpoints", tags=["endpoints"], responses={200: ok(list[str])})
    async def list_endpoints() -> Response:
        """The names of all advertised ports."""
        return as_json(endpoints.endpoint_names(source.view))

    one: Responses = {200: ok(shapes.EndpointBody), 404: NOT_FOUND}

    @router.get("/endpoints/{name}", tags=["endpoints"], responses=one)
    async def show_endpoint(name: str) -> Response:
        """Where an advertised port is reached now; `dns` names resolve on DC/OS only."""
        need("endpoint", name, endpoints.endpoint_names(source.view))
        return as_json(endpoints.endpoint_body(source.view, name))


def _add_configuration(router: APIRouter, source: ServiceSource) -> None:
    ids: Responses = {200: ok(list[str]), 404: NOT_FOUND}

    @router.get("/state/frameworkId", tags=["state"], responses=ids)
    async def show_framework_id() -> Response:
        """The framework id as a list of one, as dcos-commons has it; 404 before there is one."""
        framework_id = source.view.framework_id
        if framework_id is None:
            raise HTTPException(
                404, "There is no framework id yet: the scheduler has never been subscribed."
            )
        return as_json([framework_id])

    @router.get(
        "/configurations/target",
        tags=["configurations"],
        responses={200: ok(dict[str, Any])},
    )
    async def show_target() -> Response:
        """The service that is asked for now."""
        return as_json(to_json(source.view.service))

    @router.get("/configurations/targetId", tags=["configurations"], responses={200: ok(list[str])})
    async def show_target_id() -> Response:
        """The id of the target configuration as a list of one."""
        return as_json([source.view.target_id])

    @router.get("/configurations", tags=["configurations"], responses={200: ok(list[str])})
    async def list_configurations() -> Response:
        """The ids of the configurations the scheduler knows."""
        return as_json(sorted(configurations.configurations(source.view)))

    one: Responses = {200: ok(dict[str, Any]), 404: NOT_FOUND}

    @router.get("/configurations/{id}", tags=["configurations"], responses=one)
    async def show_configuration(id: str) -> Response:
        """One configuration: the service as it was, or is, asked for."""
        known = configurations.configurations(source.view)
        need("configuration", id, known.keys())
        return as_json(to_json(known[id]))


def _add_monitoring(router: APIRouter, source: ServiceSource) -> None:
    metrics = Metrics(source)
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

    text = {"description": "Prometheus text format", "content": {"text/plain": {}}}

    @router.get("/metrics", tags=["monitoring"], responses={200: text})
    @router.get("/metrics/prometheus", tags=["monitoring"], responses={200: text})
    async def show_metrics() -> Response:
        """Counters and gauges for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _add_artifacts(router: APIRouter, artifacts: Mapping[str, bytes]) -> None:
    def artifact(name: str) -> Response:
        need("artifact", name, artifacts.keys())
        return Response(
            artifacts[name],
            media_type="application/octet-stream",
            headers={"cache-control": "public, max-age=31536000, immutable"},
        )

    file = {"description": "The file", "content": {"application/octet-stream": {}}}
    found: Responses = {200: file, 404: NOT_FOUND}

    @router.get("/artifacts/{name}", tags=["artifacts"], responses=found)
    async def get_artifact(name: str) -> Response:
        """A file agents fetch. What has a name never changes."""
        return artifact(name)

    # The fetcher of Mesos asks for the size first, and does not cache where HEAD fails.
    @router.head("/artifacts/{name}", include_in_schema=False)
    async def head_artifact(name: str) -> Response:
        return artifact(name)
