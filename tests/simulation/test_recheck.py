"""What the core keeps of what it derived is what it would derive from nothing."""

import pytest

from tests.simulation import faults
from tests.simulation.recheck import RecheckedCore
from tests.simulation.run import report, run
from tests.simulation.scheduler import Scheduler
from tests.simulation.services import SERVICES


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_step_is_as_from_nothing(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scheduler, "core_type", RecheckedCore)
    for seed in range(3):
        outcome = run(seed, faults.plan(seed), service=service)
        assert not outcome.violations, report(outcome, 30)
