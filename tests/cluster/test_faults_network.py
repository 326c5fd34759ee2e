"""A real service whose agents and scheduler are cut off, and come back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from holdfast_playground import network, processes
from holdfast_playground.cluster import Cluster, ClusterSpec, running
from tests.cluster.data_service import (
    assert_nothing_is_lost,
    container,
    definition,
    holders,
    kept_well,
    place,
    places,
    status,
    volume_states,
)
from tests.cluster.running_service import (
    EXIT_LEADERSHIP_LOST,
    SESSION_SECONDS,
    Scheduler,
    wait_until,
)

OBSTACLE = network.obstacle()
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=f"no network namespaces: {OBSTACLE}")
SPEC = ClusterSpec(
    agents=4, masters=2, network_namespaces=True, ping_timeout_seconds=1, max_ping_timeouts=4
)


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
def leader(cluster: Cluster, svc_yml: Path) -> Iterator[Scheduler]:
    """The scheduler, in a namespace of its own."""
    with Scheduler(cluster, svc_yml, svc_yml.parent, client=1).start() as scheduler:
        scheduler.wait_well()
        yield scheduler


@pytest.fixture
def service(leader: Scheduler) -> Iterator[Scheduler]:
    yield from kept_well(leader)


def test_a_cut_shorter_than_mesos_patience_changes_nothing(service: Scheduler) -> None:
    before = places(service)
    agent = before["node-0"].agent
    service.cluster.network.cut(f"agent-{agent}")
    ids = service.cluster.agent_ids()
    service.cluster.network.heal(f"agent-{agent}")
    service.cluster.wait_for_agents(list(ids))
    service.wait_well()
    assert places(service) == before


def test_an_agent_cut_off_for_longer_is_waited_for(service: Scheduler) -> None:
    """Its task runs on all the while, and is taken back as it is."""
    cluster, before = service.cluster, place(service, "node-0")
    (process,) = container(cluster, before).tasks[before.task_id]
    cluster.network.cut(f"agent-{before.agent}")
    wait_until("it is out of reach", lambda: status(service, "node-0") == "UNREACHABLE")
    decision = wait_until("it is decided", lambda: service.instances()["node-0"].get("decision"))
    assert decision["choice"] == "wait in place"
    assert processes.is_alive(process)
    cluster.network.heal(f"agent-{before.agent}")
    wait_until("it is back", lambda: status(service, "node-0") == "RUNNING")
    service.wait_well()
    assert place(service, "node-0") == before
    assert before.starts == [before.task_id]
    assert processes.is_alive(process)


def test_a_partition_that_heals_after_the_replacement(service: Scheduler) -> None:
    """The former task is killed, and its volume kept; nothing starts there again."""
    cluster, before = service.cluster, place(service, "node-1")
    (process,) = container(cluster, before).tasks[before.task_id]
    cluster.network.cut(f"agent-{before.agent}")
    wait_until("it is out of reach", lambda: status(service, "node-1") == "UNREACHABLE")
    assert before.volume in service.post("pod/node-1/replace")["message"]

    def replaced() -> bool:
        (volume,) = service.instances()["node-1"]["volumes"] or [{"id": before.volume}]
        return bool(volume["id"] != before.volume) and service.is_well()

    wait_until("it runs elsewhere", replaced)
    after = place(service, "node-1")
    assert after.agent != before.agent
    assert processes.is_alive(process), "who is cut off cannot be told to end"
    cluster.network.heal(f"agent-{before.agent}")
    wait_until("the former task is killed", lambda: not processes.is_alive(process))
    cluster.wait_for_agents([before.agent])
    service.wait_well()
    assert place(service, "node-1") == after
    assert before.starts == [before.task_id]
    assert not holders(cluster, before)
    assert volume_states(service)[before.volume]["state"] == "retired"
    assert_nothing_is_lost(service, before)


def test_an_order_given_while_the_master_is_out_of_reach(service: Scheduler) -> None:
    """It is stored, and carried out once when the master is there again."""
    before, net = place(service, "node-2"), service.cluster.network
    masters = [master.ip for master in service.cluster.masters]
    net.part("client-1", masters)
    try:
        service.post("pod/node-2/restart")
        wait_until("it is tried", lambda: "KILL failed: not sent" in service.log)
        assert container(service.cluster, before).tasks
    finally:
        net.rejoin("client-1")
    wait_until("it was started again", lambda: len(before.starts) == 2)
    service.wait_well()
    after = place(service, "node-2")
    assert (after.volume, after.starts) == (before.volume, [before.task_id, after.task_id])


def test_a_standby_takes_over_from_a_leader_without_zookeeper(
    service: Scheduler, svc_yml: Path
) -> None:
    """The former leader sees the master all the while, and still does nothing: it ends."""
    cluster, before = service.cluster, places(service)
    framework = service.get("state/frameworkId")
    standby = Scheduler(cluster, svc_yml, svc_yml.parent, client=2, port=8090).start()
    try:
        wait_until("the other stands by", lambda: "waits as standby" in standby.log)
        cluster.network.part("client-1", [cluster.state.block.zookeeper])
        assert service.exit_code(SESSION_SECONDS + 20) == EXIT_LEADERSHIP_LOST
        standby.wait_well()
        assert standby.get("state/frameworkId") == framework
        assert places(standby) == before
        standby.end()
    finally:
        standby.close()
        cluster.network.rejoin("client-1")
    service.start()
    service.wait_well()
    assert places(service) == before


def test_a_leader_cut_off_altogether_cannot_write_when_it_is_back(
    service: Scheduler, svc_yml: Path
) -> None:
    """An order it accepts afterwards would be nobody's: it ends before, or refuses."""
    cluster, before = service.cluster, places(service)
    with Scheduler(cluster, svc_yml, svc_yml.parent, client=2, port=8090).start() as standby:
        wait_until("the other stands by", lambda: "waits as standby" in standby.log)
        cluster.network.cut("client-1")
        standby.wait_well(SESSION_SECONDS + 40)
        cluster.network.heal("client-1")
        assert service.exit_code(SESSION_SECONDS + 20) == EXIT_LEADERSHIP_LOST
        with pytest.raises(requests.ConnectionError):
            service.post("pod/node-0/restart")
        assert places(standby) == before
        standby.end()
    service.start()
    service.wait_well()
    assert places(service) == before
