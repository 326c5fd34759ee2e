"""An agent forgets an executor that lives on, and offers its volume anew: never two writers."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast_executor.lock_holders import holders
from holdfast_playground.cluster import ClusterSpec, running
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: one-writer
scheduler:
  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'
pods:
  node:
    count: 1
    volume: {path: data, type: ROOT, size: 16}
    tasks:
      writer:
        goal: RUNNING
        cmd: |
          if grep -qs '^State:.[^ZX]' /proc/$(cat data/writer)/status; then echo two >> data/two; fi
          echo start >> data/starts
          sleep 100000 &
          echo $! > data/writer
          wait
        cpus: 0.1
        memory: 32
        kill-grace-period: 1
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Scheduler]:
    (tmp_path / "svc.yml").write_text(SVC_YML)
    with (
        running(tmp_path / "cluster", ClusterSpec(agents=1, launcher="posix")) as cluster,
        Scheduler(cluster, tmp_path / "svc.yml", tmp_path).start() as scheduler,
    ):
        scheduler.wait_well()
        yield scheduler


def forget(service: Scheduler) -> None:
    """The agent's process is killed, its records of what it runs are lost, and it is back.

    What it has reserved is on record elsewhere in its work_dir and offered under its new id.
    """
    cluster = service.cluster
    before = cluster.agent_ids()[1]
    cluster.agent_crash(1)
    (cluster.agents[0].work_dir / "meta" / "slaves" / "latest").unlink()
    cluster.agent_start(1)
    cluster.wait_for_agents([1])
    assert cluster.agent_ids()[1] != before


def volume(service: Scheduler) -> Path:
    (held,) = service.instances()["node-0"]["volumes"]
    work_dir = service.cluster.agents[0].work_dir
    return work_dir / "volumes" / "roles" / "one-writer-role" / str(held["id"])


def starts(service: Scheduler) -> int:
    return len((volume(service) / "starts").read_text().splitlines())


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
