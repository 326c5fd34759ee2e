"""The services that are simulated. Commands: `run` for ever, `finish` after some seconds."""

from dataclasses import replace

from holdfast.service.model import (
    Constraint,
    Goal,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ReadinessCheckSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    VolumeSpec,
)

UNIQUE_HOST = Constraint("hostname", Operator.UNIQUE)
SERIAL, PARALLEL = Strategy.SERIAL, Strategy.PARALLEL


def _task(name: str, goal: Goal = Goal.RUNNING, port: int | None = None) -> TaskSpec:
    return TaskSpec(
        name=name,
        goal=goal,
        cmd="run" if goal is Goal.RUNNING else "finish",
        cpus=0.5,
        memory_mb=128,
        volumes=(VolumeSpec("data", 100),),
        ports=() if port is None else (PortSpec("client", port),),
    )


def _service(
    pods: tuple[PodSpec, ...], strategies: tuple[Strategy, ...], strategy: Strategy = SERIAL
) -> ServiceSpec:
    phases = tuple(
        PhaseSpec(pod.type, pod.type, of_phase)
        for pod, of_phase in zip(pods, strategies, strict=True)
    )
    return ServiceSpec(
        name="sim",
        user="nobody",
        principal="sim-principal",
        zookeeper="zk:2181",
        pods=pods,
        deploy=PlanSpec("deploy", phases, strategy),
    )


def serial() -> ServiceSpec:
    """Three instances on hosts of their own, one after the other, with a static port."""
    pod = PodSpec("db", 3, (_task("node", port=1003),), placement=(UNIQUE_HOST,))
    return _service((pod,), (SERIAL,))


def parallel() -> ServiceSpec:
    """Five instances at once, with ports as they come."""
    pod = PodSpec("web", 5, (_task("node", port=0),))
    return _service((pod,), (PARALLEL,))


def two_phases() -> ServiceSpec:
    """Two types, the second waiting for the first."""
    meta = PodSpec("meta", 2, (_task("node", port=0),), placement=(UNIQUE_HOST,))
    data = PodSpec("data", 2, (_task("node"),), placement=(UNIQUE_HOST,))
    return _service((meta, data), (PARALLEL, SERIAL))


def goals() -> ServiceSpec:
    """A task that finishes and one that does so once in its life, beside one that runs."""
    tasks = (_task("node"), _task("format", Goal.ONCE), _task("migrate", Goal.FINISH))
    pod = PodSpec("mix", 2, tasks, placement=(UNIQUE_HOST,))
    return _service((pod,), (SERIAL,))


def checked() -> ServiceSpec:
    """Instances that are ready only some time after they run."""
    check = ReadinessCheckSpec("test -f ready", interval=5, delay=0, timeout=5)
    task = replace(_task("node", port=1005), readiness_check=check)
    pod = PodSpec("slow", 3, (task,), placement=(UNIQUE_HOST,))
    return _service((pod,), (SERIAL,))


def volumes() -> ServiceSpec:
    """Two volumes in one pod, with a second task that uses one of them; and a pod without any."""
    node = replace(_task("node", port=0), volumes=(VolumeSpec("data", 100), VolumeSpec("log", 50)))
    pair = PodSpec("pair", 2, (node, _task("side")), placement=(UNIQUE_HOST,))
    proxy = PodSpec("proxy", 2, (replace(_task("proxy", port=0), volumes=()),))
    return _service((pair, proxy), (SERIAL, PARALLEL), PARALLEL)


SERVICES = {
    "serial": serial,
    "parallel": parallel,
    "two phases": two_phases,
    "goals": goals,
    "checked": checked,
    "volumes": volumes,
}


def updated(service: ServiceSpec, version: int, pod_type: str | None = None) -> ServiceSpec:
    """The service with another environment, in one pod type or in all."""
    return replace(
        service,
        pods=tuple(
            replace(
                pod,
                tasks=tuple(replace(task, env={"VERSION": str(version)}) for task in pod.tasks),
            )
            if pod_type in (None, pod.type)
            else pod
            for pod in service.pods
        ),
    )
