"""Where the plans stand, kept up to date one pod instance at a time.

The same facts as in `derive.all_plans`, at the cost of what changed: a change of a pod record has
only that instance's steps derived anew. Messages of steps are left out; nothing is decided by them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from sortedcontainers import SortedDict, SortedSet

from holdfast.plans.derive import (
    DEPLOY,
    RECOVERY,
    Situation,
    aim_of,
    custom_orders,
    custom_specs,
    deploy_orders,
    deploy_spec,
    instance_steps,
    recovery_phase,
)
from holdfast.plans.orders import Orders
from holdfast.plans.plan import Phase, Plan, Status, Step
from holdfast.service.instance_names import type_and_index
from holdfast.service.model import PhaseSpec, PlanSpec, Strategy

SERIAL = frozenset({Strategy.SERIAL, Strategy.SERIAL_CANARY})

Share = tuple[Plan, Sequence[Step]]
"""A plan cut down to its steps of one pod instance, and which of them may be worked on now."""

Done = tuple[str, str]
"""A phase and a step of it, by name."""


class Position(NamedTuple):
    """Where a step stands in its phase: with its pod instance, and there with its number.

    The instance counts as its index, or where the phase takes the last first, as that below zero.
    """

    instance: int
    number: int


class PhaseProgress:
    """The steps of a phase by pod instance, and in order those that are not yet done."""

    def __init__(self, spec: PhaseSpec, interrupted: bool) -> None:
        self.spec = spec
        self.interrupted = interrupted
        self._steps: dict[int, tuple[Step, ...]] = {}
        self._open: SortedDict[Position, Step] = SortedDict()
        self._held: SortedSet[Position] = SortedSet()

    @property
    def complete(self) -> bool:
        return not self._open

    @property
    def gate(self) -> tuple[Position | None, Position | None]:
        """What decides which steps have their turn: the first open one, the first held back."""
        first = self._open.peekitem(0)[0] if self._open else None
        return first, self._held[0] if self._held else None

    def put(self, index: int, steps: tuple[Step, ...]) -> None:
        """The steps of an instance as they are now."""
        for number in range(len(self._steps.get(index, ()))):
            self._open.pop(self._position(index, number), None)
            self._held.discard(self._position(index, number))
        self._steps[index] = steps
        for number, step in enumerate(steps):
            if step.status is not Status.COMPLETE:
                self._open[self._position(index, number)] = step
                if step.held:
                    self._held.add(self._position(index, number))

    def _position(self, index: int, number: int) -> Position:
        return Position(-index if self.spec.reverse else index, number)

    def open_instances(self) -> set[int]:
        return {abs(position.instance) for position in self._open}

    def steps_of(self, index: int) -> tuple[Step, ...]:
        return self._steps.get(index, ())

    def released_of(self, index: int) -> list[Step]:
        """Those steps of the instance that only the order of the others holds up."""
        if self.interrupted:
            return []
        _, held = self.gate
        places = (self._position(index, number) for number in range(len(self.steps_of(index))))
        return [
            step
            for place in places
            if (held is None or place < held) and (step := self._open.get(place)) is not None
        ]

    def candidates_of(self, index: int) -> list[Step]:
        """That step of the instance that may be worked on now, if any."""
        first, _ = self.gate
        if self.spec.strategy in SERIAL and (first is None or abs(first.instance) != index):
            return []
        return self.released_of(index)[:1]


class PlanProgress:
    """The phases of one plan, under the orders of its operators."""

    def __init__(self, name: str, spec: PlanSpec, orders: Orders) -> None:
        self.name = name
        self.orders = orders
        self.fresh: set[Done] = set()
        """What was seen to be complete and is not yet among `orders.done`."""
        self._spec = spec
        self._phases = [PhaseProgress(phase, phase.name in orders.phases) for phase in spec.phases]

    @property
    def complete(self) -> bool:
        return all(phase.complete for phase in self._phases)

    def update(self, situation: Situation, names: Iterable[tuple[str, int]]) -> set[str]:
        """Derive the steps of those instances; which others have their turn now, or no more."""
        before = self._gates()
        by_type: dict[str, list[int]] = {}
        for pod_type, index in names:
            by_type.setdefault(pod_type, []).append(index)
        run = self.name != DEPLOY
        for phase in self._phases:
            spec = situation.service.pod(phase.spec.pod)
            aim = aim_of(situation, phase.spec, self.orders, run)
            for index in by_type.get(phase.spec.pod, ()):
                steps = instance_steps(situation, phase.spec, spec, self.orders, aim, index)
                phase.put(index, tuple(steps))
                self._note_done(phase, index)
        affected: set[str] = set()
        for phase, old, new in zip(self._phases, before, self._gates(), strict=True):
            if old == new:
                continue
            serial = phase.spec.strategy in SERIAL
            if serial and old is not None and new is not None and old[1] == new[1]:
                indexes = {abs(at.instance) for at in (old[0], new[0]) if at is not None}
            elif not serial and old is not None and new is not None and old[1] == new[1]:
                indexes = set()
            else:
                indexes = phase.open_instances()
            affected.update(f"{phase.spec.pod}-{index}" for index in indexes)
        return affected

    def _note_done(self, phase: PhaseProgress, index: int) -> None:
        for step in phase.steps_of(index):
            done = (phase.spec.name, step.name)
            if step.status is Status.COMPLETE and done not in self.orders.done:
                self.fresh.add(done)
            else:
                self.fresh.discard(done)

    def _gates(self) -> list[tuple[Position | None, Position | None] | None]:
        """The gate of each phase; None where it is not the phase's turn."""
        turn = {id(phase) for phase in self._in_turn()}
        return [phase.gate if id(phase) in turn else None for phase in self._phases]

    def _in_turn(self) -> list[PhaseProgress]:
        if self.orders.interrupted:
            return []
        open_ = [phase for phase in self._phases if not phase.complete]
        return open_[:1] if self._spec.strategy in SERIAL else open_

    def share(self, pod_type: str, index: int, broken: bool) -> Share:
        """What the plan has to do with an instance.

        The phases of the deploy plan that are at work also take up `broken` instances, which hold
        up all others (max-unavailable) and so must not have to wait for them.
        """
        phases = [phase for phase in self._phases if phase.spec.pod == pod_type]
        turn = [phase for phase in self._in_turn() if phase.spec.pod == pod_type]
        candidates = [step for phase in turn for step in phase.candidates_of(index)]
        if broken and not candidates and self.name == DEPLOY:
            candidates = [step for phase in turn for step in phase.released_of(index)][:1]
        part = Plan(
            self.name,
            self._spec.strategy,
            tuple(
                Phase(p.spec.name, p.spec.strategy, p.steps_of(index), p.interrupted)
                for p in phases
            ),
            (),
            self.orders.interrupted,
        )
        return part, candidates


class Progress:
    """All plans that have work for pod instances, in the order of their claims on them."""

    def __init__(self) -> None:
        self._plans: dict[str, PlanProgress] = {}
        self._recovery: dict[str, Phase] = {}
        self._recovery_orders: Orders | None = None

    def update(self, situation: Situation, changed: Iterable[str]) -> set[str]:
        """Take in that those records changed, and orders perhaps.

        Returns the instances for which the plans may now have other work than before.
        """
        wanted = {spec.type: spec.count for spec in situation.service.pods}
        names = {
            name: (pod_type, index)
            for name in changed
            for pod_type, index in [type_and_index(name)]
            if index < wanted.get(pod_type, 0)
        }
        everyone: dict[str, tuple[str, int]] = {}
        orders = _all_orders(situation)
        anew = [name for name in orders if self._is_new(name, orders[name][1])]
        if anew:
            everyone = {
                f"{spec.type}-{index}": (spec.type, index)
                for spec, index in situation.service.instances()
            }
        affected = set(names) | set(everyone)
        for name, (spec, known) in orders.items():
            if spec is None:
                self._recovery_orders = known
            elif name in anew:
                self._plans[name] = PlanProgress(name, spec, known)
                self._plans[name].update(situation, everyone.values())
            else:
                self._plans[name].orders = known
                affected |= self._plans[name].update(situation, names.values())
        for name in everyone or names:
            phase = recovery_phase(situation, name)
            if phase is None:
                self._recovery.pop(name, None)
            else:
                self._recovery[name] = phase
        return affected

    def _is_new(self, name: str, orders: Orders) -> bool:
        """Whether all steps must be looked at for these orders.

        Steps noted as done need not be: they were complete already.
        """
        if name == RECOVERY:
            return self._recovery_orders != orders
        plan = self._plans.get(name)
        if plan is None:
            return True
        known = plan.orders
        if known is orders:
            return False
        return replace(known, done=orders.done) != orders or not known.done <= orders.done

    def shares(self, pod_type: str, index: int, broken: bool) -> list[Share]:
        """What each plan has to do with a wanted instance, in the order of `all_plans`."""
        plans = iter(self._plans.values())
        deploy = next(plans).share(pod_type, index, broken)
        return [
            deploy,
            self._recovers(f"{pod_type}-{index}"),
            *(plan.share(pod_type, index, broken) for plan in plans),
        ]

    def _recovers(self, name: str) -> Share:
        orders = self._recovery_orders or Orders(RECOVERY)
        phase = self._recovery.get(name)
        phases = (phase,) if phase else ()
        plan = Plan(RECOVERY, Strategy.PARALLEL, phases, (), orders.interrupted)
        return plan, plan.candidates()

    @property
    def deployed(self) -> bool:
        """Whether all steps of the deploy plan are complete."""
        return self._plans[DEPLOY].complete

    def fresh(self) -> Iterator[tuple[Orders, set[Done]]]:
        """The orders of each plan under way, and what of it was completed since they were stored.

        Each is told once.
        """
        for plan in self._plans.values():
            if plan.name != DEPLOY and plan.orders.run and plan.fresh:
                done, plan.fresh = plan.fresh, set()
                yield plan.orders, done


def _all_orders(situation: Situation) -> dict[str, tuple[PlanSpec | None, Orders]]:
    """The plans with work for instances, and the orders on each; recovery has no definition."""
    deploy = deploy_spec(situation.service, situation.updating)
    plans: dict[str, tuple[PlanSpec | None, Orders]] = {
        DEPLOY: (deploy, deploy_orders(situation)),
        RECOVERY: (None, situation.orders.get(RECOVERY, Orders(RECOVERY))),
    }
    for spec in custom_specs(situation.service):
        plans[spec.name] = (spec, custom_orders(situation, spec.name))
    return plans
