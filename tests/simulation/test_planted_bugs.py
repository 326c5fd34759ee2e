"""The judge can find something: each bug planted here is seen within some hundred seeds."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from holdfast.core import agenda, allocation, core, leftovers
from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.demand import Demand, Wish
from holdfast.core.reconcile import Reconciliation
from holdfast.core.withdrawal import Withdrawals
from holdfast.engine import Engine
from holdfast.mesos.messages import Resource
from holdfast.placement.constraints import Refusal
from holdfast.placement.evaluate import Placement, resume
from holdfast.plans import plan
from holdfast.records import Pod, Reservation
from tests.simulation.run import run
from tests.simulation.scheduler import FencedStore

MOST_SEEDS = 300

Plant = Callable[[pytest.MonkeyPatch], None]


def sends_before_it_stores(patch: pytest.MonkeyPatch) -> None:
    def cycle(self: Engine, events: Iterable[ev.Event]) -> None:
        taken = [*self._failed, *events]
        self._failed = []
        self._now = max(self._now, self._clock())
        effects = self._core.step(taken, self._now)
        self._send(effects)
        writes = [(e.path, e.data) for e in effects if isinstance(e, ef.Write)]
        if writes:
            self._commit(writes)
        self.view = self._core.view(self._now)

    patch.setattr(Engine, "cycle", cycle)


def starts_beside_its_predecessor(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(agenda.Agenda, "_predecessor", lambda self, name: None)


def makes_missing_volumes_anew(patch: pytest.MonkeyPatch) -> None:
    def forgetful(*arguments: Any) -> Placement | Refusal:
        changed: list[Any] = [
            replace(argument, confirmed=False) if isinstance(argument, Reservation) else argument
            for argument in arguments
        ]
        return resume(*changed)

    patch.setattr(allocation, "resume", forgetful)


def gives_up_places_with_data(patch: pytest.MonkeyPatch) -> None:
    def abandoned(self: allocation.Allocation, pod: Pod, *others: Any) -> bool:
        if not all(task.dead for task in pod.tasks):
            return False
        self._ledger.put_pod(replace(pod, reservation=None))
        return True

    patch.setattr(allocation.Allocation, "_abandoned", abandoned)


def lets_a_stale_scheduler_write(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FencedStore, "fence", False)


def destroys_what_nobody_named(patch: pytest.MonkeyPatch) -> None:
    def ordered(self: leftovers.Leftovers, resource: Resource) -> str | None:
        return resource.persistence_id

    patch.setattr(leftovers.Leftovers, "_ordered", ordered)


def frees_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers.Leftovers, "clean", lambda self, *others: [])


def kills_but_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(core, "KILL_AGAIN_SECONDS", 1e9)


def skips_steps(patch: pytest.MonkeyPatch) -> None:
    def candidates(self: plan.Phase) -> tuple[plan.Step, ...]:
        return tuple(step for step in self.steps if step.status is not plan.Status.COMPLETE)

    patch.setattr(plan.Phase, "candidates", candidates)


def never_suppresses(patch: pytest.MonkeyPatch) -> None:
    honest = Demand.update

    def update(self: Demand, needs: frozenset[str], now: float) -> Wish:
        wish = honest(self, needs, now)
        return Wish.NOTHING if wish is Wish.SUPPRESS else wish

    patch.setattr(Demand, "update", update)


def never_asks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciliation, "due", lambda self, now: ())


def forgets_offers_it_failed_to_decline(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Withdrawals, "failed", lambda self, *others: None)


def never_acknowledges(patch: pytest.MonkeyPatch) -> None:
    honest = core.Core.step

    def step(self: core.Core, events: Iterable[ev.Event], now: float) -> list[ef.Effect]:
        return [e for e in honest(self, events, now) if not isinstance(e, ef.Acknowledge)]

    patch.setattr(core.Core, "step", step)


PLANTED: list[tuple[Plant, set[str]]] = [
    (sends_before_it_stores, {"I9"}),
    (starts_beside_its_predecessor, {"I2"}),
    (makes_missing_volumes_anew, {"I2", "I3"}),
    (gives_up_places_with_data, {"I2", "I3"}),
    (lets_a_stale_scheduler_write, {"I1"}),
    (destroys_what_nobody_named, {"I3"}),
    (frees_nothing, {"I4"}),
    (kills_but_once, {"LIVENESS"}),
    (skips_steps, {"I8"}),
    (never_suppresses, {"I10"}),
    (never_asks, {"LIVENESS"}),
    (forgets_offers_it_failed_to_decline, {"LIVENESS"}),
    (never_acknowledges, {"I5", "LIVENESS"}),
]


@pytest.mark.parametrize(
    ("plant", "invariants"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED]
)
def test_planted_bug_is_found(
    plant: Plant, invariants: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    for seed in range(MOST_SEEDS):
        broken = {text.split(":")[0] for text in run(seed).violations}
        if broken & invariants:
            return
    pytest.fail(f"{MOST_SEEDS} seeds passed with the bug {plant.__name__}")
