"""Definitions to break: a valid svc.yml with more keys in it, and what is said of it."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from holdfast.service.load import loads, read_definition
from holdfast.service.model import PodSpec, ServiceSpec, TaskSpec
from holdfast.service.problems import Problem, ServiceError

SERVICES = Path(__file__).parents[3] / "services"
TEMPLATES = {
    "app.conf": "port={{PORT}}\n",
    "member.sh": "#!/bin/sh\n",
    "empty": "",
    "bad": "{{#open}}",
    "huge": "x" * 1048577,
}


def read_template(name: str) -> str:
    if name == "binary":
        return b"\xff".decode()
    if name not in TEMPLATES:
        raise FileNotFoundError(2, "No such file or directory", name)
    return TEMPLATES[name]


def read(
    text: str,
    environment: Mapping[str, str] | None = None,
    warnings: list[Problem] | None = None,
) -> ServiceSpec:
    return loads(
        textwrap.dedent(text),
        source="svc.yml",
        read_template=read_template,
        environment=environment or {},
        warn=None if warnings is None else warnings.append,
    )


def model(
    text: str,
    environment: Mapping[str, str] | None = None,
    warnings: list[Problem] | None = None,
) -> ServiceSpec:
    """What `text` says, also what this version does not support."""
    found = read_definition(
        textwrap.dedent(text),
        source="svc.yml",
        read_template=read_template,
        environment=environment or {},
    )
    if warnings is not None:
        warnings += found.warnings
    return found.spec


def definition(task: str = "", pod: str = "", top: str = "") -> str:
    """A valid service with more keys in its task, its pod and at its top."""

    def at(depth: int, text: str) -> str:
        return textwrap.indent(textwrap.dedent(text).strip("\n"), " " * depth)

    cpus = "" if "cpus:" in task else "        cpus: 0.5\n"
    goal = "" if "goal:" in task else "        goal: RUNNING\n"
    cmd = "" if "cmd:" in task.replace("cmd: check", "") else "        cmd: run\n"
    count = "" if "count:" in pod else "    count: 2\n"
    return (
        ("" if "name:" in top.split("\n")[0] else "name: data\n")
        + f"{at(0, top)}\npods:\n  node:\n{count}{at(4, pod)}\n    tasks:\n      server:\n"
        + f"{goal}{cmd}{cpus}        memory: 256\n{at(8, task)}\n"
    )


def problems(text: str, environment: Mapping[str, str] | None = None) -> list[Problem]:
    with pytest.raises(ServiceError) as caught:
        model(text, environment)
    return list(caught.value.errors)


def only(text: str, environment: Mapping[str, str] | None = None) -> tuple[str, str]:
    """The path and message of the one fault of a definition."""
    (problem,) = problems(text, environment)
    assert problem.source == "svc.yml"
    return problem.path, problem.message


def task_of(text: str) -> TaskSpec:
    return model(text).pod("node").task("server")


def pod_of(text: str) -> PodSpec:
    return model(text).pod("node")


TASK = "pods.node.tasks.server"
