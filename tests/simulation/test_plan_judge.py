"""How many are down is judged by what is stored: what failed by itself was not taken down."""

from dataclasses import replace

import pytest

from holdfast.core.commands import replace_pod, restart_pod
from holdfast.core.confidential import Shortage
from holdfast.core.ledger import Ledger
from holdfast.mesos.messages import TaskState
from holdfast.records import Pod, Reservation, Task
from tests.simulation.plan_judge import PlanJudge
from tests.simulation.services import SERVICES

SERVICE = SERVICES["steps"]()
CONFIGS = {"config": SERVICE}
TASKS = ("first", "second")


class Stored:
    """Two instances that serve, of which one may be down at a time, and what is said of them."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.ledger = Ledger(SERVICE, "config", CONFIGS)
        self._judge = PlanJudge(
            CONFIGS, {}, lambda kind, _: self.violations.append(kind), lambda: 9
        )
        self.ledger.store_target()
        for index in range(2):
            self.ledger.put_pod(_serving(index))
        self.store()

    def becomes(self, name: str, task: str, state: TaskState) -> None:
        pod = self.ledger.pods[name]
        known = pod.task(task)
        assert known is not None
        self.ledger.put_pod(pod.with_task(replace(known, state=state, ready=False)))

    def replace(self, name: str) -> None:
        replace_pod(self.ledger, name, lambda: f"left-{name}", 9.0)

    def store(self) -> None:
        self._judge.stored(self.ledger.take_writes())


def _serving(index: int) -> Pod:
    held = Reservation(
        f"r{index}", f"agent-{index}", f"h{index}", "10.0.0.1", None, None, {}, 1.0, 64.0, (), ()
    )
    tasks = (
        Task(name, f"{name}-{index}", "config", TaskState.RUNNING, ready=True) for name in TASKS
    )
    return Pod("duo", index, held, tuple(tasks), deployed="config")


@pytest.fixture
def stored() -> Stored:
    stored = Stored()
    stored.becomes("duo-1", "first", TaskState.FAILED)
    stored.store()
    return stored


@pytest.mark.parametrize("failed", [TASKS, TASKS[:1]])
@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.UNREACHABLE])
def test_what_fails_and_is_replaced_in_one_step_was_down(
    stored: Stored, failed: tuple[str, ...], state: TaskState
) -> None:
    for task in failed:
        stored.becomes("duo-0", task, state)
    stored.replace("duo-0")
    stored.store()
    assert stored.violations == []


def test_what_served_is_taken_down_when_it_is_replaced(stored: Stored) -> None:
    stored.replace("duo-0")
    stored.store()
    assert stored.violations == ["I6"]


def test_what_is_stopped_and_replaced_in_one_step_was_not_down(stored: Stored) -> None:
    restart_pod(stored.ledger, "duo-0", Shortage())
    stored.replace("duo-0")
    stored.store()
    assert stored.violations == ["I6"]


def test_what_another_of_its_name_left_says_nothing(stored: Stored) -> None:
    stored.replace("duo-0")
    (left,) = stored.ledger.retired.values()
    elsewhere = replace(left.reservation, resource_id="earlier")
    stored.ledger.put_retired(replace(left, id="earlier", reservation=elsewhere, tasks=()))
    stored.store()
    assert stored.violations == ["I6"]
