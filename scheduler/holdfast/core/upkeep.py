"""The records of machines under maintenance: accepted windows, and hosts an operator closed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAD_SECONDS = 300.0
"""For so long before its window begins an agent counts as going down."""


@dataclass(frozen=True, slots=True)
class Window:
    """The master was told that the agent may be taken down from `start` to `end`.

    Seconds since the epoch; no `end` when the operator named no duration.
    """

    agent_id: str
    start: float
    end: float | None

    def going(self, now: float) -> bool:
        """Whether the agent is down with our consent, or about to be."""
        return self.start - LEAD_SECONDS <= now and not self.over(now)

    def over(self, now: float) -> bool:
        return self.end is not None and self.end <= now

    def overlaps(self, other: "Window") -> bool:
        before = self.end is not None and self.end <= other.start
        after = other.end is not None and other.end <= self.start
        return not before and not after


@dataclass(frozen=True, slots=True)
class Answered:
    """What the master was told last about an agent; `refusal` is empty when it was yes."""

    window: Window
    hostname: str
    refusal: str


def window_path(agent_id: str) -> str:
    return f"windows/{agent_id}"


def window_to_json(window: Window) -> dict[str, Any]:
    return {"agent_id": window.agent_id, "start": window.start, "end": window.end}


def window_from_json(data: Mapping[str, Any]) -> Window:
    """Raises KeyError when `data` is not such a record."""
    return Window(data["agent_id"], data["start"], data["end"])


@dataclass(frozen=True, slots=True)
class Cordon:
    """An operator services the host since `at`: what is there is stopped, nothing starts there."""

    hostname: str
    at: float


def cordon_path(hostname: str) -> str:
    return f"cordons/{hostname}"


def cordon_to_json(cordon: Cordon) -> dict[str, Any]:
    return {"hostname": cordon.hostname, "at": cordon.at}


def cordon_from_json(data: Mapping[str, Any]) -> Cordon:
    """Raises KeyError when `data` is not such a record."""
    return Cordon(data["hostname"], data["at"])
