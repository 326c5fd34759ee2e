"""A core that is compared, step by step, with one that remembers nothing it has derived.

The second core is given the same events and ids. Before each step it forgets which instances it has
looked at, and takes the plans as `all_plans` derives them from the records.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from holdfast.core import effects as ef
from holdfast.core.agenda import Agenda, launched_to_leave
from holdfast.core.core import Core
from holdfast.core.down import is_broken
from holdfast.core.index import Index
from holdfast.core.jobs import is_recoverys
from holdfast.core.ledger import Ledger
from holdfast.core.startup import Stored, open_ledger, open_uninstall
from holdfast.plans.derive import BUILT_IN, DECOMMISSION, DEPLOY, all_plans, surplus
from holdfast.plans.plan import Phase, Plan, Status, Step
from holdfast.plans.progress import Share
from holdfast.service.model import ServiceSpec
from tests.simulation.scheduler import SETTINGS, TracedCore


class ForgetfulAgenda(Agenda):
    """Looks at every instance, and at whole plans."""

    def update(self, now: float) -> bool:
        gave_up = super().update(now)
        self._plans = all_plans(self.situation(now))
        self._candidates = {plan.name: self._in_turn(plan) for plan in self._plans}
        return gave_up

    def _in_turn(self, plan: Plan) -> list[Step]:
        """The candidates, and what phases at work have for broken instances."""
        if plan.name == DECOMMISSION:
            return launched_to_leave(plan)
        steps = [step for step in plan.candidates() if not is_recoverys(self._ledger, plan, step)]
        taken = {step.pod for step in steps}
        for phase in plan.candidate_phases() if plan.name == DEPLOY else ():
            for step in phase.released():
                pod = self._ledger.pods.get(step.pod)
                if is_recoverys(self._ledger, plan, step):
                    continue
                if pod is not None and step.pod not in taken and is_broken(self._ledger, pod):
                    steps.append(step)
                    taken.add(step.pod)
        return steps

    def _shares(self, name: str) -> list[Share]:
        def part(phase: Phase) -> Phase:
            return replace(phase, steps=tuple(s for s in phase.steps if s.pod == name))

        return [
            (
                replace(plan, phases=tuple(map(part, plan.phases))),
                [step for step in self._candidates[plan.name] if step.pod == name],
            )
            for plan in self._plans
        ]

    def note_progress(self, errors: tuple[str, ...]) -> bool:
        for plan in self._plans:
            orders = self._ledger.orders.get(plan.name)
            if plan.name in BUILT_IN or orders is None or orders.run == 0:
                continue
            done = {
                (phase.name, step.name)
                for phase in plan.phases
                for step in phase.steps
                if step.status is Status.COMPLETE
            }
            if not done <= orders.done:
                self._ledger.put_orders(replace(orders, done=orders.done | done))
        status = self._plans[0].status
        if self._ledger.deployed == self._ledger.target_id or errors:
            return False
        if status is not Status.COMPLETE:
            return False
        self._ledger.set_deployed()
        return True


class RecheckedCore(TracedCore):
    """A core and its forgetful twin; the first difference is an AssertionError."""

    _twin: Core
    _ids: list[str]
    _given: Iterator[str] = iter(())

    @classmethod
    def start(cls, stored: Stored, spec: ServiceSpec, new_id: Callable[[], str]) -> "RecheckedCore":
        ids: list[str] = []

        def noted() -> str:
            ids.append(new_id())
            return ids[-1]

        core = super().start(stored, spec, noted)
        assert isinstance(core, RecheckedCore)
        core._ids = ids
        ledger, errors = open_ledger(stored, spec)
        core._twin = Core(ledger, SETTINGS, lambda: next(core._given), errors)
        return core

    @classmethod
    def start_uninstall(
        cls, stored: Stored, spec: ServiceSpec, new_id: Callable[[], str], now: float
    ) -> "RecheckedCore":
        core = super().start_uninstall(stored, spec, new_id, now)
        assert isinstance(core, RecheckedCore)
        core._ids = []
        core._twin = Core(open_uninstall(stored, spec, now), SETTINGS, lambda: next(core._given))
        return core

    def step(self, events: Any, now: float) -> list[ef.Effect]:
        taken = list(events)
        self._ids.clear()
        effects = super().step(taken, now)
        self._given = iter(list(self._ids))
        twin = self._twin
        followers, former = twin.ledger._followers, twin._agenda._changes
        followers[:] = [names for names in followers if names is not former._names]
        agenda = ForgetfulAgenda(
            *(twin.ledger, twin._rooms, twin._disruptions, twin._endings, twin._returned)
        )
        agenda.shortage, twin._agenda = twin._agenda.shortage, agenda
        twin._dispatch._agenda = agenda
        twin._failures._down, twin._windows._down_of = agenda.down, agenda.down_of
        again = twin.step(taken, now)
        _same("effects", effects, again)
        assert not list(self._given), "the twin needed fewer ids"
        self._compare_pictures(now)
        _compare_indexes(self.ledger)
        return effects

    def _compare_pictures(self, now: float) -> None:
        mine, other = self.view(now), self._twin.view(now)
        _same("plans", tuple(mine.plans), tuple(other.plans))
        _same("explanations", dict(mine.explanations), dict(other.explanations))
        _same("pods", dict(mine.pods), self.ledger.pods)


def _compare_indexes(ledger: Ledger) -> None:
    """The index after many changes is the one made of the records as they are."""
    fresh = Index()
    for pod in ledger.pods.values():
        fresh.add_pod(pod)
    for left in ledger.retired.values():
        fresh.add_retired(left)
    known = ledger.index
    for part in ("owners", "holders", "volumes", "left"):
        _same(part, getattr(known, part), getattr(fresh, part))
    _same("stopping", known.stopping(), fresh.stopping())
    _same("alive", known.alive(), fresh.alive())
    _same("leaving", ledger.leaving(), next(iter(surplus(ledger.service, ledger.pods)), None))
    for pod in ledger.pods.values():
        if pod.reservation is not None:
            there = _on(ledger.pods.values(), pod.reservation.agent_id)
            _same("on agent", sorted(known.on_agent(pod.reservation.agent_id)), sorted(there))


def _on(pods: Any, agent_id: str) -> Sequence[str]:
    return [p.name for p in pods if p.reservation and p.reservation.agent_id == agent_id]


def _same(what: str, mine: Any, other: Any) -> None:
    assert mine == other, f"{what} differ:\n  kept     {mine}\n  from nothing {other}"
