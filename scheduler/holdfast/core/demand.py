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

    def __init__(self, suppresses: bool = True) -> None:
        """Without `suppresses` the master is never told to send no offers."""
        self._suppresses = suppresses
        self.suppressed = False
        self._needs: dict[str, str] = {}
        self._known: dict[str, str] = {}
        self._changed: dict[str, None] = {}
        self._fresh: set[str] = set()
        self._others: frozenset[str] = frozenset()
        self._tokens = float(TOKENS)
        self._filled = 0.0
        self._told = 0.0
        self._offered = 0.0
        self._patience = AGAIN_SECONDS

    def subscribed(self, suppressed: bool) -> None:
        """Offers come unless the subscription asked for none; what is needed is asked for anew.

        The filters of the subscription before may hold still: Mesos keeps them when a scheduler
        takes over from one that it believes to be there.
        """
        self.suppressed = suppressed
        self._known = {}
        self._fresh = set(self._needs)
        self._changed = dict.fromkeys(self._needs)

    def offered(self, now: float) -> None:
        """Offers came in."""
        self._offered = now

    @property
    def instances_wait(self) -> bool:
        """Whether a pod instance waits for an offer."""
        return len(self._needs) > len(self._others)

    def need(self, who: str, key: str | None) -> None:
        """What `who` waits for an offer for; None when it does not, or no more."""
        if self._needs.get(who) == key:
            return
        if key is None:
            del self._needs[who]
        else:
            self._needs[who] = key
        self._changed[who] = None
        if key is not None and self._known.get(who) != key:
            self._fresh.add(who)
        else:
            self._fresh.discard(who)

    def update(self, others: frozenset[str], now: float) -> Wish:
        """What to send, given the keys of everything besides pod instances that needs an offer.

        A new key revives even when not suppressed: offers declined earlier are filtered, and one
        of them may be what it needs.
        """
        for key in self._others - others:
            self.need(key, None)
        for key in others:
            self.need(key, key)
        self._others = others
        if not self._needs:
            self._accept()
            unheard = self._offered > self._told and now - self._told > UNHEARD_SECONDS
            if not self._suppresses or (self.suppressed and not unheard):
                return Wish.NOTHING
            self.suppressed = True
            self._told = now
            return Wish.SUPPRESS
        fresh = bool(self._fresh)
        silent = now - max(self._told, self._offered) > self._patience
        if not fresh and not self.suppressed and not silent:
            self._accept()
            return Wish.NOTHING
        if not self._take(now):
            return Wish.THROTTLED
        again = min(MOST_AGAIN_SECONDS, self._patience * 2)
        self._patience = AGAIN_SECONDS if fresh else again
        self.suppressed = False
        self._told = now
        self._accept()
        return Wish.REVIVE

    def _accept(self) -> None:
        """All needs there are now are known from here on."""
        for who in self._changed:
            if who in self._needs:
                self._known[who] = self._needs[who]
            else:
                self._known.pop(who, None)
        self._changed.clear()
        self._fresh.clear()

    def _take(self, now: float) -> bool:
        elapsed = max(0.0, now - self._filled)
        self._tokens = min(float(TOKENS), self._tokens + elapsed / REFILL_SECONDS)
        self._filled = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
