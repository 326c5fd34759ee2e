"""A service at one moment, built by hand, and a source that shows it and takes commands."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NamedTuple

from holdfast.core.confidential import Signer, Stage
from holdfast.core.events import Verb
from holdfast.core.view import Explanation, Quarantined, View
from holdfast.engine import Answer
from holdfast.eventlog import EventLog, Kind
from holdfast.mesos.messages import TaskState
from holdfast.plans.orders import Orders
from holdfast.plans.plan import Phase, Plan, Status, Step
from holdfast.records import (
    DRAINED,
    Certified,
    DestroyIntent,
    Pod,
    Port,
    Reservation,
    Retired,
    Task,
    Volume,
)
from holdfast.service.model import (
    EncryptionType,
    Goal,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    TransportEncryptionSpec,
    VolumeSpec,
)
from holdfast.timing import Timer

NOW = 1_700_000_000.0

MEMBER = TaskSpec(
    name="member",
    goal=Goal.RUNNING,
    cmd="run",
    cpus=0.5,
    memory_mb=128,
    ports=(
        PortSpec("client", 2379, "CLIENT_PORT", advertise=True),
        PortSpec("peer", 2380, "PEER_PORT", advertise=True),
        PortSpec("debug", 0),
    ),
    volumes=(VolumeSpec("data", 512),),
)
SERVICE = ServiceSpec(
    name="/team/etcd.prod",
    user="root",
    principal="etcd-principal",
    zookeeper="zk:2181",
    pods=(PodSpec(type="etcd", count=3, tasks=(MEMBER,)),),
    deploy=PlanSpec("deploy", (PhaseSpec("etcd", "etcd"),)),
)


def reservation(number: int, volume_id: str) -> Reservation:
    return Reservation(
        resource_id=f"resource-{volume_id}",
        agent_id=f"agent-{number}",
        hostname=f"host-{number}",
        ip=f"10.0.0.{number}",
        region="here",
        zone=f"zone-{number}",
        attributes={},
        cpus=0.5,
        memory_mb=128,
        ports=(
            Port("member", "client", 2379),
            Port("member", "peer", 2380),
            Port("member", "debug", 1025),
        ),
        volumes=(Volume(volume_id, f"disk-{volume_id}", "data", 512),),
        confirmed=True,
    )


def task(state: TaskState = TaskState.RUNNING, **changes: Any) -> Task:
    """A task launched under the target, which runs and is ready unless told otherwise."""
    return replace(
        Task(
            name="member",
            id="etcd__etcd-member__1",
            config_id="config-1",
            state=state,
            ready=True,
            since=NOW,
            launched=NOW - 5,
            reached="config-1",
        ),
        **changes,
    )


def pod(index: int, *tasks: Task, **changes: Any) -> Pod:
    """A pod instance placed on agent `index + 1`, with one running task unless told otherwise."""
    return replace(
        Pod(
            type="etcd",
            index=index,
            reservation=reservation(index + 1, f"volume-{index}"),
            tasks=tasks or (task(),),
            executor={"executor_id": {"value": f"executor-{index}"}},
            deployed="config-1",
        ),
        **changes,
    )


def plan(name: str, *statuses: Status, errors: tuple[str, ...] = ()) -> Plan:
    steps = tuple(step(index, status) for index, status in enumerate(statuses))
    return Plan(name, Strategy.SERIAL, (Phase("etcd", Strategy.SERIAL, steps),), errors)


def step(index: int, status: Status, *, held: bool = False) -> Step:
    reason = "why" if index else ""
    return Step(f"etcd-{index}:[member]", f"etcd-{index}", ("member",), status, reason, held)


def canary(*released: int, interrupted: bool = False) -> Plan:
    """A deploy plan of three steps; those not released wait for an operator."""
    steps = tuple(step(n, Status.PENDING, held=n not in released) for n in range(2))
    phase = Phase("etcd", Strategy.SERIAL_CANARY, (*steps, step(2, Status.PENDING)), interrupted)
    return Plan("deploy", Strategy.SERIAL, (phase,))


def backup(status: Status = Status.PENDING, *, interrupted: bool = True) -> Plan:
    """A plan of the operator's own, not started unless told otherwise."""
    phase = Phase("snapshot", Strategy.SERIAL, (step(0, status),))
    return Plan("backup", Strategy.SERIAL, (phase,), (), interrupted)


def well() -> View:
    """Two members run; the third waits for an offer. One volume is retired, one quarantined."""
    return View(
        service=SERVICE,
        target_id="config-1",
        configs={"config-1": SERVICE},
        framework_id="framework-1",
        connected=True,
        suppressed=False,
        pods={"etcd-0": pod(0), "etcd-1": pod(1)},
        retired={
            "retired-1": Retired(
                "retired-1",
                "etcd-1",
                reservation(7, "volume-old"),
                (),
                "replaced by the operator",
                NOW - 100,
            )
        },
        intents={},
        quarantined={
            "volume-lost": Quarantined(
                "volume-lost",
                "volume",
                256.0,
                "agent-9",
                "host-9",
                {"pod": "etcd-8"},
                NOW - 50,
            ),
            "r/cpus@agent-9": Quarantined(
                "r/cpus@agent-9", "cpus", 0.5, "agent-9", "host-9", {}, NOW - 40
            ),
        },
        plans=(
            plan("deploy", Status.COMPLETE, Status.COMPLETE, Status.PENDING),
            Plan("recovery", Strategy.PARALLEL, ()),
            backup(),
        ),
        orders={"recovery": Orders("recovery")},
        explanations={
            "etcd-2": Explanation(
                "it waits until an offer fits",
                {"host-1": "hostname: UNIQUE, taken by etcd-0", "host-4": "cpus: needs 0.5"},
            )
        },
        counters={"offers.received": 7, "task_status.task_running": 2, "operation.launch": 2},
        files={"VERSION": "layoutVersion=-63"},
        deployed="config-0",
        updating=True,
    )


def all_well() -> View:
    """All three members run, all plans are complete, and nothing is left over."""
    view = well()
    return replace(
        view,
        pods={**view.pods, "etcd-2": pod(2)},
        retired={},
        quarantined={},
        plans=(plan("deploy", *3 * [Status.COMPLETE]), view.plans[1]),
        explanations={},
    )


def drained(*names: str) -> View:
    """Mesos ended these to empty their agents."""
    view = well()
    ended = task(TaskState.KILLED, message=DRAINED, since=NOW)
    return replace(
        view,
        pods={n: replace(p, tasks=(ended,)) if n in names else p for n, p in view.pods.items()},
    )


def with_certificates() -> View:
    """Of two members with certificates one has that of an authority that signs no more."""
    encryption = (TransportEncryptionSpec("tls", EncryptionType.TLS),)
    member = replace(MEMBER, transport_encryption=encryption)
    service = replace(SERVICE, pods=(replace(SERVICE.pods[0], tasks=(member,)),))
    pods = {
        "etcd-0": pod(0, task(certified=Certified(NOW, "new"))),
        "etcd-1": pod(1, task(certified=Certified(NOW + 1, "old"))),
    }
    signer = Signer("new", NOW + 9, Stage.FORMER)
    return replace(well(), configs={"config-1": service}, pods=pods, signer=signer)


def ordered_destroyed(view: View, volume_id: str) -> View:
    return replace(view, intents={volume_id: DestroyIntent(volume_id, NOW - 10)})


class Given(NamedTuple):
    """A command as the engine was given it."""

    verb: Verb
    target: str
    phase: str | None = None
    step: str | None = None
    parameters: Mapping[str, str] | None = None


Reply = Callable[[Given], "Future[Answer]"]


def answered(status: int, **body: str) -> Reply:
    """Replies at once with that status and body."""

    def reply(given: Given) -> "Future[Answer]":
        future: Future[Answer] = Future()
        words = " ".join(filter(None, given[:4]))
        future.set_result(Answer(status, {"message": words, **body}))
        return future

    return reply


class Source:
    """Shows `view` and records the commands it was given."""

    def __init__(self, view: View | None = None, reply: Reply | None = None) -> None:
        self.view = view or well()
        self.reply = reply or answered(200)
        self.commands: list[Given] = []
        self.futures: list[Future[Answer]] = []
        self.offers_timer = Timer()
        self.events = EventLog()
        self.by: list[str] = []
        self.events.append(Kind.COMMAND, NOW - 20, "stored", by="ann", what="plan x", status=200)
        self.events.append(Kind.DECISION, NOW - 10, "declined 2 offers")

    def command(
        self,
        verb: Verb,
        target: str,
        phase: str | None = None,
        step: str | None = None,
        parameters: Mapping[str, str] | None = None,
        by: str = "",
    ) -> "Future[Answer]":
        given = Given(verb, target, phase, step, parameters)
        self.commands.append(given)
        self.by.append(by)
        future = self.reply(given)
        self.futures.append(future)
        return future
