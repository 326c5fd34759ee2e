"""A fixed set of seeds; `python -m tests.simulation.run` runs any number of others."""

import pytest

from tests.simulation.faults import KINDS, Fault, plan
from tests.simulation.run import MANY, name_of, report, run, service_of, shrink
from tests.simulation.services import DATABASES, SERVICES

SEEDS = range(100)
SHARE = 20


@pytest.mark.parametrize("first", SEEDS[::SHARE])
def test_no_invariant_breaks_and_the_service_becomes_whole(first: int) -> None:
    for seed in range(first, first + SHARE):
        outcome = run(seed)
        if outcome.violations:
            pytest.fail(report(shrink(outcome)))


def test_one_replaced_before_it_was_deployed_is_made_anew_by_the_deploy_plan_alone() -> None:
    started = 38.5  # journal-2 is launched, and has not reached its goal yet
    outcome = run(51623, [Fault(started, "insist", 5)], service="hdfs")
    made = [line for line in outcome.trace if " LAUNCH journal-2 " in line]
    assert not outcome.violations
    assert any("journal-2 is being replaced" in line for line in outcome.trace)
    assert not any("__journal-2-bootstrap__" in line for line in made)


def test_what_was_resumed_while_it_was_cut_off_does_not_sleep_on() -> None:
    faults = [Fault(50.92, "pod_pause", 1310), Fault(69.27, "cut_long", 3819)]
    outcome = run(50832, faults, service="elastic")
    assert any("pool-2-node is being resumed" in line for line in outcome.trace)
    assert not outcome.violations


def test_what_an_agent_cannot_do_is_never_launched_there() -> None:
    asked = False
    for seed in range(10):
        outcome = run(seed, plan(seed), service="isolated")
        if outcome.violations:
            pytest.fail(report(shrink(outcome)))
        asked |= any("asked agent-3 what it can do" in line for line in outcome.trace)
        launches = [line for line in outcome.trace if " LAUNCH " in line]
        assert launches
        assert not any(line.endswith((" on host-3", " on host-6")) for line in launches)
    assert asked


def test_the_seeds_contain_every_fault_and_every_service() -> None:
    kinds = {fault.kind for seed in SEEDS for fault in plan(seed)}
    assert kinds == set(KINDS)
    services = {name_of(service_of(seed)) for seed in SEEDS}
    assert services == {*SERVICES, *DATABASES, MANY}


def test_the_same_seed_gives_the_same_run() -> None:
    faults = plan(7)
    one, other = run(7, faults), run(7, faults)
    assert one.trace == other.trace
    assert one.steps == other.steps


def test_faults_survive_being_printed() -> None:
    for fault in plan(3):
        assert Fault.parse(str(fault)) == fault
