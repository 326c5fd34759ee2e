"""Which updates of a running service are carried out."""

from dataclasses import replace

import pytest

from holdfast.service.changes import executor_changed, pod_changed, refusals
from holdfast.service.failure_model import DisasterSpec, ReplacementPolicy
from holdfast.service.model import (
    UNLIMITED,
    AfterReplaceSpec,
    ConfigSpec,
    Constraint,
    DiscoverySpec,
    EncryptionType,
    ExternalVolumeSpec,
    Goal,
    HealthCheckSpec,
    HookSpec,
    HooksSpec,
    HostVolumeSpec,
    InstanceSteps,
    IpcMode,
    LimitsSpec,
    NetworkSpec,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortRange,
    PortSpec,
    ReadinessCheckSpec,
    ResourceSetSpec,
    RLimitSpec,
    SeccompSpec,
    SecretSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    TransportEncryptionSpec,
    VipSpec,
    VolumeKind,
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


def with_task(also: bool = False, **changes: object) -> ServiceSpec:
    task = replace(TASK, **changes)  # type: ignore[arg-type]
    main = ResourceSetSpec("main", 1, 0, 256, TASK.ports, TASK.volumes)
    return with_pod(tasks=(task,), resource_sets=(main,) if also else ())


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
    with_task(essential=False),
    with_task(labels={"a": "b"}),
    with_task(limits=LimitsSpec(cpus=UNLIMITED)),
    with_task(discovery=DiscoverySpec("db")),
    with_task(transport_encryption=(TransportEncryptionSpec("tls", EncryptionType.TLS),)),
    with_task(ipc_mode=IpcMode.PRIVATE),
    with_task(shm_size_mb=5),
    with_task(ports=(PortSpec("web", 80, vip=VipSpec("web", 1)),)),
    with_pod(image="busybox"),
    with_pod(networks=(NetworkSpec("mesos-bridge"),)),
    with_pod(secrets=(SecretSpec("s", "a", "A"),)),
    with_pod(host_volumes=(HostVolumeSpec("h", "/a", "a"),)),
    with_pod(external_volumes=(ExternalVolumeSpec("e", "d", "e"),)),
    with_pod(share_pid_namespace=True),
    with_pod(seccomp=SeccompSpec(unconfined=True)),
    with_pod(ipc_mode=IpcMode.PRIVATE),
    with_pod(shm_size_mb=5),
    with_pod(shared_volumes=(VolumeSpec("new", 1),)),
    with_pod(tasks=(TASK, replace(TASK, name="more"))),
    with_pod(tasks=(replace(TASK, name="another"),)),
    with_task(volumes=(*TASK.volumes, VolumeSpec("new", 1))),
    with_task(cpus=2),
    with_task(gpus=1.0),
    with_task(memory_mb=1),
    with_task(ports=()),
    with_task(ports=(PortSpec("web", 81),)),
    with_task(ports=(PortSpec("web", 80, ranges=(PortRange(1, 2),)),)),
]
NOT_RESTARTING = [
    with_pod(allow_decommission=True),
    with_pod(max_unavailable=2),
    with_pod(resource_sets=(ResourceSetSpec("used by none", cpus=1),)),
    with_pod(count=5),
    with_pod(count=2, allow_decommission=True),
    with_pod(placement=(Constraint("hostname", Operator.UNIQUE),)),
    with_pod(hooks=HooksSpec(create=HookSpec("x", 1))),
    with_pod(after_replace=(AfterReplaceSpec("node"),)),
    with_pod(replacement=ReplacementPolicy()),
    replace(SERVICE, disaster=DisasterSpec(agents=9)),
]


@pytest.mark.parametrize("new", [SERVICE, *RESTARTING, *NOT_RESTARTING])
def test_allowed_in_a_pod(new: ServiceSpec) -> None:
    assert refusals(SERVICE, new) == ()


@pytest.mark.parametrize("new", RESTARTING)
def test_changes_that_restart_instances(new: ServiceSpec) -> None:
    assert pod_changed(POD, new.pods[0])


@pytest.mark.parametrize(
    "new",
    [
        with_task(ipc_mode=IpcMode.PRIVATE),
        with_task(shm_size_mb=5),
        with_pod(networks=(NetworkSpec("mesos-bridge"),)),
        with_pod(host_volumes=(HostVolumeSpec("h", "/a", "a"),)),
        with_pod(external_volumes=(ExternalVolumeSpec("e", "d", "e"),)),
        with_pod(share_pid_namespace=True),
        with_pod(seccomp=SeccompSpec(unconfined=True)),
        with_pod(ipc_mode=IpcMode.PRIVATE),
        with_pod(shm_size_mb=5),
    ],
)
def test_changes_that_need_a_new_container(new: ServiceSpec) -> None:
    assert executor_changed(POD, new.pods[0])


@pytest.mark.parametrize("new", [SERVICE, *NOT_RESTARTING])
def test_changes_that_restart_nothing(new: ServiceSpec) -> None:
    assert not pod_changed(POD, new.pods[0])


def test_instances_that_leave_must_have_what_they_are_to_run_before() -> None:
    leave = PlanSpec(
        "decommission", (PhaseSpec("n", "node", steps=(InstanceSteps(None, (("drain",),)),)),)
    )
    drain = replace(TASK, name="drain", goal=Goal.FINISH)
    fewer = replace(with_pod(count=2, allow_decommission=True, tasks=(TASK, drain)), plans=(leave,))
    (problem,) = refusals(SERVICE, fewer)
    assert problem.path == "pods.node.count"
    assert "launches drain in instances that leave" in problem.message
    assert refusals(with_pod(tasks=(TASK, drain)), fewer) == ()


def test_allowed_in_the_service() -> None:
    more = replace(SERVICE, pods=(replace(POD, type="other"), POD), web_url="http://x")
    assert refusals(SERVICE, more) == ()
    backup = replace(PLAN, name="backup")
    assert refusals(SERVICE, replace(SERVICE, plans=(backup,))) == ()
    assert (
        refusals(SERVICE, replace(SERVICE, deploy=replace(PLAN, strategy=Strategy.PARALLEL))) == ()
    )


@pytest.mark.parametrize(
    ("new", "path", "message"),
    [
        (replace(SERVICE, user="nobody"), "scheduler.user", "from 'root' to 'nobody'"),
        (replace(SERVICE, principal="q"), "scheduler.principal", "from 'p' to 'q'"),
        (replace(SERVICE, pods=()), "pods.node", "first deploy it with `allow-decommission: true`"),
        (
            with_pod(count=2),
            "pods.node.count",
            "fewer instances (2 instead of 3) give the volumes of the others up: that needs",
        ),
        (
            with_pod(pre_reserved_role="slave_public"),
            "pods.node.pre-reserved-role",
            "from '*' to 'slave_public'",
        ),
        (
            with_pod(networks=(NetworkSpec("dcos"),)),
            "pods.node.networks",
            "from the agent's ports to its own",
        ),
        (
            with_task(resource_set="main", cpus=0, memory_mb=0, ports=(), volumes=(), also=True),
            "pods.node.tasks.server.resource-set",
            "from server-resource-set to main is not supported",
        ),
        (with_task(volumes=()), "pods.node.tasks.server.volumes", "from data 100 MB to none"),
        (
            with_task(volumes=(VolumeSpec("data", 99),)),
            "pods.node.tasks.server.volumes",
            "from data 100 MB to data 99 MB: the data on it would be lost",
        ),
        (
            with_task(volumes=(VolumeSpec("data", 100, VolumeKind.MOUNT, ("fast",)),)),
            "pods.node.tasks.server.volumes",
            "from data 100 MB to data 100 MB MOUNT (fast): the data on it would be lost",
        ),
        (
            with_task(volumes=(VolumeSpec("data", 200),)),
            "pods.node.tasks.server.volumes",
            "growing data from 100 to 200 MB is not supported by this version yet",
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
    ]


def test_a_name_with_another_spelling_of_the_same_role_is_refused_too() -> None:
    assert paths(replace(SERVICE, name="/data")) == ["name"]


def test_giving_up_a_pod_is_allowed_by_its_last_definition() -> None:
    allowed = with_pod(allow_decommission=True)
    assert refusals(allowed, replace(allowed, pods=())) == ()
    (problem,) = refusals(SERVICE, replace(allowed, pods=()))
    assert problem.message.startswith("removing a pod gives its volumes up: first deploy it")


def test_volumes_of_the_pod_are_kept_like_those_of_tasks() -> None:
    old = with_pod(shared_volumes=(VolumeSpec("data", 5), VolumeSpec("log", 5)))
    new = with_pod(shared_volumes=(VolumeSpec("data", 4), VolumeSpec("logs", 5)))
    assert [(p.path, p.message.partition(":")[0]) for p in refusals(old, new)] == [
        ("pods.node.volumes", "cannot change from data 5 MB to data 4 MB"),
        ("pods.node.volumes", "cannot change from log 5 MB to none"),
    ]


def test_a_resource_set_of_two_tasks_is_told_once() -> None:
    def sets(cpus: float, size: int) -> ServiceSpec:
        main = ResourceSetSpec("main", cpus, volumes=(VolumeSpec("data", size),))
        tasks = (
            replace(TASK, cpus=0, memory_mb=0, ports=(), volumes=(), resource_set="main"),
            TaskSpec("init", Goal.ONCE, "init", 0, 0, resource_set="main"),
        )
        return with_pod(tasks=tasks, resource_sets=(main,))

    old, new = sets(1, 10), sets(2, 9)
    assert [problem.path for problem in refusals(old, new)] == [
        "pods.node.resource-sets.main.volumes"
    ]
    assert pod_changed(old.pods[0], new.pods[0])


def test_from_an_overlay_to_the_agents_ports() -> None:
    overlay = with_pod(networks=(NetworkSpec("dcos"),))
    (problem,) = refusals(overlay, with_pod(networks=(NetworkSpec("mesos-bridge"),)))
    assert problem.message.startswith("cannot change from its own ports to the agent's")
    assert refusals(overlay, with_pod(networks=(NetworkSpec("other"),))) == ()
