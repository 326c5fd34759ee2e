"""What the scheduler's environment sets, on a real cluster: role, executors' share, backoff."""

import socket
from pathlib import Path
from typing import Any

import pytest
import requests

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: demo
pods:
  app:
    count: 1
    tasks:
      server:
        goal: RUNNING
        cmd: echo started >> data/log; exec sleep 100000
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
"""
OTHER = """
name: other
pods:
  app:
    count: 1
    tasks:
      server:
        goal: RUNNING
        cmd: exit 7
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
"""


@pytest.fixture
def one_agent(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=1, zones=("a",)))


def scheduler(cluster: Cluster, folder: Path, text: str, port: int, **more: str) -> Scheduler:
    folder.mkdir()
    svc_yml = folder / "svc.yml"
    svc_yml.write_text(text)
    environment = {"MESOS_ALLOCATION_ROLE": "dev", **more}
    return Scheduler(cluster, svc_yml, folder, environment=environment, port=port)


def executors(cluster: Cluster) -> dict[str, Any]:
    """What each executor has of its agent, by the service's name."""
    (agent,) = requests.get(f"{cluster.leader()}/slaves", timeout=10).json()["slaves"]
    state = requests.get(f"http://{agent['hostname']}:{agent['port']}/state", timeout=10).json()
    return {
        framework["name"]: executor
        for framework in state["frameworks"]
        for executor in framework["executors"]
    }


def reserved(cluster: Cluster) -> dict[str, dict[str, float]]:
    (agent,) = requests.get(f"{cluster.leader()}/slaves", timeout=10).json()["slaves"]
    return dict(agent["reserved_resources"])


def limit_role(cluster: Cluster, **most: float) -> None:
    """Give the role of the group a quota."""
    limits = {name: {"value": amount} for name, amount in most.items()}
    quota = {"quota_configs": [{"role": "dev", "limits": limits}]}
    call = {"type": "UPDATE_QUOTA", "update_quota": quota}
    answer = requests.post(f"{cluster.leader()}/api/v1", json=call, timeout=10)
    assert answer.status_code == 200, answer.text


def consumed(cluster: Cluster) -> dict[str, float]:
    """What counts against the quota of the role."""
    roles = requests.get(f"{cluster.leader()}/roles", timeout=10).json()["roles"]
    (quota,) = (role["quota"] for role in roles if role["name"] == "dev")
    return dict(quota["consumed"])


def test_quota_deployment(one_agent: Cluster, tmp_path: Path) -> None:
    """Services share the role of their group and its quota, and leave each other's data alone."""
    limit_role(one_agent, cpus=0.5, mem=256, disk=64)
    demo = scheduler(one_agent, tmp_path / "demo", SVC_YML, 8080, EXECUTOR_MEM_MB="48").start()
    other = scheduler(
        *(one_agent, tmp_path / "other", OTHER, 8081),
        ENABLE_BACKOFF="true",
        FRAMEWORK_INITIAL_BACKOFF="2",
        FRAMEWORK_BACKOFF_FACTOR="100",
        FRAMEWORK_MAX_LAUNCH_DELAY="60",
    )
    try:
        demo.wait_well()
        first = demo.task_ids()
        assert reserved(one_agent)["dev"]["mem"] == 32 + 48
        assert (consumed(one_agent)["cpus"], consumed(one_agent)["mem"]) == (0.2, 32 + 48)
        (volume,) = demo.instances()["app-0"]["volumes"]

        other.start()
        wait_until("it failed twice", lambda: "failed 2 times; next try in 60 s" in other.log)
        assert "failed 1 times; next try in 2 s" in other.log

        # Its agent offers the volumes of both; what is the other's is neither shown nor touched.
        demo.end()
        demo.set_environment(EXECUTOR_MEM_MB="64")
        demo.start()
        demo.wait_well()
        assert demo.task_ids() == first
        demo.post("pod/app-0/restart")
        wait_until("it is launched anew", lambda: demo.task_ids() != first)
        demo.wait_well()
        assert executors(one_agent)["demo"]["resources"]["mem"] == 32 + 64
        assert demo.get("quarantine") == []
        assert other.get("quarantine") == []

        answer = requests.post(
            f"http://{other.host}:{other.port}/v1/uninstall", json={"service": "other"}, timeout=10
        )
        assert answer.status_code == 200
        wait_until("it is uninstalled", lambda: other.get("plans/deploy")["status"] == "COMPLETE")
        (agent,) = one_agent.agents
        data = agent.work_dir / "volumes" / "roles" / "dev" / volume["id"]
        assert (data / "log").read_text() == "started\nstarted\n"
        assert reserved(one_agent)["dev"]["mem"] == 32 + 64
        demo.wait_well()
    finally:
        demo.close()
        other.close()


def test_metrics_are_pushed_and_bad_settings_told(one_agent: Cluster, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        demo = scheduler(
            *(one_agent, tmp_path / "demo", SVC_YML, 8080),
            STATSD_UDP_HOST="127.0.0.1",
            STATSD_UDP_PORT=str(server.getsockname()[1]),
            STATSD_POLL_INTERVAL_S="0.2",
            JAVA_HOME="/nowhere",
        ).start()
        try:
            wait_until("it is deployed", lambda: server.recv(1000) == b"plan_status.deploy:0|g")
            assert "JAVA_HOME is set and changes nothing: there is no Java" in demo.log
            demo.end()
            demo.set_environment(EXECUTOR_CPUS="none", ENABLE_ROLE_MIGRATION="true")
            assert demo.start().exit_code() == 1
            assert "EXECUTOR_CPUS: expected a number above 0, found 'none'" in demo.log
            assert "ENABLE_ROLE_MIGRATION is not supported" in demo.log
        finally:
            demo.close()
