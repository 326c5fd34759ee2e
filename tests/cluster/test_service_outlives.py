"""A real service on a real cluster outlives the loss of each part, next to its data.

The tests share one cluster and run in the order of the file; each leaves the service well.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from holdfast_playground.cluster import Cluster, ClusterSpec, running
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: log
scheduler:
  zookeeper: {{{FRAMEWORK_ZOOKEEPER}}}
pods:
  node:
    count: 3
    placement: '[["@zone", "UNIQUE"]]'
    hooks:
      create:
        cmd: echo "create [$POD_PEERS]" >> data/hooks
      replace:
        cmd: echo "replace [$POD_PEERS]" >> data/hooks
    tasks:
      writer:
        goal: RUNNING
        cmd: echo "start $$" >> data/starts; exec sleep 100000
        cpus: 0.1
        memory: 32
        kill-grace-period: 2
        volume: {path: data, type: ROOT, size: 16}
        ports:
          http: {port: 0, env-key: PORT_HTTP, advertise: true}
        readiness-check: {cmd: test -s data/starts, interval: 1, timeout: 5}
"""


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with running(folder / "cluster", ClusterSpec(agents=4, masters=2)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def service(
    shared_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scheduler]:
    folder = tmp_path_factory.mktemp("service")
    svc_yml = folder / "svc.yml"
    svc_yml.write_text(SVC_YML)
    with Scheduler(shared_cluster, svc_yml, folder).start() as scheduler:
        scheduler.wait_well()
        yield scheduler


def volume(service: Scheduler, name: str) -> tuple[str, Path]:
    """The id of the instance's volume, and where it is on this machine."""
    instance = service.instances()[name]
    id_ = instance["volumes"][0]["id"]
    (agent,) = (a for a in service.cluster.agents if a.ip == instance["agent"])
    return id_, agent.work_dir / "volumes" / "roles" / "log-role" / id_


def starts(service: Scheduler, name: str) -> list[int]:
    """The process ids of every start of the instance's task on its present volume."""
    lines = (volume(service, name)[1] / "starts").read_text().splitlines()
    return [int(line.split()[1]) for line in lines]


def agent_of(service: Scheduler, name: str) -> int:
    ip = service.instances()[name]["agent"]
    return next(agent.number for agent in service.cluster.agents if agent.ip == ip)


def test_each_instance_has_a_zone_and_a_reserved_volume_of_its_own(service: Scheduler) -> None:
    instances = service.instances()
    assert sorted(instances) == ["node-0", "node-1", "node-2"]
    assert {one["zone"] for one in instances.values()} == {"a", "b", "c"}
    hooks = [(volume(service, name)[1] / "hooks").read_text() for name in sorted(instances)]
    ips = [instances[name]["agent"] for name in sorted(instances)]
    assert hooks[0] == "create []\n"
    assert hooks[1] == f"create [node-0={ips[0]}]\n"
    assert hooks[2] == f"create [node-0={ips[0]},node-1={ips[1]}]\n"


def test_idle_is_suppressed(service: Scheduler) -> None:
    wait_until("offers are suppressed", lambda: "suppress" in service.log, 40)


def test_lost_agent_returns_with_the_data(service: Scheduler) -> None:
    number, before = agent_of(service, "node-1"), volume(service, "node-1")
    service.cluster.agent_kill(number)
    wait_until(
        "the task is out of reach",
        lambda: service.instances()["node-1"]["tasks"][0]["status"] == "UNREACHABLE",
    )
    assert "back" in service.get("explain/node-1")["reason"]
    service.cluster.agent_start(number)
    wait_until("it runs again", lambda: len(starts(service, "node-1")) == 2 and service.is_well())
    assert volume(service, "node-1") == before


def test_restarted_agent_process_keeps_its_tasks(service: Scheduler) -> None:
    number, tasks, pids = agent_of(service, "node-2"), service.task_ids(), starts(service, "node-2")
    service.cluster.agent_crash(number)
    service.cluster.agent_start(number)
    service.cluster.wait_for_agents([number])
    wait_until("all is well", service.is_well)
    assert service.task_ids() == tasks
    assert starts(service, "node-2") == pids
    assert psutil.pid_exists(pids[-1]) or service.cluster.spec.launcher != "posix"


def test_killed_scheduler_finds_everything_again(service: Scheduler) -> None:
    tasks, framework = service.task_ids(), service.get("state/frameworkId")
    service.end(signal.SIGKILL)
    service.start()
    service.wait_well()
    assert service.task_ids() == tasks
    assert service.get("state/frameworkId") == framework


def test_killed_task_is_launched_again_in_place(service: Scheduler) -> None:
    before, count = volume(service, "node-0"), len(starts(service, "node-0"))
    _kill_task(before[1])
    wait_until("it runs again", lambda: len(starts(service, "node-0")) == count + 1)
    service.wait_well()
    assert volume(service, "node-0") == before


def _kill_task(folder: Path) -> None:
    """kill -9 the task's process, found by the open volume: it may be in a namespace of its own."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["cmdline"] == ["sleep", "100000"]:
            cwd = os.readlink(f"/proc/{process.pid}/cwd")
            root = Path(f"/proc/{process.pid}/root{cwd}/data")
            if os.path.samefile(root, folder):
                process.kill()
                return
    raise AssertionError(f"no process of the task has {folder}")


def test_restart_is_in_place(service: Scheduler) -> None:
    before, task = volume(service, "node-0"), service.task_ids()["node-0-writer"]
    count = len(starts(service, "node-0"))
    service.post("pod/node-0/restart")
    wait_until("it was started again", lambda: len(starts(service, "node-0")) == count + 1)
    service.wait_well()
    assert volume(service, "node-0") == before
    assert service.task_ids()["node-0-writer"] != task


def test_master_restart_and_failover_restart_no_task(service: Scheduler) -> None:
    tasks, framework = service.task_ids(), service.get("state/frameworkId")
    pids = {name: starts(service, name) for name in service.instances()}
    killed = service.cluster.master_kill()
    service.cluster.wait_for_leader()
    wait_until(
        "subscribed to the other master",
        lambda: service.get("health")["connected"] and service.log.count("subscribed to") >= 3,
    )
    service.cluster.master_start(killed)
    service.cluster.wait_for_agents([1, 2, 3, 4])
    service.wait_well()
    assert service.task_ids() == tasks
    assert service.get("state/frameworkId") == framework
    assert {name: starts(service, name) for name in service.instances()} == pids


def test_removed_agent_and_replace_move_the_instance(service: Scheduler) -> None:
    """Two agents share zone a: the instance there has somewhere else to go."""
    (name,) = (n for n, one in service.instances().items() if one["zone"] == "a")
    old_volume, _ = volume(service, name)
    old_agent = service.instances()[name]["agent"]
    service.cluster.agent_remove(agent_of(service, name))
    answer = service.post(f"pod/{name}/replace")
    assert old_volume in answer["message"]
    wait_until(
        "it runs elsewhere",
        lambda: service.instances()[name]["agent"] not in (None, old_agent) and service.is_well(),
    )
    instance = service.instances()[name]
    assert instance["zone"] == "a"
    new_volume, folder = volume(service, name)
    assert new_volume != old_volume
    peers = {n: one["agent"] for n, one in service.instances().items() if n != name}
    expected = ",".join(f"{n}={ip}" for n, ip in sorted(peers.items()))
    assert (folder / "hooks").read_text() == f"replace [{expected}]\n"
    states = {v["id"]: v["state"] for v in service.get("volumes")}
    assert states[old_volume] == "retired"
