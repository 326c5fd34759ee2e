"""Machines serviced on a real cluster: Mesos' schedule, its drains, and closed hosts."""

import time
from pathlib import Path
from typing import Any

import requests

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: quorum
scheduler:
  zookeeper: {{{FRAMEWORK_ZOOKEEPER}}}
pods:
  node:
    count: 3
    placement: '[["hostname", "UNIQUE"]]'
    volume: {path: data, type: ROOT, size: 16}
    tasks:
      server:
        goal: RUNNING
        cmd: exec sleep 100000
        cpus: 0.1
        memory: 32
"""
SECOND = 1_000_000_000


def operator(cluster: Cluster, kind: str, **body: Any) -> Any:
    """A call of the master's operator API."""
    answer = requests.post(
        f"{cluster.leader()}/api/v1",
        json={"type": kind, kind.lower(): body},
        headers={"Accept": "application/json"},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return answer.json() if answer.text else None


def schedule(cluster: Cluster, *ips: str) -> None:
    start = int((time.time() + 1800) * SECOND)
    when = {"start": {"nanoseconds": start}, "duration": {"nanoseconds": 3600 * SECOND}}
    machines = [{"hostname": ip, "ip": ip} for ip in ips]
    windows = [{"machine_ids": machines, "unavailability": when}] if ips else []
    operator(cluster, "UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": windows})


def answers(cluster: Cluster) -> dict[str, str]:
    """What the framework answered, by host, as the master tells it."""
    status = operator(cluster, "GET_MAINTENANCE_STATUS")["get_maintenance_status"]["status"]
    return {
        machine["id"]["hostname"]: each["status"]
        for machine in status.get("draining_machines", ())
        for each in machine.get("statuses", ())
    }


def running(service: Scheduler) -> set[str]:
    return {n for n, one in service.instances().items() if one["state"] == "running"}


def test_the_schedule_of_mesos_is_answered_by_the_budget(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    cluster = cluster_factory(ClusterSpec(agents=3))
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(SVC_YML)
    with Scheduler(cluster, svc_yml, tmp_path).start() as service:
        service.wait_well()
        ips = [agent.ip for agent in cluster.agents]
        schedule(cluster, ips[0], ips[1])
        wait_until("both machines are answered for", lambda: len(answers(cluster)) == 2)
        told = answers(cluster)
        assert sorted(told.values()) == ["ACCEPT", "DECLINE"]
        windows = {w["host"]: w for w in service.get("maintenance")["windows"]}
        assert {ip: windows[ip]["accepted"] for ip in told} == {
            ip: answer == "ACCEPT" for ip, answer in told.items()
        }
        (no,) = [w["reason"] for w in windows.values() if not w["accepted"]]
        assert "max-unavailable" in no
        assert running(service) == {"node-0", "node-1", "node-2"}, "nothing is moved"


def test_drained_and_closed_hosts_never_cost_more_than_the_budget(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    cluster = cluster_factory(ClusterSpec(agents=3))
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(SVC_YML)
    with Scheduler(cluster, svc_yml, tmp_path).start() as service:
        service.wait_well()
        before = service.instances()
        by_host = {one["agent"]: name for name, one in before.items()}
        drained, closed = cluster.agents[0], cluster.agents[1]
        assert service.get(f"maintenance/check?hosts={drained.ip}")["safe"]
        assert not service.get(f"maintenance/check?hosts={drained.ip},{closed.ip}")["safe"]
        agent_id = {"value": cluster.agent_ids()[1]}

        operator(
            cluster,
            "DRAIN_AGENT",
            agent_id=agent_id,
            max_grace_period={"nanoseconds": 5 * SECOND},
        )
        victim, other = by_host[drained.ip], by_host[closed.ip]
        wait_until(
            "it waits for the drained agent",
            lambda: "which Mesos drained" in (service.instances()[victim]["reason"] or ""),
        )
        late = service.get(f"maintenance/check?hosts={closed.ip}")
        assert (late["safe"], late["down"]) == (False, [victim])
        url = f"http://{service.host}:{service.port}/v1/pod/{other}/restart"
        refused = requests.post(url, timeout=10)
        assert (refused.status_code, victim in refused.text) == (409, True)

        service.post(f"maintenance/{closed.ip}/start")
        wait_until(
            "it is held back",
            lambda: "max-unavailable" in (service.instances()[other]["reason"] or ""),
        )
        assert running(service) == before.keys() - {victim}

        operator(cluster, "REACTIVATE_AGENT", agent_id=agent_id)
        fewest = 3

        def emptied() -> bool:
            nonlocal fewest
            fewest = min(fewest, len(running(service)))
            hosts = service.get("maintenance")["hosts"]
            return bool(hosts) and not hosts[0]["running"]

        wait_until("the closed host is empty", emptied)
        wait_until("all others run", lambda: running(service) == before.keys() - {other})
        assert fewest == 2
        assert "in maintenance" in service.instances()[other]["reason"]
        service.close()
        service.start()
        wait_until("another scheduler leads", service.answers)
        assert service.get("maintenance")["hosts"][0]["host"] == closed.ip

        service.post(f"maintenance/{closed.ip}/end")
        wait_until("all run again", lambda: len(running(service)) == 3)
        after = service.instances()
        assert {n: (o["agent"], o["volumes"]) for n, o in after.items()} == {
            n: (o["agent"], o["volumes"]) for n, o in before.items()
        }
