"""Which master leads: the question, and the ways it can have no answer."""

from collections.abc import Callable
from typing import Protocol

from holdfast.mesos.messages import MasterInfo


class MasterAddressError(Exception):
    """No leading master is known; the text says what was tried, what was found, what to check."""


class LeaderDetector(Protocol):
    """Knows which master leads."""

    def detect(self, previous: MasterInfo | None, timeout: float) -> MasterInfo | None:
        """The leading master, at once when it is another than `previous`.

        Otherwise waits up to `timeout` seconds for a change and then returns the one that leads;
        None when closed meanwhile. Raises MasterAddressError when none is known by then.
        """
        ...

    def watch(self, changed: Callable[[MasterInfo | None], None]) -> None:
        """Call `changed` from another thread when another master, or none, leads."""
        ...

    def close(self) -> None:
        """Release everything; a waiting `detect` returns None."""
        ...
