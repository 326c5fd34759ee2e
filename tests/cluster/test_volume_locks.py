"""An agent forgets an executor that lives on, and offers its volume anew: never two writers."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast_executor.lock_holders import holders
from tests.cluster.one_writer import forget, one_writer, starts, volume
from tests.cluster.running_service import Scheduler, wait_until


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Scheduler]:
    with one_writer(tmp_path) as scheduler:
        yield scheduler


def users(service: Scheduler) -> dict[str, int]:
    """The processes that have the volume locked, by the name of their command."""
    return {command: pid for pid, command in holders(str(volume(service)))}


def message(service: Scheduler) -> str:
    """What the last status of the task says."""
    (task,) = service.instances()["node-0"]["tasks"]
    return str(task.get("message"))


def test_a_forgotten_executor_ends_its_tasks_before_others_start(service: Scheduler) -> None:
    forget(service)
    wait_until("it has started again", lambda: starts(service) == 2 and service.is_well(), 90)
    assert not (volume(service) / "two").exists()


def test_a_process_that_lives_on_keeps_others_off_the_volume(service: Scheduler) -> None:
    """Its executor is stopped and does not learn that the agent forgot it; then it is killed."""
    found = users(service)
    executor, writer = found["python3"], found["sleep"]
    os.kill(executor, signal.SIGSTOP)
    try:
        forget(service)
        why = f"{executor} (python3)"
        wait_until("the start fails and says why", lambda: why in message(service), 90)
    finally:
        os.kill(executor, signal.SIGKILL)
    why = f"volume data is still used by process {writer} (sleep)"
    wait_until("the process that is left is named", lambda: why in message(service), 90)
    assert starts(service) == 1
    os.kill(writer, signal.SIGKILL)
    wait_until("it has started again", lambda: starts(service) == 2 and service.is_well(), 90)
    assert not (volume(service) / "two").exists()
