"""What can happen to the core. Everything it knows of the world arrives as one of these."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.mesos.messages import MasterInfo, Offer, OperationStatus, TaskStatus


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
class StatusReceived:
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class OperationStatusReceived:
    status: OperationStatus


@dataclass(frozen=True, slots=True)
class AgentFailed:
    """The master's hint that an agent (or only an executor on it) is gone; never proof of either."""

    agent_id: str
    executor_id: str | None = None


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call could not be delivered, or was rejected; `calls` are the effects concerned."""

    effect: object
    reason: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class Command:
    """An operator's command, answered with a `Reply` effect carrying the same `id`.

    `verb` is one of `pod restart`, `pod replace`, `plan continue`, `plan interrupt`,
    `volumes destroy`; `target` names the pod instance, plan or volume.
    """

    id: str
    verb: str
    target: str
    options: Mapping[str, str] = field(default_factory=dict)


Event = (
    Subscribed
    | Disconnected
    | OffersReceived
    | OfferRescinded
    | StatusReceived
    | OperationStatusReceived
    | AgentFailed
    | CallFailed
    | Tick
    | Command
)
