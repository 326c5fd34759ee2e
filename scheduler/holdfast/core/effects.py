"""What the core asks the world to do: the engine carries out writes, then calls, then acks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.service.disruption_model import DisruptionCheck


@dataclass(frozen=True, slots=True)
class Write:
    """Store `data` at `path` (relative to the service's root); None deletes the record."""

    path: str
    data: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Accept:
    """ACCEPT with v1 Offer.Operation messages, in order; `refuse_seconds` goes for the rest."""

    offer_ids: tuple[str, ...]
    operations: tuple[Mapping[str, Any], ...]
    refuse_seconds: float


@dataclass(frozen=True, slots=True)
class Decline:
    offer_ids: tuple[str, ...]
    refuse_seconds: float


@dataclass(frozen=True, slots=True)
class AcceptInverse:
    """ACCEPT_INVERSE_OFFERS: these machines may be serviced; asked again after `refuse_seconds`."""

    offer_ids: tuple[str, ...]
    refuse_seconds: float


@dataclass(frozen=True, slots=True)
class DeclineInverse:
    offer_ids: tuple[str, ...]
    refuse_seconds: float


@dataclass(frozen=True, slots=True)
class Suppress:
    """Want no offers for the `roles`; for all of the framework when none is named."""

    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revive:
    """Want offers again for the `roles`; for all of the framework when none is named."""

    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateFramework:
    """Tell the master the roles of the framework, and those without offers, as they are now."""


@dataclass(frozen=True, slots=True)
class Kill:
    task_id: str
    agent_id: str | None


@dataclass(frozen=True, slots=True)
class Reconcile:
    """RECONCILE the given (task id, agent id) pairs; empty means implicit: the master tells all."""

    tasks: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Teardown:
    """End the framework for good: the master kills whatever still runs of it."""


@dataclass(frozen=True, slots=True)
class Wipe:
    """Delete every record, and all else the store keeps of the service."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    task_id: str
    agent_id: str
    uuid: str


@dataclass(frozen=True, slots=True)
class AcknowledgeOperation:
    operation_id: str
    uuid: str
    agent_id: str | None
    resource_provider_id: str | None


@dataclass(frozen=True, slots=True)
class InspectAgent:
    """Ask the agent what it can do; `AgentInspected` is the answer, and comes in any case."""

    agent_id: str
    url: str


@dataclass(frozen=True, slots=True)
class AskDisruption:
    """Ask the URL of a disruption check, or run its command, with `question` as JSON;
    `DisruptionAnswered` is the answer to `id`, and comes in any case.

    The URL of `check` is filled in; `variables` are the command's.
    """

    id: str
    service: str
    check: DisruptionCheck
    question: Mapping[str, Any]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RotateAuthority:
    """Take the scheduler's own authority one step further, if that is its `signer` still."""

    signer: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the command `id`: an HTTP status and a JSON body."""

    id: str
    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """One line for the log and for `explain`: what was decided, and why.

    `service` is whose it is, when one framework hosts many. A `warning` waits for an operator.
    """

    text: str
    service: str = ""
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Journalled:
    """A command that was taken into the journal, with its answer; `service` as in `Decision`."""

    at: float
    by: str
    what: str
    status: int
    text: str
    service: str = ""


Worded = (
    Accept
    | Decline
    | AcceptInverse
    | DeclineInverse
    | Suppress
    | Revive
    | Kill
    | Reconcile
    | Teardown
)
Call = Worded | UpdateFramework
CALL_TYPES = (
    *(Accept, Decline, AcceptInverse, DeclineInverse, Suppress, Revive),
    *(Kill, Reconcile, Teardown, UpdateFramework),
)
Ack = Acknowledge | AcknowledgeOperation
Question = InspectAgent | AskDisruption
Effect = Write | Wipe | Call | Ack | Question | RotateAuthority | Reply | Decision | Journalled
