"""An agent is back under another id, and a new master says nothing of the former one."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast_playground.cluster import ClusterSpec, running
from tests.cluster.running_service import Scheduler, wait_until
from tests.cluster.test_volume_locks import SVC_YML, starts, volume

SOON = 120.0
"""Seconds; Mesos would speak after ten minutes."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Scheduler]:
    (tmp_path / "svc.yml").write_text(SVC_YML)
    with (
        running(tmp_path / "cluster", ClusterSpec(agents=1, launcher="posix")) as cluster,
        Scheduler(cluster, tmp_path / "svc.yml", tmp_path).start() as scheduler,
    ):
        scheduler.wait_well()
        yield scheduler


def test_it_starts_on_its_volume_long_before_mesos_speaks(service: Scheduler) -> None:
    cluster = service.cluster
    before, on = cluster.agent_ids()[1], volume(service)
    began = time.monotonic()
    cluster.agent_crash(1)
    (cluster.agents[0].work_dir / "meta" / "slaves" / "latest").unlink()
    master = cluster.master_kill()
    cluster.master_start(master)
    cluster.wait_for_leader()
    cluster.agent_start(1)
    cluster.wait_for_agents([1])
    assert cluster.agent_ids()[1] != before
    wait_until("it has started again", lambda: starts(service) == 2 and service.is_well(), SOON)
    assert time.monotonic() - began < 2 * SOON
    assert volume(service) == on
    assert not (on / "two").exists()
    assert f"Mesos tells nothing of the former id ({before})" in service.log
