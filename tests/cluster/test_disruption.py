"""Disruption checks on a real cluster: who is asked, what a no holds up, and what --force does."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until
from tests.web_server import WebServer, answering

SERVICE = """
name: guarded
scheduler:
  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'
pods:
  node:
    count: 2
    disruption-check: {{{CHECK}}}
    volume: {path: data, type: ROOT, size: 16}
    tasks:
      server:
        goal: RUNNING
        cmd: echo {{VERSION}} && exec sleep 100000
        cpus: 0.1
        memory: 32
"""


@pytest.fixture
def coordinator() -> Iterator[WebServer]:
    """Says no, until it is told otherwise."""
    with answering() as server:
        server.body = b'{"allow": false, "reason": "a copy is missing"}'
        yield server


@pytest.fixture
def small(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=1))


def test_an_update_and_an_order_wait_for_a_yes(
    small: Cluster, coordinator: WebServer, tmp_path: Path
) -> None:
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(SERVICE)
    check = f"{{url: '{coordinator.url}/$POD_INSTANCE/$NODE_0_IP'}}"
    environment = {"CHECK": check, "VERSION": "1"}
    with Scheduler(small, svc_yml, tmp_path, environment=environment).start() as service:
        wait_until("it is deployed", service.is_well)
        assert coordinator.asked == [], "a deployment stops nothing"
        first = service.task_ids()

        service.end()
        service.set_environment(VERSION="2")
        service.start()
        wait_until("the check is asked", lambda: coordinator.asked)
        first_asked = coordinator.asked[0]
        assert first_asked.path == f"/node-0/{small.agents[0].ip}"
        assert json.loads(first_asked.body)["action"] == "restart"
        wait_until(
            "pod status tells why it waits",
            lambda: "a copy is missing" in (service.instances()["node-0"]["reason"] or ""),
        )
        steps = service.get("plans/deploy")["phases"][0]["steps"]
        assert "does not let it be stopped: a copy is missing" in steps[0]["message"]
        pods_asked = {json.loads(asked.body)["pod"] for asked in coordinator.asked}
        assert pods_asked == {"node-0"}, "the other one has not its turn"

        for order in ("restart", "pause"):
            refused = service.session.post(f"{service.url}/v1/pod/node-1/{order}", timeout=10)
            assert refused.status_code == 409
            assert "a copy is missing" in refused.text
        assert service.task_ids() == first, "nothing was stopped by a no"

        service.post("pod/node-1/restart?force=true")
        wait_until(
            "the operator's word is enough",
            lambda: service.task_ids()["node-1-server"] != first["node-1-server"],
        )
        assert service.task_ids()["node-0-server"] == first["node-0-server"]

        coordinator.body = b'{"allow": true}'
        wait_until("the update is done", service.is_well)
        assert service.task_ids()["node-0-server"] != first["node-0-server"]


def test_a_command_holds_a_rolling_restart_up_until_it_says_yes(
    small: Cluster, tmp_path: Path
) -> None:
    svc_yml, told, may_go = tmp_path / "svc.yml", tmp_path / "told", tmp_path / "may-go"
    svc_yml.write_text(SERVICE)
    command = (
        f'{{ env; cat; echo; }} > "{told}-$POD_INSTANCE.new";'
        f' mv "{told}-$POD_INSTANCE.new" "{told}-$POD_INSTANCE";'
        f" test -e {may_go} || {{ echo looking; echo a copy is missing; exit 1; }}"
    )
    environment = {
        "CHECK": json.dumps({"command": command}),
        "VERSION": "1",
        "SERVICE_SECRET": "hidden",
    }
    with Scheduler(small, svc_yml, tmp_path, environment=environment).start() as service:
        wait_until("it is deployed", service.is_well)
        assert not list(tmp_path.glob("told-*")), "a deployment stops nothing"
        first = service.task_ids()

        service.end()
        service.set_environment(VERSION="2")
        service.start()
        wait_until("it answers", service.answers)
        wait_until(
            "pod status tells why it waits",
            lambda: "a copy is missing" in (service.instances()["node-0"]["reason"] or ""),
        )
        assert service.task_ids() == first, "nothing was stopped by a no"
        (only,) = tmp_path.glob("told-*")
        *variables, question = only.read_text().splitlines()
        assert json.loads(question)["action"] == "restart"
        assert {
            "POD_INSTANCE=node-0",
            "DISRUPTION_ACTION=restart",
            "DISRUPTION_TASKS=server",
            f"NODE_0_IP={small.agents[0].ip}",
        } <= set(variables)
        assert "SERVICE_SECRET" not in only.read_text()

        may_go.touch()
        wait_until("the update is done", service.is_well)
        second = service.task_ids()
        assert all(second[name] != first[name] for name in first)
        assert len(list(tmp_path.glob("told-*"))) == 2, "each instance was asked about"
