"""A service whose tasks note on their volumes what happens to them, and how to read that."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast_playground import faults
from holdfast_playground.cluster import Cluster
from holdfast_playground.faults import Container
from tests.cluster.running_service import Scheduler, wait_until

NAME = "log"
# A task locks its volume for as long as it lives, and says so when another one holds it.
WRITER = (
    "exec 9>>data/lock; flock --nonblock 9 || echo $MESOS_TASK_ID >> data/conflicts; "
    'echo "$MESOS_TASK_ID" >> data/starts; echo "data" > data/precious; exec sleep 100000'
)


def definition(count: int = 3, more: str = "", name: str = NAME) -> str:
    """Its svc.yml: `count` instances on agents of their own; `more` are keys of the service."""
    return f"""
name: {name}
scheduler:
  zookeeper: {{{{{{FRAMEWORK_ZOOKEEPER}}}}}}
{more}
pods:
  node:
    count: {count}
    placement: hostname:UNIQUE
    tasks:
      writer:
        goal: RUNNING
        cmd: >-
          {WRITER}
        cpus: 0.1
        memory: 32
        kill-grace-period: 1
        volume: {{path: data, type: ROOT, size: 16}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance is, or was: its agent, its volume with the folder, its task."""

    agent: int
    volume: str
    folder: Path
    task_id: str

    def lines(self, name: str) -> list[str]:
        """What the instance's tasks wrote into a file of the volume; empty before they did."""
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    @property
    def starts(self) -> list[str]:
        """The ids of all tasks that were started on the volume, in their order."""
        return self.lines("starts")


def place(service: Scheduler, name: str, service_name: str = NAME) -> Place:
    """Where the instance is now; AssertionError while that is nowhere."""
    instance = service.instances()[name]
    (volume,) = instance["volumes"]
    agents = [a for a in service.cluster.agents if a.ip == instance["agent"]]
    assert agents, f"{name} is on no agent: {instance}"
    folder = agents[0].work_dir / "volumes" / "roles" / f"{service_name}-role" / volume["id"]
    return Place(agents[0].number, volume["id"], folder, instance["tasks"][0]["id"])


def places(service: Scheduler) -> dict[str, Place]:
    """Where all instances are."""
    return {name: place(service, name) for name in service.instances()}


def status(service: Scheduler, name: str) -> str:
    """The state of the instance's one task, as Mesos said last."""
    return str(service.instances()[name]["tasks"][0]["status"])


def container(cluster: Cluster, where: Place) -> Container:
    """The container with the live task on that volume; AssertionError unless it is exactly one."""
    (found,) = holders(cluster, where)
    return found


def holders(cluster: Cluster, where: Place) -> list[Container]:
    """The containers with a live task on that volume."""
    return [
        one
        for one in faults.containers(cluster, where.agent)
        if one.tasks and _same(one.sandbox / "data", where.folder)
    ]


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except FileNotFoundError:
        return False


def volume_states(service: Scheduler) -> dict[str, dict[str, Any]]:
    """All volumes the scheduler knows, by id."""
    return {volume["id"]: volume for volume in service.get("volumes")}


def volumes_on_disk(cluster: Cluster, service_name: str = NAME) -> set[str]:
    """The ids of all volumes of the service's role on the agents' disks."""
    return {
        folder.name
        for agent in cluster.agents
        for folder in agent.work_dir.glob(f"volumes/roles/{service_name}-role/*")
    }


def assert_nothing_is_lost(service: Scheduler, *before: Place, service_name: str = NAME) -> None:
    """Each volume on the disks is known; those of before are there, and two never shared one."""
    known, there = set(volume_states(service)), volumes_on_disk(service.cluster, service_name)
    assert there <= known, f"volumes no record explains: {there - known}"
    now = [place(service, name, service_name) for name in service.instances()]
    for where in {one.volume: one for one in (*before, *now)}.values():
        assert where.lines("precious") == ["data"], f"{where} has lost its data"
        assert where.lines("conflicts") == [], f"two tasks had {where}"
        assert len(where.starts) == len(set(where.starts)), f"a task began twice on {where}"
    for where in now:
        assert len(holders(service.cluster, where)) == 1, f"not one live task on {where}"


def kept_well(service: Scheduler) -> Iterator[Scheduler]:
    """For a fixture: the service, well before and after each test, and nothing lost."""
    service.wait_well()
    yield service
    service.wait_well()
    assert_nothing_is_lost(service)


def wait_started(service: Scheduler, name: str, former: Place) -> Place:
    """Wait until the instance runs again on the same volume, as another task."""

    def again() -> Place | None:
        if not service.is_well():
            return None
        now = place(service, name)
        return now if now.task_id != former.task_id and now.task_id in now.starts else None

    now: Place = wait_until(f"{name} has started again", again, seconds=90)
    assert now.volume == former.volume
    assert former.task_id in now.starts[:-1]
    assert now.starts[-1] == now.task_id
    return now
