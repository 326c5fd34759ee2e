"""Claims that are checked: conditions waited for with a deadline, and what failed."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

POLL_SECONDS: Final = 0.1


class CheckFailed(Exception):
    """Something the demo claims is not so. `member` is the pod instance concerned, if one is."""

    def __init__(self, message: str, member: str | None = None) -> None:
        super().__init__(message)
        self.member = member


class NotYet(Exception):
    """What is waited for is not so at the moment; the message says how it is instead."""


def until(look: Callable[[], T], what: str, seconds: float, member: str | None = None) -> T:
    """The result of `look` as soon as it raises NotYet no more.

    Raises CheckFailed with `what` and the last reason after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return look()
        except NotYet as reason:
            if time.monotonic() > deadline:
                raise CheckFailed(f"{what}: not within {seconds:g} s ({reason})", member) from None
        time.sleep(POLL_SECONDS)


def require(holds: bool, claim: str, found: str, member: str | None = None) -> None:
    """Raise CheckFailed unless the claim holds; `found` is how it is."""
    if not holds:
        raise CheckFailed(f"{claim}: it is not so ({found})", member)
