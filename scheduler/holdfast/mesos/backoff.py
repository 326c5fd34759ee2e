"""How long to wait before the next attempt to reach a master."""

import random
from collections.abc import Callable


class Backoff:
    """Doubling delays with jitter, in seconds, from `first` up to `longest`.

    Each delay is drawn from the upper half of its step, so that many schedulers do not return to
    a restarted master at the same moment.
    """

    def __init__(
        self,
        first: float = 0.1,
        longest: float = 15.0,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first = first
        self._longest = longest
        self._uniform = uniform
        self._step = first

    def next(self) -> float:
        """The delay before the next attempt; each call doubles the following one."""
        step = self._step
        self._step = min(step * 2, self._longest)
        return self._uniform(step / 2, step)

    def reset(self) -> None:
        """Begin anew: the last attempt worked for a good while, or another master leads."""
        self._step = self._first
