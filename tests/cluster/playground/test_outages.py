"""Masters and ZooKeeper fail and come back; agents and tasks go on."""

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.playground import traces
from tests.cluster.playground.minimal_framework import Framework


def test_tasks_survive_the_only_master(cluster: Cluster) -> None:
    with Framework(cluster.leader()) as framework:
        offer = framework.launch("t1")
        framework.wait_for_state("t1", "TASK_RUNNING")
        ids = cluster.agent_ids()

        assert cluster.master_kill() == 1
        assert cluster.masters[0].state == "dead"
        cluster.master_start()
        cluster.wait_for_agents([1, 2, 3])

        # The same ids, because the registry was kept.
        assert cluster.agent_ids() == ids
        framework.subscribe(cluster.leader())
        assert framework.reconcile("t1", offer["agent_id"])["state"] == "TASK_RUNNING"


def test_another_master_takes_over(cluster_factory: ClusterFactory) -> None:
    cluster = cluster_factory(ClusterSpec(agents=2, masters=2))
    first = cluster.leader()
    with Framework(first) as framework:
        offer = framework.launch("t1")
        framework.wait_for_state("t1", "TASK_RUNNING")

        killed = cluster.master_kill()
        second = cluster.wait_for_leader()
        cluster.wait_for_agents([1, 2])

        assert second != first
        framework.subscribe(second)
        assert framework.reconcile("t1", offer["agent_id"])["state"] == "TASK_RUNNING"

        cluster.master_start(killed)
        traces.wait_until(lambda: cluster.masters[killed - 1].state == "running")
        assert cluster.leader() == second


def test_masters_step_down_without_zookeeper_and_return_with_it(cluster: Cluster) -> None:
    """As mesos-master does: it exits when its session is lost, and is started again."""
    with Framework(cluster.leader()) as framework:
        offer = framework.launch("t1")
        framework.wait_for_state("t1", "TASK_RUNNING")

        cluster.zookeeper_stop()
        log = cluster.layout.log("master-1")
        traces.wait_until(lambda: "starting it again" in log.read_text())
        assert cluster.zookeeper_state == "dead"

        cluster.zookeeper_start()
        cluster.wait_for_agents([1, 2, 3])
        framework.subscribe(cluster.leader())
        assert framework.reconcile("t1", offer["agent_id"])["state"] == "TASK_RUNNING"


def test_a_short_pause_of_zookeeper_changes_nothing(cluster: Cluster) -> None:
    leader, ids = cluster.leader(), cluster.agent_ids()
    states = [cluster.zookeeper_state]
    cluster.zookeeper_pause()
    states.append(cluster.zookeeper_state)
    cluster.zookeeper_continue()
    states.append(cluster.zookeeper_state)

    assert states == ["running", "stopped", "running"]
    assert (cluster.leader(), cluster.agent_ids()) == (leader, ids)
    assert "starting it again" not in cluster.layout.log("master-1").read_text()
