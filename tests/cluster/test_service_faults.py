"""Bad input and faults on a real cluster: a clear error, and nothing lost."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from kazoo.client import KazooClient

from holdfast.ending import EXIT_RECORDS
from holdfast.state.zookeeper import service_root
from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import (
    EXIT_LEADERSHIP_LOST,
    SESSION_SECONDS,
    Scheduler,
    wait_until,
)

HELLO = Path(__file__).parents[2] / "services" / "hello-world" / "svc.yml"


@pytest.fixture
def small(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=2))


def test_second_scheduler_waits_and_takes_over(small: Cluster, tmp_path: Path) -> None:
    first = Scheduler(small, HELLO, tmp_path).start()
    second = Scheduler(small, HELLO, tmp_path, port=8090)
    try:
        first.wait_well()
        tasks = first.task_ids()
        second.start()
        wait_until("the second stands by", lambda: "waits as standby" in second.log)
        assert f"leads: {first.host}:8080" in second.log
        first.end(signal.SIGKILL)
        second.wait_well(SESSION_SECONDS + 30)
        assert second.task_ids() == tasks
    finally:
        first.close()
        second.close()


def test_orderly_end_leaves_the_tasks(small: Cluster, tmp_path: Path) -> None:
    with Scheduler(small, HELLO, tmp_path).start() as scheduler:
        scheduler.wait_well()
        tasks = scheduler.task_ids()
        assert scheduler.end(signal.SIGTERM) == 0
        scheduler.start()
        scheduler.wait_well()
        assert scheduler.task_ids() == tasks


def test_zookeeper_down_at_start_is_waited_for(small: Cluster, tmp_path: Path) -> None:
    small.zookeeper_stop()
    with Scheduler(small, HELLO, tmp_path).start() as scheduler:
        wait_until("it says what it waits for", lambda: "Waiting for ZooKeeper" in scheduler.log)
        small.zookeeper_start()
        scheduler.wait_well()


def test_a_record_that_cannot_be_read_is_named_and_copied_once(
    small: Cluster, tmp_path: Path
) -> None:
    root = service_root("hello-world")
    client = KazooClient(small.zookeeper_address)
    client.start()
    try:
        with Scheduler(small, HELLO, tmp_path).start() as scheduler:
            scheduler.wait_well()
            tasks = scheduler.task_ids()
            assert scheduler.end(signal.SIGTERM) == 0
            good, _ = client.get(f"{root}/pods/hello-0")
            for damaged in (b"\x00\x01", b'{"name": "hello-0"}'):
                client.set(f"{root}/pods/hello-0", damaged)
                for _ in range(2):
                    scheduler.start()
                    assert scheduler.exit_code() == EXIT_RECORDS
                (copy,) = (
                    path
                    for name in client.get_children(f"{root}/backup")
                    if client.get(path := f"{root}/backup/{name}")[0] == damaged
                )
                assert scheduler.log.count(f"A copy is kept at {copy}") == 2
                assert f"{root}/backup/pods__hello-0-" in copy
            client.set(f"{root}/pods/hello-0", good)
            scheduler.start()
            scheduler.wait_well()
            assert scheduler.task_ids() == tasks
    finally:
        client.stop()
        client.close()


def test_zookeeper_lost_during_a_deploy(small: Cluster, tmp_path: Path) -> None:
    """The scheduler stands still, and ends once another one may lead; it never acts meanwhile."""
    environment = {"HELLO_COUNT": "6", "HELLO_PLACEMENT": "[]"}
    with Scheduler(small, HELLO, tmp_path, environment=environment).start() as scheduler:
        wait_until("the deploy is under way", lambda: scheduler.log.count("starting hello-") >= 2)
        small.zookeeper_stop()
        wait_until("it has noticed", lambda: "standing still" in scheduler.log)
        before = _calls_that_act(small)
        assert before
        assert scheduler.log.count("starting hello-") < 6, "there is something left to do"
        assert scheduler.exit_code(SESSION_SECONDS + 20) == EXIT_LEADERSHIP_LOST
        assert _calls_that_act(small) == before
        small.zookeeper_start()
        scheduler.start()
        scheduler.wait_well()
        assert len(scheduler.instances()) == 6
        volumes = {v["id"] for v in scheduler.get("volumes")}
        on_disk = {
            path.name
            for agent in small.agents
            for path in (agent.work_dir / "volumes" / "roles" / "hello-world-role").iterdir()
        }
        assert volumes == on_disk, "every volume on the agents is in the records"


def _calls_that_act(cluster: Cluster) -> list[str]:
    """Those that start or stop something, or change what is reserved, as the master logged them."""
    log = cluster.layout.log("master-1").read_text(errors="replace")
    return re.findall(r"Processing (?:ACCEPT|KILL|SHUTDOWN) call .*", log)


def test_wrong_master_address_is_told(small: Cluster, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Scheduler(small, HELLO, tmp_path, master=f"127.0.0.1:{port}").start() as scheduler:
        wait_until("it says what is wrong", lambda: f"127.0.0.1:{port}" in scheduler.log)
        assert "Traceback" not in scheduler.log
    with Scheduler(small, HELLO, tmp_path, master="zk:/nowhere", port=8091).start() as malformed:
        assert malformed.exit_code() == 1
        assert "zk:/nowhere" in malformed.log


def test_taken_port_is_told(small: Cluster, tmp_path: Path) -> None:
    host = small.zookeeper_address.split(":")[0]
    with (
        socket.create_server((host, 8080)),
        Scheduler(small, HELLO, tmp_path).start() as scheduler,
    ):
        assert scheduler.exit_code() == 9
    assert f"port 8080 on {host} is in use" in scheduler.log


def test_impossible_resources_are_explained(small: Cluster, tmp_path: Path) -> None:
    environment = {"HELLO_CPUS": "1000"}
    with Scheduler(small, HELLO, tmp_path, environment=environment).start() as scheduler:
        wait_until("the API answers", scheduler.answers)
        agents = wait_until(
            "both agents are explained",
            lambda: len(found := scheduler.get("explain/hello-0")["agents"]) == 2 and found,
        )
        assert "cpus: needs 1000.1, the agent offers 4" in str(agents)


def test_unknown_volume_is_quarantined_and_kept(small: Cluster, tmp_path: Path) -> None:
    number, role = 1, "hello-world-role"
    volume = _foreign_volume(small, number, role)
    with Scheduler(small, HELLO, tmp_path, environment={"HELLO_COUNT": "2"}).start() as scheduler:
        scheduler.wait_well()
        states = {v["id"]: v["state"] for v in scheduler.get("volumes")}
        assert states["left-behind"] == "quarantined"
        assert (volume / "precious").read_text() == "data"
        # Only an operator who names it has it destroyed.
        url = f"http://{scheduler.host}:{scheduler.port}/v1/volumes/left-behind"
        assert requests.delete(url, timeout=10).status_code == 200
        wait_until("it is destroyed", lambda: not volume.exists())


def _foreign_volume(cluster: Cluster, number: int, role: str) -> Path:
    """A volume reserved for the role by somebody else, with data on it; where it is."""
    disk: dict[str, Any] = {
        "name": "disk",
        "type": "SCALAR",
        "scalar": {"value": 10.0},
        "reservations": [{"type": "DYNAMIC", "role": role}],
    }
    volume = {
        **disk,
        "disk": {
            "persistence": {"id": "left-behind"},
            "volume": {"container_path": "x", "mode": "RW"},
        },
    }
    agent_id = {"value": cluster.agent_ids()[number]}
    for call in (
        {
            "type": "RESERVE_RESOURCES",
            "reserve_resources": {"agent_id": agent_id, "resources": [disk]},
        },
        {"type": "CREATE_VOLUMES", "create_volumes": {"agent_id": agent_id, "volumes": [volume]}},
    ):
        answer = requests.post(f"{cluster.leader()}/api/v1", json=call, timeout=10)
        assert answer.status_code == 202, answer.text
    (agent,) = (a for a in cluster.agents if a.number == number)
    folder = agent.work_dir / "volumes" / "roles" / role / "left-behind"
    wait_until("the volume exists", folder.is_dir)
    (folder / "precious").write_text("data")
    return folder


def test_bad_definition_is_refused_with_its_line(tmp_path: Path) -> None:
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(HELLO.read_text().replace("cpus:", "cpu:"))
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.main", str(svc_yml)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "svc.yml:" in done.stderr
    assert "did you mean 'cpus'?" in done.stderr
    assert "Traceback" not in done.stderr
