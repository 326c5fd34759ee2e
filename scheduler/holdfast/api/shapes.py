"""The JSON bodies of the API. Those dcos-commons has keep its names; ours stand beside them."""

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12


class MessageBody(TypedDict):
    """Every error, and every answer that is words alone."""

    message: str


class StepBody(TypedDict):
    id: str
    status: str
    name: str
    message: str


class PhaseBody(TypedDict):
    """`interrupted` on an operator's word; a phase also waits for the word on its canaries."""

    id: str
    name: str
    steps: list[StepBody]
    strategy: str
    status: str
    interrupted: bool


class PlanBody(TypedDict):
    """`interrupted` on an operator's word, or since nobody started it yet."""

    phases: list[PhaseBody]
    errors: list[str]
    strategy: str
    status: str
    interrupted: bool


class TaskBody(TypedDict):
    """`status` is the Mesos state without `TASK_`; absent while the task was never launched.

    `certificate_expires` is seconds since the epoch; absent without transport encryption.
    """

    name: str
    id: str
    status: NotRequired[str]
    ready: NotRequired[bool]
    message: NotRequired[str]
    certificate_expires: NotRequired[float]


class PodVolumeBody(TypedDict):
    id: str
    path: str
    size: float


class VerdictBody(TypedDict):
    """What becomes of a failed pod instance: `choice` is `wait in place`, `replace` or `ask the
    operator`. It failed at `since` and is replaced at `deadline`, which is there for `replace`
    alone; seconds since the epoch.
    """

    pod: str
    choice: str
    reason: str
    since: float
    deadline: NotRequired[float]


class FailuresBody(TypedDict):
    """`disaster` is what is lost at once, for as long as it is too much to replace it."""

    service: str
    failures: list[VerdictBody]
    disaster: NotRequired[str]


class ActionBody(TypedDict):
    """An order that would mend something, such as `pod replace etcd-0`."""

    action: str
    why: str


class WaitingBody(TypedDict):
    """A pod instance or a plan that does not go on by an order of recovery: `kind` is `pod` or
    `plan`, `state` its one word, `reason` why, as far as is known."""

    kind: str
    name: str
    state: str
    reason: str


class RecoverBody(FailuresBody):
    """`dangers` say of which pods the actions leave too few with data.

    `waiting` is what is broken or waits, and no order of recovery mends; `status` and `message`
    are those of the service's health. `retired_volumes` is how many volumes are kept after their
    pod instance left them, `quarantined` how many things no record explains.
    """

    actions: list[ActionBody]
    dangers: list[str]
    waiting: list[WaitingBody]
    status: str
    message: str
    retired_volumes: int
    quarantined: int


class InstanceBody(TypedDict):
    """`reason` is why the instance does not run as it should, null when it does; `decision` is
    there once it has failed."""

    name: str
    tasks: list[TaskBody]
    state: str
    agent: str | None
    zone: str | None
    reason: str | None
    volumes: list[PodVolumeBody]
    decision: NotRequired[VerdictBody]


class PodBody(TypedDict):
    name: str
    instances: list[InstanceBody]


class PodsBody(TypedDict):
    """`disaster` is what is lost at once, for as long as it is too much to replace it."""

    service: str
    disaster: NotRequired[str]
    pods: list[PodBody]


class TaskInfoBody(TypedDict):
    """`info` and `status` in the JSON of mesos.TaskInfo and mesos.TaskStatus, as far as known."""

    info: dict[str, Any]
    status: dict[str, Any]


class CommandBody(TypedDict):
    pod: str
    tasks: list[str]
    message: str


class EndpointBody(TypedDict):
    """`vip` is there for a port with a virtual address; both names resolve on DC/OS only."""

    address: list[str]
    dns: list[str]
    vip: NotRequired[str]


class ExplanationBody(TypedDict):
    """`agents` maps the host name of each agent looked at to the first rule it failed."""

    name: str
    reason: str | None
    agents: dict[str, str]


class ExplanationsBody(TypedDict):
    service: str
    pods: list[ExplanationBody]


class VolumeBody(TypedDict):
    """`size` is MB; `since` (seconds since the epoch) and `age` (seconds) are of its state."""

    id: str
    state: str
    pod: str | None
    agent: str
    path: str | None
    size: float
    reason: str | None
    since: float | None
    age: float | None


class QuarantinedBody(TypedDict):
    """`size` is MB for disk and memory, a count for CPUs and ports."""

    id: str
    kind: str
    size: float
    agent: str
    labels: dict[str, str]
    since: float
    age: float


OrphanBody = TypedDict(
    "OrphanBody",
    {
        "name": str,
        "kind": str,
        "resource": str | None,
        "class": str,
        "agent": str,
        "agent_id": str,
        "size": float | None,
        "age": float | None,
        "labels": dict[str, str],
        "pod": str | None,
        "applicable": bool,
        "hint": str,
    },
)


class OrphansBody(TypedDict):
    """`silent`: agents of which the master tells nothing at the moment."""

    items: list[OrphanBody]
    silent: list[str]


class CordonBody(TypedDict):
    """A host in maintenance since `since`; `running` are the pod instances yet to be stopped."""

    host: str
    since: float
    pods: list[str]
    running: list[str]


class WindowBody(TypedDict):
    """What Mesos was answered of a window of its maintenance schedule (seconds since the epoch)."""

    host: str
    agent: str
    start: float
    end: float | None
    accepted: bool
    reason: str


class DrainedBody(TypedDict):
    """A host that Mesos drained, and the pod instances that wait there until it is in service."""

    host: str
    pods: list[str]


class MaintenanceBody(TypedDict):
    hosts: list[CordonBody]
    windows: list[WindowBody]
    drained: list[DrainedBody]


class MaintenanceCheckBody(TypedDict):
    """`safe` when all `hosts` may be taken down together now, with `pods`; else `problems`.

    `unasked` are those of `pods` whose disruption check was not asked.
    """

    hosts: list[str]
    safe: bool
    pods: list[str]
    down: list[str]
    problems: list[str]
    unknown: list[str]
    unasked: list[str]


class BatchBody(TypedDict):
    hosts: list[str]
    pods: list[str]


class MaintenancePlanBody(TypedDict):
    """Batches of hosts to service one after the other; `never` tells by host why it cannot be."""

    batches: list[BatchBody]
    waits_for: list[str]
    never: dict[str, str]


class HealthBody(TypedDict):
    service: str
    status: str
    message: str
    connected: bool
    plans: dict[str, str]


class DebugStepBody(TypedDict):
    name: str
    status: str
    errors: list[str]


class DebugPhaseBody(TypedDict):
    name: str
    status: str
    strategy: str
    steps: list[DebugStepBody]


class DebugPlanBody(TypedDict):
    name: str
    status: str
    strategy: str
    phases: list[DebugPhaseBody]
    totalSteps: int
    completedSteps: int


class DebugElementBody(TypedDict):
    """`type` is plan, phase or step; a step has no children."""

    name: str
    type: str
    children: "list[DebugElementBody] | None"


class DebugPlansBody(TypedDict):
    schedulerState: str
    activePlans: list[str]
    plans: list[DebugPlanBody]
    serviceTopology: list[DebugElementBody]


InvalidInputBody = TypedDict("InvalidInputBody", {"invalid-input": str})


class DebugStatusBody(TypedDict):
    name: str
    taskStatus: str
    taskId: str


class DebugStatusStepBody(TypedDict):
    name: str
    taskStatus: list[DebugStatusBody]


class DebugStatusPhaseBody(TypedDict):
    name: str
    steps: list[DebugStatusStepBody]


class DebugStatusPlanBody(TypedDict):
    name: str
    phases: list[DebugStatusPhaseBody]


OfferOutcomeBody = TypedDict(
    "OfferOutcomeBody",
    {
        "timestamp": int,
        "pod-instance-name": str,
        "outcome": str,
        "explanation": list[str],
        "offer": str,
    },
)


class DebugOffersBody(TypedDict):
    """`offers` are the refusals known now; counts are since the scheduler started."""

    acceptedCount: int
    rejectedCount: int
    failureReasons: dict[str, int]
    rejectedAgents: dict[str, int]
    offers: list[OfferOutcomeBody]


class GaugeBody(TypedDict):
    value: int | float | bool


class CounterBody(TypedDict):
    count: int


class MetricsBody(TypedDict):
    """The JSON of Codahale's MetricsServlet."""

    version: str
    gauges: dict[str, GaugeBody]
    counters: dict[str, CounterBody]
    histograms: dict[str, Any]
    meters: dict[str, Any]
    timers: dict[str, dict[str, int | float | str]]


class EventBody(TypedDict):
    """`kind` is command, decision or refused; `by` and `what` are of commands and requests.

    `id` grows with time; `at` is seconds since the epoch, `time` the same as ISO 8601 in UTC.
    """

    id: int
    at: float
    time: str
    kind: str
    text: str
    by: str | None
    what: str | None
    status: int | None


class EventsBody(TypedDict):
    events: list[EventBody]
    next: int | None


class DecisionBody(TypedDict):
    at: float
    text: str


class ForgottenBody(TypedDict):
    """`at` is seconds since the epoch."""

    pod: str
    agent: str
    volumes: list[str]
    at: float


class LeftBody(TypedDict):
    """`size` is MB for disk and memory, a count for CPUs and ports."""

    id: str
    kind: str
    size: float
    agent: str


class UninstallBody(TypedDict):
    """`state` is `none`, `under-way` or `done`; `since` is seconds since the epoch."""

    service: str
    state: str
    since: float | None
    forgotten: list[ForgottenBody]
    left: list[LeftBody]


class AuthorityBody(TypedDict):
    """Who signs certificates of tasks; `stage` is absent of an authority the operator gave."""

    id: str
    expires: float
    stage: NotRequired[str]


class CertificateBody(TypedDict):
    """What a task was launched with. `current` when who signed it still does; `expires` is seconds
    since the epoch."""

    pod: str
    task: str
    expires: float
    authority: str
    current: bool


class CertificatesBody(TypedDict):
    authority: NotRequired[AuthorityBody]
    certificates: list[CertificateBody]


class RetiredBody(TypedDict):
    """A reservation an instance has left behind; `since` is seconds since the epoch."""

    reservation: str
    pod: str
    agent: str
    volumes: list[str]
    reason: str
    since: float


class HostedBody(TypedDict):
    """A service of a framework of many. `path` is that of its own API."""

    service: str
    uninstall: bool
    state: str
    message: str
    held: bool
    path: str


class HostedInFullBody(HostedBody):
    """With what it was added with; `files` are the names of its templates."""

    yaml: str
    environment: dict[str, str]
    files: list[str]


class FrameworkHealthBody(TypedDict):
    connected: bool
    services: list[HealthBody]
