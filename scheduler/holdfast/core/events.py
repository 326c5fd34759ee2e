"""What can happen to the core. Everything it knows of the world arrives as one of these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from holdfast.core.confidential import Shortage
from holdfast.core.effects import Call
from holdfast.core.hosted import Hosted
from holdfast.mesos.messages import (
    AgentFeatures,
    InverseOffer,
    MasterInfo,
    Offer,
    OperationStatus,
    TaskStatus,
)
from holdfast.service.model import ServiceSpec


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The master accepted our subscription: first contact, or again after any interruption."""

    framework_id: str
    master: MasterInfo


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The subscription ended; outstanding offers are void."""

    reason: str


@dataclass(frozen=True, slots=True)
class OffersReceived:
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class OfferRescinded:
    offer_id: str


@dataclass(frozen=True, slots=True)
class InverseOffersReceived:
    """Machines are to be serviced: may what runs there be taken down?"""

    offers: tuple[InverseOffer, ...]


@dataclass(frozen=True, slots=True)
class InverseOfferRescinded:
    offer_id: str


@dataclass(frozen=True, slots=True)
class StatusReceived:
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class OperationStatusReceived:
    status: OperationStatus


@dataclass(frozen=True, slots=True)
class AgentFailed:
    """The master's hint that an agent (or an executor on it) is gone; never proof of either."""

    agent_id: str
    executor_id: str | None = None


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call was not carried out, or (`sent`) may have been: its answer never came."""

    call: Call
    reason: str
    sent: bool


@dataclass(frozen=True, slots=True)
class AgentInspected:
    """What an agent said of itself, or the `reason` why that is not known."""

    agent_id: str
    features: AgentFeatures | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DisruptionAnswered:
    """Whether a disruption check of the service lets that happen it was asked about, or the
    `reason` why not."""

    id: str
    service: str
    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ShortageChanged:
    """Other secrets than before are missing, or none any more."""

    shortage: Shortage


@dataclass(frozen=True, slots=True)
class FrameworkRemoved:
    """The framework is torn down; the master has nothing of it any more."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


class Verb(StrEnum):
    """What an operator can ask for."""

    POD_RESTART = "pod restart"
    POD_REPLACE = "pod replace"
    RECOVER = "recover"
    POD_PAUSE = "pod pause"
    POD_RESUME = "pod resume"
    VOLUMES_DESTROY = "volumes destroy"
    VOLUMES_FORGET = "volumes forget"
    ORPHANS_KILL = "orphans kill"
    UNINSTALL = "uninstall"
    SERVICE_ADD = "service add"
    SERVICE_UPDATE = "service update"
    MAINTENANCE_START = "maintenance start"
    MAINTENANCE_END = "maintenance end"
    PLAN_START = "plan start"
    PLAN_STOP = "plan stop"
    PLAN_CONTINUE = "plan continue"
    PLAN_INTERRUPT = "plan interrupt"
    PLAN_RESTART = "plan restart"
    PLAN_FORCE_COMPLETE = "plan force-complete"
    AUTHORITY_ROTATE = "authority rotate"
    STATE_STORE_FILE = "state store-file"
    STATE_REFRESH = "state refresh"


@dataclass(frozen=True, slots=True)
class Command:
    """An operator's command, answered with a `Reply` effect carrying the same `id`.

    `target` names the pod instance (`etcd-0`), the host, the volume (its persistence id), the plan,
    a task that no record explains or, to uninstall it, the service; a command on a plan may be
    about one `phase`, or one `step` of it; `parameters` go to the tasks of a custom plan, or hold
    the `content` of a file; those of a pause have the names of the tasks it is about. `by` is who
    gave it, `service` whom it is for when one framework hosts many.
    """

    id: str
    verb: Verb
    target: str
    phase: str | None = None
    step: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    by: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class HostService:
    """An operator wants a service hosted, or changed if it is: answered as a `Command` is.

    `spec` is what `hosted` says, once read.
    """

    id: str
    hosted: Hosted
    spec: ServiceSpec
    by: str = ""


Event = (
    Subscribed
    | Disconnected
    | OffersReceived
    | OfferRescinded
    | InverseOffersReceived
    | InverseOfferRescinded
    | StatusReceived
    | OperationStatusReceived
    | AgentFailed
    | CallFailed
    | AgentInspected
    | DisruptionAnswered
    | ShortageChanged
    | FrameworkRemoved
    | Tick
    | Command
    | HostService
)
