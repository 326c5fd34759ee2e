"""Disks of their own, and resources that agents reserve by their settings, on a real cluster."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, as Mesos demands for a MOUNT disk."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount the disk that a MOUNT volume needs")
    root = tmp_path / "mounted"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "holdfast-test", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield root
    subprocess.run(["umount", "--lazy", str(root)], check=True, timeout=10)


def scalar(name: str, amount: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": amount}, **more}


def disk(kind: str, root: Path, amount: float) -> dict[str, Any]:
    source = {"type": kind, kind.lower(): {"root": str(root)}}
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


def test_volumes_on_disks_of_their_own(
    cluster_factory: ClusterFactory, tmp_path: Path, mounted: Path
) -> None:
    """They are where the agent says, hold their data over a failure, and a whole disk is whole."""
    path = tmp_path / "path"
    path.mkdir()
    has = [scalar("cpus", 2), scalar("mem", 512), scalar("disk", 100), PORTS]
    has += [disk("MOUNT", mounted, 64), disk("PATH", path, 200)]
    cluster = cluster_factory(ClusterSpec(agents=1, zones=("a",), resources=json.dumps(has)))
    service = start(cluster, tmp_path, DISKS)
    try:
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
    finally:
        service.close()


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


def test_resources_reserved_by_an_agents_settings(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    """A pod of that role is on them, and on them again after a failure; another one is not."""
    role = "slave_public"
    has = f"cpus({role}):0.5;mem({role}):64;disk({role}):10;ports({role}):[31000-31000]"
    cluster = cluster_factory(
        ClusterSpec(agents=1, zones=("a",), resources=f"{has};cpus:0.2;mem:64;disk:10")
    )
    service = start(cluster, tmp_path, RESERVED)
    try:
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
    finally:
        service.close()
