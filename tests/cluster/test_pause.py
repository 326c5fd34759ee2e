"""An instance is paused and resumed on a real cluster, on its own volume."""

from pathlib import Path
from typing import Any

import pytest
import requests

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: demo
scheduler:
  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'
pods:
  app:
    count: 1
    tasks:
      server:
        goal: RUNNING
        cmd: echo started >> data/log; exec sleep 100000
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
        health-check:
          {cmd: "test ! -e data/ill", interval: 1, grace-period: 0, max-consecutive-failures: 1,
           delay: 0, timeout: 5}
        readiness-check: {cmd: "test -e data/log", interval: 1, timeout: 5}
"""


@pytest.fixture
def one_agent(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=1, zones=("a",)))


def server(service: Scheduler) -> dict[str, Any]:
    (task,) = service.instances()["app-0"]["tasks"]
    return dict(task)


def test_zzzrecovery_pause_and_resume(one_agent: Cluster, tmp_path: Path) -> None:
    """Paused tasks sleep beside their data until resumed."""
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(SVC_YML)
    service = Scheduler(
        one_agent,
        svc_yml,
        tmp_path,
        environment={"PAUSE_OVERRIDE_CMD": "touch data/paused; exec sleep 100000"},
    ).start()
    try:
        service.wait_well()
        (volume,) = service.instances()["app-0"]["volumes"]
        (agent,) = one_agent.agents
        data = agent.work_dir / "volumes" / "roles" / "demo-role" / volume["id"]
        answer = service.post("pod/app-0/pause")
        assert (answer["pod"], answer["tasks"]) == ("app-0", ["app-0-server"])
        wait_until("it is paused", lambda: server(service)["status"] == "PAUSED")
        wait_until("it runs what the scheduler was told", (data / "paused").exists)
        (data / "ill").touch()  # the health check would kill it
        paused = server(service)["id"]
        service.end()
        service.start()
        wait_until("the scheduler is back", service.answers)
        wait_until("it is still paused", lambda: server(service)["status"] == "PAUSED")
        assert server(service)["id"] == paused
        assert service.get("plans/recovery")["status"] != "COMPLETE"
        steps = [s["status"] for p in service.get("plans/recovery")["phases"] for s in p["steps"]]
        assert steps == ["PAUSED"]
        (data / "ill").unlink()
        service.post("pod/app-0/resume")
        service.wait_well()
        assert (data / "log").read_text() == "started\nstarted\n"
        assert server(service)["status"] == "RUNNING"
        again = requests.post(
            f"http://{service.host}:{service.port}/v1/pod/app-0/resume", timeout=10
        )
        assert again.status_code == 409
    finally:
        service.close()
