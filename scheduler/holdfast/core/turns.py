"""Whose turn it is: the pod instances to look at, those that wait for others, and for the clock."""

import heapq
from collections.abc import Collection, Iterable, Mapping

from sortedcontainers import SortedDict

from holdfast.records import Pod

Rank = tuple[int, int]
"""Where a pod instance stands in the order of the service: its type, and its index."""

Entry = tuple[Rank, str]


class Queue:
    """The instances to look at in the order of the service, each once."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._heap = list(entries)
        heapq.heapify(self._heap)

    def next(self, other: Entry | None) -> Entry | None:
        """The next one, or the other entry if that comes before it; None at the end."""
        if other is not None and (not self._heap or other < self._heap[0]):
            return other
        return heapq.heappop(self._heap) if self._heap else None


class HeldBack:
    """The instances that must not be stopped while too many of their type are down."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, int], SortedDict[Rank, str]] = {}
        self._where: dict[Rank, set[tuple[str, int]]] = {}

    def add(self, rank: Rank, name: str, pod_type: str, most: int) -> None:
        """It waits until fewer than `most` instances of the type are down."""
        self._where.setdefault(rank, set()).add((pod_type, most))
        self._groups.setdefault((pod_type, most), SortedDict())[rank] = name

    def discard(self, rank: Rank) -> None:
        for key in self._where.pop(rank, ()):
            del self._groups[key][rank]
            if not self._groups[key]:
                del self._groups[key]

    def first_with_room(self, down: Mapping[str, Collection[str]]) -> Entry | None:
        """The first of those that need not wait any more."""
        free = [
            (group.keys()[0], group.values()[0])
            for (pod_type, most), group in self._groups.items()
            if len(down.get(pod_type, ())) < most
        ]
        return min(free, default=None)


class Alarms:
    """When instances must be looked at although nothing changed: a pause after failures is over."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._set: dict[str, float] = {}

    def set(self, name: str, pod: Pod | None, now: float) -> None:
        """The next alarm of the instance, if its tasks call for one."""
        pauses = [task.not_before for task in pod.tasks if task.not_before > now] if pod else []
        if not pauses:
            self._set.pop(name, None)
        elif self._set.get(name) != min(pauses):
            self._set[name] = min(pauses)
            heapq.heappush(self._heap, (min(pauses), name))

    def due(self, now: float) -> list[str]:
        """The instances whose time has come."""
        names = []
        while self._heap and self._heap[0][0] <= now:
            at, name = heapq.heappop(self._heap)
            if self._set.get(name) == at:
                del self._set[name]
                names.append(name)
        return names
