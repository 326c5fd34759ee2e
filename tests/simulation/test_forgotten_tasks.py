"""An agent forgets what it runs and offers its volumes anew: locks keep the writers to one."""

import pytest

from tests.simulation.agent import Agent
from tests.simulation.faults import Fault
from tests.simulation.machine import Executor
from tests.simulation.run import run

SERVICE = "serial"
LONG = 7 * 996
"""The pick with which forgotten executors live on the longest, 400 s."""


def forgotten(seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What happens when all machines do so at some time: violations and trace."""
    faults = [Fault(60.0 + 7 * number, "forget_tasks", LONG + number) for number in range(6)]
    outcome = run(seed, faults, patience=900.0, service=SERVICE)
    return outcome.violations, outcome.trace


@pytest.mark.parametrize("seed", range(4))
def test_what_starts_waits_fails_and_runs_in_the_end(seed: int) -> None:
    violations, trace = forgotten(seed)
    assert violations == ()
    assert any(line.endswith("forgets what it ran") for line in trace)
    assert any("is TASK_FAILED" in line for line in trace)


def test_without_locks_two_would_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(agent: Agent, executor: Executor, deadline: float) -> None:
        executor.waits = False
        for task in executor.tasks.values():
            agent._begin(executor, task)

    monkeypatch.setattr(Agent, "_lock_volumes", start)
    violations, _ = forgotten(0)
    assert violations[0].startswith("I2: ")
    assert "writes to the volumes of the orphan" in violations[0]


@pytest.mark.parametrize("seed", range(4))
def test_it_is_back_before_a_new_master_speaks_of_the_former_ids(seed: int) -> None:
    """All agents lose their ids as the master changes; nobody says that the tasks are lost."""
    faults = [
        *(Fault(60.0, "forget_tasks", number) for number in range(6)),
        Fault(60.1, "master_failover", 100),
    ]
    outcome = run(seed, faults, patience=900.0, service=SERVICE)
    assert outcome.violations == ()
    events = [(float(line.split()[0]), line) for line in outcome.trace]
    given_up = min(at for at, line in events if line.endswith("did not come back, unreachable"))
    proven = [at for at, line in events if "Mesos tells nothing of the former id" in line]
    assert len(proven) == 3
    assert max(proven) < given_up - 60
    assert not any("disaster" in line or "being replaced" in line for _, line in events)
