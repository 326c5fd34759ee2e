"""How long something takes, and how often it is done."""

import threading
from collections import deque
from collections.abc import Sequence

KEPT = 1024
RATE_SECONDS = 60.0


class Timer:
    """Durations in seconds; the last 1,024 are kept. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._last: deque[tuple[float, float]] = deque(maxlen=KEPT)

    def note(self, seconds: float, now: float) -> None:
        """Something ended at `now` and had taken so long."""
        with self._lock:
            self._count += 1
            self._last.append((now, seconds))

    def snapshot(self, now: float) -> dict[str, float | int | str]:
        """In the names of Codahale's timers. `m1_rate` is over the last minute, as far as kept."""
        with self._lock:
            count, last = self._count, list(self._last)
        taken = sorted(seconds for _, seconds in last)
        recent = sum(1 for at, _ in last if now - at < RATE_SECONDS)
        return {
            "count": count,
            "max": taken[-1] if taken else 0.0,
            "mean": sum(taken) / len(taken) if taken else 0.0,
            "min": taken[0] if taken else 0.0,
            "p50": quantile(taken, 0.5),
            "p75": quantile(taken, 0.75),
            "p95": quantile(taken, 0.95),
            "p98": quantile(taken, 0.98),
            "p99": quantile(taken, 0.99),
            "p999": quantile(taken, 0.999),
            "m1_rate": recent / RATE_SECONDS,
            "duration_units": "seconds",
            "rate_units": "calls/second",
        }


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of the ordered values lies; 0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
