"""Settings that put data at risk are told."""

from dataclasses import replace

import pytest

from holdfast.service.advice import advice
from holdfast.service.load import read_definition
from holdfast.service.model import (
    Constraint,
    Goal,
    NetworkSpec,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ReadinessCheckSpec,
    ServiceSpec,
    TaskSpec,
    VolumeSpec,
)
from holdfast.service.problems import Kind
from tests.unit.service.definitions import definition, read_template

TASK = TaskSpec(
    name="server",
    goal=Goal.RUNNING,
    cmd="run",
    cpus=1,
    memory_mb=256,
    volumes=(VolumeSpec("data", 100),),
    readiness_check=ReadinessCheckSpec("check", 1, 0, 1),
    kill_grace_period=30,
)
APART = (Constraint("hostname", Operator.UNIQUE),)
POD = PodSpec("node", 3, (TASK,), APART)


def remarks(pod: PodSpec) -> list[tuple[str, str]]:
    plan = PlanSpec("deploy", (PhaseSpec(pod.type, pod.type),))
    found = advice(ServiceSpec("data", "root", "p", "z:1", (pod,), plan))
    assert all(problem.kind is Kind.WARNING for problem in found)
    return [(problem.path, problem.message) for problem in found]


def with_task(**changes: object) -> PodSpec:
    return replace(POD, tasks=(replace(TASK, **changes),))  # type: ignore[arg-type]


PORTS = (PortSpec("web", 80),)


@pytest.mark.parametrize(
    "pod",
    [
        POD,
        with_task(volumes=(), readiness_check=None, kill_grace_period=0),
        replace(with_task(volumes=(), kill_grace_period=0), count=1, placement=()),
        replace(POD, count=0, placement=()),
        with_task(goal=Goal.ONCE, readiness_check=None, kill_grace_period=0),
        replace(POD, placement=(Constraint("rack", Operator.MAX_PER, "1"),)),
        replace(POD, placement=(Constraint("@zone", Operator.UNIQUE),)),
        replace(with_task(ports=PORTS), placement=()),
        replace(POD, max_unavailable=2),
    ],
)
def test_nothing_to_say(pod: PodSpec) -> None:
    assert remarks(pod) == []


@pytest.mark.parametrize(
    ("pod", "path", "message"),
    [
        (replace(POD, count=1), "count", "one instance is the only copy of its data"),
        (replace(POD, placement=()), "placement", "all instances may be on one agent"),
        (
            replace(POD, placement=(Constraint("hostname", Operator.MAX_PER, "2"),)),
            "placement",
            "up to 2 instances may be on one agent",
        ),
        (
            replace(POD, placement=(Constraint("@zone", Operator.GROUP_BY, "3"),)),
            "placement",
            "all instances may be on one agent",
        ),
        (
            replace(with_task(ports=(PortSpec("web", 0),)), placement=()),
            "placement",
            "all instances may be on one agent",
        ),
        (
            replace(with_task(ports=PORTS), placement=(), networks=(NetworkSpec("dcos"),)),
            "placement",
            "all instances may be on one agent",
        ),
        (replace(POD, max_unavailable=3), "max-unavailable", "all 3 instances may be taken down"),
        (with_task(readiness_check=None), "tasks.server", "has no readiness-check"),
        (with_task(kill_grace_period=0), "tasks.server.kill-grace-period", "is 0: the task is"),
        (
            replace(
                with_task(volumes=(), kill_grace_period=0), shared_volumes=(VolumeSpec("a", 1),)
            ),
            "tasks.server.kill-grace-period",
            "is 0: the task is killed",
        ),
    ],
)
def test_told(pod: PodSpec, path: str, message: str) -> None:
    ((found_path, found),) = remarks(pod)
    assert found_path == f"pods.node.{path}"
    assert message in found


def test_lines_of_the_file() -> None:
    found = read_definition(
        definition(task="volume: {path: data, type: ROOT, size: 1}"),
        source="svc.yml",
        read_template=read_template,
        environment={},
    )
    assert [(p.line, p.path) for p in advice(found.spec, found.locate)] == [
        (4, "pods.node.placement"),
        (8, "pods.node.tasks.server"),
        (8, "pods.node.tasks.server.kill-grace-period"),
    ]
