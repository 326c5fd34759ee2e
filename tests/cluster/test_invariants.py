"""The invariants are found violated where they are, and nowhere else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.mesos import calls, operations
from holdfast_playground.cluster import ClusterSpec, running
from tests.cluster import invariants
from tests.cluster.running_service import Scheduler, wait_until
from tests.cluster.test_wire import Framework

SVC_YML = """
name: demo
scheduler:
  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'
pods:
  app:
    count: 2
    volume: {path: data, type: ROOT, size: 10}
    tasks:
      server: {goal: RUNNING, cmd: exec sleep 100000, cpus: 0.1, memory: 32}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "svc.yml").write_text(SVC_YML)
    with (
        running(folder / "cluster", ClusterSpec(agents=1), keep_logs=True) as cluster,
        Scheduler(cluster, folder / "svc.yml", folder).start() as scheduler,
    ):
        scheduler.wait_well()
        yield scheduler


def volume(service: Scheduler, name: str) -> Path:
    id_ = service.instances()[name]["volumes"][0]["id"]
    (found,) = service.cluster.agents[0].work_dir.glob(f"volumes/roles/*/{id_}")
    return found


def test_nothing_is_violated_where_nothing_happened(service: Scheduler) -> None:
    held = invariants.holders(service.cluster)
    assert set(held) == {volume(service, f"app-{n}").name for n in range(2)}
    assert all(len(having) == 1 for having in held.values())
    wait_until("all is explained", lambda: invariants.look(service, service.volumes) == [])


def test_two_that_have_one_volume_are_found(service: Scheduler, tmp_path: Path) -> None:
    """A process that says it is another executor's, in a sandbox with the volume of app-0."""
    shared = volume(service, "app-0")
    sandbox = service.cluster.directory / "another"
    sandbox.mkdir()
    (sandbox / "data").symlink_to(shared)
    environment = {
        **os.environ,
        "MESOS_DIRECTORY": str(sandbox),
        "MESOS_EXECUTOR_ID": "another",
    }
    second = subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=-1)
    try:
        wait_until("it is found", lambda: invariants.twice_owned(service.cluster))
        (fault,) = invariants.twice_owned(service.cluster)
        assert fault.startswith(f"I2: volume {shared.name} is used by 2 executors at once")
        assert "another" in fault
    finally:
        second.kill()
        second.communicate()
        (sandbox / "data").unlink()
        sandbox.rmdir()
    assert invariants.twice_owned(service.cluster) == []


def test_a_volume_that_goes_without_an_order_is_found(service: Scheduler) -> None:
    data = volume(service, "app-1")
    data.rename(data.with_name("aside"))
    try:
        with pytest.raises(
            AssertionError, match=f"I3: volume {data.name} is gone, and no operator"
        ):
            invariants.check(service, service.volumes)
        data.mkdir()
        with pytest.raises(AssertionError, match=f"I3: volume {data.name} is made anew"):
            invariants.check(service, service.volumes)
        data.rmdir()
    finally:
        data.with_name("aside").rename(data)
    invariants.check(service, service.volumes)


def test_an_operation_that_an_agent_has_not_carried_out_is_found(service: Scheduler) -> None:
    """As Mesos tells of it; that it is found of the service's own, made-up answers show."""
    cluster = service.cluster
    framework = Framework(cluster.master_url, "invariants").start().subscribed()
    try:
        offer, id_ = framework.offer(), framework.connection.framework_id
        assert id_ is not None
        assert invariants._pending(cluster, id_) == []
        cluster.agent_stop(1)
        try:
            reserve = operations.reserve([framework.reserved("cpus", 0.1)], "op-reserve")
            framework.send(calls.accept([offer.id], [reserve], 0.0))
            (found,) = wait_until("it is pending", lambda: invariants._pending(cluster, id_))
            assert found == f"I5: operation RESERVE on agent {offer.agent_id} has no outcome"
        finally:
            cluster.agent_continue(1)
        wait_until("it has an outcome", lambda: invariants._pending(cluster, id_) == [])
        status = framework.operation("op-reserve")
        assert status.state == "OPERATION_FINISHED"
    finally:
        framework.close()


def test_a_scheduler_that_goes_on_asking_for_offers_is_found(service: Scheduler) -> None:
    with pytest.raises(AssertionError, match="I10: nothing is to be done, and offers come"):
        invariants.idle(service, 0)
    invariants.idle(service)
