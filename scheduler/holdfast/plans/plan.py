"""Plans, phases and steps: derived facts, never stored.

The statuses and their aggregation follow dcos-commons, so that its tools read them as before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from holdfast.service.model import Strategy


class Status(StrEnum):
    """How far a step, phase or plan is."""

    ERROR = "ERROR"
    DELAYED = "DELAYED"
    PENDING = "PENDING"
    STARTING = "STARTING"
    STARTED = "STARTED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"


@dataclass(frozen=True, slots=True)
class Step:
    """One pod instance brought to its goal. `message` says what it is doing or waiting for."""

    name: str
    pod: str
    status: Status
    message: str = ""


@dataclass(frozen=True, slots=True)
class Phase:
    """Steps taken up in an order."""

    name: str
    strategy: Strategy
    steps: tuple[Step, ...]

    @property
    def status(self) -> Status:
        return aggregate(
            [step.status for step in self.steps],
            [step.status for step in _candidates(self.strategy, self.steps)],
        )

    def candidates(self) -> tuple[Step, ...]:
        """The steps that may be worked on now."""
        return _candidates(self.strategy, self.steps)


@dataclass(frozen=True, slots=True)
class Plan:
    """Phases taken up in an order. `errors` are why the service asked for cannot be the target."""

    name: str
    strategy: Strategy
    phases: tuple[Phase, ...]
    errors: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        if self.errors:
            return Status.ERROR
        return aggregate(
            [phase.status for phase in self.phases],
            [phase.status for phase in self._candidate_phases()],
        )

    def candidates(self) -> tuple[Step, ...]:
        """The steps that may be worked on now, in order."""
        return tuple(step for phase in self._candidate_phases() for step in phase.candidates())

    def _candidate_phases(self) -> tuple[Phase, ...]:
        open_ = [phase for phase in self.phases if phase.status is not Status.COMPLETE]
        return tuple(open_[:1] if self.strategy is Strategy.SERIAL else open_)


def _candidates(strategy: Strategy, steps: Sequence[Step]) -> tuple[Step, ...]:
    open_ = [step for step in steps if step.status is not Status.COMPLETE]
    return tuple(open_[:1] if strategy is Strategy.SERIAL else open_)


def aggregate(children: Sequence[Status], candidates: Sequence[Status]) -> Status:
    """A parent's status from all children and from those that may be worked on, in this order."""
    if Status.ERROR in children:
        return Status.ERROR
    if all(status is Status.COMPLETE for status in children):
        return Status.COMPLETE
    if candidates and all(status is Status.DELAYED for status in candidates):
        return Status.DELAYED
    if Status.IN_PROGRESS in candidates:
        return Status.IN_PROGRESS
    begun = {Status.PENDING, Status.STARTING, Status.STARTED, Status.DELAYED}
    if Status.COMPLETE in children and begun & set(candidates):
        return Status.IN_PROGRESS
    for status in (Status.PENDING, Status.STARTING, Status.STARTED):
        if status in candidates:
            return status
    return Status.IN_PROGRESS
