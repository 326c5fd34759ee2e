"""The names of a cluster's own network, and who may have one."""

import os
from pathlib import Path

import pytest

from holdfast_playground import network
from holdfast_playground.addresses import BENCHMARK_BLOCKS, Block
from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.network import Network

MOST = 15
"""Characters in the name of an interface (IFNAMSIZ with its final zero)."""


def test_names_are_short_enough_and_each_clusters_own() -> None:
    networks = [Network(block) for block in BENCHMARK_BLOCKS]
    assert len({one.bridge for one in networks}) == len(networks) == 512
    assert max(len(one._port("client-2")) for one in networks) <= MOST
    assert len(networks[-1]._port("agent-240")) <= MOST


def test_a_block_that_a_route_leads_to_is_not_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel prints 198.18.7.0/24 and a default route on a little-endian machine."""
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "tun0\t000712C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    monkeypatch.setattr(network, "ROUTES", table)
    monkeypatch.setattr(network, "INTERFACES", tmp_path)
    assert not network.is_free(Block(18, 7, 198))
    assert network.is_free(Block(18, 8, 198))
    (tmp_path / "hf18-8").mkdir()
    assert not network.is_free(Block(18, 8, 198))


def test_without_root_it_says_so_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PlaygroundError, match=r"needs root.*--network-namespaces"):
        network.check()


def test_members_run_in_their_namespaces() -> None:
    command = Network(Block(18, 7, 198)).within("agent-1", ["program", "x"])
    assert command == ["nsenter", "--net=/run/netns/holdfast-198.18.7-agent-1", "program", "x"]


def test_a_disk_has_to_hold_something(tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="agent_disk_mb is 1, expected at least 16"):
        Cluster.create(tmp_path, ClusterSpec(agent_disk_mb=1))
