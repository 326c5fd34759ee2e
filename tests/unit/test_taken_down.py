"""I6 by looks that follow each other: what is down by the scheduler's doing, and what is not."""

from typing import Any

import pytest

from tests.cluster.taken_down import FORCED_SECONDS, GAP_SECONDS, TakenDown

TARGET = {"pods": [{"type": "node", "count": 3, "max_unavailable": 1}]}
RUNS = ("running", "t1")
TOO_MANY = ["I6: ['node-0', 'node-1'] are down by our doing at once, at most 1 may be"]


class Watch:
    """Looks twice a second at node-0, node-1 and so on, each with its state and its task's id."""

    def __init__(self) -> None:
        self.down = TakenDown()
        self.now = 0.0
        self.who = 1
        self.commands: list[dict[str, Any]] = []
        self.more: dict[str, Any] = {}

    def look(self, *instances: tuple[str, str], after: float = 0.5) -> list[str]:
        """`more` are keys of the last instance."""
        self.now += after
        told: list[dict[str, Any]] = [
            {"name": f"node-{number}", "state": state, "tasks": [{"id": id_, "status": "X"}]}
            for number, (state, id_) in enumerate(instances)
        ]
        told[-1] |= self.more
        status = {"pods": [{"name": "node", "instances": told}]}
        return self.down.look(self.who, self.now, TARGET, status, self.commands)


@pytest.fixture
def watch() -> Watch:
    """All is well at the first look."""
    watch = Watch()
    assert watch.look(RUNS, RUNS) == []
    return watch


def test_two_that_are_stopped_are_found(watch: Watch) -> None:
    assert watch.look(("stopping", "t1"), ("stopping", "t1")) == TOO_MANY
    assert (watch.down.looks, watch.down.taken) == (2, 2)


@pytest.mark.parametrize(
    "first", [("stopping", "t1"), ("down", "t1"), ("starting", "t2"), ("stopping", "t2")]
)
def test_what_does_not_run_again_is_down_still(watch: Watch, first: tuple[str, str]) -> None:
    assert watch.look(("stopping", "t1"), RUNS) == []
    assert watch.look(first, RUNS) == []
    assert watch.look(first, ("stopping", "t1")) == TOO_MANY


def test_one_after_the_other_may_be(watch: Watch) -> None:
    assert watch.look(("stopping", "t1"), RUNS) == []
    assert watch.look(("starting", "t2"), RUNS) == []
    assert watch.look(("running", "t2"), ("stopping", "t1")) == []
    assert watch.look(("stopping", "t2"), ("starting", "t2")) == TOO_MANY


@pytest.mark.parametrize(
    "faults",
    [
        [("down", "t1")],
        [("down", "t1"), ("starting", "t2")],
        [("down", "t1"), ("starting", "t2"), ("stopping", "t2")],
        [("starting", "t2"), ("stopping", "t2")],
        [("stopping", "t2")],
        [("unreachable", "t1"), ("stopping", "t1")],
    ],
)
def test_what_failed_is_not_our_doing(watch: Watch, faults: list[tuple[str, str]]) -> None:
    """Nor what is stopped after it failed, which costs nothing."""
    assert watch.look(("stopping", "t1"), RUNS) == []
    for fault in faults:
        assert watch.look(("stopping", "t1"), fault) == []


@pytest.mark.parametrize(
    "first", [("down", "t2"), ("starting", "t3"), ("unreachable", "t1"), ("down", "")]
)
def test_what_fails_after_it_was_taken_down_is_down_by_that(
    watch: Watch, first: tuple[str, str]
) -> None:
    assert watch.look(("stopping", "t1"), RUNS) == []
    assert watch.look(("starting", "t2"), RUNS) == []
    assert watch.look(first, ("stopping", "t1")) == []


@pytest.mark.parametrize(
    "more",
    [
        {"decision": {"choice": "replace"}},
        {"name": "node-3"},
        *({"tasks": [{"id": "t1", "status": each}]} for each in ("PAUSING", "PAUSED", "RESUMING")),
    ],
)
def test_what_operators_or_failures_take_down_is_not_counted(
    watch: Watch, more: dict[str, Any]
) -> None:
    """What is decided about, or not asked for any more, or paused."""
    watch.more = more
    assert watch.look(("stopping", "t1"), ("stopping", "t1")) == []


def test_by_force_more_may_be_down_for_a_while(watch: Watch) -> None:
    """By this clock, since that of the scheduler may be set."""
    watch.commands.append({"id": 1, "what": "pod restart node-1 with force", "at": 0.0})
    down = ("stopping", "t1")
    assert watch.look(down, down) == []
    for _ in range(int(FORCED_SECONDS / 0.5)):
        assert watch.look(down, down) == []
    assert watch.look(down, down) == TOO_MANY


def test_nothing_is_concluded_from_before_a_gap_or_another_scheduler(watch: Watch) -> None:
    down = ("stopping", "t1")
    assert watch.look(down, down, after=GAP_SECONDS + 0.1) == []
    assert watch.look(RUNS, RUNS) == []
    watch.who = 2
    assert watch.look(down, down) == []
