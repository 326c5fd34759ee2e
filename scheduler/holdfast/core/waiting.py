"""Why pod instances wait, and what plans say of it: put together by whoever reads it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from immutables import Map

from holdfast.core.outcome import Reason
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
