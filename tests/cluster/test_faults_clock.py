"""The clock of the scheduler's machine is set while the service runs."""

from functools import partial
from pathlib import Path

from holdfast_playground import faults
from holdfast_playground.cluster import ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.data_service import (
    Place,
    assert_nothing_is_lost,
    container,
    definition,
    place,
    status,
    wait_started,
)
from tests.cluster.running_service import Scheduler, wait_until
from tests.cluster.stepped_clock import set_ahead

POLICY = """
replacement-failure-policy:
  permanent-failure-timeout-secs: 600
  min-replace-delay-secs: 0
"""
HOURS = 7200.0


def started_after(where: Place) -> bool:
    """Whether another task was started on the volume since."""
    return where.starts[-1] != where.task_id


def test_a_clock_that_is_set_changes_no_time_out(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    """Ahead, nothing is replaced before its time; back, what fails is started again as ever."""
    cluster = cluster_factory(ClusterSpec(agents=3, ping_timeout_seconds=1, max_ping_timeouts=3))
    svc_yml, offset = tmp_path / "svc.yml", tmp_path / "offset"
    svc_yml.write_text(definition(2, POLICY))
    set_ahead(offset, 0)
    program = ("tests.cluster.stepped_clock", str(offset), "holdfast.main")
    with Scheduler(cluster, svc_yml, tmp_path, program=program).start() as service:
        service.wait_well()
        lost, other = place(service, "node-0"), place(service, "node-1")
        cluster.agent_kill(lost.agent)
        wait_until("it is out of reach", lambda: status(service, "node-0") == "UNREACHABLE")
        wait_until(
            "it is to be replaced later",
            lambda: service.instances()["node-0"].get("decision", {}).get("deadline"),
        )
        for seconds in (HOURS, -HOURS):
            set_ahead(offset, seconds)
            wait_until("the task is there", lambda: status(service, "node-1") == "RUNNING")
            now = place(service, "node-1")
            faults.task_kill(container(cluster, now), now.task_id)
            # The second failure within a while waits for its turn: 5 s, and not hours.
            wait_until("it has started again", partial(started_after, now), seconds=30)
            assert place(service, "node-1").volume == other.volume
            assert place(service, "node-0").volume == lost.volume, "it was replaced too early"
        cluster.agent_start(lost.agent)
        wait_started(service, "node-0", lost)
        assert_nothing_is_lost(service, lost, other)
