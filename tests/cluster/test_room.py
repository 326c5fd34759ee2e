"""Instances that are to grow, on a real cluster: where there is no room they run on."""

from pathlib import Path

import pytest

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

SERVICE = """
name: growing
scheduler:
  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'
pods:
  node:
    count: 2
    volume: {path: data, type: ROOT, size: 16}
    tasks:
      server:
        goal: RUNNING
        cmd: echo $POD_INSTANCE > data/owner; exec sleep 100000
        cpus: {{CPUS}}
        memory: 32
"""


@pytest.fixture
def small(cluster_factory: ClusterFactory) -> Cluster:
    """An agent with room for one instance of 2 cpus beside one of 1."""
    resources = "cpus:3.2;mem:1024;disk:1024;ports:[31000-31100]"
    return cluster_factory(ClusterSpec(agents=1, resources=resources))


def test_one_that_finds_no_room_runs_on_until_it_is_let_be(small: Cluster, tmp_path: Path) -> None:
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(SERVICE)
    with Scheduler(small, svc_yml, tmp_path, environment={"CPUS": "1"}).start() as service:
        wait_until("it is deployed", service.is_well)
        first = service.task_ids()
        volumes = {name: one["volumes"] for name, one in service.instances().items()}

        service.end()
        service.set_environment(CPUS="2")
        service.start()
        wait_until(
            "the first one has grown, and the second is told to wait",
            lambda: (
                service.answers()
                and "lacks room" in (service.instances()["node-1"]["reason"] or "")
            ),
        )
        now = service.task_ids()
        assert now["node-0-server"] != first["node-0-server"]
        assert now["node-1-server"] == first["node-1-server"], "it runs on"
        assert service.instances()["node-1"]["state"] == "running"
        (agents,) = (one["agents"] for one in service.get("explain")["pods"])
        (lacks,) = agents.values()
        assert lacks.startswith("cpus: needs 1 more, the agent offers 0")

        service.end()
        service.set_environment(CPUS="1")
        service.start()
        wait_until("it is as it was", service.is_well)
        assert service.task_ids()["node-1-server"] == first["node-1-server"]
        assert {n: one["volumes"] for n, one in service.instances().items()} == volumes
