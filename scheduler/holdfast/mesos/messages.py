"""What the master tells a framework, reduced to what Holdfast uses.

Parsed once from the JSON of the v1 scheduler API
(https://mesos.apache.org/documentation/latest/scheduler-http-api/) into small facts, so that the
rest of the program never handles raw messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class TaskState(StrEnum):
    """The states of mesos.v1.TaskState."""

    STAGING = "TASK_STAGING"
    STARTING = "TASK_STARTING"
    RUNNING = "TASK_RUNNING"
    KILLING = "TASK_KILLING"
    FINISHED = "TASK_FINISHED"
    FAILED = "TASK_FAILED"
    KILLED = "TASK_KILLED"
    ERROR = "TASK_ERROR"
    LOST = "TASK_LOST"
    DROPPED = "TASK_DROPPED"
    UNREACHABLE = "TASK_UNREACHABLE"
    GONE = "TASK_GONE"
    GONE_BY_OPERATOR = "TASK_GONE_BY_OPERATOR"
    UNKNOWN = "TASK_UNKNOWN"


@dataclass(frozen=True, slots=True)
class DiskSource:
    """A disk other than the agent's root disk (mesos.v1.Resource.DiskInfo.Source).

    `kind` is PATH, MOUNT, BLOCK or RAW, `root` where it is mounted on the agent, `id` its name at
    a resource provider, `profile` what its operator says of its qualities. `raw` is the message.
    """

    kind: str
    root: str | None
    id: str | None
    profile: str | None
    raw: Json


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of an offer.

    `amount` is the scalar value, `ranges` the inclusive port ranges. `role` is the role it is
    reserved for (None when unreserved), `labels` those of the innermost dynamic reservation,
    `persistence_id` the volume's id when the disk is a persistent volume, `is_root_disk` false for
    PATH, MOUNT, BLOCK and RAW disks and for shared or provider resources. `source` tells which
    disk it is when it is not the root disk, `provider_id` the resource provider it comes from,
    `is_static` whether the agent's own settings reserve it, `is_shared` whether several tasks may
    use it at a time. `raw` is the message itself, for operations that must repeat it exactly.
    """

    name: str
    amount: float
    ranges: tuple[tuple[int, int], ...]
    role: str | None
    principal: str | None
    labels: Mapping[str, str]
    persistence_id: str | None
    container_path: str | None
    is_root_disk: bool
    raw: Json
    source: DiskSource | None = None
    provider_id: str | None = None
    is_static: bool = False
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class Unavailability:
    """When an agent's machine is to be serviced: seconds since the epoch; no `end` if unknown."""

    start: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class InverseOffer:
    """The master asks whether what runs on an agent may be taken down at that time."""

    id: str
    agent_id: str
    unavailability: Unavailability


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer of one agent's resources to one role. `agent_url` is where the agent answers.

    `unavailability` is set when the machine is about to be serviced.
    """

    id: str
    agent_id: str
    hostname: str
    ip: str
    role: str
    region: str | None
    zone: str | None
    attributes: Mapping[str, str]
    executor_ids: frozenset[str]
    resources: tuple[Resource, ...]
    agent_url: str = ""
    unavailability: Unavailability | None = None


@dataclass(frozen=True, slots=True)
class AgentFeatures:
    """What an agent was started to do (GET_FLAGS, GET_VERSION).

    `isolation` are its isolators by name, `image_providers` where it gets images from, `has_cni`
    tells whether networks are configured, `version` is that of Mesos, as (1, 11, 0).
    """

    launcher: str
    isolation: frozenset[str]
    image_providers: frozenset[str]
    has_cni: bool
    version: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """A status update. `uuid` is present when the update must be acknowledged.

    `check_exit_code` is the result of the task's check (its readiness), None when the task has no
    check or the check has not run yet; `has_check` tells which. `timestamp` is in seconds.
    """

    task_id: str
    state: TaskState
    agent_id: str | None = None
    executor_id: str | None = None
    uuid: str | None = None
    message: str = ""
    reason: str = ""
    source: str = ""
    has_check: bool = False
    check_exit_code: int | None = None
    healthy: bool | None = None
    timestamp: float = 0.0
    container_ip: str | None = None


@dataclass(frozen=True, slots=True)
class OperationStatus:
    """The status of an offer operation that carries an id."""

    operation_id: str
    state: str
    uuid: str | None = None
    agent_id: str | None = None
    resource_provider_id: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class MasterInfo:
    """The leading master; `url` is the base of its HTTP API."""

    id: str
    url: str
    version: str = ""
    region: str | None = None
    zone: str | None = None
