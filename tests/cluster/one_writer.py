"""A service whose task tells when another one writes beside it, on an agent that can forget it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast_playground.cluster import ClusterSpec, running
from tests.cluster.running_service import Scheduler

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


@contextmanager
def one_writer(folder: Path) -> Iterator[Scheduler]:
    """The service, well, on a cluster of one agent."""
    (folder / "svc.yml").write_text(SVC_YML)
    with (
        running(folder / "cluster", ClusterSpec(agents=1, launcher="posix")) as cluster,
        Scheduler(cluster, folder / "svc.yml", folder).start() as scheduler,
    ):
        scheduler.wait_well()
        yield scheduler


def forget(service: Scheduler, meanwhile: Callable[[], object] = lambda: None) -> str:
    """The agent's process is killed, its records of what it runs are lost, and it is back.

    What it has reserved is on record elsewhere in its work_dir and offered under its new id.
    Returns the former one.
    """
    cluster = service.cluster
    before = cluster.agent_ids()[1]
    cluster.agent_crash(1)
    (cluster.agents[0].work_dir / "meta" / "slaves" / "latest").unlink()
    meanwhile()
    cluster.agent_start(1)
    cluster.wait_for_agents([1])
    assert cluster.agent_ids()[1] != before
    return before


def volume(service: Scheduler) -> Path:
    (held,) = service.instances()["node-0"]["volumes"]
    work_dir = service.cluster.agents[0].work_dir
    return work_dir / "volumes" / "roles" / "one-writer-role" / str(held["id"])


def starts(service: Scheduler) -> int:
    return len((volume(service) / "starts").read_text().splitlines())
