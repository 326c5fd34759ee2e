"""A failing seed is told by the few faults it takes."""

import pytest

from tests.simulation.faults import Fault
from tests.simulation.run import Outcome, report, run, shrink
from tests.simulation.test_planted_bugs import frees_nothing

SEED = 3
NEEDED = Fault(80.0, "pod_replace", 0)
FAULTS = [
    *(Fault(20.0 + number, "rescind", number) for number in range(5)),
    Fault(60.0, "stream_reset", 1),
    NEEDED,
    *(Fault(90.0 + number, "status_twice", number) for number in range(4)),
]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """With a bug, and one fault among many that shows it."""
    frees_nothing(monkeypatch)
    outcome = run(SEED, FAULTS, service="goals with a policy")
    assert outcome.violations
    return outcome


def test_only_what_it_takes_is_left(failing: Outcome) -> None:
    small = shrink(failing)
    assert small.faults == (NEEDED,)
    assert small.service == failing.service
    assert small.violations[0].split(":")[0] == failing.violations[0].split(":")[0]


def test_without_time_it_is_told_as_it_is(failing: Outcome) -> None:
    assert shrink(failing, 0.0) is failing


def test_a_report_tells_what_broke_how_and_how_to_see_it_again(failing: Outcome) -> None:
    small = shrink(failing)
    text = report(small, 10)
    assert f"seed {SEED} (goals with a policy) breaks:" in text
    assert small.violations[0] in text
    assert "with 1 faults:\n        80.00  pod_replace (0)\n" in text
    assert f"--service 'goals with a policy' --trace --faults '{NEEDED}'" in text
    assert small.trace[-1] in text
    assert text.count("\n    ") >= 10
