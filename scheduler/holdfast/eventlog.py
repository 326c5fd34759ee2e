"""What happened lately, in memory: commands, decisions and refused requests, for the API."""

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an event tells of."""

    COMMAND = "command"
    DECISION = "decision"
    REFUSED = "refused"


KEPT = {Kind.COMMAND: 500, Kind.DECISION: 1000, Kind.REFUSED: 200}
"""Each kind has its own room, so that nobody can crowd out the commands by being refused."""


@dataclass(frozen=True, slots=True)
class Event:
    """`id` grows with every event, also over restarts of the scheduler. `at` is its time.

    `by` is who caused it, `what` the command or request, `status` its HTTP status, `text` the
    words of its answer, or the decision with its reason.
    """

    id: int
    at: float
    kind: Kind
    text: str
    by: str | None = None
    what: str | None = None
    status: int | None = None


class EventLog:
    """The last events of each kind. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._events = {kind: deque[Event](maxlen=size) for kind, size in KEPT.items()}
        self._listeners: list[Callable[[], None]] = []

    def append(
        self,
        kind: Kind,
        at: float,
        text: str,
        *,
        by: str | None = None,
        what: str | None = None,
        status: int | None = None,
    ) -> None:
        """Add an event; `at` is seconds since the epoch."""
        with self._lock:
            self._last = max(self._last + 1, int(at * 1000))
            self._events[kind].append(Event(self._last, at, kind, text, by, what, status))
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def before(self, id_: int | None, limit: int, kinds: Collection[Kind]) -> list[Event]:
        """The newest events older than `id_` (None: of all), the newest first."""
        with self._lock:
            newest_first = heapq.merge(
                *(reversed(self._events[kind]) for kind in kinds),
                key=lambda event: event.id,
                reverse=True,
            )
            older = (event for event in newest_first if id_ is None or event.id < id_)
            return list(itertools.islice(older, limit))

    def after(self, id_: int, kinds: Collection[Kind]) -> list[Event]:
        """All events kept that are newer than `id_`, the oldest first."""
        with self._lock:
            newer = [event for kind in kinds for event in self._events[kind] if event.id > id_]
        return sorted(newer, key=lambda event: event.id)

    @property
    def last(self) -> int:
        """The id of the newest event."""
        return self._last

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called, by any thread, after each event; returns what ends that."""
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return end
