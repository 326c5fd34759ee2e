"""What the steps act on, and the one picture of the service that every claim is checked against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

from holdfast_playground.checker.load import Load
from holdfast_playground.cluster import Cluster
from holdfast_playground.demo import etcd
from holdfast_playground.demo.checks import CheckFailed, NotYet, require, until
from holdfast_playground.demo.narration import Narrator
from holdfast_playground.demo.scheduler import TIMEOUT_SECONDS, Instance, Scheduler
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.processes import ProcessRecord
from holdfast_playground.spec import Agent, ClusterSpec

MEMBERS: Final = 3
# One agent of zone a more than the service needs; a second master to take over.
SPEC: Final = ClusterSpec(agents=4, zones=("a", "b", "c"), masters=2)


@dataclass(frozen=True, slots=True)
class Picture:
    """The service when all is well, as Holdfast, Mesos, etcd and this machine each see it.

    By pod instance: `instances` from the API of Holdfast, `members` from etcd, `processes` from
    the process table, `stores` the inode of the directory with etcd's data on the volume.
    """

    framework_id: str
    instances: Mapping[str, Instance]
    members: Mapping[str, etcd.Member]
    processes: Mapping[str, ProcessRecord]
    stores: Mapping[str, int]

    def task_ids(self) -> dict[str, str]:
        """The Mesos task id of each pod instance."""
        return {name: instance.task_id for name, instance in self.instances.items()}


@dataclass(slots=True)
class Stage:
    """The demo as far as it has come. `seed` holds the keys written before the load began.

    `took_effect` is how many writes without an answer took effect all the same.
    """

    cluster: Cluster
    scheduler: Scheduler
    narrator: Narrator
    load: Load | None = None
    seed: dict[str, str] = field(default_factory=dict)
    took_effect: int = 0

    def agent_at(self, ip: str) -> Agent:
        """The agent of that address."""
        return next(agent for agent in self.cluster.agents if agent.ip == ip)

    def settled(
        self, what: str, seconds: float, changed: Mapping[str, str] | None = None
    ) -> Picture:
        """The picture once all is well again. `changed`: task ids that must be others by then."""

        def look() -> Picture:
            picture = self._look()
            for name, task_id in (changed or {}).items():
                if picture.instances[name].task_id == task_id:
                    raise NotYet(f"{name} still is the task {task_id}")
            return picture

        return until(look, what, seconds, next(iter(changed), None) if changed else None)

    def writes_go_on(self, more: int, seconds: float) -> None:
        """Return when that many more writes have been acknowledged."""
        assert self.load is not None
        load, goal = self.load, self.load.acknowledged + more

        def look() -> None:
            if load.acknowledged < goal:
                raise NotYet(f"{goal - load.acknowledged} of {more} are missing")

        until(look, "writes go on", seconds)

    def nothing_restarted(self, before: Picture, after: Picture) -> None:
        """Check that tasks, processes and the framework are the same, and say so."""
        require(
            after.task_ids() == before.task_ids(),
            "every task is the one it was",
            f"{before.task_ids()} became {after.task_ids()}",
        )
        require(
            after.processes == before.processes,
            "every etcd process is the one it was",
            f"{before.processes} became {after.processes}",
        )
        require(
            after.framework_id == before.framework_id,
            "the framework id is kept",
            f"{before.framework_id} became {after.framework_id}",
        )
        pids = ", ".join(f"{name} {record.pid}" for name, record in after.processes.items())
        self.narrator.verified(f"no task restarted: same task ids, same etcd processes ({pids})")
        self.narrator.verified(f"framework id kept: {after.framework_id}")

    def same_place(self, name: str, before: Picture, after: Picture) -> None:
        """Check that a restarted member is on its own volume as the member it was, and say so."""
        old, new = before.instances[name], after.instances[name]
        require(
            (new.volume, new.agent) == (old.volume, old.agent)
            and after.stores[name] == before.stores[name],
            f"{name} is back on its own volume",
            f"volume {old.volume} at {old.agent} became {new.volume} at {new.agent}",
            name,
        )
        require(
            after.members[name].id == before.members[name].id,
            f"{name} is the member of etcd it was",
            f"{before.members[name].id} became {after.members[name].id}",
            name,
        )
        self.narrator.verified(f"{name} is a new task: {new.task_id}")
        self.narrator.verified(
            f"on its own volume {new.volume}, on {self.agent_at(new.agent).name}"
        )
        self.narrator.verified(f"with unchanged etcd member id {after.members[name].id}")

    def volume_path(self, instance: Instance) -> Path:
        """Where the agent keeps the volume. Raises CheckFailed when it does not."""
        roles = self.agent_at(instance.agent).work_dir / "volumes" / "roles"
        found = list(roles.glob(f"*/{instance.volume}"))
        if not found:
            raise CheckFailed(
                f"agent {instance.agent} has no volume {instance.volume}", instance.name
            )
        return found[0]

    def _look(self) -> Picture:
        for plan in ("deploy", "recovery"):
            status = self.scheduler.plan_status(plan)
            if status != "COMPLETE":
                raise NotYet(f"the {plan} plan is {status}: {self._waiting()}")
        instances = self.scheduler.instances()
        if len(instances) != MEMBERS or any(i.state != "running" for i in instances.values()):
            raise NotYet(self._waiting())
        framework_id = self._mesos_agrees(instances)
        via = etcd.client_url(next(iter(instances.values())).agent)
        members = {member.name: member for member in etcd.members(via)}
        if members.keys() != instances.keys() or any(
            member.learner or not member.started for member in members.values()
        ):
            raise NotYet(f"etcd's members are {sorted(members.values(), key=lambda m: m.name)}")
        processes = etcd.member_processes([agent.ip for agent in self.cluster.agents])
        if processes.keys() != instances.keys():
            raise NotYet(f"etcd processes run of {sorted(processes)}")
        stores = {
            name: (self.volume_path(instance) / "etcd" / "member").stat().st_ino
            for name, instance in instances.items()
        }
        return Picture(framework_id, instances, members, dict(sorted(processes.items())), stores)

    def _waiting(self) -> str:
        return "; ".join(
            f"{i.name} is {i.state}{f', {i.reason}' if i.reason else ''}"
            for i in self.scheduler.instances().values()
            if i.state != "running"
        )

    def _mesos_agrees(self, instances: Mapping[str, Instance]) -> str:
        """The framework's id, when Mesos runs exactly these tasks of it. Raises NotYet."""
        frameworks = [f for f in self._mesos_frameworks() if f["active"]]
        if len(frameworks) != 1:
            raise NotYet(f"Mesos has {len(frameworks)} active frameworks")
        running = {t["id"] for t in frameworks[0]["tasks"] if t["state"] == "TASK_RUNNING"}
        if running != {instance.task_id for instance in instances.values()}:
            raise NotYet(f"Mesos runs {sorted(running)}")
        return str(frameworks[0]["id"])

    def _mesos_frameworks(self) -> list[dict[str, Any]]:
        try:
            url = f"{self.cluster.leader()}/master/frameworks"
            body = requests.get(url, timeout=TIMEOUT_SECONDS).json()
        except (PlaygroundError, requests.RequestException) as error:
            raise NotYet(f"the Mesos master does not answer: {error}") from error
        frameworks: list[dict[str, Any]] = body["frameworks"]
        return frameworks
