"""A service is uninstalled on a real cluster: nothing of it stays, but what was given up."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from kazoo.client import KazooClient

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: /team/gone
scheduler:
  zookeeper: {{{FRAMEWORK_ZOOKEEPER}}}
pods:
  node:
    count: 2
    placement: '[["hostname", "UNIQUE"]]'
    tasks:
      server:
        goal: RUNNING
        cmd: echo x > data/x; exec sleep 100000
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
        ports:
          http: {port: 0}
"""
NAME = "/team/gone"


@pytest.fixture
def cluster(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=2))


@pytest.fixture
def service(cluster: Cluster, tmp_path: Path) -> Iterator[Scheduler]:
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(SVC_YML)
    with Scheduler(cluster, svc_yml, tmp_path).start() as scheduler:
        scheduler.wait_well()
        yield scheduler


def ask_master(cluster: Cluster, path: str) -> Any:
    return requests.get(f"{cluster.leader()}/{path}", timeout=10).json()


def reserved(cluster: Cluster) -> dict[str, Any]:
    """What of each agent is reserved, as the master knows it."""
    agents = ask_master(cluster, "slaves")["slaves"]
    return {a["hostname"]: a["reserved_resources"] for a in agents if a["reserved_resources"]}


def frameworks(cluster: Cluster) -> list[str]:
    return [f["id"] for f in ask_master(cluster, "frameworks")["frameworks"]]


def znodes(cluster: Cluster) -> list[str]:
    client = KazooClient(cluster.zookeeper_address)
    client.start(timeout=10)
    try:
        return [str(name) for name in client.get_children("/holdfast")]
    finally:
        client.stop()
        client.close()


def order(service: Scheduler) -> None:
    url = f"http://{service.host}:{service.port}/v1/uninstall"
    assert requests.post(url, json={"service": NAME}, timeout=10).status_code == 200


def is_done(service: Scheduler) -> bool:
    return service.answers() and service.get("plans/deploy")["status"] == "COMPLETE"


def plan_code(service: Scheduler) -> int:
    url = f"http://{service.host}:{service.port}/v1/plans/deploy"
    return requests.get(url, timeout=10).status_code


def test_uninstall(cluster: Cluster, service: Scheduler) -> None:
    """Nothing is left: no task, no reservation, no framework, no record."""
    framework_ids = service.get("state/frameworkId")
    assert reserved(cluster)
    order(service)
    assert plan_code(service) == 202
    assert requests.post(
        f"http://{service.host}:{service.port}/v1/pod/node-0/restart", timeout=10
    ).status_code in (404, 409)
    wait_until("it is uninstalled", lambda: is_done(service), 90)
    assert plan_code(service) == 200
    assert service.get("state/frameworkId") == framework_ids
    assert service.get("health")["status"] == "uninstalled"
    assert [p["name"].rpartition("-")[0] for p in service.get("plans/deploy")["phases"]] == [
        "kill",
        "unreserve-resources",
        "unreserve-resources",
        "deregister",
    ]
    wait_until("no framework is left", lambda: not frameworks(cluster), 30)
    assert reserved(cluster) == {}
    assert znodes(cluster) == []
    for agent in cluster.agents:
        assert not list((agent.work_dir / "volumes").glob("roles/*/*"))
    # Orders after that are refused and journalled nowhere; what only looks still answers.
    url = f"http://{service.host}:{service.port}"
    assert requests.post(f"{url}/v1/pod/node-0/restart", timeout=10).status_code in (404, 409)
    assert requests.put(f"{url}/v1/state/refresh", timeout=10).status_code == 409
    assert requests.post(f"{url}/v1/plans/deploy/interrupt", timeout=10).status_code == 409
    assert requests.get(f"{url}/v1/debug/reservations", timeout=10).status_code == 200
    assert service.get("events?kind=command")["events"][0]["status"] == 409
    assert znodes(cluster) == []
    # As Cosmos: whoever starts it once more with the variable is told that all is done.
    service.end()
    service.set_environment(SDK_UNINSTALL="true")
    service.start()
    wait_until("it says so again", lambda: is_quietly_done(service), 30)
    assert frameworks(cluster) == []
    assert znodes(cluster) == []


def is_quietly_done(service: Scheduler) -> bool:
    try:
        return bool(service.get("plans/deploy")["status"] == "COMPLETE")
    except requests.ConnectionError:
        return False


def forget(service: Scheduler) -> None:
    """Run the command that the plan names for what a dead agent has, as it is printed."""
    steps = [s for p in service.get("plans/deploy")["phases"] for s in p["steps"]]
    (printed,) = {m for s in steps for m in re.findall(r"`holdfast (.*?)`", s["message"])}
    subprocess.run(
        [sys.executable, "-m", "holdfast_cli.main", *shlex.split(printed)],
        env={**os.environ, "HOLDFAST_URL": service.url},
        check=True,
        timeout=60,
    )


def test_an_agent_that_is_dead_is_forgotten_and_runs_nothing_when_it_returns(
    cluster: Cluster, service: Scheduler
) -> None:
    instance = service.instances()["node-0"]
    number = next(a.number for a in cluster.agents if a.ip == instance["agent"])
    cluster.agent_kill(number)
    wait_until(
        "its task is out of reach",
        lambda: service.instances()["node-0"]["tasks"][0]["status"] == "UNREACHABLE",
    )
    service.end()
    service.set_environment(SDK_UNINSTALL="")
    service.start()

    def waits() -> bool:
        if not service.answers():
            return False
        steps = [s for p in service.get("plans/deploy")["phases"] for s in p["steps"]]
        return any("has not been heard of since" in step["message"] for step in steps)

    wait_until("the plan says which agent it waits for", waits, 90)
    service.end()
    service.set_environment(SDK_UNINSTALL=None)
    service.start()
    assert service.exit_code() == 11
    assert "SDK_UNINSTALL=true" in service.log
    service.set_environment(SDK_UNINSTALL="true")
    service.start()
    wait_until("the other agent is clean", lambda: len(reserved(cluster)) == 0, 60)
    wait_until("it answers", service.answers)
    forget(service)
    wait_until("it is uninstalled", lambda: is_done(service), 90)
    report = service.get("uninstall")
    assert [f["pod"] for f in report["forgotten"]] == ["node-0"]
    assert report["forgotten"][0]["volumes"] == [v["id"] for v in instance["volumes"]]
    assert frameworks(cluster) == []
    assert znodes(cluster) == []
    cluster.agent_start(number)
    cluster.wait_for_agents([number])
    wait_until(
        "nothing runs on the agent that is back",
        lambda: not requests.get(f"http://{instance['agent']}:5051/containers", timeout=10).json(),
        30,
    )
    assert list(reserved(cluster)) == [instance["agent"]], "its data was not destroyed"
