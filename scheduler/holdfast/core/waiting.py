"""Why pod instances wait, and what plans say of it: put together by whoever reads it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from immutables import Map

from holdfast.core.demand import Demand
from holdfast.core.ledger import Ledger
from holdfast.core.outcome import Outcome, Reason
from holdfast.core.view import Explanation
from holdfast.plans.derive import Situation, all_plans
from holdfast.plans.plan import Plan


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why an instance waits, and the first refusal of each agent by hostname."""

    reason: Reason
    agents: Mapping[str, str]


class Explanations(Mapping[str, Explanation]):
    """The explanation of every instance that waits, in words as of one moment."""

    def __init__(self, waiting: Map[str, Waiting], down: Mapping[str, str], now: float) -> None:
        self._waiting = waiting
        self._down = down
        self._now = now

    def __getitem__(self, name: str) -> Explanation:
        waiting = self._waiting[name]
        return Explanation(waiting.reason.words(self._down, self._now), waiting.agents)

    def __iter__(self) -> Iterator[str]:
        return iter(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)


class Reasons(Mapping[str, str]):
    """The same without the agents."""

    def __init__(self, explanations: Explanations) -> None:
        self._explanations = explanations

    def __getitem__(self, name: str) -> str:
        return self._explanations[name].reason

    def __iter__(self) -> Iterator[str]:
        return iter(self._explanations)

    def __len__(self) -> int:
        return len(self._explanations)


class Waits:
    """Remembers why instances wait, and tells whom offers are wanted for."""

    def __init__(self, ledger: Ledger, demand: Demand) -> None:
        self._ledger = ledger
        self._demand = demand
        self._waiting: Map[str, Waiting] = Map()

    def note(self, name: str, outcome: Outcome) -> None:
        """Remember why the instance waits, and whether for an offer: each need has a key."""
        if outcome.reason is None:
            self.goes_on(name)
            return
        before = self._waiting.get(name)
        agents = before.agents if before else {}
        self._waiting = self._waiting.set(name, Waiting(outcome.reason, agents))
        need = None
        if outcome.wanted is not None:
            record = self._ledger.pods.get(name)
            attempt = max((t.launched for t in record.tasks), default=0.0) if record else 0.0
            tasks = ",".join(outcome.wanted.tasks)
            need = f"{name} {tasks} @{attempt}: {outcome.reason.text}"
        self._demand.need(name, need)

    def refused(self, name: str, agents: Mapping[str, str]) -> None:
        """The first refusal of each of these agents, by hostname."""
        known = self._waiting.get(name)
        if known is not None:
            merged = Waiting(known.reason, {**known.agents, **agents})
            self._waiting = self._waiting.set(name, merged)

    def goes_on(self, name: str) -> None:
        """The instance does not wait any more."""
        if name in self._waiting:
            self._waiting = self._waiting.delete(name)
        self._demand.need(name, None)

    def nobody_waits(self) -> None:
        """All that instances waited for is void."""
        for name in list(self._waiting):
            self.goes_on(name)

    def explanations(self, down: Mapping[str, str], now: float) -> Explanations:
        """In words as of now; `down` is by pod type the first of the instances that are down."""
        return Explanations(self._waiting, down, now)


class LazyPlans(Sequence[Plan]):
    """The plans of a situation, derived when they are first read; safe from any thread."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation

    @cached_property
    def _plans(self) -> tuple[Plan, ...]:
        return all_plans(self._situation)

    @overload
    def __getitem__(self, index: int) -> Plan: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Plan, ...]: ...
    def __getitem__(self, index: int | slice) -> Plan | tuple[Plan, ...]:
        return self._plans[index]

    def __len__(self) -> int:
        return len(self._plans)
