"""What came of a pod instance's work, and why it waits."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.core.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an instance waits, put into words only when somebody reads it.

    `until` is a time in seconds since the epoch. `most` is set when it is held back because so many
    instances of `pod_type` are down already (max-unavailable): which they are changes, and would
    have all that wait looked at again.
    """

    text: str
    until: float | None = None
    most: int | None = None
    pod_type: str = ""

    def words(self, down: Mapping[str, str], now: float) -> str:
        """As people read it; `down` is by pod type the first of the instances that are down."""
        if self.most is not None:
            first = down.get(self.pod_type, "one")
            return f"at most {self.most} may be down at a time (max-unavailable), and {first} is"
        return self.text + (f" (in {self.until - now:.0f} s)" if self.until else "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why the instance waits, if it does, and the tasks of it to start once an offer fits."""

    reason: Reason | None = None
    wanted: Wanted | None = None


NOTHING = Outcome()
