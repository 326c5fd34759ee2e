"""Real masters and agents that speak TLS, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import requests

from holdfast_playground.certificates import authority, make
from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: demo
scheduler:
  principal: demo-principal
  zookeeper: '{{FRAMEWORK_ZOOKEEPER}}'
pods:
  app:
    count: 1
    volume: {path: data, type: ROOT, size: 10}
    tasks:
      server:
        goal: RUNNING
        cmd: echo here >> data/starts && exec sleep 100000
        cpus: 0.1
        memory: 32
        resource-limits: {memory: 64}
"""


@pytest.fixture
def encrypted(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=1, masters=2, tls=True))


def scheduler(cluster: Cluster, folder: Path, *options: str, **more: Any) -> Scheduler:
    svc_yml = folder / "svc.yml"
    svc_yml.write_text(SVC_YML)
    return Scheduler(cluster, svc_yml, folder, options=options, **more)


def test_deployed_and_kept_over_a_failover_with_tls(encrypted: Cluster, tmp_path: Path) -> None:
    """Subscribed, launched, the agent asked what it can do, its executor answered: all by TLS."""
    (agent,) = encrypted.agents
    for address in (encrypted.leader().removeprefix("https://"), f"{agent.ip}:{agent.port}"):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{address}/version", timeout=10)
    with scheduler(encrypted, tmp_path, "--master-ca", str(encrypted.authority)).start() as running:
        running.wait_well()
        assert "subscribed to https://" in running.log
        before = running.task_ids()

        encrypted.master_kill()
        wait_until("disconnected", lambda: "disconnected" in running.log)
        wait_until("subscribed again", lambda: running.log.count("subscribed to https://") == 2)
        running.wait_well()
        assert running.task_ids() == before
        running.post("pod/app-0/restart")
        wait_until("restarted", lambda: running.task_ids() != before and running.is_well())
        (volume,) = agent.work_dir.glob("volumes/roles/demo-role/*")
        assert (volume / "starts").read_text() == "here\nhere\n"


def test_one_master_is_asked_by_https_for_the_leader(encrypted: Cluster, tmp_path: Path) -> None:
    """Any master will do; it names the leader without a scheme."""
    follower = next(m for m in encrypted.masters if m.ip not in encrypted.leader())
    address = f"https://{follower.ip}:{follower.port}"
    trusted = ("--master-ca", str(encrypted.authority))
    with scheduler(encrypted, tmp_path, *trusted, master=address).start() as running:
        running.wait_well()


def test_what_is_wrong_is_told(encrypted: Cluster, tmp_path: Path) -> None:
    """Another authority's masters are not spoken to; without an authority there is a hint."""
    make(tmp_path / "other", [])
    stranger = ("--master-ca", str(authority(tmp_path / "other")))
    assert "certificate is not accepted" in refusal(encrypted, tmp_path, *stranger, port=8080)
    assert "closes the connection" in refusal(encrypted, tmp_path, port=8081)


def refusal(cluster: Cluster, folder: Path, *options: str, port: int) -> str:
    """What the log says of the master; there is no subscription."""
    with scheduler(cluster, folder, *options, port=port).start() as running:
        wait_until("told", lambda: "trying again" in running.log)
        line = next(line for line in running.log.splitlines() if "trying again" in line)
        assert "--master-ca" in line
        assert "leading" in running.log
        assert " subscribed to https" not in running.log
        return line
