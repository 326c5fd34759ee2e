"""What a fault's number stands for: one of those there are, or a time."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def chosen(items: Sequence[T], pick: int) -> T | None:
    """One of them; None if there is none."""
    return items[pick % len(items)] if items else None


def seconds_of(pick: int, low: float, high: float) -> float:
    """A time between the two."""
    return low + (pick % 997) / 997 * (high - low)
