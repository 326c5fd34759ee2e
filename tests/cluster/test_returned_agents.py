"""An agent is back under another id, and a new master says nothing of the former one."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.one_writer import forget, one_writer, starts, volume
from tests.cluster.running_service import Scheduler, wait_until

SOON = 120.0
"""Seconds; Mesos would speak after ten minutes."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Scheduler]:
    with one_writer(tmp_path) as scheduler:
        yield scheduler


def test_it_starts_on_its_volume_long_before_mesos_speaks(service: Scheduler) -> None:
    cluster, on = service.cluster, volume(service)

    def another_master() -> None:
        cluster.master_start(cluster.master_kill())
        cluster.wait_for_leader()

    began = time.monotonic()
    before = forget(service, another_master)
    wait_until("it has started again", lambda: starts(service) == 2 and service.is_well(), SOON)
    assert time.monotonic() - began < 2 * SOON
    assert volume(service) == on
    assert not (on / "two").exists()
    assert f"Mesos tells nothing of the former id ({before})" in service.log
