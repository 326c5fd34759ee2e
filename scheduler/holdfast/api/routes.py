"""The paths of the API: those of dcos-commons, and those of our own beside them."""

import time
from collections.abc import Collection, Mapping
from typing import Any

import orjson
from fastapi import APIRouter, HTTPException, Response

from holdfast.api import endpoints, plans, pods, shapes, volumes
from holdfast.api.health import health
from holdfast.api.metrics import CONTENT_TYPE, Metrics
from holdfast.api.names import unknown
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb
from holdfast.plans.plan import Plan
from holdfast.service.encode import to_json

ANSWER_SECONDS = 10.0
"""How long a command may take to be stored before the caller is told that it is not yet."""

NOT_FOUND = {"model": shapes.MessageBody, "description": "Nothing has that name"}
REFUSED = {"model": shapes.MessageBody, "description": "Not possible now; nothing was changed"}
UNANSWERED = {"model": shapes.MessageBody, "description": "The scheduler has not answered in time"}

Responses = dict[int | str, dict[str, Any]]


def api_router(
    source: ServiceSource, artifacts: Mapping[str, bytes], answer_seconds: float = ANSWER_SECONDS
) -> APIRouter:
    """All routes over `source`; `artifacts` are files for agents by name."""
    # The default response keeps FastAPI from documenting validation errors of its own shape.
    other = {"model": shapes.MessageBody, "description": "Anything else that went wrong"}
    router = APIRouter(prefix="/v1", responses={"default": other}, default_response_class=Response)
    _add_plans(router, source)
    _add_pods(router, source, answer_seconds)
    _add_explanations(router, source)
    _add_volumes(router, source, answer_seconds)
    _add_endpoints(router, source)
    _add_configuration(router, source)
    _add_monitoring(router, source)
    _add_artifacts(router, artifacts)
    return router


def _json(body: object, code: int = 200) -> Response:
    """Indented, since these answers are also read by people with curl."""
    content = orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Response(content, code, media_type="application/json")


def _need(kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise HTTPException(404, unknown(kind, name, known))


def _ok(model: Any, description: str = "OK") -> dict[str, Any]:
    return {"model": model, "description": description}


def _add_plans(router: APIRouter, source: ServiceSource) -> None:
    def find(name: str) -> Plan:
        known = {plan.name: plan for plan in source.view.plans}
        _need("plan", name, known.keys())
        return known[name]

    @router.get("/plans", tags=["plans"], responses={200: _ok(list[str])})
    async def list_plans() -> Response:
        """The names of all plans."""
        return _json([plan.name for plan in source.view.plans])

    shown: Responses = {
        200: _ok(shapes.PlanBody, "The plan is complete"),
        202: _ok(shapes.PlanBody, "The plan is under way or waits"),
        417: _ok(shapes.PlanBody, "The plan has errors"),
        404: NOT_FOUND,
    }

    @router.get("/plans/{plan}", tags=["plans"], responses=shown)
    async def show_plan(plan: str) -> Response:
        """A plan with its phases and steps."""
        found = find(plan)
        return _json(plans.plan_body(source.view.service.name, found), plans.plan_code(found))


def _add_pods(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    def need_pod(name: str) -> None:
        _need("pod instance", name, pods.instance_names(source.view))

    @router.get("/pod", tags=["pods"], responses={200: _ok(list[str])})
    async def list_pods() -> Response:
        """The names of all pod instances."""
        return _json(pods.instance_names(source.view))

    @router.get("/pod/status", tags=["pods"], responses={200: _ok(shapes.PodsBody)})
    async def show_pods() -> Response:
        """Every pod instance: its tasks, where it is, its volumes, and why it does not run."""
        return _json(pods.pods_body(source.view))

    one: Responses = {200: _ok(shapes.InstanceBody), 404: NOT_FOUND}

    @router.get("/pod/{name}/status", tags=["pods"], responses=one)
    async def show_pod(name: str) -> Response:
        """One pod instance, as in `/v1/pod/status`."""
        need_pod(name)
        return _json(pods.instance_body(source.view, name))

    infos: Responses = {200: _ok(list[shapes.TaskInfoBody]), 404: NOT_FOUND}

    @router.get("/pod/{name}/info", tags=["pods"], responses=infos)
    async def show_pod_info(name: str) -> Response:
        """The last launch of each task of a pod instance and its last status."""
        need_pod(name)
        return _json(pods.info_body(source.view, name))

    async def order(verb: Verb, name: str) -> Response:
        need_pod(name)
        tasks = pods.task_names(source.view, name)
        answer = await ask(source, verb, name, answer_seconds)
        if answer.status != 200:
            return _json(answer.body, answer.status)
        return _json({"pod": name, "tasks": tasks, **answer.body})

    ordered: Responses = {
        200: _ok(shapes.CommandBody, "Stored; it will happen"),
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
    @router.get("/explain", tags=["pods"], responses={200: _ok(shapes.ExplanationsBody)})
    async def explain_all() -> Response:
        """Why pod instances do not run: what each waits for, and each agent's first refusal."""
        return _json(pods.explanations_body(source.view))

    one: Responses = {200: _ok(shapes.ExplanationBody), 404: NOT_FOUND}

    @router.get("/explain/{pod}", tags=["pods"], responses=one)
    async def explain(pod: str) -> Response:
        """The same for one pod instance; `reason` is null when there is nothing to explain."""
        _need("pod instance", pod, pods.instance_names(source.view))
        return _json(pods.explanation_body(source.view, pod))


def _add_volumes(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    def known() -> dict[str, shapes.VolumeBody]:
        return {volume["id"]: volume for volume in volumes.volumes_body(source.view, time.time())}

    @router.get("/volumes", tags=["volumes"], responses={200: _ok(list[shapes.VolumeBody])})
    async def list_volumes() -> Response:
        """Every volume: in use, kept after its pod instance left it, or of an unknown owner."""
        return _json(volumes.volumes_body(source.view, time.time()))

    one: Responses = {200: _ok(shapes.VolumeBody), 404: NOT_FOUND}

    @router.get("/volumes/{id:path}", tags=["volumes"], responses=one)
    async def show_volume(id: str) -> Response:
        """One volume, as in `/v1/volumes`."""
        found = known()
        _need("volume", id, found.keys())
        return _json(found[id])

    ordered: Responses = {
        200: _ok(shapes.MessageBody, "Stored; the volume goes once its agent offers it"),
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.delete("/volumes/{id:path}", tags=["volumes"], responses=ordered)
    async def destroy_volume(id: str) -> Response:
        """Order a volume that no pod instance uses destroyed, with the data on it."""
        _need("volume", id, known().keys())
        answer = await ask(source, Verb.VOLUMES_DESTROY, id, answer_seconds)
        return _json(answer.body, answer.status)

    @router.get("/quarantine", tags=["volumes"], responses={200: _ok(list[shapes.QuarantinedBody])})
    async def list_quarantine() -> Response:
        """Everything reserved for the service that no record explains, volumes or not."""
        return _json(volumes.quarantine_body(source.view, time.time()))


def _add_endpoints(router: APIRouter, source: ServiceSource) -> None:
    @router.get("/endpoints", tags=["endpoints"], responses={200: _ok(list[str])})
    async def list_endpoints() -> Response:
        """The names of all advertised ports."""
        return _json(endpoints.endpoint_names(source.view))

    one: Responses = {200: _ok(shapes.EndpointBody), 404: NOT_FOUND}

    @router.get("/endpoints/{name}", tags=["endpoints"], responses=one)
    async def show_endpoint(name: str) -> Response:
        """Where an advertised port is reached now; `dns` names resolve on DC/OS only."""
        _need("endpoint", name, endpoints.endpoint_names(source.view))
        return _json(endpoints.endpoint_body(source.view, name))


def _add_configuration(router: APIRouter, source: ServiceSource) -> None:
    ids: Responses = {200: _ok(list[str]), 404: NOT_FOUND}

    @router.get("/state/frameworkId", tags=["state"], responses=ids)
    async def show_framework_id() -> Response:
        """The framework id as a list of one, as dcos-commons has it; 404 before there is one."""
        framework_id = source.view.framework_id
        if framework_id is None:
            raise HTTPException(
                404, "There is no framework id yet: the scheduler has never been subscribed."
            )
        return _json([framework_id])

    @router.get(
        "/configurations/target",
        tags=["configurations"],
        responses={200: _ok(dict[str, Any])},
    )
    async def show_target() -> Response:
        """The service that is asked for now."""
        return _json(to_json(source.view.service))

    @router.get(
        "/configurations/targetId", tags=["configurations"], responses={200: _ok(list[str])}
    )
    async def show_target_id() -> Response:
        """The id of the target configuration as a list of one."""
        return _json([source.view.target_id])


def _add_monitoring(router: APIRouter, source: ServiceSource) -> None:
    metrics = Metrics(source)
    codes = {
        200: "Running",
        202: "Deploying",
        203: "Recovering",
        208: "Waits after failures",
        500: "A plan has errors",
        503: "Not subscribed to a master",
    }

    @router.get(
        "/health",
        tags=["monitoring"],
        responses={code: _ok(shapes.HealthBody, text) for code, text in codes.items()},
    )
    async def show_health() -> Response:
        """The state of the service as an HTTP status."""
        code, body = health(source.view)
        return _json(body, code)

    text = {"description": "Prometheus text format", "content": {"text/plain": {}}}

    @router.get("/metrics", tags=["monitoring"], responses={200: text})
    @router.get("/metrics/prometheus", tags=["monitoring"], responses={200: text})
    async def show_metrics() -> Response:
        """Counters and gauges for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _add_artifacts(router: APIRouter, artifacts: Mapping[str, bytes]) -> None:
    def artifact(name: str) -> Response:
        _need("artifact", name, artifacts.keys())
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
