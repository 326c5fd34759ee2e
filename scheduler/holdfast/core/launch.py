"""The messages that start a pod instance: one executor with the volumes, and its tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.core import confidential
from holdfast.core.containers import executor_container, task_container
from holdfast.core.discovery import discovery, labels
from holdfast.core.pausing import SLEEP, as_paused
from holdfast.mesos import operations
from holdfast.placement.evaluate import Holding, Placement
from holdfast.placement.owner import USUAL_SHARE, ExecutorShare
from holdfast.placement.resources import by_provider, port_portion, portion
from holdfast.records import Pod, Reservation, Task
from holdfast.service.model import (
    UNLIMITED,
    HealthCheckSpec,
    LimitsSpec,
    PodSpec,
    ReadinessCheckSpec,
    ResourceSetSpec,
    ServiceSpec,
    TaskSpec,
)
from holdfast.service.task_env import USUAL_DOMAINS, Domains, task_environment
from holdfast_executor.contract import (
    ARCHIVE_NAME,
    EXECUTOR_COMMAND,
    ConfigTemplate,
    Hook,
    RLimit,
    TaskLaunch,
)

Json = dict[str, Any]

NANOSECONDS = 1_000_000_000

INFINITE = "Infinity"
"""How a number without bound is written in JSON, which has none (protobuf's JSON mapping)."""


@dataclass(frozen=True, slots=True)
class LaunchSettings:
    """What every launch needs to know of the scheduler.

    `executor_uri` is where agents fetch the executor, `api_host` and `api_port` where tasks reach
    the scheduler. `secret_space` is the service's place in the secret store when agents resolve
    references to secrets, None when the scheduler hands secrets over itself. `pause_command` is
    what paused tasks run, `executor` what an executor takes, `domains` are those of DNS names.
    """

    executor_uri: str
    api_host: str
    api_port: int
    secret_space: str | None = None
    pause_command: str = SLEEP
    executor: ExecutorShare = USUAL_SHARE
    domains: Domains = USUAL_DOMAINS


@dataclass(frozen=True, slots=True)
class Launch:
    """Tasks about to start: the record as it will be, and what their launch is made of.

    `parameters` are those of a custom plan's run; the tasks find them in their environment. Those
    `paused` are launched to sleep.
    """

    service: ServiceSpec
    spec: PodSpec
    pod: Pod
    tasks: tuple[TaskSpec, ...]
    holding: Holding
    peers: Mapping[str, str]
    framework_id: str
    parameters: Mapping[str, str]
    paused: frozenset[str] = frozenset()

    @property
    def reservation(self) -> Reservation:
        assert self.pod.reservation is not None
        return self.pod.reservation


def task_infos(launch: Launch, settings: LaunchSettings) -> list[Json]:
    """The TaskInfo messages of a LAUNCH, all with the executor of the record."""
    executor = dict(launch.pod.executor or {})
    return [
        _task(
            launch,
            as_paused(spec, settings.pause_command) if spec.name in launch.paused else spec,
            executor,
            settings,
        )
        for spec in launch.tasks
    ]


def executor_info(
    service: ServiceSpec,
    spec: PodSpec,
    held: Reservation,
    index: int,
    executor_id: str,
    framework_id: str,
    holding: Holding,
    settings: LaunchSettings,
) -> Json:
    """The ExecutorInfo of a pod instance; tasks that join it later must repeat it exactly."""
    container = executor_container(service.name, spec, index, held.ports)
    grace = max(task.kill_grace_period for task in spec.tasks)
    uris: list[Json] = [
        {
            "value": settings.executor_uri,
            "output_file": ARCHIVE_NAME,
            "extract": False,
            "cache": True,
        },
        *({"value": uri} for uri in spec.uris),
    ]
    info = {
        "type": "CUSTOM",
        "executor_id": {"value": executor_id},
        "framework_id": {"value": framework_id},
        "name": f"{spec.type}-{index}",
        "source": service.name,
        "command": {
            "shell": True,
            "value": EXECUTOR_COMMAND,
            "uris": uris,
            "user": service.user,
        },
        # The volumes belong to the executor, so that Mesos itself keeps a second one off them.
        "resources": [
            portion(holding.cpus, settings.executor.cpus),
            portion(holding.mem, settings.executor.memory_mb),
            *holding.volumes,
        ],
        # Longer than the tasks' own grace, so that the agent never cuts it short.
        "shutdown_grace_period": {"nanoseconds": (grace + 10) * NANOSECONDS},
        **({"container": container} if container else {}),
    }
    if settings.secret_space is None:
        return info
    return confidential.with_references(info, spec, settings.secret_space)


def _task(launch: Launch, spec: TaskSpec, executor: Json, settings: LaunchSettings) -> Json:
    task = launch.pod.task(spec.name)
    assert task is not None
    ports = launch.reservation.task_ports(spec.name)
    wanted = launch.spec.resources(spec)
    info: Json = {
        "name": f"{launch.pod.name}-{spec.name}",
        "task_id": {"value": task.id},
        "agent_id": {"value": launch.reservation.agent_id},
        "resources": _resources(launch, wanted, ports),
        "executor": executor,
        "data": _data(launch, spec, task, ports, settings).encode(),
        "kill_policy": {"grace_period": {"nanoseconds": spec.kill_grace_period * NANOSECONDS}},
        "labels": labels({**spec.labels, **_labels(launch, task.config_id)}),
    }
    limits = _limits(wanted.limits)
    if limits:
        info["limits"] = limits
    if wanted.ports or spec.discovery:
        info["discovery"] = discovery(launch.spec, launch.pod.index, spec, ports, task.id)
    if spec.health_check:
        info["health_check"] = _health_check(spec.health_check)
    if spec.readiness_check:
        info["check"] = _readiness_check(spec.readiness_check)
    return info


def _resources(launch: Launch, wanted: ResourceSetSpec, ports: Mapping[str, int]) -> list[Json]:
    """The task's portion of what the pod instance holds; Mesos refuses a resource of nothing."""
    holding = launch.holding
    amounts = (
        (holding.cpus, wanted.cpus),
        (holding.mem, wanted.memory_mb),
        (holding.gpus, wanted.gpus),
    )
    result = [portion(resource, amount) for resource, amount in amounts if resource and amount > 0]
    numbers = launch.reservation.host_ports & set(ports.values())
    if holding.ports and numbers:
        result.append(port_portion(holding.ports, numbers))
    return result


def _limits(limits: LimitsSpec) -> Json:
    """TaskInfo.limits; agents before Mesos 1.10 refuse tasks that have any."""
    amounts = {"cpus": limits.cpus, "mem": limits.memory_mb}
    return {
        name: {"value": INFINITE if amount == UNLIMITED else amount}
        for name, amount in amounts.items()
        if amount is not None
    }


def _labels(launch: Launch, config_id: str) -> dict[str, str]:
    """The labels dcos-commons gives every task, and what tells our own apart."""
    held = launch.reservation
    domain = {"offer_region": held.region, "offer_zone": held.zone}
    return {
        "service": launch.service.name,
        "pod": launch.pod.name,
        "target_configuration": config_id,
        "task_type": launch.spec.type,
        "index": str(launch.pod.index),
        "offer_hostname": held.hostname,
        "offer_attributes": ";".join(f"{key}:{value}" for key, value in held.attributes.items()),
        **{key: value for key, value in domain.items() if value is not None},
    }


def _data(
    launch: Launch,
    spec: TaskSpec,
    task: Task,
    ports: Mapping[str, int],
    settings: LaunchSettings,
) -> TaskLaunch:
    environment = task_environment(
        launch.service,
        launch.spec,
        launch.pod.index,
        spec,
        ports=ports,
        region=launch.reservation.region,
        zone=launch.reservation.zone,
        scheduler_host=settings.api_host,
        scheduler_port=settings.api_port,
        peers=launch.peers,
        domains=settings.domains,
    )
    container = task_container(launch.service.name, launch.spec, launch.pod.index, spec)
    if container and confidential.has_references(launch.pod.executor or {}):
        # What the agent mounts in the executor's container is not seen in those nested in it.
        volumes = confidential.reference_volumes(launch.spec)
        container["volumes"] = [*container.get("volumes", ()), *volumes]
    rlimits = () if container else launch.spec.rlimits
    return TaskLaunch(
        command=spec.cmd,
        environment={**environment, **_replaced(launch.pod), **launch.parameters},
        templates=tuple(ConfigTemplate(c.name, c.content, c.dest) for c in spec.configs),
        hook=_hook(launch) if spec.name not in launch.paused else None,
        rlimits=tuple(RLimit(r.name, r.soft, r.hard) for r in rlimits),
        # A pod of one task writes where operators look first: the sandbox's stdout and stderr.
        output=spec.name if len(launch.spec.tasks) > 1 else "",
        secrets=confidential.secrets(launch.spec, launch.pod.executor or {}),
        certificates=confidential.certificates(
            launch.service,
            launch.spec,
            launch.pod.index,
            spec,
            launch.reservation,
            confidential.certificates_end(task),
            settings.domains,
        ),
        container=container,
    )


def _replaced(pod: Pod) -> dict[str, str]:
    """Where the instance was that this one takes over from, for its hook and its tasks."""
    if pod.replaced is None:
        return {}
    return {"REPLACED_IP": pod.replaced.ip, "REPLACED_HOSTNAME": pod.replaced.hostname}


def _hook(launch: Launch) -> Hook | None:
    hooks = launch.spec.hooks
    spec = {"create": hooks.create, "replace": hooks.replace}.get(launch.pod.hook or "")
    return Hook(launch.pod.hook or "", spec.cmd, float(spec.timeout)) if spec else None


def _health_check(check: HealthCheckSpec) -> Json:
    return {
        "type": "COMMAND",
        "command": {"shell": True, "value": check.cmd},
        "delay_seconds": check.delay,
        "interval_seconds": check.interval,
        "timeout_seconds": check.timeout,
        "grace_period_seconds": check.grace_period,
        "consecutive_failures": check.max_consecutive_failures,
    }


def _readiness_check(check: ReadinessCheckSpec) -> Json:
    return {
        "type": "COMMAND",
        "command": {"command": {"shell": True, "value": check.cmd}},
        "delay_seconds": check.delay,
        "interval_seconds": check.interval,
        "timeout_seconds": check.timeout,
    }


def accept_operations(placement: Placement, infos: Sequence[Json]) -> list[Json]:
    """UNRESERVE, RESERVE, CREATE and LAUNCH in one ACCEPT: Mesos applies them in this order."""
    before = (
        *map(operations.unreserve, by_provider(placement.unreserve)),
        *map(operations.reserve, by_provider(placement.reserve)),
        *map(operations.create, by_provider(placement.create)),
    )
    return [*before, operations.launch(infos)]
