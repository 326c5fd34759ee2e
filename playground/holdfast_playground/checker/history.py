"""What was asked of a store and answered, and what of it cannot be true. No input or output."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from holdfast_playground.checker.store import Found, Moment

# A client would notice: twenty times what a write takes when all is well.
NOTICED_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Write:
    """An acknowledged write. Times are seconds of one clock, that of the checker."""

    key: str
    value: str
    sent: float
    acknowledged: float
    moment: Moment


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without an acknowledged write that a client would notice. Seconds."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.ended - self.began


def outages(moments: Sequence[float], began: float, ended: float) -> list[Outage]:
    """The times of more than NOTICED_SECONDS without any of the moments."""
    edges = [began, *moments, ended]
    gaps = (Outage(before, after) for before, after in itertools.pairwise(edges))
    return [gap for gap in gaps if gap.seconds > NOTICED_SECONDS]


def wrong_order(before: Write | None, write: Write) -> str | None:
    """What is wrong with the moment of a write, acknowledged after the one before was."""
    if before is None:
        return None
    return _went_back(f"{write.key} was acknowledged", write.moment, before)


def wrong_reading(expected: Write, newest: Write, found: Found) -> str | None:
    """What is wrong with a reading of an acknowledged write.

    `newest` is the last write that was acknowledged before the reading began.
    """
    if found.value != expected.value:
        return f"{expected.key} reads {found.value!r}, acknowledged was {expected.value!r}"
    if found.written not in (None, expected.moment.position):
        return (
            f"{expected.key} was written at {found.written},"
            f" acknowledged was {expected.moment.position}"
        )
    return _went_back(f"{expected.key} was read", found.at, newest)


def _went_back(what: str, moment: Moment, newest: Write) -> str | None:
    if moment.store != newest.moment.store:
        return (
            f"{what} from store {moment.store}, {newest.key} was acknowledged before"
            f" by {newest.moment.store}"
        )
    if moment.position < newest.moment.position:
        return (
            f"{what} at {moment.position}, but {newest.key} was acknowledged before,"
            f" at {newest.moment.position}: the store went back"
        )
    return None


def wrong_content(
    acknowledged: Mapping[str, str], attempted: Mapping[str, str], found: Mapping[str, str]
) -> list[str]:
    """What is wrong with all that a store has, by key and value.

    `attempted` are the writes that got no answer: they may be there or not.
    """
    lost = [
        f"{key} reads {found.get(key)!r}, acknowledged was {value!r}"
        for key, value in acknowledged.items()
        if found.get(key) != value
    ]
    strange = [
        f"{key} reads {value!r}, which nobody wrote"
        for key, value in found.items()
        if key not in acknowledged and attempted.get(key) != value
    ]
    return lost + strange
