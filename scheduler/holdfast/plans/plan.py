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
    WAITING = "WAITING"
    DELAYED = "DELAYED"
    PENDING = "PENDING"
    PREPARED = "PREPARED"
    STARTING = "STARTING"
    STARTED = "STARTED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"


@dataclass(frozen=True, slots=True)
class Step:
    """Some tasks of one pod instance brought to their goal together.

    `message` says what it is doing or waiting for. A step that is `held` back is a canary that no
    operator has let go yet.
    """

    name: str
    pod: str
    tasks: tuple[str, ...]
    status: Status
    message: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """Steps taken up in an order. An interrupted phase takes up no more of them."""

    name: str
    strategy: Strategy
    steps: tuple[Step, ...]
    interrupted: bool = False

    @property
    def status(self) -> Status:
        candidates = [step.status for step in self.candidates()]
        stopped = self.interrupted or (not candidates and any(step.held for step in self.steps))
        return aggregate([step.status for step in self.steps], candidates, stopped)

    def candidates(self) -> tuple[Step, ...]:
        """The steps that may be worked on now.

        The steps of one pod instance follow each other in every strategy. While a canary is held
        back, only canaries that were let go are worked on.
        """
        open_ = self.released()
        if self.strategy in (Strategy.SERIAL, Strategy.SERIAL_CANARY):
            return open_[:1]
        first: dict[str, Step] = {}
        for step in open_:
            first.setdefault(step.pod, step)
        return tuple(first.values())

    def released(self) -> tuple[Step, ...]:
        """The steps not yet done that only the order of the others holds up."""
        if self.interrupted:
            return ()
        open_ = [step for step in self.steps if step.status is not Status.COMPLETE]
        held_from = next((n for n, step in enumerate(open_) if step.held), len(open_))
        return tuple(open_[:held_from])


@dataclass(frozen=True, slots=True)
class Plan:
    """Phases taken up in an order. `errors` are why the service asked for cannot be the target."""

    name: str
    strategy: Strategy
    phases: tuple[Phase, ...]
    errors: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def status(self) -> Status:
        if self.errors:
            return Status.ERROR
        phases = self.candidate_phases()
        return aggregate(
            [phase.status for phase in self.phases],
            [phase.status for phase in phases],
            self.interrupted,
        )

    def candidates(self) -> tuple[Step, ...]:
        """The steps that may be worked on now, in order."""
        return tuple(step for phase in self.candidate_phases() for step in phase.candidates())

    def phase(self, name: str) -> Phase | None:
        return next((phase for phase in self.phases if phase.name == name), None)

    def steps(self) -> tuple[Step, ...]:
        return tuple(step for phase in self.phases for step in phase.steps)

    def candidate_phases(self) -> tuple[Phase, ...]:
        """The phases that may be worked on now."""
        if self.interrupted:
            return ()
        open_ = [phase for phase in self.phases if phase.status is not Status.COMPLETE]
        serial = self.strategy in (Strategy.SERIAL, Strategy.SERIAL_CANARY)
        return tuple(open_[:1] if serial else open_)


def aggregate(
    children: Sequence[Status], candidates: Sequence[Status], interrupted: bool = False
) -> Status:
    """A parent's status from all its children and from those that may be worked on.

    The order of the rules matters; it is that of dcos-commons (PlanUtils.getAggregateStatus).
    """
    if Status.ERROR in children:
        return Status.ERROR
    if all(status is Status.COMPLETE for status in children):
        return Status.COMPLETE
    if interrupted:
        return Status.WAITING
    if candidates and all(status is Status.DELAYED for status in candidates):
        return Status.DELAYED
    if Status.PREPARED in children:
        return Status.IN_PROGRESS
    for status in (Status.WAITING, Status.IN_PROGRESS):
        if status in candidates:
            return status
    begun = {Status.PENDING, Status.STARTING, Status.STARTED, Status.DELAYED}
    if Status.COMPLETE in children and begun & set(candidates):
        return Status.IN_PROGRESS
    if Status.PENDING in candidates:
        return Status.PENDING
    if Status.WAITING in children:
        return Status.WAITING
    for status in (Status.STARTING, Status.STARTED):
        if status in candidates:
            return status
    return Status.IN_PROGRESS
