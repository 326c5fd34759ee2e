"""The durable word that a service is being uninstalled, and what that is about.

`uninstalling` is written first and deleted last: while it is there, nothing but the uninstall goes
on. What was held when it began has a record each, so that the plan can be told again after a crash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.state.store import LAST_RECORD

Json = Mapping[str, Any]

UNINSTALLING_PATH = LAST_RECORD
HOLDINGS = "uninstall/"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A reservation given up on an operator's word: its machine still has it, data included.

    `at` is seconds since the epoch.
    """

    pod: str
    hostname: str
    volumes: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Left:
    """Something reserved for the service that no record explained, and so was not touched."""

    id: str
    kind: str
    size: float
    hostname: str


@dataclass(frozen=True, slots=True)
class Uninstalling:
    """How far it is: `deregistering` once nothing is held any more, `done` when all is wiped.

    `done` is never stored, since nothing is stored then. `at` is when it was ordered.
    """

    at: float
    deregistering: bool = False
    done: bool = False
    forgotten: tuple[Forgotten, ...] = ()
    left: tuple[Left, ...] = ()


@dataclass(frozen=True, slots=True)
class Holding:
    """What one reservation held when the uninstall came to it; `id` is that of its `Retired`."""

    id: str
    pod: str
    hostname: str
    tasks: tuple[str, ...]
    resource_ids: tuple[str, ...]


def holding_path(id_: str) -> str:
    return f"{HOLDINGS}{id_}"


def uninstalling_to_json(record: Uninstalling) -> dict[str, Any]:
    """The record as JSON; `uninstalling_from_json` is its inverse."""
    return {
        "at": record.at,
        "deregistering": record.deregistering,
        "forgotten": [[f.pod, f.hostname, list(f.volumes), f.at] for f in record.forgotten],
        "left": [[item.id, item.kind, item.size, item.hostname] for item in record.left],
    }


def uninstalling_from_json(data: Json) -> Uninstalling:
    """Raises KeyError, TypeError or ValueError when `data` is not such a record."""
    return Uninstalling(
        at=data["at"],
        deregistering=data["deregistering"],
        forgotten=tuple(
            Forgotten(pod, host, tuple(ids), at) for pod, host, ids, at in data["forgotten"]
        ),
        left=tuple(Left(*item) for item in data["left"]),
    )


def holding_to_json(holding: Holding) -> dict[str, Any]:
    """The record as JSON; `holding_from_json` is its inverse."""
    return {
        "id": holding.id,
        "pod": holding.pod,
        "hostname": holding.hostname,
        "tasks": list(holding.tasks),
        "resources": list(holding.resource_ids),
    }


def holding_from_json(data: Json) -> Holding:
    """Raises KeyError or TypeError when `data` is not such a record."""
    return Holding(
        id=data["id"],
        pod=data["pod"],
        hostname=data["hostname"],
        tasks=tuple(data["tasks"]),
        resource_ids=tuple(data["resources"]),
    )
