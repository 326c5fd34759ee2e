"""The durable records: what must be known again after a crash, and nothing that can be derived.

One record per pod instance holds its reservation, its volumes and its tasks. Each is written
before the call that acts on it is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from holdfast.mesos.messages import TaskState
from holdfast.service.model import ANY_ROLE, VolumeKind

Json = Mapping[str, Any]

DEAD = frozenset(
    {
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.DROPPED,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
    }
)
"""The task does not run and never will again."""

UNCERTAIN = frozenset({TaskState.UNREACHABLE, TaskState.LOST, TaskState.UNKNOWN})
"""The task may still run on an agent the master cannot see (Mesos high availability guide)."""

DRAINED = "its agent was drained"
"""The message of a task that Mesos ended to empty its agent (DRAIN_AGENT)."""

BACK_AS_ANOTHER = "its agent is back under another id, and nothing uses its volumes"
"""The message of a task that is lost because an offer says so, and not Mesos."""

NEVER_STARTED = frozenset({TaskState.DROPPED, TaskState.ERROR})
"""The task was refused before any of its code ran."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A persistent volume of a pod instance. `id` is its persistence id, unique for ever.

    `source` is the disk it is on as Mesos tells it (DiskInfo.Source), None for the agent's root
    disk; `provider_id` the resource provider of that disk, if any. A whole disk has its real size.
    """

    id: str
    resource_id: str
    path: str
    size_mb: float
    source: Json | None = None
    provider_id: str | None = None

    @property
    def kind(self) -> VolumeKind:
        return VolumeKind(self.source["type"]) if self.source else VolumeKind.ROOT

    @property
    def root(self) -> str | None:
        """Where its disk is mounted on the agent; None for the root disk, or when not told."""
        if self.source is None:
            return None
        root: str | None = self.source.get(self.kind.lower(), {}).get("root")
        return root

    @property
    def profile(self) -> str | None:
        return self.source.get("profile") if self.source else None


@dataclass(frozen=True, slots=True)
class Port:
    """A port given to a task of the pod instance; tasks of one resource set share its ports.

    `on_host` is false when the pod has an address of its own, so that none of the agent's is used.
    """

    task: str
    name: str
    number: int
    on_host: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What of a reservation was on offer before its last change, so that it surely exists.

    `ports` are numbers, `volumes` persistence ids.
    """

    cpus: float
    memory_mb: float
    gpus: float
    ports: frozenset[int]
    volumes: frozenset[str]

    def shared_with(self, other: "Seen") -> "Seen":
        """What both of them have."""
        return Seen(
            cpus=min(self.cpus, other.cpus),
            memory_mb=min(self.memory_mb, other.memory_mb),
            gpus=min(self.gpus, other.gpus),
            ports=self.ports & other.ports,
            volumes=self.volumes & other.volumes,
        )


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a pod instance holds on one agent.

    `resource_id` labels its cpus, gpus, memory and ports; each volume's disk has one of its own.
    `confirmed` once the volumes are known to exist there, so that they may hold data. While it is
    being changed, `seen` is what was there before; all of it is there when that is None.
    `pre_reserved_role` is the role whose resources it is made of.
    """

    resource_id: str
    agent_id: str
    hostname: str
    ip: str
    region: str | None
    zone: str | None
    attributes: Mapping[str, str]
    cpus: float
    memory_mb: float
    ports: tuple[Port, ...]
    volumes: tuple[Volume, ...]
    confirmed: bool = False
    gpus: float = 0.0
    seen: Seen | None = None
    pre_reserved_role: str = ANY_ROLE

    @property
    def certain(self) -> Seen:
        """What surely exists of it once it is confirmed."""
        all_of_it = Seen(
            cpus=self.cpus,
            memory_mb=self.memory_mb,
            gpus=self.gpus,
            ports=self.host_ports,
            volumes=frozenset(volume.id for volume in self.volumes),
        )
        return all_of_it if self.seen is None else all_of_it.shared_with(self.seen)

    @property
    def host_ports(self) -> frozenset[int]:
        """The ports of the agent that it holds."""
        return frozenset(port.number for port in self.ports if port.on_host)

    def settled(self) -> "Reservation":
        """The same once all of it is known to exist."""
        return replace(self, confirmed=True, seen=None)

    def proven(self) -> "Reservation":
        """The same once something was launched on it, and so on all of its volumes.

        Of the rest Mesos may have dropped a RESERVE and launched all the same: what the tasks did
        not need. So `seen` stays, until an offer shows more.
        """
        if self.seen is None:
            return replace(self, confirmed=True)
        seen = replace(self.seen, volumes=frozenset(volume.id for volume in self.volumes))
        known = replace(self, confirmed=True, seen=seen)
        return known if known.certain != known.settled().certain else known.settled()

    @property
    def resource_ids(self) -> frozenset[str]:
        return frozenset({self.resource_id, *(v.resource_id for v in self.volumes)})

    def task_ports(self, task: str) -> dict[str, int]:
        """The ports of one task, by name."""
        return {p.name: p.number for p in self.ports if p.task == task}


@dataclass(frozen=True, slots=True)
class Certified:
    """What a task was launched with: when its certificates end, in seconds since the epoch, and the
    id of whoever signed them."""

    ends: float
    signer: str


@dataclass(frozen=True, slots=True)
class Task:
    """The last launch of one task of a pod instance, and what became of it.

    `since` is when it entered its state, `launched` when it was launched, `not_before` the
    earliest time of its next launch (seconds since the epoch); `config_id` the configuration it
    was launched with, `reached` the one under which it last reached its goal; `run` the run of the
    custom plan that launched it; `stopping` why it is being killed; `failures` its launches that
    ended badly in a row; `ip` the address of its container, when that has one of its own; `paused`
    that it was launched to do nothing but sleep; `certified` what certificates it was given.
    """

    name: str
    id: str
    config_id: str
    state: TaskState
    ready: bool = False
    message: str = ""
    since: float = 0.0
    launched: float = 0.0
    reached: str | None = None
    run: str = ""
    stopping: str | None = None
    failures: int = 0
    not_before: float = 0.0
    ip: str | None = None
    paused: bool = False
    certified: Certified | None = None

    @property
    def dead(self) -> bool:
        return self.state in DEAD

    @property
    def uncertain(self) -> bool:
        return self.state in UNCERTAIN

    @property
    def live(self) -> bool:
        """As far as is known it runs, or is about to."""
        return not self.dead and not self.uncertain

    @property
    def running(self) -> bool:
        """It runs and is ready, and nobody is ending it."""
        return self.state is TaskState.RUNNING and self.ready and self.stopping is None


@dataclass(frozen=True, slots=True)
class Predecessor:
    """Where the instance was that another one takes over from."""

    ip: str
    hostname: str


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod instance.

    `executor` is the ExecutorInfo of the last launch: tasks that join a running executor must
    repeat it exactly. `deployed` is the configuration under which the deploy plan was last done
    with it, `hook` the hook still owed before its tasks may start. `replaced` is whom it takes over
    from, until all that was deployed in it has reached its goal again; `spared` are tasks done in
    former incarnations that the plan `replace` leaves out; `restart` says why its tasks are to be
    restarted when their turn comes.
    """

    type: str
    index: int
    reservation: Reservation | None = None
    tasks: tuple[Task, ...] = ()
    executor: Json | None = None
    deployed: str | None = None
    hook: str | None = None
    replaced: Predecessor | None = None
    spared: tuple[str, ...] = ()
    restart: str = ""

    @property
    def name(self) -> str:
        return f"{self.type}-{self.index}"

    @property
    def executor_id(self) -> str | None:
        return self.executor["executor_id"]["value"] if self.executor else None

    @property
    def stopping(self) -> str | None:
        """Why one of its live tasks is being killed."""
        return next((task.stopping for task in self.tasks if task.live and task.stopping), None)

    def task(self, name: str) -> Task | None:
        return next((task for task in self.tasks if task.name == name), None)

    @property
    def has_live_tasks(self) -> bool:
        return any(task.live for task in self.tasks)

    @property
    def drained(self) -> bool:
        """Whether Mesos ended it to empty its agent, and nothing of it was launched since."""
        launched = max((task.launched for task in self.tasks), default=0.0)
        return not self.has_live_tasks and any(
            task.message == DRAINED and task.since >= launched for task in self.tasks
        )

    def with_task(self, task: Task) -> "Pod":
        """The same pod instance with `task` in place of the one of that name."""
        return replace(
            self, tasks=tuple(task if task.name == other.name else other for other in self.tasks)
        )


@dataclass(frozen=True, slots=True)
class Retired:
    """A reservation a pod instance has left behind: its volumes are kept until destroyed by name.

    `tasks` are those that may still run on it; they are killed whenever they show up.
    """

    id: str
    pod: str
    reservation: Reservation
    tasks: tuple[Task, ...]
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class DestroyIntent:
    """An operator's word that the volume `volume_id` may be destroyed.

    Or, where it names a quarantined reservation without a volume, that it may be given back.
    """

    volume_id: str
    at: float


def pod_path(name: str) -> str:
    return f"pods/{name}"


def retired_path(id_: str) -> str:
    return f"retired/{id_}"


def intent_path(volume_id: str) -> str:
    return f"intents/{quote(volume_id, safe='')}"


def _task_to_json(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "id": task.id,
        "config": task.config_id,
        "state": task.state.value,
        "ready": task.ready,
        "message": task.message,
        "since": task.since,
        "launched": task.launched,
        "reached": task.reached,
        "run": task.run,
        "stopping": task.stopping,
        "failures": task.failures,
        "not_before": task.not_before,
        **({"ip": task.ip} if task.ip else {}),
        "paused": task.paused,
        **({"certified": [task.certified.ends, task.certified.signer]} if task.certified else {}),
    }


def _task_from_json(data: Json) -> Task:
    return Task(
        name=data["name"],
        id=data["id"],
        config_id=data["config"],
        state=TaskState(data["state"]),
        ready=data["ready"],
        message=data["message"],
        since=data["since"],
        launched=data["launched"],
        reached=data["reached"],
        run=data["run"],
        stopping=data["stopping"],
        failures=data["failures"],
        not_before=data["not_before"],
        ip=data.get("ip"),
        paused=data.get("paused", False),
        certified=Certified(*data["certified"]) if data.get("certified") else None,
    )


def _reservation_to_json(reservation: Reservation) -> dict[str, Any]:
    return {
        "resource_id": reservation.resource_id,
        "agent_id": reservation.agent_id,
        "hostname": reservation.hostname,
        "ip": reservation.ip,
        "region": reservation.region,
        "zone": reservation.zone,
        "attributes": dict(reservation.attributes),
        "cpus": reservation.cpus,
        "memory_mb": reservation.memory_mb,
        "ports": [_port_to_json(port) for port in reservation.ports],
        "volumes": [_volume_to_json(volume) for volume in reservation.volumes],
        "confirmed": reservation.confirmed,
        "gpus": reservation.gpus,
        "pre_reserved_role": reservation.pre_reserved_role,
        "seen": _seen_to_json(reservation.seen) if reservation.seen else None,
    }


def _port_to_json(port: Port) -> list[Any]:
    usual = [port.task, port.name, port.number]
    return usual if port.on_host else [*usual, False]


def _volume_to_json(volume: Volume) -> list[Any]:
    usual = [volume.id, volume.resource_id, volume.path, volume.size_mb]
    return usual if volume.source is None else [*usual, volume.source, volume.provider_id]


def _seen_to_json(seen: Seen) -> dict[str, Any]:
    return {
        "cpus": seen.cpus,
        "memory_mb": seen.memory_mb,
        "gpus": seen.gpus,
        "ports": sorted(seen.ports),
        "volumes": sorted(seen.volumes),
    }


def _seen_from_json(data: Json) -> Seen:
    return Seen(
        cpus=data["cpus"],
        memory_mb=data["memory_mb"],
        gpus=data["gpus"],
        ports=frozenset(data["ports"]),
        volumes=frozenset(data["volumes"]),
    )


def _reservation_from_json(data: Json) -> Reservation:
    return Reservation(
        resource_id=data["resource_id"],
        agent_id=data["agent_id"],
        hostname=data["hostname"],
        ip=data["ip"],
        region=data["region"],
        zone=data["zone"],
        attributes=data["attributes"],
        cpus=data["cpus"],
        memory_mb=data["memory_mb"],
        ports=tuple(Port(*port) for port in data["ports"]),
        volumes=tuple(Volume(*volume) for volume in data["volumes"]),
        confirmed=data["confirmed"],
        gpus=data.get("gpus", 0.0),
        pre_reserved_role=data.get("pre_reserved_role", ANY_ROLE),
        seen=_seen_from_json(data["seen"]) if data.get("seen") else None,
    )


def pod_to_json(pod: Pod) -> dict[str, Any]:
    """The record of a pod instance as JSON; `pod_from_json` is its inverse."""
    return {
        "type": pod.type,
        "index": pod.index,
        "reservation": _reservation_to_json(pod.reservation) if pod.reservation else None,
        "tasks": [_task_to_json(task) for task in pod.tasks],
        "executor": pod.executor,
        "deployed": pod.deployed,
        "hook": pod.hook,
        "replaced": [pod.replaced.ip, pod.replaced.hostname] if pod.replaced else None,
        "spared": list(pod.spared),
        "restart": pod.restart,
    }


def pod_from_json(data: Json) -> Pod:
    """Raises KeyError, TypeError or ValueError when `data` is not a pod record."""
    return Pod(
        type=data["type"],
        index=data["index"],
        reservation=_reservation_from_json(data["reservation"]) if data["reservation"] else None,
        tasks=tuple(_task_from_json(task) for task in data["tasks"]),
        executor=data["executor"],
        deployed=data["deployed"],
        hook=data["hook"],
        replaced=Predecessor(*data["replaced"]) if data.get("replaced") else None,
        spared=tuple(data.get("spared", ())),
        restart=data.get("restart", ""),
    )


def retired_to_json(retired: Retired) -> dict[str, Any]:
    """The record of a reservation left behind; `retired_from_json` is its inverse."""
    return {
        "id": retired.id,
        "pod": retired.pod,
        "reservation": _reservation_to_json(retired.reservation),
        "tasks": [_task_to_json(task) for task in retired.tasks],
        "reason": retired.reason,
        "at": retired.at,
    }


def retired_from_json(data: Json) -> Retired:
    """Raises KeyError, TypeError or ValueError when `data` is not such a record."""
    return Retired(
        id=data["id"],
        pod=data["pod"],
        reservation=_reservation_from_json(data["reservation"]),
        tasks=tuple(_task_from_json(task) for task in data["tasks"]),
        reason=data["reason"],
        at=data["at"],
    )


def intent_to_json(intent: DestroyIntent) -> dict[str, Any]:
    return {"volume_id": intent.volume_id, "at": intent.at}


def intent_from_json(data: Json) -> DestroyIntent:
    """Raises KeyError or TypeError when `data` is not such a record."""
    return DestroyIntent(volume_id=data["volume_id"], at=data["at"])
