"""Failed pod instances on a real cluster: replaced by policy, given up with their agents, found
again under another agent id."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from holdfast_playground.cluster import Cluster, ClusterSpec, running
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: log
scheduler:
  zookeeper: {{{FRAMEWORK_ZOOKEEPER}}}
replacement-failure-policy:
  permanent-failure-timeout-secs: 8
  min-replace-delay-secs: 0
pods:
  node:
    count: 3
    placement: hostname:UNIQUE
    tasks:
      writer:
        goal: RUNNING
        cmd: echo start >> data/starts; exec sleep 100000
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    folder = tmp_path_factory.mktemp("service")
    svc_yml = folder / "svc.yml"
    svc_yml.write_text(SVC_YML)
    with (
        running(folder / "cluster", ClusterSpec(agents=5)) as cluster,
        Scheduler(cluster, svc_yml, folder).start() as scheduler,
    ):
        scheduler.wait_well()
        yield scheduler


def agent_of(service: Scheduler, name: str) -> int:
    ip = service.instances()[name]["agent"]
    return next(agent.number for agent in service.cluster.agents if agent.ip == ip)


def volume_of(service: Scheduler, name: str) -> str:
    return str(service.instances()[name]["volumes"][0]["id"])


def volumes(service: Scheduler) -> dict[str, dict[str, Any]]:
    return {volume["id"]: volume for volume in service.get("volumes")}


def starts(cluster: Cluster, agent: int, volume: str) -> int:
    """How often a task was started on the volume."""
    (found,) = (a for a in cluster.agents if a.number == agent)
    file: Path = found.work_dir / "volumes" / "roles" / "log-role" / volume / "starts"
    return len(file.read_text().splitlines())


def test_an_instance_is_replaced_once_the_timeout_is_over(service: Scheduler) -> None:
    cluster = service.cluster
    agent, volume = agent_of(service, "node-0"), volume_of(service, "node-0")
    cluster.agent_kill(agent)
    decision = wait_until(
        "it is decided", lambda: service.instances()["node-0"].get("decision"), seconds=90
    )
    assert decision["choice"] == "replace"
    assert decision["deadline"] == pytest.approx(decision["since"] + 8)
    wait_until("it is elsewhere", lambda: volume_of_new(service, "node-0", volume), seconds=90)
    service.wait_well()
    assert volumes(service)[volume]["reason"].startswith("replaced by policy: agent ")
    cluster.agent_start(agent)
    cluster.wait_for_agents([agent])
    service.wait_well()
    assert starts(cluster, agent, volume) == 1
    assert volumes(service)[volume]["state"] == "retired"


def volume_of_new(service: Scheduler, name: str, old: str) -> bool:
    held = service.instances()[name]["volumes"]
    return bool(held) and held[0]["id"] != old


def test_an_agent_marked_gone_is_given_up_at_once(service: Scheduler) -> None:
    cluster = service.cluster
    agent, volume = agent_of(service, "node-1"), volume_of(service, "node-1")
    answer = requests.post(
        f"{cluster.leader()}/api/v1",
        json={
            "type": "MARK_AGENT_GONE",
            "mark_agent_gone": {"agent_id": {"value": cluster.agent_ids()[agent]}},
        },
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    wait_until("it is elsewhere", lambda: volume_of_new(service, "node-1", volume))
    service.wait_well()
    assert agent_of(service, "node-1") != agent
    assert "was marked gone in Mesos" in volumes(service)[volume]["reason"]


def test_an_agent_under_another_id_has_its_instances_again(service: Scheduler) -> None:
    cluster = service.cluster
    agent, volume = agent_of(service, "node-2"), volume_of(service, "node-2")
    (found,) = (a for a in cluster.agents if a.number == agent)
    before, began = cluster.agent_ids()[agent], starts(cluster, agent, volume)
    cluster.agent_kill(agent)
    (found.work_dir / "meta" / "slaves" / "latest").unlink()
    cluster.agent_start(agent)
    cluster.wait_for_agents([agent])
    assert cluster.agent_ids()[agent] != before
    wait_until(
        "it has started again on its volume",
        lambda: starts(cluster, agent, volume) > began and service.is_well(),
        seconds=120,
    )
    assert volume_of(service, "node-2") == volume
