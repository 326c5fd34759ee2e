"""Mesos' maintenance as the simulated master keeps it: windows, inverse offers, drained agents.

Follows hierarchical.cpp (deallocate): a framework that uses something of a scheduled agent is
asked, one question at a time, and again once the filter of its last answer is over.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.clock import START, Clock
from tests.simulation.registry import Known
from tests.simulation.resources import Json


@dataclass(frozen=True, slots=True)
class Planned:
    """When a machine is to be serviced, in virtual seconds."""

    start: float
    end: float

    def message(self) -> Json:
        return {
            "start": {"nanoseconds": int((START + self.start) * 1e9)},
            "duration": {"nanoseconds": int((self.end - self.start) * 1e9)},
        }

    def overlaps(self, other: "Planned") -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(slots=True)
class Schedule:
    """`windows` are by hostname; `accepted` are the agents that may go, by what was said last."""

    clock: Clock
    windows: dict[str, Planned] = field(default_factory=dict)
    drained: set[str] = field(default_factory=set)
    accepted: dict[str, Planned] = field(default_factory=dict)
    _open: dict[str, tuple[str, Planned]] = field(default_factory=dict)
    _filters: dict[str, float] = field(default_factory=dict)

    def changed(self, tell: Callable[[str, object], None]) -> None:
        """Questions and answers about the former schedule are void."""
        for offer_id in self._open:
            tell("RESCIND_INVERSE_OFFER", offer_id)
        self.forget()
        self.accepted = {
            id_: window for id_, window in self.accepted.items() if window in self.windows.values()
        }

    def forget(self) -> None:
        self._open.clear()
        self._filters.clear()

    def questions(self, agents: list[Known]) -> list[Json]:
        """The inverse offers to make for these agents, all of which the framework uses."""
        asked = {agent_id for agent_id, _ in self._open.values()}
        made = []
        for known in agents:
            window = self.windows.get(known.agent.hostname)
            waits = self._filters.get(known.id, -1.0) > self.clock.now
            if window is None or known.id in asked or waits:
                continue
            offer_id = f"inverse-{self.clock.new_id()}"
            self._open[offer_id] = known.id, window
            made.append(
                {
                    "id": {"value": offer_id},
                    "agent_id": {"value": known.id},
                    "unavailability": window.message(),
                }
            )
        return made

    def answer(self, body: Json, accept: bool) -> list[tuple[str, Planned]]:
        """Take an answer; returns the agents newly accepted, and when."""
        fresh = []
        for offer_id in (each["value"] for each in body["inverse_offer_ids"]):
            if offer_id not in self._open:
                continue
            agent_id, window = self._open.pop(offer_id)
            self._filters[agent_id] = self.clock.now + body["filters"]["refuse_seconds"]
            self.accepted.pop(agent_id, None)
            if accept:
                self.accepted[agent_id] = window
                fresh.append((agent_id, window))
        return fresh
