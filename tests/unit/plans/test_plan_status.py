"""Statuses of phases and plans, rule by rule (dcos-commons, PlanUtils), and their strategies."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.plans.plan import Phase, Plan, Status, Step, aggregate
from holdfast.service.model import Strategy

ERROR, WAITING, DELAYED, PENDING = Status.ERROR, Status.WAITING, Status.DELAYED, Status.PENDING
PREPARED, STARTING, STARTED = Status.PREPARED, Status.STARTING, Status.STARTED
IN_PROGRESS, COMPLETE = Status.IN_PROGRESS, Status.COMPLETE


@pytest.mark.parametrize(
    ("children", "candidates", "interrupted", "expected"),
    [
        # An error hides everything, even an interruption.
        ([COMPLETE, ERROR, PENDING], [PENDING], True, ERROR),
        # Nothing to do is done, interrupted or not.
        ([], [], False, COMPLETE),
        ([COMPLETE, COMPLETE], [], True, COMPLETE),
        # An interruption hides what is under way.
        ([PREPARED, PENDING], [], True, WAITING),
        ([DELAYED], [DELAYED], True, WAITING),
        ([DELAYED, DELAYED], [DELAYED, DELAYED], False, DELAYED),
        # One that is being made ready is progress, before anything waits.
        ([PREPARED, WAITING], [WAITING], False, IN_PROGRESS),
        # Any candidate that waits, before any in progress.
        ([IN_PROGRESS, WAITING], [IN_PROGRESS, WAITING], False, WAITING),
        ([IN_PROGRESS, PENDING], [IN_PROGRESS, PENDING], False, IN_PROGRESS),
        # Between done and to do there is progress.
        ([COMPLETE, PENDING], [PENDING], False, IN_PROGRESS),
        ([COMPLETE, STARTING], [STARTING], False, IN_PROGRESS),
        ([COMPLETE, STARTED], [STARTED], False, IN_PROGRESS),
        # Nothing done yet: as far as the least advanced candidate.
        ([PENDING, STARTING], [PENDING, STARTING], False, PENDING),
        ([PENDING, WAITING], [PENDING], False, PENDING),
        # A child that waits, though it is not its turn.
        ([STARTING, WAITING], [STARTING], False, WAITING),
        ([STARTING, STARTED], [STARTING, STARTED], False, STARTING),
        ([STARTED, PENDING], [STARTED], False, STARTED),
        # Where dcos-commons finds no rule and says ERROR, the truth is told instead.
        ([COMPLETE, DELAYED, PENDING], [DELAYED], False, DELAYED),
        ([DELAYED, STARTED], [DELAYED, STARTED], False, STARTED),
        ([COMPLETE, DELAYED, STARTED], [DELAYED, STARTED], False, IN_PROGRESS),
    ],
)
def test_aggregation(
    children: list[Status], candidates: list[Status], interrupted: bool, expected: Status
) -> None:
    assert aggregate(children, candidates, interrupted) is expected


def test_a_status_for_every_combination() -> None:
    for children in product(Status, repeat=3):
        for candidates in (children, children[:1], children[1:], ()):
            for interrupted in (False, True):
                status = aggregate(children, candidates, interrupted)
                assert (status is COMPLETE) == all(child is COMPLETE for child in children)
                assert (status is ERROR) == (ERROR in children)


def phase(
    *statuses: Status,
    strategy: Strategy = Strategy.SERIAL,
    per_pod: int = 1,
    held: tuple[int, ...] = (),
    interrupted: bool = False,
) -> Phase:
    """A phase of such steps, `per_pod` of each instance; `held` are the canaries not let go."""
    steps = tuple(
        Step(f"step-{n}", f"pod-{n // per_pod}", ("t",), status, held=n in held)
        for n, status in enumerate(statuses)
    )
    return Phase("phase", strategy, steps, interrupted)


def candidates(of: Phase) -> list[int]:
    return [int(step.name.partition("-")[2]) for step in of.candidates()]


def test_serial() -> None:
    assert candidates(phase(COMPLETE, PENDING, PENDING)) == [1]
    assert candidates(phase(PENDING, COMPLETE, PENDING)) == [0]
    assert candidates(phase(COMPLETE, COMPLETE)) == []


def test_parallel() -> None:
    assert candidates(phase(PENDING, COMPLETE, STARTED, strategy=Strategy.PARALLEL)) == [0, 2]


@pytest.mark.parametrize("strategy", [Strategy.PARALLEL, Strategy.PARALLEL_CANARY])
def test_steps_of_one_instance_follow_each_other_in_every_strategy(strategy: Strategy) -> None:
    steps = (PENDING, PENDING, COMPLETE, PENDING, STARTED, PENDING)
    assert candidates(phase(*steps, strategy=strategy, per_pod=2)) == [0, 3, 4]


@pytest.mark.parametrize(
    ("strategy", "rest"),
    [(Strategy.SERIAL_CANARY, [2]), (Strategy.PARALLEL_CANARY, [2, 3])],
)
def test_canaries_are_let_go_one_by_one_and_the_rest_follows_the_second(
    strategy: Strategy, rest: list[int]
) -> None:
    def at(*statuses: Status, held: tuple[int, ...]) -> Phase:
        return phase(*statuses, strategy=strategy, held=held)

    nothing = at(PENDING, PENDING, PENDING, PENDING, held=(0, 1))
    assert (candidates(nothing), nothing.status) == ([], WAITING)
    first = at(PENDING, PENDING, PENDING, PENDING, held=(1,))
    assert (candidates(first), first.status) == ([0], PENDING)
    done = at(COMPLETE, PENDING, PENDING, PENDING, held=(1,))
    assert (candidates(done), done.status) == ([], WAITING)
    second = at(COMPLETE, PENDING, PENDING, PENDING, held=())
    assert candidates(second)[0] == 1
    both = at(COMPLETE, COMPLETE, PENDING, PENDING, held=())
    assert (candidates(both), both.status) == (rest, IN_PROGRESS)


def test_second_canary_let_go_before_the_first_is_done() -> None:
    steps = (STARTING, PENDING, PENDING)
    assert candidates(phase(*steps, strategy=Strategy.PARALLEL_CANARY)) == [0, 1, 2]
    assert candidates(phase(*steps, strategy=Strategy.SERIAL_CANARY)) == [0]


def test_an_interrupted_phase_takes_up_nothing() -> None:
    stopped = phase(COMPLETE, STARTING, PENDING, interrupted=True)
    assert candidates(stopped) == []
    assert stopped.status is WAITING
    assert stopped.released() == ()
    assert phase(COMPLETE, interrupted=True).status is COMPLETE


def plan(*phases: Phase, strategy: Strategy = Strategy.SERIAL, interrupted: bool = False) -> Plan:
    named = tuple(
        Phase(f"phase-{n}", p.strategy, p.steps, p.interrupted) for n, p in enumerate(phases)
    )
    return Plan("plan", strategy, named, (), interrupted)


def test_plan_of_serial_phases() -> None:
    one = plan(phase(COMPLETE), phase(PENDING, PENDING), phase(PENDING))
    assert [p.name for p in one.candidate_phases()] == ["phase-1"]
    assert [step.name for step in one.candidates()] == ["step-0"]
    assert one.status is IN_PROGRESS


def test_plan_of_parallel_phases() -> None:
    both = plan(phase(PENDING), phase(PENDING, PENDING), strategy=Strategy.PARALLEL)
    assert len(both.candidates()) == 2
    assert both.status is PENDING


def test_interrupted_phase_holds_up_a_serial_plan_and_is_passed_by_in_a_parallel_one() -> None:
    phases = phase(PENDING, interrupted=True), phase(PENDING)
    assert plan(*phases).candidates() == ()
    assert plan(*phases).status is WAITING
    parallel = plan(*phases, strategy=Strategy.PARALLEL)
    assert len(parallel.candidates()) == 1
    assert parallel.status is WAITING


def test_interrupted_plan() -> None:
    stopped = plan(phase(PENDING), phase(STARTED), interrupted=True)
    assert stopped.candidates() == ()
    assert stopped.status is WAITING
    assert plan(phase(COMPLETE), interrupted=True).status is COMPLETE
    assert plan().status is COMPLETE


def test_errors_are_the_plans_status() -> None:
    assert Plan("deploy", Strategy.SERIAL, (phase(COMPLETE),), ("wrong",)).status is ERROR


STATUSES = st.sampled_from([PENDING, DELAYED, PREPARED, STARTING, STARTED, COMPLETE])


@given(
    st.lists(STATUSES, max_size=6),
    st.sampled_from(list(Strategy)),
    st.integers(1, 3),
    st.sets(st.integers(0, 5), max_size=2),
)
def test_candidates_are_open_let_go_and_first_of_their_instance(
    statuses: list[Status], strategy: Strategy, per_pod: int, held: set[int]
) -> None:
    one = phase(*statuses, strategy=strategy, per_pod=per_pod, held=tuple(held))
    chosen = one.candidates()
    assert len({step.pod for step in chosen}) == len(chosen)
    for step in chosen:
        assert step.status is not COMPLETE
        before = one.steps[: one.steps.index(step)]
        assert not any(s.held and s.status is not COMPLETE for s in (*before, step))
        assert all(s.status is COMPLETE for s in before if s.pod == step.pod)
        if strategy in (Strategy.SERIAL, Strategy.SERIAL_CANARY):
            assert all(s.status is COMPLETE for s in before)
    if not held:
        assert bool(chosen) == any(status is not COMPLETE for status in statuses)
