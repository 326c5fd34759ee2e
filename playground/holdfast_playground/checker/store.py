"""What a store is to the checker: where writes have an order, and an answer is a promise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Unanswered(Exception):
    """No answer, or an error: whether a write took effect is not known."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A place in the order of all writes of a store. It grows, in one and the same `store`.

    `store` tells data that was begun anew from the data before, where a store has such a mark.
    """

    position: int
    store: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The value of a key, None without one, and up to which moment the answer knows of writes.

    `written` is the position of the write that made the value, where a store tells it.
    """

    value: str | None
    at: Moment
    written: int | None = None


class Store(Protocol):
    """One client, used by one thread. Whatever gets no good answer raises Unanswered."""

    def write(self, key: str, value: str) -> Moment:
        """Set a key; returns the moment of that write, once it is acknowledged."""

    def read(self, key: str) -> Found:
        """Read a key as it is now: never older than what was acknowledged before."""

    def read_all(self, prefix: str) -> Mapping[str, str]:
        """All keys under the prefix, with their values, as they are now."""

    def close(self) -> None:
        """Let go of connections; a later call makes new ones."""
