"""The service an operator asked for, as plain facts.

Built from svc.yml by `holdfast.service.load`; nothing here reads files or environment. Sizes are
MB, times are seconds, cpus are fractions of a CPU, as in the dcos-commons format.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Goal(StrEnum):
    """What a task is for: RUNNING for ever, FINISH once per configuration, or ONCE in its life."""

    RUNNING = "RUNNING"
    FINISH = "FINISH"
    ONCE = "ONCE"


class Strategy(StrEnum):
    """In which order the children of a plan or phase are taken up."""

    SERIAL = "serial"
    PARALLEL = "parallel"


class Operator(StrEnum):
    """A Marathon placement operator."""

    UNIQUE = "UNIQUE"
    MAX_PER = "MAX_PER"


@dataclass(frozen=True, slots=True)
class Constraint:
    """One placement row. `field` is `hostname`, `@zone`, `@region` or an agent attribute's name."""

    field: str
    operator: Operator
    parameter: str = ""

    def __str__(self) -> str:
        return ":".join(part for part in (self.field, self.operator, self.parameter) if part)

    @property
    def limit(self) -> int:
        """How many pod instances may share one value of the field."""
        return 1 if self.operator is Operator.UNIQUE else int(self.parameter)


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A port a task listens on; `port` 0 means any free one the agent offers."""

    name: str
    port: int
    env_key: str | None = None
    advertise: bool = False


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """A persistent volume on the agent's root disk, seen by the tasks at `path` in the sandbox."""

    path: str
    size_mb: int


@dataclass(frozen=True, slots=True)
class HealthCheckSpec:
    """A command that must keep succeeding (Mesos health check semantics)."""

    cmd: str
    interval: float
    grace_period: float
    max_consecutive_failures: int
    delay: float
    timeout: float


@dataclass(frozen=True, slots=True)
class ReadinessCheckSpec:
    """A command that must succeed once before a plan goes on (a Mesos check)."""

    cmd: str
    interval: float
    delay: float
    timeout: float


@dataclass(frozen=True, slots=True)
class ConfigSpec:
    """A file rendered into the sandbox: its template's text and where it goes."""

    name: str
    template: str
    dest: str
    content: str


@dataclass(frozen=True, slots=True)
class RLimitSpec:
    """A POSIX resource limit; None for both values means unlimited."""

    name: str
    soft: int | None
    hard: int | None


@dataclass(frozen=True, slots=True)
class HookSpec:
    """A command run in a new pod instance, on its new volumes, before its tasks start.

    It may run more than once if the instance is interrupted before its tasks run, so it must be
    idempotent. `timeout` is in seconds.
    """

    cmd: str
    timeout: float


@dataclass(frozen=True, slots=True)
class HooksSpec:
    """`create` runs in a first instance, `replace` in one that takes over from a lost one."""

    create: HookSpec | None = None
    replace: HookSpec | None = None


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task of a pod."""

    name: str
    goal: Goal
    cmd: str
    cpus: float
    memory_mb: int
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[PortSpec, ...] = ()
    volumes: tuple[VolumeSpec, ...] = ()
    configs: tuple[ConfigSpec, ...] = ()
    health_check: HealthCheckSpec | None = None
    readiness_check: ReadinessCheckSpec | None = None
    kill_grace_period: int = 0


@dataclass(frozen=True, slots=True)
class PodSpec:
    """A pod type and how many instances of it are wanted."""

    type: str
    count: int
    tasks: tuple[TaskSpec, ...]
    placement: tuple[Constraint, ...] = ()
    uris: tuple[str, ...] = ()
    rlimits: tuple[RLimitSpec, ...] = ()
    hooks: HooksSpec = HooksSpec()

    @property
    def volumes(self) -> tuple[VolumeSpec, ...]:
        """All volumes of the pod's tasks, each path once."""
        return tuple({v.path: v for task in self.tasks for v in task.volumes}.values())

    def task(self, name: str) -> TaskSpec:
        """The task of that name; KeyError when there is none."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class PhaseSpec:
    """A phase of the deploy plan: the instances of one pod type, in an order."""

    name: str
    pod: str
    strategy: Strategy = Strategy.SERIAL


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """The deploy plan."""

    name: str
    phases: tuple[PhaseSpec, ...]
    strategy: Strategy = Strategy.SERIAL


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A whole service: what svc.yml says once rendered and validated."""

    name: str
    user: str
    principal: str
    zookeeper: str
    pods: tuple[PodSpec, ...]
    deploy: PlanSpec
    web_url: str | None = None

    def pod(self, type_: str) -> PodSpec:
        """The pod of that type; KeyError when there is none."""
        for pod in self.pods:
            if pod.type == type_:
                return pod
        raise KeyError(type_)

    def instances(self) -> Iterator[tuple[PodSpec, int]]:
        """Every wanted pod instance, in the order of the file."""
        for pod in self.pods:
            for index in range(pod.count):
                yield pod, index

    @property
    def role(self) -> str:
        """The Mesos role: one per service, so that nobody else is offered its data."""
        return f"{self.name.strip('/').replace('/', '__')}-role"
