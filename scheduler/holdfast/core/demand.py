"""When to ask the master for offers: suppress when idle, revive behind a token bucket."""

from enum import Enum, auto

TOKENS = 5
REFILL_SECONDS = 5.0
"""A burst of revives is free; then one every five seconds, to spare the allocator."""


class Wish(Enum):
    """What to tell the master."""

    NOTHING = auto()
    REVIVE = auto()
    SUPPRESS = auto()


class Demand:
    """Remembers what offers were last asked for."""

    def __init__(self) -> None:
        self.suppressed = False
        self._known: frozenset[str] = frozenset()
        self._tokens = float(TOKENS)
        self._filled = 0.0

    def subscribed(self, suppressed: bool) -> None:
        """A subscription begins with no filters; offers come unless it asked for none."""
        self.suppressed = suppressed
        self._known = frozenset()

    def update(self, needs: frozenset[str], now: float) -> Wish:
        """What to send, given the keys of everything that waits for an offer.

        A new key revives even when not suppressed: offers declined earlier are filtered, and one
        of them may be what it needs.
        """
        if not needs:
            self._known = needs
            if self.suppressed:
                return Wish.NOTHING
            self.suppressed = True
            return Wish.SUPPRESS
        fresh = needs - self._known
        if not fresh and not self.suppressed:
            self._known = needs
            return Wish.NOTHING
        if not self._take(now):
            return Wish.NOTHING
        self.suppressed = False
        self._known = needs
        return Wish.REVIVE

    def _take(self, now: float) -> bool:
        elapsed = max(0.0, now - self._filled)
        self._tokens = min(float(TOKENS), self._tokens + elapsed / REFILL_SECONDS)
        self._filled = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
