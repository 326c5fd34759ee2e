"""Agents with a network and a disk of their own: cut, healed, filled, freed, gone at the end."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast_playground import faults, network
from holdfast_playground.addresses import MASTER_PORT, ZOOKEEPER_PORT
from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.playground import traces
from tests.cluster.playground.test_cluster_life import start_and_die

OBSTACLE = network.obstacle()
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=f"no network namespaces: {OBSTACLE}")
CONNECTS = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"


def test_what_a_dead_process_started_is_ended(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    start_and_die(directory, "agents=2, network_namespaces=True, agent_disk_mb=32")
    cluster = Cluster.open(directory)
    block = str(cluster.state.block)
    assert len(traces.network(block)) == 4 + 5
    cluster.down()
    assert traces.of(cluster, block) == traces.NOTHING


def test_a_cut_agent_is_missed_and_comes_back(cluster_factory: ClusterFactory) -> None:
    """And another cluster beside it notices nothing."""
    spec = ClusterSpec(
        agents=2, network_namespaces=True, ping_timeout_seconds=1, max_ping_timeouts=3
    )
    one, other = cluster_factory(spec), cluster_factory(spec)
    assert one.state.block != other.state.block
    ids = one.agent_ids()
    one.network.cut("agent-1")
    traces.wait_until(lambda: set(one.agent_ids()) == {2})
    assert one.agents[0].state == "running"
    one.network.heal("agent-1")
    one.wait_for_agents([1, 2])
    assert one.agent_ids() == ids
    assert set(other.agent_ids()) == {1, 2}


def test_a_scheduler_can_be_parted_from_zookeeper_alone(cluster_factory: ClusterFactory) -> None:
    cluster = cluster_factory(ClusterSpec(agents=1, network_namespaces=True))
    block = cluster.state.block

    def reaches(ip: str, port: int) -> bool:
        command = [sys.executable, "-c", CONNECTS, ip, str(port)]
        within = cluster.network.within("client-1", command)
        return subprocess.run(within, capture_output=True, check=False).returncode == 0

    zookeeper, master = (block.zookeeper, ZOOKEEPER_PORT), (block.master(1), MASTER_PORT)
    assert reaches(*zookeeper)
    cluster.network.part("client-1", [block.zookeeper])
    assert not reaches(*zookeeper)
    assert reaches(*master)
    cluster.network.rejoin("client-1")
    assert reaches(*zookeeper)


def test_a_disk_of_its_own_outlives_a_reboot(cluster_factory: ClusterFactory) -> None:
    cluster = cluster_factory(ClusterSpec(agents=1, agent_disk_mb=32))
    machine = cluster.layout.agent(1)
    (machine / "data").write_text("kept")
    faults.disk_fill(cluster, 1)
    assert shutil.disk_usage(machine).free == 0
    faults.disk_free(cluster, 1)
    assert shutil.disk_usage(machine).free > 1 << 20
    faults.agent_reboot(cluster, 1)
    cluster.wait_for_agents([1])
    assert (machine / "data").read_text() == "kept"
    cluster.agent_remove(1)
    cluster.agent_start(1)
    cluster.wait_for_agents([1])
    assert not (machine / "data").exists()


def test_what_needs_a_network_or_a_disk_of_its_own_says_so(cluster: Cluster) -> None:
    with pytest.raises(PlaygroundError, match="--network-namespaces"):
        cluster.network.cut("agent-1")
    with pytest.raises(PlaygroundError, match="agent_disk_mb"):
        faults.disk_fill(cluster, 1)
