"""I6: no more of a pod are down by the scheduler's doing than `max-unavailable`."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

FORCED_SECONDS = 120.0
"""For how long after a forced order more may be down than otherwise."""
GAP_SECONDS = 2.0
"""After a longer time without a look nobody knows what came to pass between two of them."""
ON_DEMAND = ("PAUSING", "PAUSED", "RESUMING")
"""How tasks are shown that an operator has stopped, whatever else is down."""

Json = Mapping[str, Any]


def forced(commands: Iterable[Json]) -> Iterator[Json]:
    """The orders by force among those of the journal."""
    return (event for event in commands if "force" in event["what"])


def counted(target: Json, status: Json) -> Iterator[tuple[int, list[Json]]]:
    """By pod `max-unavailable`, and of its instances those that it bounds.

    `target` is the service's definition, `status` what /v1/pod/status answered. Not bounded is
    what failed and is decided about, what is paused or resumed, and what is not asked for.
    """
    pods = {pod["type"]: pod for pod in target["pods"]}
    for pod in status.get("pods", ()):
        spec = pods.get(pod["name"], {"count": 0})
        yield (
            spec.get("max_unavailable", 1),
            [
                one
                for one in pod["instances"]
                if one.get("decision") is None
                and int(one["name"].rpartition("-")[2]) < spec["count"]
                and not any(task.get("status") in ON_DEMAND for task in one.get("tasks", ()))
            ],
        )


def stopping(target: Json, status: Json) -> list[str]:
    """What is violated by tasks that are being stopped at one moment, in words."""
    found = []
    for most, instances in counted(target, status):
        stopped = [one["name"] for one in instances if one["state"] == "stopping"]
        if len(stopped) > most:
            found.append(f"I6: {stopped} are being stopped at once, at most {most} may be")
    return found


@dataclass(slots=True)
class TakenDown:
    """Which instances of a service its scheduler has taken down, by looks that follow each other.

    Down by its doing is an instance that ran at one look, and whose same tasks are being stopped
    at the next; until it is seen to run again, or the tasks that came after those end as well, or
    it is out of reach: from then on that, a fault, keeps it down. So nothing counts whose tasks
    ended without being stopped, or that was down already when they were: that costs nothing.
    Replaced instances do not count, nor what is not `counted`, and for a while after an order by
    force nothing does. What is stopped and begins anew between two looks is not seen.
    """

    looks: int = 0
    taken: int = 0
    """How often an instance was seen to be taken down."""
    _forced: set[int] = field(default_factory=set)
    _forced_until: float = -math.inf
    _who: int | None = None
    _at: float = -math.inf
    _ran: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _down: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    """By name the ids of the tasks that were stopped, and of those that came after, if any did."""

    def look(
        self, who: int, now: float, target: Json, status: Json, commands: Iterable[Json]
    ) -> list[str]:
        """What is violated, by what the scheduler `who` answered at `now`, in monotonic seconds.

        When an order by force was given is told by when it is first seen among `commands`: the
        scheduler's clock may be set.
        """
        orders = {event["id"] for event in forced(commands)}
        if orders - self._forced:
            self._forced_until = now + FORCED_SECONDS
        self._forced |= orders
        if who != self._who or now - self._at > GAP_SECONDS:
            self._ran, self._down = {}, {}
        self._who, self._at = who, now
        self.looks += 1
        former, self._ran = self._ran, {}
        before, self._down = self._down, {}
        found = []
        for most, instances in counted(target, status):
            down = []
            for one in instances:
                name, state = one["name"], one["state"]
                ids = tuple(task["id"] for task in one["tasks"])
                if state == "running":
                    self._ran[name] = ids
                    continue
                known = before.get(name)
                if known is None and state == "stopping" and former.get(name) == ids:
                    known = (ids,)
                    self.taken += 1
                after = _still_down(known, state, ids) if known is not None else None
                if after is not None:
                    self._down[name] = after
                    down.append(name)
            if len(down) > most and now > self._forced_until:
                found.append(f"I6: {down} are down by our doing at once, at most {most} may be")
        return found


def _still_down(
    known: tuple[tuple[str, ...], ...], state: str, ids: tuple[str, ...]
) -> tuple[tuple[str, ...], ...] | None:
    """What is known of an instance taken down, that has these tasks now; None once it failed."""
    if state == "unreachable":
        return None
    if known == (ids,):
        return known
    fresh = (known[0], ids)
    return fresh if state in ("starting", "stopping") and known in (fresh, known[:1]) else None
