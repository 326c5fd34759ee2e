"""Virtual time: an event heap, and the random numbers of one run."""

import heapq
import itertools
import random
from collections.abc import Callable

START = 1_700_000_000.0
"""Seconds since the epoch when a simulation begins."""


class Clock:
    """Events in the order of their time; equal times in the order they were added."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self.steps = 0
        self.after_step: Callable[[], None] = lambda: None
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._ids = itertools.count(1)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds, action)

    def at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (max(time, self.now), next(self._order), action))

    def run_until(self, time: float, done: Callable[[], bool] = lambda: False) -> None:
        """Carry out what is due until then, or until `done`; may be called from within an event."""
        while self._heap and self._heap[0][0] <= time:
            self.now, _, action = heapq.heappop(self._heap)
            action()
            self.steps += 1
            self.after_step()
            if done():
                return
        self.now = max(self.now, time)

    def between(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)

    def new_id(self) -> str:
        return f"{next(self._ids):04d}"
