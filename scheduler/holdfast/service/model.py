"""The service an operator asked for, as plain facts.

Built from svc.yml by `holdfast.service.load`; nothing here reads files or environment. Sizes are
MB, times are seconds, cpus are fractions of a CPU, as in the dcos-commons format.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from holdfast.service.disruption_model import DisruptionCheck
from holdfast.service.extra_model import EndpointSpec, RuleSpec
from holdfast.service.failure_model import USUAL_DISASTER, DisasterSpec, ReplacementPolicy


class Goal(StrEnum):
    """What a task is for: RUNNING for ever, FINISH once per configuration, or ONCE in its life."""

    RUNNING = "RUNNING"
    FINISH = "FINISH"
    ONCE = "ONCE"


class Strategy(StrEnum):
    """In which order the children of a plan or phase are taken up."""

    SERIAL = "serial"
    PARALLEL = "parallel"
    SERIAL_CANARY = "serial-canary"
    PARALLEL_CANARY = "parallel-canary"


class Operator(StrEnum):
    """A Marathon placement operator."""

    UNIQUE = "UNIQUE"
    CLUSTER = "CLUSTER"
    IS = "IS"
    IS_NOT = "IS_NOT"
    LIKE = "LIKE"
    UNLIKE = "UNLIKE"
    GROUP_BY = "GROUP_BY"
    MAX_PER = "MAX_PER"


@dataclass(frozen=True, slots=True)
class Constraint:
    """One placement row. `field` is `hostname`, `@zone`, `@region` or an agent attribute's name.

    `parameter` is "" for UNIQUE; a whole number for MAX_PER and GROUP_BY, which may have "" when
    the number of values is not known; a value for IS, IS_NOT and CLUSTER; a regular expression of
    the whole value for LIKE and UNLIKE.
    """

    field: str
    operator: Operator
    parameter: str = ""

    def __str__(self) -> str:
        return ":".join(part for part in (self.field, self.operator, self.parameter) if part)

    @property
    def limit(self) -> int:
        """How many pod instances may share one value of the field (UNIQUE and MAX_PER)."""
        return 1 if self.operator is Operator.UNIQUE else int(self.parameter)


@dataclass(frozen=True, slots=True)
class VipSpec:
    """A virtual address on DC/OS: `<prefix>.<service>.l4lb.thisdcos.directory:<port>`."""

    prefix: str
    port: int


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports from `begin` to `end`, both included."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A port a task listens on; `port` 0 means any free one the agent offers, in `ranges` if any.

    `env_key` is the variable that tells the task the number; there is none without it.
    """

    name: str
    port: int
    env_key: str | None = None
    advertise: bool = False
    vip: VipSpec | None = None
    ranges: tuple[PortRange, ...] = ()


class VolumeKind(StrEnum):
    """The disk a volume is on: a share of the agent's ROOT disk, a whole disk of its own (MOUNT),
    or a share of another disk the agent offers by path (PATH)."""

    ROOT = "ROOT"
    MOUNT = "MOUNT"
    PATH = "PATH"


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """A persistent volume, seen by the tasks at `path` in the sandbox.

    A MOUNT volume has at least `size_mb`, on a disk of one of the `profiles` if there are any.
    """

    path: str
    size_mb: int
    kind: VolumeKind = VolumeKind.ROOT
    profiles: tuple[str, ...] = ()

    def __str__(self) -> str:
        kind = "" if self.kind is VolumeKind.ROOT else f" {self.kind}"
        profiles = f" ({', '.join(self.profiles)})" if self.profiles else ""
        return f"{self.path} {self.size_mb} MB{kind}{profiles}"


UNLIMITED: Final = "unlimited"


@dataclass(frozen=True, slots=True)
class LimitsSpec:
    """What a task may use at most, beyond what is reserved for it; None: what is reserved."""

    cpus: float | Literal["unlimited"] | None = None
    memory_mb: int | Literal["unlimited"] | None = None


@dataclass(frozen=True, slots=True)
class ResourceSetSpec:
    """Resources reserved together, used by one task at a time.

    Named in `resource-sets`, or made of the resources a task asks for itself.
    """

    id: str
    cpus: float = 0.0
    gpus: float = 0.0
    memory_mb: int = 0
    ports: tuple[PortSpec, ...] = ()
    volumes: tuple[VolumeSpec, ...] = ()
    limits: LimitsSpec = LimitsSpec()


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


class Visibility(StrEnum):
    """Who may discover a task: its framework, the cluster, or the world (mesos.proto)."""

    FRAMEWORK = "FRAMEWORK"
    CLUSTER = "CLUSTER"
    EXTERNAL = "EXTERNAL"


@dataclass(frozen=True, slots=True)
class DiscoverySpec:
    """The name tasks are discovered by: `<prefix>-<index>`."""

    prefix: str
    visibility: Visibility = Visibility.CLUSTER


class EncryptionType(StrEnum):
    """In which form a task gets its key and certificate: PEM files, or Java key stores."""

    TLS = "TLS"
    KEYSTORE = "KEYSTORE"


@dataclass(frozen=True, slots=True)
class TransportEncryptionSpec:
    """A key and certificate of the task's own, as files named after `name`."""

    name: str
    type: EncryptionType

    @property
    def files(self) -> tuple[str, ...]:
        """The files it is made of, in the sandbox."""
        keystore = self.type is EncryptionType.KEYSTORE
        endings = ("keystore", "truststore") if keystore else ("crt", "key", "ca")
        return tuple(f"{self.name}.{ending}" for ending in endings)


class IpcMode(StrEnum):
    """Whether a container has its own System V IPC and /dev/shm, or those of its parent."""

    PRIVATE = "PRIVATE"
    SHARE_PARENT = "SHARE_PARENT"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task of a pod.

    Either `resource_set` names its resources, and cpus, memory and so on are empty here, or they
    are its own: `PodSpec.resources` tells. An `essential` task that fails takes the pod with it.
    """

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
    essential: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    gpus: float = 0.0
    limits: LimitsSpec = LimitsSpec()
    resource_set: str | None = None
    discovery: DiscoverySpec | None = None
    transport_encryption: tuple[TransportEncryptionSpec, ...] = ()
    ipc_mode: IpcMode | None = None
    shm_size_mb: int | None = None

    @property
    def has_own_ipc(self) -> bool:
        """Whether it asks for System V IPC or a /dev/shm apart from the pod's other tasks."""
        return self.ipc_mode is IpcMode.PRIVATE or self.shm_size_mb is not None


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A CNI network the pod joins. `host_ports[i]` of the agent leads to `container_ports[i]`.

    Where a network maps ports, a task's port that is not listed is the same on the agent.
    """

    name: str
    host_ports: tuple[int, ...] = ()
    container_ports: tuple[int, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def maps_ports(self) -> bool:
        """Whether ports of the agent lead into it; others have addresses of their own."""
        return self.name == "mesos-bridge"


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A secret of the secret store at path `secret`: in a variable, in a file, or both."""

    name: str
    secret: str
    env_key: str | None = None
    file: str | None = None


class AccessMode(StrEnum):
    """Whether a volume may be written."""

    RW = "RW"
    RO = "RO"


@dataclass(frozen=True, slots=True)
class HostVolumeSpec:
    """A path of the agent, seen by the tasks; not reserved, and not kept for the pod."""

    name: str
    host_path: str
    container_path: str
    mode: AccessMode = AccessMode.RW


@dataclass(frozen=True, slots=True)
class ExternalVolumeSpec:
    """A volume of a Docker volume driver, which outlives the agent."""

    name: str
    driver_name: str
    container_path: str
    volume_name: str | None = None
    mode: AccessMode | None = None
    driver_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeccompSpec:
    """The system calls a container may make: all (`unconfined`), or those of a named profile."""

    unconfined: bool = False
    profile: str | None = None


ANY_ROLE: Final = "*"


@dataclass(frozen=True, slots=True)
class AfterReplaceSpec:
    """Once an instance was replaced, those of type `restart` are restarted, without itself.

    With `index_below`, only after the replacement of an instance of a lower index.
    """

    restart: str
    index_below: int | None = None

    def concerns(self, index: int) -> bool:
        """Whether the replacement of that instance calls for it."""
        return self.index_below is None or index < self.index_below


@dataclass(frozen=True, slots=True)
class PodSpec:
    """A pod type and how many instances of it are wanted.

    `shared_volumes` are those of the pod itself, seen by all its tasks. `pre_reserved_role` is the
    role the agent's resources are reserved for by its operator. At most `max_unavailable`
    instances are taken down at a time by what the scheduler does on purpose. Without `replacement`
    failed instances wait for an operator. `disruption_check` is asked before anything of an
    instance is stopped on purpose.
    """

    type: str
    count: int
    tasks: tuple[TaskSpec, ...]
    placement: tuple[Constraint, ...] = ()
    uris: tuple[str, ...] = ()
    rlimits: tuple[RLimitSpec, ...] = ()
    hooks: HooksSpec = HooksSpec()
    allow_decommission: bool = False
    max_unavailable: int = 1
    image: str | None = None
    networks: tuple[NetworkSpec, ...] = ()
    shared_volumes: tuple[VolumeSpec, ...] = ()
    resource_sets: tuple[ResourceSetSpec, ...] = ()
    pre_reserved_role: str = ANY_ROLE
    secrets: tuple[SecretSpec, ...] = ()
    host_volumes: tuple[HostVolumeSpec, ...] = ()
    external_volumes: tuple[ExternalVolumeSpec, ...] = ()
    share_pid_namespace: bool = False
    seccomp: SeccompSpec = SeccompSpec()
    ipc_mode: IpcMode | None = None
    shm_size_mb: int | None = None
    after_replace: tuple[AfterReplaceSpec, ...] = ()
    replacement: ReplacementPolicy | None = None
    disruption_check: DisruptionCheck | None = None

    @property
    def uses_host_ports(self) -> bool:
        """Whether its ports are those of the agent, and reserved there."""
        return not self.networks or any(network.maps_ports for network in self.networks)

    @property
    def ipc(self) -> tuple[IpcMode | None, int | None]:
        """The IPC mode and the size of /dev/shm (MB) of the container of the pod itself.

        Without an image it is that of the tasks too, whose wishes are met there: the only task has
        its own in the pod's place, several share one as large as all that is asked for.
        """
        asking = [task for task in self.tasks if task.has_own_ipc]
        if self.image is not None or not asking:
            return self.ipc_mode, self.shm_size_mb
        if len(self.tasks) == 1:
            return asking[0].ipc_mode, asking[0].shm_size_mb
        sizes = [self.shm_size_mb, *(task.shm_size_mb for task in asking)]
        known = [size for size in sizes if size is not None]
        return IpcMode.PRIVATE, sum(known) if known else None

    @property
    def volumes(self) -> tuple[VolumeSpec, ...]:
        """All volumes of the pod and its tasks, each path once."""
        found = {volume.path: volume for volume in self.shared_volumes}
        for resources in self.reserved_sets:
            found |= {volume.path: volume for volume in resources.volumes}
        return tuple(found.values())

    @property
    def reserved_sets(self) -> tuple[ResourceSetSpec, ...]:
        """The resource sets a place must have, in the order of the tasks that use them, each once.

        The volumes of the pod itself, and what the executor needs, come on top.
        """
        sets = (self.resources(task) for task in self.tasks)
        return tuple({resources.id: resources for resources in sets}.values())

    def resources(self, task: TaskSpec) -> ResourceSetSpec:
        """What `task` runs on. KeyError when it names a resource set the pod has not."""
        if task.resource_set is None:
            return ResourceSetSpec(
                id=implicit_set_id(task.name),
                cpus=task.cpus,
                gpus=task.gpus,
                memory_mb=task.memory_mb,
                ports=task.ports,
                volumes=task.volumes,
                limits=task.limits,
            )
        for resources in self.resource_sets:
            if resources.id == task.resource_set:
                return resources
        raise KeyError(task.resource_set)

    def task(self, name: str) -> TaskSpec:
        """The task of that name; KeyError when there is none."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise KeyError(name)


def implicit_set_id(task: str) -> str:
    """The id of the resource set made of a task's own resources, as dcos-commons names it."""
    return f"{task}-resource-set"


class InstanceSteps(NamedTuple):
    """The steps of one pod `instance`, or of all not listed (None), in their order.

    A step is the names of the tasks it launches together; no steps leave the instance alone.
    """

    instance: int | None
    steps: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class PhaseSpec:
    """A phase of a plan: the instances of one pod type, in an order.

    Without `steps` each instance is one step that launches all its tasks. The instances are taken
    up by their index, the last one first if `reverse`.
    """

    name: str
    pod: str
    strategy: Strategy = Strategy.SERIAL
    steps: tuple[InstanceSteps, ...] = ()
    reverse: bool = False

    def indexes(self, pod: PodSpec) -> Sequence[int]:
        """The instances of the phase, in its order."""
        return range(pod.count)[::-1] if self.reverse else range(pod.count)

    def steps_of(self, pod: PodSpec, index: int) -> tuple[tuple[str, ...], ...]:
        """What each step for the instance `index` launches, in order; maybe nothing."""
        if not self.steps:
            return (tuple(task.name for task in pod.tasks),)
        listed = {entry.instance: entry.steps for entry in self.steps}
        return listed.get(index, listed.get(None, ()))


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """A plan of svc.yml; `strategy` is the order of its phases."""

    name: str
    phases: tuple[PhaseSpec, ...]
    strategy: Strategy = Strategy.SERIAL


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A whole service: what svc.yml says once rendered and validated.

    `plans` are those besides `deploy`, such as `update`, in the order of the file. The phases of
    `replace` and `decommission` are for single instances: what to launch in one that takes over
    from another, and in one that is about to go.

    The scheduler's environment gives `region`, where pods go that name none (None: the master's),
    and `group_role`, which the service shares with others instead of having one of its own.
    """

    name: str
    user: str
    principal: str
    zookeeper: str
    pods: tuple[PodSpec, ...]
    deploy: PlanSpec
    web_url: str | None = None
    plans: tuple[PlanSpec, ...] = ()
    endpoints: tuple[EndpointSpec, ...] = ()
    validation: tuple[RuleSpec, ...] = ()
    disaster: DisasterSpec = USUAL_DISASTER
    region: str | None = None
    group_role: str | None = None

    def plan(self, name: str) -> PlanSpec:
        """The plan of that name, `deploy` too; KeyError when there is none."""
        for plan in (self.deploy, *self.plans):
            if plan.name == name:
                return plan
        raise KeyError(name)

    def steps_in(self, plan: str, type_: str, index: int) -> tuple[tuple[str, ...], ...]:
        """What a plan launches in a pod instance, step by step; nothing without such a plan."""
        phases = next((each.phases for each in self.plans if each.name == plan), ())
        pod = next((each for each in self.pods if each.type == type_), None)
        if pod is None:
            return ()
        return tuple(
            step for phase in phases if phase.pod == type_ for step in phase.steps_of(pod, index)
        )

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
        """The Mesos role: one per service, so that nobody else is offered its data, unless it has
        that of its group."""
        if self.group_role is not None:
            return self.group_role
        return f"{self.name.strip('/').replace('/', '__')}-role"
