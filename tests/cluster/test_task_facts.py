"""What Mesos is told of tasks beside their command, read back from a real master."""

from pathlib import Path
from typing import Any

import requests

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler

HEAD = "name: demo\nscheduler:\n  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'\n"


def start(cluster: Cluster, folder: Path, pods: str) -> Scheduler:
    svc_yml = folder / "svc.yml"
    svc_yml.write_text(HEAD + pods)
    return Scheduler(cluster, svc_yml, folder).start()


def tasks(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """The tasks the master knows as running, by name."""
    state = requests.get(f"{cluster.leader()}/state", timeout=10).json()
    return {task["name"]: task for framework in state["frameworks"] for task in framework["tasks"]}


def pairs(labels: Any) -> dict[str, str]:
    return {label["key"]: label["value"] for label in labels}


FACTS = """
pods:
  app:
    count: 1
    volume: {path: shared, type: ROOT, size: 10}
    placement: "rack:LIKE:r[0-9],@zone:IS:a,hostname:GROUP_BY"
    tasks:
      server:
        goal: RUNNING
        cmd: echo mine > shared/mine && exec sleep 100000
        cpus: 0.1
        memory: 32
        labels: "team:storage,note:a:b"
        resource-limits: {cpus: unlimited, memory: 64}
        discovery: {prefix: lookup, visibility: EXTERNAL}
        ports:
          web:
            {port: 0, advertise: true, vip: {prefix: front, port: 80},
             ranges: [{begin: 31010, end: 31011}]}
          side: {port: 0}
      other:
        goal: RUNNING
        cmd: while ! test -e shared/mine; do sleep 0.2; done; exec sleep 100000
        cpus: 0.1
        memory: 32
        resource-limits: {memory: unlimited}
"""


def test_labels_limits_and_discovery(cluster_factory: ClusterFactory, tmp_path: Path) -> None:
    cluster = cluster_factory(ClusterSpec(agents=1, zones=("a",)))
    with start(cluster, tmp_path, FACTS) as service:
        service.wait_well()
        found = tasks(cluster)
        server = found["app-0-server"]
        labels = pairs(server["labels"])
        held = service.instances()["app-0"]
        assert len(labels.pop("target_configuration")) > 10
        assert labels == {
            "team": "storage",
            "note": "a:b",
            "service": "demo",
            "pod": "app-0",
            "task_type": "app",
            "index": "0",
            "offer_hostname": held["agent"],
            "offer_attributes": "rack:r1",
            "offer_region": "local",
            "offer_zone": "a",
        }
        discovery = server["discovery"]
        assert (discovery["name"], discovery["visibility"]) == ("lookup-0", "EXTERNAL")
        web, side = discovery["ports"]["ports"]
        assert (web["number"], web["visibility"], side["visibility"]) == (
            31010,
            "EXTERNAL",
            "CLUSTER",
        )
        ((key, address),) = pairs(web["labels"]["labels"]).items()
        assert key.startswith("VIP_")
        assert address == "front:80"
        assert server["limits"] == {"cpus": "Infinity", "mem": 64.0}
        assert found["app-0-other"]["limits"] == {"mem": "Infinity"}
