"""Disks of their own, and resources that agents reserve by their settings, on a real cluster."""

import getpass
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until
from tests.definitions import HELLO, HELLO_WORLD


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes file systems of their own, as Mesos demands for MOUNT disks."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount the disk that a MOUNT volume needs")
    roots: list[Path] = []

    def make(name: str) -> Path:
        root = tmp_path / name
        root.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=64m", "holdfast-test", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        roots.append(root)
        return root

    yield make
    for root in roots:
        subprocess.run(["umount", "--lazy", str(root)], check=True, timeout=10)


def scalar(name: str, amount: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": amount}, **more}


def disk(kind: str, root: Path, amount: float, **more: str) -> dict[str, Any]:
    source = {"type": kind, kind.lower(): {"root": str(root)}, **more}
    return scalar("disk", amount, disk={"source": source})


def reads(file: Path, text: str) -> bool:
    return file.read_text() == text


PORTS = {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 31099}]}}


def start(cluster: Cluster, folder: Path, pods: str) -> Scheduler:
    svc_yml = folder / "svc.yml"
    svc_yml.write_text("name: demo\nscheduler:\n  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'\n" + pods)
    return Scheduler(cluster, svc_yml, folder).start()


DISKS = """
pods:
  app:
    count: 1
    tasks:
      server:
        goal: RUNNING
        cmd: echo x >> whole/log && echo x >> share/log && exec sleep 100000
        cpus: 0.1
        memory: 32
        volumes:
          whole: {path: whole, type: MOUNT, size: 20}
          share: {path: share, type: PATH, size: 30}
          root: {path: data, type: ROOT, size: 10}
"""


def test_mount_volumes(
    cluster_factory: ClusterFactory, tmp_path: Path, mount: Callable[[str], Path]
) -> None:
    """They are where the agent says, hold their data over a failure, and a whole disk is whole."""
    path, mounted = tmp_path / "path", mount("mounted")
    path.mkdir()
    has = [scalar("cpus", 2), scalar("mem", 512), scalar("disk", 100), PORTS]
    has += [disk("MOUNT", mounted, 64), disk("PATH", path, 200)]
    cluster = cluster_factory(ClusterSpec(agents=1, zones=("a",), resources=json.dumps(has)))
    with start(cluster, tmp_path, DISKS) as service:
        service.wait_well()
        volumes = {v["path"]: v for v in service.instances()["app-0"]["volumes"]}
        assert {name: v["size"] for name, v in volumes.items()} == {
            "whole": 64,
            "share": 30,
            "data": 10,
        }
        share = path / "volumes" / "roles" / "demo-role" / volumes["share"]["id"] / "log"
        for log in (mounted / "log", share):
            wait_until(f"{log} is written", log.is_file)
            assert log.read_text() == "x\n"
        first = service.task_ids()
        service.post("pod/app-0/restart")
        wait_until("it was started again", lambda: service.task_ids() != first)
        service.wait_well()
        assert {v["path"]: v for v in service.instances()["app-0"]["volumes"]} == volumes
        for log in (mounted / "log", share):
            wait_until("it has written again", partial(reads, log, "x\nx\n"))
        service.end(signal.SIGTERM)


def defined(cluster: Cluster, folder: Path, name: str, **environment: str) -> Scheduler:
    """One of the small definitions, with one instance."""
    small = {"HELLO_COUNT": "1", "HELLO_CPUS": "0.1", "HELLO_MEM": "32", "HELLO_DISK": "10"}
    account = {"FRAMEWORK_NAME": name, "FRAMEWORK_USER": getpass.getuser()}
    settings = HELLO | small | account | environment
    return Scheduler(
        *(cluster, HELLO_WORLD / f"{name}.yml", folder),
        environment=settings,
        zookeeper=cluster.zookeeper_address,
    ).start()


def test_profile_mount_volumes(
    cluster_factory: ClusterFactory, tmp_path: Path, mount: Callable[[str], Path]
) -> None:
    """Only disks of the profile are taken; which of them, a restart does not change."""
    has = [scalar("cpus", 2), scalar("mem", 512), scalar("disk", 100), PORTS]
    has += [disk("MOUNT", mount("plain"), 64)]
    has += [disk("MOUNT", mount(name), 64, profile="fast") for name in ("one", "two")]
    has += [disk("MOUNT", mount("slow"), 64, profile="slow")]
    cluster = cluster_factory(ClusterSpec(agents=1, zones=("a",), resources=json.dumps(has)))
    with defined(cluster, tmp_path, "mount-volumes", VOLUME_PROFILE="fast") as service:
        service.wait_well()
        volumes = service.instances()["hello-0"]["volumes"]
        assert {v["path"]: v["size"] for v in volumes} == {"own": 64, "shared": 64}
        assert roots(cluster) == {str(tmp_path / "one"), str(tmp_path / "two")}
        first = service.task_ids()
        service.post("pod/hello-0/restart")
        wait_until("it was started again", lambda: service.task_ids() != first)
        service.wait_well()
        assert service.instances()["hello-0"]["volumes"] == volumes


def roots(cluster: Cluster) -> set[str]:
    """Where the disks are that have volumes on them."""
    return {
        resource["disk"]["source"]["mount"]["root"]
        for resource in reserved(cluster)
        if "persistence" in resource.get("disk", {})
    }


def reserved(cluster: Cluster) -> list[dict[str, Any]]:
    """All that is reserved on the one agent."""
    (agent,) = requests.get(f"{cluster.leader()}/slaves", timeout=10).json()["slaves"]
    return [each for of_role in agent["reserved_resources_full"].values() for each in of_role]


RESERVED = """
pods:
  public:
    count: 1
    pre-reserved-role: slave_public
    tasks:
      server:
        goal: RUNNING
        cmd: echo x >> data/log && exec sleep 100000
        cpus: 0.4
        memory: 32
        volume: {path: data, type: ROOT, size: 10}
        ports: {web: {port: 0, env-key: PORT}}
  private:
    count: 1
    tasks:
      server:
        goal: RUNNING
        cmd: echo x >> data/log && exec sleep 100000
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 10}
"""


def test_resource_refinement(cluster_factory: ClusterFactory, tmp_path: Path) -> None:
    """A pod of that role is on them, and on them again after a failure; another one is not.

    The volume that somebody else has of that role stays.
    """
    role = "slave_public"
    has = f"cpus({role}):0.5;mem({role}):64;disk({role}):20;ports({role}):[31000-31000]"
    cluster = cluster_factory(
        ClusterSpec(agents=1, zones=("a",), resources=f"{has};cpus:0.2;mem:64;disk:10")
    )
    create_volume(cluster, role, "of-another")
    with start(cluster, tmp_path, RESERVED) as service:
        service.wait_well()
        (agent,) = cluster.agents
        first = service.task_ids()
        for name, of_role in (("public-0", f"{role}/demo-role"), ("private-0", "demo-role")):
            (volume,) = service.instances()[name]["volumes"]
            log = agent.work_dir.joinpath(
                "volumes", "roles", of_role.replace("/", " "), volume["id"], "log"
            )
            wait_until(f"{log} is written", log.is_file)
            service.post(f"pod/{name}/restart")
            wait_until("it has written again", partial(reads, log, "x\nx\n"))
        service.wait_well()
        assert not set(first.values()) & set(service.task_ids().values())
        assert service.get("quarantine") == []
        ids = [each.get("disk", {}).get("persistence", {}).get("id") for each in reserved(cluster)]
        assert "of-another" in ids


def create_volume(cluster: Cluster, role: str, id_: str) -> None:
    """As a framework of that role would have it on what the agent reserves."""
    (agent,) = requests.get(f"{cluster.leader()}/slaves", timeout=10).json()["slaves"]
    on_it = {"persistence": {"id": id_}, "volume": {"container_path": "data", "mode": "RW"}}
    reservation = {"type": "STATIC", "role": role}
    volume = scalar("disk", 10, disk=on_it, reservations=[reservation])
    body = {"agent_id": {"value": agent["id"]}, "volumes": [volume]}
    call = {"type": "CREATE_VOLUMES", "create_volumes": body}
    answer = requests.post(f"{cluster.leader()}/api/v1", json=call, timeout=10)
    assert answer.status_code == 202, answer.text


def test_pre_reserved_sidecar(cluster_factory: ClusterFactory, tmp_path: Path) -> None:
    """The task of a plan is launched on what its pod's role has reserved, beside the server."""
    role = "slave_public"
    has = f"cpus({role}):0.5;mem({role}):256;disk({role}):10;cpus:0.5;mem:256;disk:10"
    cluster = cluster_factory(ClusterSpec(agents=1, zones=("a",), resources=has))
    with defined(cluster, tmp_path, "pre-reserved") as service:
        service.wait_well()
        server = service.task_ids()["hello-0-server"]
        service.post("plans/sidecar/start")
        wait_until("the plan is done", lambda: service.get("plans/sidecar")["status"] == "COMPLETE")
        assert service.task_ids()["hello-0-server"] == server
        of_once = service.task_ids()["hello-0-once"]
        state = requests.get(f"{cluster.leader()}/state", timeout=10).json()
        (framework,) = state["frameworks"]
        tasks = {task["id"]: task for task in framework["tasks"] + framework["completed_tasks"]}
        assert tasks[of_once]["state"] == "TASK_FINISHED"
        for id_ in (server, of_once):
            assert tasks[id_]["role"] == f"{role}/pre-reserved-role"
        (agent,) = requests.get(f"{cluster.leader()}/slaves", timeout=10).json()["slaves"]
        assert agent["unreserved_resources"]["cpus"] == 0.5
