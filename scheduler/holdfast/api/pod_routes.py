"""The paths of pod instances, and why they do not run."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

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
from holdfast.api.parameters import PodName
from holdfast.api.pod_status import PodStatus
from holdfast.api.source import ServiceSource, ask
from holdfast.core.commands import FORCE
from holdfast.core.events import Verb

Force = Annotated[
    str | None,
    Query(description="true: also when too many would be down, or its disruption-check says no."),
]


def insists(force: str | None) -> bool:
    """Whether the caller insists; raises HTTPException when that is not to be understood."""
    if force not in (None, "", "true", "false"):
        raise HTTPException(400, "`force` is true or false. Nothing was changed.")
    return force == "true"


def add_pods(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    def need_pod(name: str) -> None:
        need("pod instance", name, pods.instance_names(source.view))

    status = PodStatus()
    names = ok(list[str], example=["hello-0", "hello-1"])

    @router.get("/pod", tags=["pods"], responses={200: names})
    async def list_pods() -> Response:
        """The names of all pod instances."""
        return as_json(pods.instance_names(source.view))

    @router.get("/pod/status", tags=["pods"], responses={200: ok(shapes.PodsBody)})
    async def show_pods() -> Response:
        """Every pod instance: its tasks, where it is, its volumes, and why it does not run."""
        return Response(status.content(source.view), media_type="application/json")

    one: Responses = {200: ok(shapes.InstanceBody), 404: NOT_FOUND}

    @router.get("/pod/{name}/status", tags=["pods"], responses=one)
    async def show_pod(name: PodName) -> Response:
        """One pod instance, as in `/v1/pod/status`."""
        need_pod(name)
        return as_json(pods.instance_body(source.view, name))

    infos: Responses = {200: ok(list[shapes.TaskInfoBody]), 404: NOT_FOUND}

    @router.get("/pod/{name}/info", tags=["pods"], responses=infos)
    async def show_pod_info(name: PodName) -> Response:
        """The last launch of each task of a pod instance and its last status."""
        need_pod(name)
        return as_json(pods.info_body(source.view, name))

    async def order(verb: Verb, name: str, force: str | None) -> Response:
        need_pod(name)
        insisting = insists(force)
        tasks = pods.task_names(source.view, name)
        answer = await ask(
            source, verb, name, answer_seconds, parameters={FORCE: "true"} if insisting else None
        )
        if answer.status != 200:
            return as_json(answer.body, answer.status)
        return as_json({"pod": name, "tasks": tasks, **answer.body})

    ordered: Responses = {
        200: ok(shapes.CommandBody, "Stored; it will happen"),
        400: BAD_REQUEST,
        404: NOT_FOUND,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/pod/{name}/restart", tags=["pods"], responses=ordered)
    async def restart_pod(name: PodName, force: Force = None) -> Response:
        """Stop the tasks of a pod instance and start them again on the same agent and volumes.

        Refused when more than `max-unavailable` would be down, or when the `disruption-check` of
        the pod says no, unless with `force`.
        """
        return await order(Verb.POD_RESTART, name, force)

    @router.post("/pod/{name}/replace", tags=["pods"], responses=ordered)
    async def replace_pod(name: PodName, force: Force = None) -> Response:
        """Start a pod instance anew elsewhere, with empty volumes. The old volumes are kept.

        Refused when more than `max-unavailable` would be down, or when the `disruption-check` of
        the pod says no, unless with `force`.
        """
        return await order(Verb.POD_REPLACE, name, force)


def add_explanations(router: APIRouter, source: ServiceSource) -> None:
    @router.get("/failures", tags=["pods"], responses={200: ok(shapes.FailuresBody)})
    async def show_failures() -> Response:
        """What becomes of each failed pod instance, and whether there is a disaster."""
        return as_json(pods.failures_body(source.view))

    @router.get("/explain", tags=["pods"], responses={200: ok(shapes.ExplanationsBody)})
    async def explain_all() -> Response:
        """Why pod instances do not run: what each waits for, and each agent's first refusal."""
        return as_json(pods.explanations_body(source.view))

    one: Responses = {200: ok(shapes.ExplanationBody), 404: NOT_FOUND}

    @router.get("/explain/{pod}", tags=["pods"], responses=one)
    async def explain(pod: PodName) -> Response:
        """The same for one pod instance; `reason` is null when there is nothing to explain."""
        need("pod instance", pod, pods.instance_names(source.view))
        return as_json(pods.explanation_body(source.view, pod))
