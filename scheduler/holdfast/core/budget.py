"""Whether instances may be taken down: at most `max-unavailable` of a type are down at a time."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from holdfast.service.instance_names import type_and_index, type_of
from holdfast.service.model import ServiceSpec

Down = Callable[[str], Collection[str]]
"""The wanted instances of a pod type that do not serve at this moment."""


@dataclass(frozen=True, slots=True)
class TooMany:
    """Why the instances `taken` must stay: with `down` there would be more than `most` down."""

    pod_type: str
    most: int
    taken: tuple[str, ...]
    down: tuple[str, ...]

    def __str__(self) -> str:
        rule = f"at most {self.most} of {self.pod_type} may be down at a time (max-unavailable)"
        go = f"{', '.join(self.taken)} would go down"
        if not self.down:
            return f"{rule}, and {go}"
        verb = "is" if len(self.down) == 1 else "are"
        return f"{rule}; {', '.join(self.down)} {verb} down or about to be, and {go}"


def too_many(
    service: ServiceSpec, down_of: Down, taken: Iterable[str], besides: Iterable[str] = ()
) -> TooMany | None:
    """Whether the budget forbids to take these instances down together; None when it does not.

    `besides` are to be down at that time for another reason. What is down already costs nothing,
    nor does what nobody asks for any more.
    """
    also = wanted(service, besides)
    for pod_type, names in wanted(service, taken).items():
        spec = service.pod(pod_type)
        dead = set(down_of(pod_type))
        fresh = [name for name in names if name not in dead]
        down = {*dead, *also.get(pod_type, ())} - set(fresh)
        if fresh and len(down) + len(fresh) > spec.max_unavailable:
            return TooMany(pod_type, spec.max_unavailable, tuple(fresh), tuple(sorted(down)))
    return None


def wanted(service: ServiceSpec, names: Iterable[str]) -> dict[str, list[str]]:
    """Those of the instances that the service asks for, by pod type, in its order."""
    by_type: dict[str, list[str]] = {}
    for name in names:
        by_type.setdefault(type_of(name), []).append(name)
    result = {}
    for spec in service.pods:
        of_type = by_type.get(spec.type, ())
        kept = sorted(
            (name for name in of_type if type_and_index(name)[1] < spec.count), key=type_and_index
        )
        if kept:
            result[spec.type] = kept
    return result
