"""Placement constraints: may one more instance of a pod type go to this agent?

Counts pod instances (dcos-commons counts tasks, so that a pod of two tasks used two places).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from holdfast.service.model import Constraint


class Place(Protocol):
    """Where something is or could go: an agent on offer, or a reservation held."""

    @property
    def hostname(self) -> str: ...
    @property
    def region(self) -> str | None: ...
    @property
    def zone(self) -> str | None: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an agent was not taken: the rule that failed first, and the numbers behind it."""

    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


def value_at(place: Place, field: str) -> str | None:
    """What `field` (`hostname`, `@zone`, `@region`, or an attribute) is at that place."""
    match field:
        case "hostname":
            return place.hostname
        case "@zone":
            return place.zone
        case "@region":
            return place.region
        case _:
            return place.attributes.get(field)


def first_refusal(
    constraints: Iterable[Constraint], candidate: Place, peers: Iterable[Place]
) -> Refusal | None:
    """The first constraint that forbids the candidate, given where the other instances are."""
    placed = tuple(peers)
    for constraint in constraints:
        value = value_at(candidate, constraint.field)
        if value is None:
            return Refusal(str(constraint), f"the agent has no {constraint.field}")
        count = sum(value_at(peer, constraint.field) == value for peer in placed)
        if count >= constraint.limit:
            return Refusal(
                str(constraint),
                f"{constraint.field} {value} already has {count} of at most {constraint.limit}",
            )
    return None
