"""The configurations of the service: what it is asked to be, by id, without what looks secret."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from holdfast.api.answers import NOT_FOUND, Responses, as_json, as_text, need, ok, ok_text
from holdfast.api.parameters import ConfigurationId, PodType, SpecTaskName, TemplateName
from holdfast.api.source import ServiceSource
from holdfast.core.view import View
from holdfast.service.encode import to_json
from holdfast.service.model import ServiceSpec
from holdfast.service.redact import redacted

_EXAMPLE = {"name": "hello-world", "user": "nobody", "pods": [{"type": "hello", "count": 3}]}


def configurations(view: View) -> Mapping[str, ServiceSpec]:
    """Every configuration that is known in full."""
    return {**view.configs, view.target_id: view.service}


def add_configurations(router: APIRouter, source: ServiceSource) -> None:
    target = ok(dict[str, Any], example=_EXAMPLE)

    @router.get("/configurations/target", tags=["configurations"], responses={200: target})
    async def show_target() -> Response:
        """The service that is asked for now; variables that look secret are not shown."""
        return as_json(redacted(to_json(source.view.service)))

    ids = ok(list[str], example=["7c1f5a3e9b2d4c6f8a0b1d2e3f405162"])

    @router.get("/configurations/targetId", tags=["configurations"], responses={200: ids})
    async def show_target_id() -> Response:
        """The id of the target configuration as a list of one."""
        return as_json([source.view.target_id])

    @router.get("/configurations", tags=["configurations"], responses={200: ids})
    async def list_configurations() -> Response:
        """The ids of the configurations the scheduler knows."""
        return as_json(sorted(configurations(source.view)))

    one: Responses = {200: target, 404: NOT_FOUND}

    @router.get("/configurations/{id}", tags=["configurations"], responses=one)
    async def show_configuration(id: ConfigurationId) -> Response:
        """One configuration: the service as it was, or is, asked for."""
        known = configurations(source.view)
        need("configuration", id, known.keys())
        return as_json(redacted(to_json(known[id])))


def add_templates(router: APIRouter, source: ServiceSource) -> None:
    found: Responses = {200: ok_text("The template", "port={{PORT_API}}"), 404: NOT_FOUND}

    @router.get(
        "/artifacts/template/{configuration}/{pod}/{task}/{name}",
        tags=["artifacts"],
        responses=found,
    )
    async def get_template(
        configuration: ConfigurationId, pod: PodType, task: SpecTaskName, name: TemplateName
    ) -> Response:
        """The template of a task's configuration file, not filled in."""
        known = configurations(source.view)
        need("configuration", configuration, known.keys())
        pods = {spec.type: spec for spec in known[configuration].pods}
        need("pod", pod, pods.keys())
        tasks = {spec.name: spec for spec in pods[pod].tasks}
        need(f"task of {pod}", task, tasks.keys())
        files = {spec.name: spec for spec in tasks[task].configs}
        need(f"configuration file of {task}", name, files.keys())
        return as_text(files[name].content)
