"""What operators order of plans, and the result codes of dcos-commons."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from holdfast.plans.orders import (
    ALREADY,
    OK,
    Canary,
    Orders,
    force_complete,
    interrupt,
    orders_from_json,
    orders_to_json,
    proceed,
    restart,
    start,
    stop,
)
from holdfast.plans.plan import Phase, Plan, Status, Step
from holdfast.service.model import Strategy

NONE = Orders("deploy")


def phase(name: str, *statuses: Status, interrupted: bool = False) -> Phase:
    steps = tuple(Step(f"{name}-{n}", f"p-{n}", ("t",), s) for n, s in enumerate(statuses))
    return Phase(name, Strategy.SERIAL, steps, interrupted)


OPEN = phase("open", Status.COMPLETE, Status.PENDING)
DONE = phase("done", Status.COMPLETE)
PLAN = Plan("deploy", Strategy.PARALLEL, (OPEN, DONE))
FINISHED = Plan("deploy", Strategy.PARALLEL, (DONE,))


def test_interrupt_and_continue_a_plan() -> None:
    stopped, code = interrupt(NONE, PLAN, None)
    assert (stopped.interrupted, code) == (True, OK)
    assert interrupt(stopped, PLAN, None) == (stopped, ALREADY)
    assert interrupt(NONE, FINISHED, None) == (NONE, ALREADY)
    assert proceed(stopped, PLAN, None) == (NONE, OK)
    assert proceed(NONE, PLAN, None) == (NONE, ALREADY)
    assert proceed(stopped, FINISHED, None) == (stopped, ALREADY)


def test_interrupt_and_continue_a_phase() -> None:
    stopped, code = interrupt(NONE, PLAN, OPEN)
    assert (stopped.phases, code) == (frozenset({"open"}), OK)
    assert interrupt(stopped, PLAN, OPEN) == (stopped, ALREADY)
    assert interrupt(NONE, PLAN, DONE) == (NONE, ALREADY)
    assert proceed(stopped, PLAN, OPEN) == (NONE, OK)
    assert proceed(NONE, PLAN, OPEN) == (NONE, ALREADY)
    assert proceed(stopped, PLAN, DONE) == (stopped, ALREADY)
    both = replace(stopped, interrupted=True)
    assert proceed(both, PLAN, None)[0].phases == {"open"}, "each is let go by itself"


def test_canaries_take_two_words_and_only_with_their_phase() -> None:
    orders = Orders("deploy", canaries={"open": Canary(("a", "b"))})
    assert proceed(orders, PLAN, None) == (orders, ALREADY)
    held = [orders.canaries["open"].held]
    codes = []
    for _ in range(3):
        orders, code = proceed(orders, PLAN, OPEN)
        held.append(orders.canaries["open"].held)
        codes.append(code)
    assert held == [("a", "b"), ("b",), (), ()]
    assert codes == [OK, OK, ALREADY]


def test_interrupted_canary_phase_goes_on_before_it_takes_a_step() -> None:
    orders = Orders("deploy", phases=frozenset({"open"}), canaries={"open": Canary(("a", "b"))})
    orders, _ = proceed(orders, PLAN, OPEN)
    assert (orders.phases, orders.canaries["open"].released) == (frozenset(), 0)


def test_force_complete() -> None:
    step = OPEN.steps[1]
    wanted = frozenset({("open", "open-1")})
    for parts in ((OPEN, step), (OPEN, None), (None, None)):
        forced, code = force_complete(NONE, PLAN, *parts)
        assert (forced.forced, code) == (wanted, OK)
    assert force_complete(NONE, PLAN, OPEN, OPEN.steps[0]) == (NONE, ALREADY)
    assert force_complete(NONE, PLAN, DONE, None) == (NONE, ALREADY)
    assert force_complete(NONE, FINISHED, None, None) == (NONE, ALREADY)


def test_start_begins_a_run_and_goes_on_with_one_that_is_under_way() -> None:
    orders = Orders("backup", interrupted=True)
    first = start(orders, PLAN, {"A": "1"})
    assert (first.interrupted, first.run_id, first.parameters) == (False, "backup/1", {"A": "1"})
    marked = replace(first, done=frozenset({("open", "open-0")}), interrupted=True)
    on = start(marked, PLAN, {"A": "2"})
    assert (on.run, on.done, on.parameters) == (1, marked.done, {"A": "2"})
    again = start(marked, FINISHED, {})
    assert (again.run, again.done, again.parameters) == (2, frozenset(), {})


def test_stop_goes_back_to_the_beginning() -> None:
    steps = frozenset({("open", "open-1")})
    stopped = stop(Orders("backup", run=1, done=steps, forced=steps))
    assert stopped == Orders("backup", interrupted=True, run=2)


def test_restart_opens_what_was_done_and_lets_it_go_on() -> None:
    steps = frozenset({("open", "open-0"), ("open", "open-1"), ("done", "done-0")})
    orders = Orders(
        "deploy", interrupted=True, phases=frozenset({"open", "done"}), forced=steps, done=steps
    )
    whole = restart(orders, None, None)
    assert (whole.interrupted, whole.forced, whole.done) == (False, frozenset(), frozenset())
    assert whole.phases == {"open", "done"}
    one = restart(orders, OPEN, None)
    assert (one.interrupted, one.phases) == (True, frozenset({"done"}))
    assert one.forced == one.done == {("done", "done-0")}
    step = restart(orders, OPEN, OPEN.steps[1])
    assert step.forced == step.done == steps - {("open", "open-1")}
    assert (step.interrupted, step.phases) == (True, orders.phases)


NAMES = st.text(max_size=8)
PAIRS = st.frozensets(st.tuples(NAMES, NAMES), max_size=3)
ORDERS = st.builds(
    Orders,
    plan=NAMES,
    interrupted=st.booleans(),
    phases=st.frozensets(NAMES, max_size=3),
    forced=PAIRS,
    canaries=st.dictionaries(
        NAMES,
        st.builds(Canary, st.lists(NAMES, max_size=3).map(tuple), st.integers(0, 3)),
        max_size=3,
    ),
    about=NAMES,
    run=st.integers(0, 100),
    parameters=st.dictionaries(NAMES, NAMES, max_size=3),
    done=PAIRS,
)


@given(ORDERS)
def test_orders_survive_being_stored(orders: Orders) -> None:
    stored = json.loads(json.dumps(orders_to_json(orders)))
    assert orders_from_json(stored) == orders
