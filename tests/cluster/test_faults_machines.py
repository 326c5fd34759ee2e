"""A real service whose executors, machines, disks, masters and ZooKeeper hang, fill up or forget.

The tests share one cluster and run in the order of the file; each leaves the service well.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast_playground import faults, network, processes
from holdfast_playground.cluster import Cluster, ClusterSpec, running
from holdfast_playground.errors import PlaygroundError
from tests.cluster.data_service import (
    assert_nothing_is_lost,
    container,
    definition,
    kept_well,
    place,
    places,
    status,
    volume_states,
    wait_started,
)
from tests.cluster.running_service import (
    EXIT_LEADERSHIP_LOST,
    SESSION_SECONDS,
    Scheduler,
    wait_until,
)

SPEC = ClusterSpec(
    agents=4,
    masters=2,
    ping_timeout_seconds=1,
    max_ping_timeouts=4,
    network_namespaces=network.obstacle() is None,
)
"""Each agent in a network of its own, where that can be: machines are told apart by more."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with running(folder / "cluster", SPEC, keep_logs=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def svc_yml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("service") / "svc.yml"
    path.write_text(definition())
    return path


@pytest.fixture(scope="module")
def first(cluster: Cluster, svc_yml: Path) -> Iterator[Scheduler]:
    with Scheduler(cluster, svc_yml, svc_yml.parent).start() as scheduler:
        scheduler.wait_well()
        yield scheduler


@pytest.fixture
def service(first: Scheduler) -> Iterator[Scheduler]:
    yield from kept_well(first)


def test_a_killed_executor_is_started_again_on_the_volume(service: Scheduler) -> None:
    before = place(service, "node-0")
    faults.executor_kill(container(service.cluster, before))
    wait_started(service, "node-0", before)


def test_a_machine_that_hangs_goes_on_with_its_task(service: Scheduler) -> None:
    """Longer than Mesos' patience: it is waited for, and nothing is started beside it."""
    before = place(service, "node-1")
    frozen = faults.machine_freeze(service.cluster, before.agent)
    wait_until("it is out of reach", lambda: status(service, "node-1") == "UNREACHABLE")
    faults.thaw(frozen)
    wait_until("it is back", lambda: status(service, "node-1") == "RUNNING")
    service.wait_well()
    assert place(service, "node-1") == before
    assert before.starts == [before.task_id]


def test_a_rebooted_agent_starts_its_task_again_on_the_volume(service: Scheduler) -> None:
    before = place(service, "node-1")
    faults.agent_reboot(service.cluster, before.agent)
    wait_started(service, "node-1", before)


def test_a_master_that_hangs_is_left_for_another(service: Scheduler) -> None:
    cluster, before = service.cluster, places(service)
    leader, number = cluster.leader(), cluster.leading_master()
    log_before = service.log.count("subscribed to")
    cluster.master_pause(number)
    wait_until("another one leads", lambda: _leads(cluster, leader))
    cluster.master_continue(number)
    cluster.wait_for_agents([1, 2, 3, 4])
    wait_until("it is subscribed again", lambda: service.log.count("subscribed to") > log_before)
    service.wait_well()
    assert places(service) == before


def _leads(cluster: Cluster, other_than: str) -> bool:
    try:
        return cluster.leader() != other_than
    except PlaygroundError:
        return False


def test_orders_are_carried_out_on_a_slow_zookeeper(service: Scheduler) -> None:
    before = place(service, "node-2")
    with faults.slow_zookeeper(service.cluster):
        service.post("pod/node-2/restart")
        wait_until("it was started again", lambda: len(before.starts) == 2)
    service.wait_well()
    after = place(service, "node-2")
    assert (after.volume, after.starts) == (before.volume, [before.task_id, after.task_id])


def test_a_zookeeper_that_hangs_for_longer_than_a_session(service: Scheduler) -> None:
    """The scheduler ends, since another one may lead; tasks run on, and are found again."""
    before = places(service)
    service.cluster.zookeeper_pause()
    assert service.exit_code(SESSION_SECONDS + 20) == EXIT_LEADERSHIP_LOST
    service.cluster.zookeeper_continue()
    service.cluster.wait_for_agents([1, 2, 3, 4])
    service.start()
    service.wait_well()
    assert places(service) == before


def test_a_scheduler_that_hung_does_nothing_once_another_leads(
    service: Scheduler, svc_yml: Path
) -> None:
    before, framework = places(service), service.get("state/frameworkId")
    with Scheduler(service.cluster, svc_yml, svc_yml.parent, port=8090).start() as standby:
        wait_until("the other stands by", lambda: "waits as standby" in standby.log)
        service.send(signal.SIGSTOP)
        standby.wait_well(SESSION_SECONDS + 30)
        service.send(signal.SIGCONT)
        assert service.exit_code(SESSION_SECONDS + 20) == EXIT_LEADERSHIP_LOST
        assert standby.get("state/frameworkId") == framework
        assert places(standby) == before
        standby.end()
    service.start()
    service.wait_well()
    assert places(service) == before


def test_an_agent_that_forgot_its_reservations_keeps_the_data(service: Scheduler) -> None:
    """Nothing is started on an empty volume in place of the full one, until it is replaced."""
    before = place(service, "node-0")
    starts = before.starts
    faults.agent_forget(service.cluster, before.agent)
    service.cluster.wait_for_agents([before.agent])
    decision = wait_until(
        "it is decided", lambda: service.instances()["node-0"].get("decision"), seconds=30
    )
    assert decision["choice"] == "wait in place"
    assert place(service, "node-0").volume == before.volume
    assert before.starts == starts
    service.post("pod/node-0/replace")
    wait_until(
        "it has another volume",
        lambda: service.is_well() and place(service, "node-0").volume != before.volume,
    )
    assert volume_states(service)[before.volume]["state"] == "retired"
    assert before.lines("precious") == ["data"]


@pytest.fixture
def small_disks(
    tmp_path_factory: pytest.TempPathFactory, svc_yml: Path
) -> Iterator[tuple[Cluster, Scheduler]]:
    folder = tmp_path_factory.mktemp("disks")
    try:
        with running(
            folder / "cluster", ClusterSpec(agents=2, agent_disk_mb=48), keep_logs=True
        ) as cluster:
            path = folder / "svc.yml"
            path.write_text(definition(2))
            with Scheduler(cluster, path, folder).start() as scheduler:
                scheduler.wait_well()
                yield cluster, scheduler
    except PlaygroundError as error:
        if "disk of its own" in str(error):
            pytest.skip(str(error))
        raise


def test_a_full_disk_is_survived(small_disks: tuple[Cluster, Scheduler]) -> None:
    """The task that runs goes on. To start another ends Mesos' agent, which cannot note it."""
    cluster, service = small_disks
    before = place(service, "node-0")
    (process,) = container(cluster, before).tasks[before.task_id]
    faults.disk_fill(cluster, before.agent)
    assert processes.is_alive(process)
    faults.task_kill(container(cluster, before), before.task_id)
    wait_until(
        "the agent has ended", lambda: cluster.agents[before.agent - 1].state == "dead", seconds=30
    )
    faults.disk_free(cluster, before.agent)
    cluster.agent_start(before.agent)
    wait_started(service, "node-0", before)
    assert_nothing_is_lost(service)
