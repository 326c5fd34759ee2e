"""What must be known of former replacements after a restart of the scheduler."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class History:
    """`replacements` are the times (seconds since the epoch) of those by policy in the last hour
    and of the last one; `disaster` since when there is one, `ended` when the last was over."""

    replacements: tuple[float, ...] = ()
    disaster: float | None = None
    ended: float | None = None

    def with_replacement(self, now: float) -> "History":
        recent = tuple(time for time in self.replacements if now - time < HOUR)
        return replace(self, replacements=(*recent, now))


def history_to_json(history: History) -> dict[str, Any]:
    """The record as JSON; `history_from_json` is its inverse."""
    return {
        "replacements": list(history.replacements),
        "disaster": history.disaster,
        "ended": history.ended,
    }


def history_from_json(data: Mapping[str, Any]) -> History:
    """Raises KeyError or TypeError when `data` is not such a record."""
    return History(tuple(data["replacements"]), data["disaster"], data["ended"])
