"""Which updates of a running service are carried out."""

from dataclasses import replace

import pytest

from holdfast.service.changes import pod_changed, refusals
from holdfast.service.model import (
    ConfigSpec,
    Constraint,
    Goal,
    HealthCheckSpec,
    HookSpec,
    HooksSpec,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ReadinessCheckSpec,
    RLimitSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    VolumeSpec,
)

TASK = TaskSpec(
    name="server",
    goal=Goal.RUNNING,
    cmd="run",
    cpus=1,
    memory_mb=256,
    ports=(PortSpec("web", 80),),
    volumes=(VolumeSpec("data", 100),),
)
POD = PodSpec("node", 3, (TASK,))
PLAN = PlanSpec("deploy", (PhaseSpec("node", "node"),))
SERVICE = ServiceSpec("data", "root", "p", "z:1", (POD,), PLAN)


def with_pod(**changes: object) -> ServiceSpec:
    return replace(SERVICE, pods=(replace(POD, **changes),))  # type: ignore[arg-type]


def with_task(**changes: object) -> ServiceSpec:
    return with_pod(tasks=(replace(TASK, **changes),))  # type: ignore[arg-type]


def paths(new: ServiceSpec) -> list[str]:
    return [problem.path for problem in refusals(SERVICE, new)]


CHECK = ReadinessCheckSpec("c", 1, 0, 1)
RESTARTING = [
    with_task(env={"A": "1"}),
    with_task(cmd="other"),
    with_task(configs=(ConfigSpec("c", "t", "d", "x"),)),
    with_task(health_check=HealthCheckSpec("c", 1, 1, 1, 0, 1)),
    with_task(readiness_check=CHECK),
    with_task(kill_grace_period=5),
    with_task(ports=(PortSpec("web", 80, "WEB", True),)),
    with_pod(uris=("http://x",)),
    with_pod(rlimits=(RLimitSpec("RLIMIT_AS", 1, 1),)),
]
NOT_RESTARTING = [
    with_pod(count=5),
    with_pod(placement=(Constraint("hostname", Operator.UNIQUE),)),
    with_pod(hooks=HooksSpec(create=HookSpec("x", 1))),
]


@pytest.mark.parametrize("new", [SERVICE, *RESTARTING, *NOT_RESTARTING])
def test_allowed_in_a_pod(new: ServiceSpec) -> None:
    assert refusals(SERVICE, new) == ()


@pytest.mark.parametrize("new", RESTARTING)
def test_changes_that_restart_instances(new: ServiceSpec) -> None:
    assert pod_changed(POD, new.pods[0])


@pytest.mark.parametrize("new", [SERVICE, *NOT_RESTARTING])
def test_changes_that_restart_nothing(new: ServiceSpec) -> None:
    assert not pod_changed(POD, new.pods[0])


def test_allowed_in_the_service() -> None:
    more = replace(SERVICE, pods=(replace(POD, type="other"), POD), web_url="http://x")
    assert refusals(SERVICE, more) == ()
    assert (
        refusals(SERVICE, replace(SERVICE, deploy=replace(PLAN, strategy=Strategy.PARALLEL))) == ()
    )


@pytest.mark.parametrize(
    ("new", "path", "message"),
    [
        (replace(SERVICE, user="nobody"), "scheduler.user", "from 'root' to 'nobody'"),
        (replace(SERVICE, principal="q"), "scheduler.principal", "from 'p' to 'q'"),
        (replace(SERVICE, pods=()), "pods.node", "removing a pod"),
        (with_pod(count=2), "pods.node.count", "fewer instances (2 instead of 3)"),
        (with_task(cpus=2), "pods.node.tasks.server.cpus", "from 1 to 2"),
        (with_task(memory_mb=1), "pods.node.tasks.server.memory", "from 256 MB to 1 MB"),
        (with_task(ports=()), "pods.node.tasks.server.ports", "from web 80 to none"),
        (
            with_task(ports=(PortSpec("web", 81),)),
            "pods.node.tasks.server.ports",
            "from web 80 to web 81",
        ),
        (with_task(volumes=()), "pods.node.tasks.server.volumes", "from data 100 MB to none"),
        (
            with_task(volumes=(VolumeSpec("data", 200),)),
            "pods.node.tasks.server.volumes",
            "from data 100 MB to data 200 MB",
        ),
        (
            with_pod(tasks=(TASK, replace(TASK, name="more"))),
            "pods.node.tasks.more",
            "adding a task is not supported by this version yet",
        ),
    ],
)
def test_refused(new: ServiceSpec, path: str, message: str) -> None:
    (problem,) = refusals(SERVICE, new)
    assert problem.path == path
    assert message in problem.message
    assert problem.message.endswith("; the service runs on as it was")


def test_refused_together() -> None:
    renamed = replace(SERVICE, name="other")
    assert paths(renamed) == ["name", "role"]
    assert paths(with_pod(tasks=(replace(TASK, name="new", cpus=5),), count=1)) == [
        "pods.node.count",
        "pods.node.tasks.new",
        "pods.node.tasks.server",
    ]


def test_a_name_with_another_spelling_of_the_same_role_is_refused_too() -> None:
    assert paths(replace(SERVICE, name="/data")) == ["name"]
