"""Placement constraints: may one more instance of a pod type go to this agent?

The operators are Marathon's as dcos-commons reads them. Counts are of pod instances (dcos-commons
counts tasks, so that a pod of two tasks uses two places).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast.service.model import Constraint, Operator


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
        why = _forbids(constraint, value_at(candidate, constraint.field), placed)
        if why:
            return Refusal(str(constraint), why)
    return None


def _forbids(constraint: Constraint, value: str | None, peers: Sequence[Place]) -> str | None:
    """Why an agent with that value of the constraint's field is forbidden; None when it is not."""
    field, wanted = constraint.field, constraint.parameter
    if constraint.operator is Operator.IS_NOT:  # an agent without the field is not it either
        return f"{field} is {value}" if value == wanted else None
    if constraint.operator is Operator.UNLIKE:
        matches = value is not None and re.fullmatch(wanted, value)
        return f"{field} is {value}, which matches {wanted}" if matches else None
    if value is None:
        return f"the agent has no {field}"
    match constraint.operator:
        case Operator.IS:
            return None if value == wanted else f"{field} is {value}, not {wanted}"
        case Operator.LIKE:
            matches = re.fullmatch(wanted, value)
            return None if matches else f"{field} is {value}, which does not match {wanted}"
        case Operator.CLUSTER if wanted:
            return None if value == wanted else f"{field} is {value}, not {wanted}"
    counts = Counter(at for peer in peers if (at := value_at(peer, field)) is not None)
    match constraint.operator:
        case Operator.CLUSTER:
            if not counts or value in counts:
                return None
            return f"{field} is {value}, the others are in {', '.join(sorted(counts))}"
        case Operator.GROUP_BY:
            return _uneven(constraint, value, counts)
        case _:  # UNIQUE and MAX_PER
            if counts[value] < constraint.limit:
                return None
            return f"{field} {value} already has {counts[value]} of at most {constraint.limit}"


def _uneven(constraint: Constraint, value: str, counts: Counter[str]) -> str | None:
    """Whether one more at `value` would be ahead of the values with the fewest.

    With a number of values, those not seen yet count as having none.
    """
    field = constraint.field
    if constraint.parameter and len(counts) < int(constraint.parameter):
        if not counts[value]:
            return None
        return (
            f"{field} {value} already has {counts[value]}, and only {len(counts)} of the "
            f"{constraint.parameter} values of {field} have any"
        )
    fewest = min(counts.values(), default=0)
    if counts[value] <= fewest:
        return None
    least = ", ".join(sorted(key for key, count in counts.items() if count == fewest))
    return f"{field} {value} already has {counts[value]}, while {least} has {fewest}"
