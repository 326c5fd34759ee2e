"""The messages that start a pod instance: one executor with the volumes, and its tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.mesos import operations
from holdfast.placement.evaluate import (
    EXECUTOR_CPUS,
    EXECUTOR_MEMORY_MB,
    Holding,
    Placement,
)
from holdfast.placement.resources import port_portion, portion
from holdfast.records import Pod, Reservation
from holdfast.service.model import (
    HealthCheckSpec,
    PodSpec,
    ReadinessCheckSpec,
    ServiceSpec,
    TaskSpec,
)
from holdfast.service.task_env import task_environment
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


@dataclass(frozen=True, slots=True)
class LaunchSettings:
    """What every launch needs to know of the scheduler.

    `executor_uri` is where agents fetch the executor, `api_host` and `api_port` where tasks reach
    the scheduler.
    """

    executor_uri: str
    api_host: str
    api_port: int


@dataclass(frozen=True, slots=True)
class Launch:
    """Tasks about to start: the record as it will be, and what their launch is made of.

    `parameters` are those of a custom plan's run; the tasks find them in their environment.
    """

    service: ServiceSpec
    spec: PodSpec
    pod: Pod
    tasks: tuple[TaskSpec, ...]
    holding: Holding
    peers: Mapping[str, str]
    framework_id: str
    parameters: Mapping[str, str]

    @property
    def reservation(self) -> Reservation:
        assert self.pod.reservation is not None
        return self.pod.reservation


def task_infos(launch: Launch, settings: LaunchSettings) -> list[Json]:
    """The TaskInfo messages of a LAUNCH, all with the executor of the record."""
    executor = dict(launch.pod.executor or {})
    return [_task(launch, spec, executor, settings) for spec in launch.tasks]


def executor_info(
    service: ServiceSpec,
    spec: PodSpec,
    name: str,
    executor_id: str,
    framework_id: str,
    holding: Holding,
    settings: LaunchSettings,
) -> Json:
    """The ExecutorInfo of a pod instance; tasks that join it later must repeat it exactly."""
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
    return {
        "type": "CUSTOM",
        "executor_id": {"value": executor_id},
        "framework_id": {"value": framework_id},
        "name": name,
        "source": service.name,
        "command": {
            "shell": True,
            "value": EXECUTOR_COMMAND,
            "uris": uris,
            "user": service.user,
        },
        # The volumes belong to the executor, so that Mesos itself keeps a second one off them.
        "resources": [
            portion(holding.cpus, EXECUTOR_CPUS),
            portion(holding.mem, EXECUTOR_MEMORY_MB),
            *holding.volumes,
        ],
        # Longer than the tasks' own grace, so that the agent never cuts it short.
        "shutdown_grace_period": {"nanoseconds": (grace + 10) * NANOSECONDS},
    }


def _task(launch: Launch, spec: TaskSpec, executor: Json, settings: LaunchSettings) -> Json:
    task = launch.pod.task(spec.name)
    assert task is not None
    ports = launch.reservation.task_ports(spec.name)
    resources = [
        portion(resource, amount)
        for resource, amount in (
            (launch.holding.cpus, spec.cpus),
            (launch.holding.mem, spec.memory_mb),
        )
        if amount > 0  # Mesos refuses a resource of nothing
    ]
    info: Json = {
        "name": f"{launch.pod.name}-{spec.name}",
        "task_id": {"value": task.id},
        "agent_id": {"value": launch.reservation.agent_id},
        "resources": resources,
        "executor": executor,
        "data": _data(launch, spec, ports, settings).encode(),
        "kill_policy": {"grace_period": {"nanoseconds": spec.kill_grace_period * NANOSECONDS}},
        "labels": {
            "labels": [
                {"key": "service", "value": launch.service.name},
                {"key": "pod", "value": launch.pod.name},
                {"key": "target_configuration", "value": task.config_id},
            ]
        },
    }
    if ports and launch.holding.ports:
        resources.append(port_portion(launch.holding.ports, ports.values()))
        info["discovery"] = _discovery(info["name"], spec, ports)
    if spec.health_check:
        info["health_check"] = _health_check(spec.health_check)
    if spec.readiness_check:
        info["check"] = _readiness_check(spec.readiness_check)
    return info


def _data(
    launch: Launch, spec: TaskSpec, ports: Mapping[str, int], settings: LaunchSettings
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
    )
    return TaskLaunch(
        command=spec.cmd,
        environment={**environment, **launch.parameters},
        templates=tuple(ConfigTemplate(c.name, c.content, c.dest) for c in spec.configs),
        hook=_hook(launch),
        rlimits=tuple(RLimit(r.name, r.soft, r.hard) for r in launch.spec.rlimits),
        # A pod of one task writes where operators look first: the sandbox's stdout and stderr.
        output=spec.name if len(launch.spec.tasks) > 1 else "",
    )


def _hook(launch: Launch) -> Hook | None:
    hooks = launch.spec.hooks
    spec = {"create": hooks.create, "replace": hooks.replace}.get(launch.pod.hook or "")
    return Hook(launch.pod.hook or "", spec.cmd, float(spec.timeout)) if spec else None


def _discovery(name: str, spec: TaskSpec, ports: Mapping[str, int]) -> Json:
    return {
        "visibility": "CLUSTER",
        "name": name,
        "ports": {
            "ports": [
                {
                    "number": ports[port.name],
                    "name": port.name,
                    "protocol": "tcp",
                    "visibility": "EXTERNAL" if port.advertise else "CLUSTER",
                }
                for port in spec.ports
            ]
        },
    }


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


def preparations(placement: Placement) -> list[Json]:
    """The operations that must come before a LAUNCH on the placement, in their order."""
    result: list[Json] = []
    if placement.reserve:
        result.append(operations.reserve(placement.reserve))
    if placement.create:
        result.append(operations.create(placement.create))
    return result
