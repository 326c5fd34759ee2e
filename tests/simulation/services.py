"""The services that are simulated. Commands: `run` for ever, `finish` after some seconds."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from holdfast.service.disruption_model import DisruptionCheck
from holdfast.service.failure_model import DisasterSpec, ReplacementPolicy
from holdfast.service.model import (
    Constraint,
    Goal,
    InstanceSteps,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ReadinessCheckSpec,
    ResourceSetSpec,
    SeccompSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    VolumeSpec,
)
from tests.definitions import definition

UNIQUE_HOST = Constraint("hostname", Operator.UNIQUE)
THREE_PER_ZONE = Constraint("@zone", Operator.MAX_PER, "3")
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
    """Five instances at once, with ports as they come, and no more than three in a zone."""
    pod = PodSpec("web", 5, (_task("node", port=0),), placement=(THREE_PER_ZONE,))
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
    """Two volumes in one pod, with a second task that uses one of them; and a pod without any.

    In that the task that grows need not run again, so that the other runs if there is no more.
    """
    node = replace(_task("node", port=0), volumes=(VolumeSpec("data", 100), VolumeSpec("log", 50)))
    pair = PodSpec("pair", 2, (node, _task("side")), placement=(UNIQUE_HOST,))
    bare = _task("warm", Goal.ONCE), _task("proxy", port=0)
    proxy = PodSpec("proxy", 2, tuple(replace(task, volumes=()) for task in bare))
    return _service((pair, proxy), (SERIAL, PARALLEL), PARALLEL)


def steps() -> ServiceSpec:
    """Two tasks in two steps: the second joins the executor of the first."""
    pod = PodSpec("duo", 2, (_task("first", port=0), _task("second")), placement=(UNIQUE_HOST,))
    return _stepped(pod, ("first",), ("second",))


def sidecar() -> ServiceSpec:
    """A server with a helper that may fail alone, and two plans whose tasks share resources."""
    backup, clean = (
        TaskSpec(name, Goal.ONCE, "finish", 0.0, 0, resource_set="side")
        for name in ("backup", "clean")
    )
    helper = replace(_task("helper"), essential=False)
    side = ResourceSetSpec("side", 0.3, 0.0, 64, (), (VolumeSpec("side", 20),))
    pod = PodSpec(
        "app",
        2,
        (_task("node", port=0), helper, backup, clean),
        placement=(UNIQUE_HOST,),
        resource_sets=(side,),
    )
    plans = tuple(
        PlanSpec(name, (PhaseSpec("run", "app", strategy, _each((name,))),))
        for name, strategy in (("backup", SERIAL), ("clean", PARALLEL))
    )
    return replace(_stepped(pod, ("node", "helper")), plans=plans)


def canary() -> ServiceSpec:
    """Instances that wait for the operator's word: each type in a canary order of its own."""
    queue = PodSpec("queue", 3, (_task("node", port=0),), placement=(UNIQUE_HOST,))
    worker = PodSpec("worker", 3, (_task("node"),), max_unavailable=2)
    return _service((queue, worker), (Strategy.SERIAL_CANARY, Strategy.PARALLEL_CANARY), PARALLEL)


def elastic() -> ServiceSpec:
    """Instances deployed at once, of which there may be fewer, and one may be down at a time."""
    pod = PodSpec(
        "pool", 3, (_task("node", port=0),), placement=(UNIQUE_HOST,), allow_decommission=True
    )
    return _service((pod,), (PARALLEL,))


def _stepped(pod: PodSpec, *steps_: tuple[str, ...]) -> ServiceSpec:
    phase = PhaseSpec(pod.type, pod.type, SERIAL, _each(*steps_))
    return replace(_service((pod,), (SERIAL,)), deploy=PlanSpec("deploy", (phase,)))


def _each(*steps_: tuple[str, ...]) -> tuple[InstanceSteps, ...]:
    return (InstanceSteps(None, steps_),)


def isolated() -> ServiceSpec:
    """Instances that only some agents can run: enough for two, when two of the able are gone."""
    pod = PodSpec(
        "safe", 2, (_task("node", port=0),), placement=(UNIQUE_HOST,), seccomp=SeccompSpec(True)
    )
    return _service((pod,), (SERIAL,))


def replacing() -> ServiceSpec:
    """Instances that are replaced without an operator's word, soon after their agent is lost."""
    policy = ReplacementPolicy(timeout=120, delay=60, per_hour=3)
    pod = PodSpec("db", 5, (_task("node"),), placement=(UNIQUE_HOST,), replacement=policy)
    return _service((pod,), (SERIAL,))


SERVICES = {
    "serial": serial,
    "parallel": parallel,
    "two phases": two_phases,
    "goals": goals,
    "checked": checked,
    "volumes": volumes,
    "steps": steps,
    "sidecar": sidecar,
    "canary": canary,
    "elastic": elastic,
    "isolated": isolated,
}

SCENARIOS = {"replacing": replacing}
"""Services that need more machines than seeds leave."""


def _simulated(spec: ServiceSpec) -> ServiceSpec:
    """A definition of real software, with the commands of the simulation."""
    return replace(spec, pods=tuple(_with_commands(pod) for pod in spec.pods))


def _with_commands(pod: PodSpec) -> PodSpec:
    commands = {Goal.RUNNING: "run", Goal.FINISH: "finish", Goal.ONCE: "finish"}
    tasks = tuple(replace(task, cmd=commands[task.goal]) for task in pod.tasks)
    return replace(pod, tasks=tasks)


@cache
def cassandra() -> ServiceSpec:
    """A ring in two racks."""
    return _simulated(definition("cassandra", RACKS="2"))


@cache
def hdfs() -> ServiceSpec:
    """Journal, name and data nodes."""
    return _simulated(definition("hdfs"))


DATABASES: dict[str, Callable[[], ServiceSpec]] = {"cassandra": cassandra, "hdfs": hdfs}
"""Definitions in full, with all that is ordered of databases; each sixth seed runs one of them."""


def with_policy(service: ServiceSpec, seed: int) -> ServiceSpec:
    """The service with instances that are replaced without an operator's word.

    Timeouts from less than the time Mesos takes to notice, to longer than most faults last.
    """
    chance = random.Random(f"policy {seed}")
    policy = ReplacementPolicy(
        timeout=chance.choice((10, 60, 200)),
        delay=chance.choice((0, 30, 120)),
        per_hour=chance.choice((1, 3, 20)),
    )
    disaster = DisasterSpec(chance.choice((33, 100)), chance.choice((2, 3, 99)), 600)
    pods = tuple(
        replace(pod, replacement=policy, max_unavailable=chance.choice((pod.max_unavailable, 3)))
        for pod in service.pods
    )
    return replace(service, pods=pods, disaster=disaster)


def with_check(service: ServiceSpec) -> ServiceSpec:
    """The service with somebody who is asked before anything of it is stopped."""
    check = DisruptionCheck("http://coordinator/")
    return replace(service, pods=tuple(replace(p, disruption_check=check) for p in service.pods))


MOST_VOLUMES = 2
"""How many volumes updates add to a task at most, so that all fits on the machines."""


def updated(service: ServiceSpec, version: int, pick: int) -> ServiceSpec:
    """The service changed: in its environment, its size, its volumes, the number of instances.

    In one pod type, or in all.
    """
    changed = sorted(pod.type for pod in service.pods)
    if pick % 3:
        changed = [changed[pick // 3 % len(changed)]]
    pods = tuple(
        _changed(pod, version, pick // 7) if pod.type in changed else pod for pod in service.pods
    )
    return replace(service, pods=pods)


def _changed(pod: PodSpec, version: int, pick: int) -> PodSpec:
    first = pod.tasks[0]
    match pick % 4:
        case 0 if pod.allow_decommission:
            return replace(pod, count=1 + (pod.count + pick // 4 % 3) % 4)
        case 1:
            sized = replace(
                first, cpus=(0.3, 0.6, 0.9)[version % 3], memory_mb=(96, 192)[version % 2]
            )
            return replace(pod, tasks=(sized, *pod.tasks[1:]))
        case 2 if len(first.volumes) <= MOST_VOLUMES:
            more = (*first.volumes, VolumeSpec(f"more-{version}", 30))
            return replace(pod, tasks=(replace(first, volumes=more), *pod.tasks[1:]))
        case _:
            if pick // 4 % 2:  # of one task only: the others need not be touched
                return replace(pod, tasks=(*pod.tasks[:-1], _versioned(pod.tasks[-1], version)))
            return replace(pod, tasks=tuple(_versioned(task, version) for task in pod.tasks))


def _versioned(task: TaskSpec, version: int) -> TaskSpec:
    return replace(task, env={**task.env, "VERSION": str(version)})
