"""What a real master has for the service's role that no record explains; freed by name alone."""

from pathlib import Path
from typing import Any

import requests

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

ROLE = "demo-role"
SVC_YML = """
name: demo
scheduler:
  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'
pods:
  app:
    count: 1
    volume: {path: data, type: ROOT, size: 10}
    tasks:
      server:
        goal: RUNNING
        cmd: exec sleep 100000
        cpus: 0.1
        memory: 32
"""


def operator(cluster: Cluster, kind: str, agent_id: str, resource: dict[str, Any]) -> None:
    """What somebody does by hand, with the operator API of the master."""
    what, field = {
        "RESERVE_RESOURCES": ("reserve_resources", "resources"),
        "CREATE_VOLUMES": ("create_volumes", "volumes"),
    }[kind]
    body = {"type": kind, what: {"agent_id": {"value": agent_id}, field: [resource]}}
    answer = requests.post(f"{cluster.leader()}/api/v1", json=body, timeout=10)
    assert answer.status_code == 202, answer.text


def by_hand(name: str, amount: float, resource_id: str, framework: str) -> dict[str, Any]:
    labels = {"resource_id": resource_id, "framework_id": framework}
    reservation = {
        "type": "DYNAMIC",
        "role": ROLE,
        "labels": {"labels": [{"key": k, "value": v} for k, v in labels.items()]},
    }
    scalar = {"value": amount}
    return {"type": "SCALAR", "name": name, "scalar": scalar, "reservations": [reservation]}


def test_found_by_asking_and_freed_by_name(cluster_factory: ClusterFactory, tmp_path: Path) -> None:
    """A reservation as of a lost record, and a volume of another framework; one agent's."""
    cluster = cluster_factory(ClusterSpec(agents=2))
    (tmp_path / "svc.yml").write_text(SVC_YML)
    with Scheduler(cluster, tmp_path / "svc.yml", tmp_path).start() as running:
        running.wait_well()
        mine = running.get("state/frameworkId")[0]
        agent_id = cluster.agent_ids()[2]
        operator(cluster, "RESERVE_RESOURCES", agent_id, by_hand("cpus", 0.2, "r-lost", mine))
        disk = by_hand("disk", 20, "r-foreign", "f-other")
        operator(cluster, "RESERVE_RESOURCES", agent_id, disk)
        persistence = {"id": "v-foreign"}
        mount = {"container_path": "data", "mode": "RW"}
        volume = {**disk, "disk": {"persistence": persistence, "volume": mount}}
        operator(cluster, "CREATE_VOLUMES", agent_id, volume)

        lost = f"r-lost/cpus@{agent_id}"
        found = wait_until("both can be freed", lambda: _free(running, {lost, "v-foreign"}))
        assert found[lost]["class"] == "forgotten"
        assert found["v-foreign"]["class"] == "unknown"
        assert found["v-foreign"]["size"] == 20
        explained = {item["kind"] for item in found.values() if item["class"] == "explained"}
        assert explained == {"reservation", "volume", "task", "executor"}
        (data,) = [v["id"] for v in running.get("volumes") if v["state"] == "in-use"]
        url = f"http://{running.host}:{running.port}/v1/orphans/apply"
        refused = requests.post(url, json={"names": [lost, data]}, timeout=20)
        assert refused.status_code == 409, refused.text

        answer = requests.post(url, json={"names": [lost]}, timeout=20)
        assert answer.status_code == 200, answer.text
        left = wait_until("only what was named goes", lambda: _without(running, lost))
        assert "v-foreign" in left
        assert requests.post(url, json={"names": ["v-foreign"]}, timeout=20).status_code == 200
        left = wait_until("the volume goes", lambda: _without(running, "v-foreign"))
        assert data in left
        assert {item["class"] for item in left.values()} == {"explained"}
        assert running.is_well()


def _items(running: Scheduler) -> dict[str, Any]:
    return {item["name"]: item for item in running.get("orphans")["items"]}


def _free(running: Scheduler, names: set[str]) -> dict[str, Any] | None:
    items = _items(running)
    free = {name for name, item in items.items() if item["applicable"]}
    return items if names <= free else None


def _without(running: Scheduler, name: str) -> dict[str, Any] | None:
    items = _items(running)
    return None if name in items else items
