"""Whether instances may be taken down: at most `max-unavailable` of a type are down at a time."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from holdfast.core.ledger import Ledger

Down = Callable[[str], Collection[str]]
"""The instances of a pod type that do not serve at this moment."""


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
    ledger: Ledger, down_of: Down, taken: Iterable[str], besides: Collection[str] = ()
) -> TooMany | None:
    """Whether the budget forbids to take these instances down together; None when it does not.

    `besides` are to be down at that time for another reason. What is down already costs nothing,
    nor does what nobody asks for any more.
    """
    by_type: dict[str, list[str]] = {}
    for name in taken:
        if name in ledger.pods and ledger.rank(name) is not None:
            by_type.setdefault(ledger.pods[name].type, []).append(name)
    for pod_type, names in by_type.items():
        others = {name for name in besides if ledger.instance(name)[0] == pod_type}
        down = {*down_of(pod_type), *others}
        fresh = [name for name in names if name not in down]
        most = ledger.service.pod(pod_type).max_unavailable
        if fresh and len(down) + len(fresh) > most:
            return TooMany(pod_type, most, tuple(fresh), tuple(sorted(down)))
    return None
