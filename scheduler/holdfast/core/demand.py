"""When to ask the master for offers: suppress when idle, revive behind a token bucket."""

from enum import Enum, auto

TOKENS = 5
REFILL_SECONDS = 5.0
"""A burst of revives is free; then one every five seconds, to spare the allocator."""

UNHEARD_SECONDS = 10.0
"""SUPPRESS is repeated after that time when offers came in spite of it: they may have been on
their way, or a late REVIVE may have undone it."""

AGAIN_SECONDS = 60.0
MOST_AGAIN_SECONDS = 900.0
"""A REVIVE after which no offer came is repeated: at first after, at most after that time. Of two
calls the one that seemed lost may have arrived last."""


class Wish(Enum):
    """What to tell the master."""

    NOTHING = auto()
    REVIVE = auto()
    SUPPRESS = auto()
    THROTTLED = auto()
    """A REVIVE is wanted, but there were too many of late."""


class Demand:
    """Remembers what offers were last asked for."""

    def __init__(self) -> None:
        self.suppressed = False
        self._known: frozenset[str] = frozenset()
        self._tokens = float(TOKENS)
        self._filled = 0.0
        self._told = 0.0
        self._offered = 0.0
        self._patience = AGAIN_SECONDS

    def subscribed(self, suppressed: bool) -> None:
        """A subscription begins with no filters; offers come unless it asked for none."""
        self.suppressed = suppressed
        self._known = frozenset()

    def offered(self, now: float) -> None:
        """Offers came in."""
        self._offered = now

    def update(self, needs: frozenset[str], now: float) -> Wish:
        """What to send, given the keys of everything that waits for an offer.

        A new key revives even when not suppressed: offers declined earlier are filtered, and one
        of them may be what it needs.
        """
        if not needs:
            self._known = needs
            unheard = self._offered > self._told and now - self._told > UNHEARD_SECONDS
            if self.suppressed and not unheard:
                return Wish.NOTHING
            self.suppressed = True
            self._told = now
            return Wish.SUPPRESS
        fresh = needs - self._known
        silent = now - max(self._told, self._offered) > self._patience
        if not fresh and not self.suppressed and not silent:
            self._known = needs
            return Wish.NOTHING
        if not self._take(now):
            return Wish.THROTTLED
        again = min(MOST_AGAIN_SECONDS, self._patience * 2)
        self._patience = AGAIN_SECONDS if fresh else again
        self.suppressed = False
        self._told = now
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
