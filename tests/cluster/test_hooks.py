"""Hooks on a real cluster, in pods of two tasks that share a volume."""

from pathlib import Path

from holdfast_playground.cluster import ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: pair
scheduler:
  zookeeper: {{{FRAMEWORK_ZOOKEEPER}}}
pods:
  node:
    count: 2
    placement: '[["hostname", "UNIQUE"]]'
    volume: {path: data, type: ROOT, size: 16}
    hooks:
      create:
        cmd: echo "create" >> data/log; sleep 1
      replace:
        cmd: |
          echo "replace $REPLACED_IP $REPLACED_HOSTNAME" >> data/log
          test -e data/tried || { touch data/tried; echo "not yet"; exit 1; }
    tasks:
      server:
        goal: RUNNING
        cmd: echo "server [$REPLACED_IP]" >> data/log; exec sleep 100000
        cpus: 0.1
        memory: 32
      helper:
        goal: RUNNING
        cmd: echo "helper [$REPLACED_IP]" >> data/log; exec sleep 100000
        cpus: 0.1
        memory: 32
"""


def volume_of(service: Scheduler, name: str) -> str | None:
    """The volume of the instance, once the service is well."""
    if not service.is_well():
        return None
    volume: str = service.instances()[name]["volumes"][0]["id"]
    return volume


def lines_of(service: Scheduler, name: str, count: int) -> list[str]:
    """What was written to the volume the instance has now, once there is so much."""
    instance = service.instances()[name]
    (agent,) = (a for a in service.cluster.agents if a.ip == instance["agent"])
    role: Path = agent.work_dir / "volumes" / "roles" / "pair-role"
    log = role / instance["volumes"][0]["id"] / "log"

    def read() -> list[str]:
        return log.read_text().splitlines() if log.exists() else []

    wait_until(f"{name} has written {count} lines", lambda: len(read()) >= count)
    assert len(read()) == count
    return read()


def test_hooks_run_once_before_all_tasks_and_know_the_predecessor(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    cluster = cluster_factory(ClusterSpec(agents=3))
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(SVC_YML)
    with Scheduler(cluster, svc_yml, tmp_path).start() as service:
        service.wait_well()
        for name in ("node-0", "node-1"):
            first, *rest = lines_of(service, name, 3)
            assert first == "create"
            assert sorted(rest) == ["helper []", "server []"]

        former, volume = service.instances()["node-1"]["agent"], volume_of(service, "node-1")
        service.post("pod/node-1/replace")
        wait_until(
            "it runs on a new volume",
            lambda: volume_of(service, "node-1") not in (None, volume),
        )
        # The hook fails the first time, and both tasks with it.
        lines = lines_of(service, "node-1", 4)
        assert [line.split()[:2] for line in lines[:2]] == [["replace", former]] * 2
        assert sorted(lines[2:]) == [f"helper [{former}]", f"server [{former}]"]

        service.post("pod/node-1/restart")
        lines = lines_of(service, "node-1", 6)
        assert sorted(lines[4:]) == ["helper []", "server []"], "it has taken over"
