"""Plans on a real cluster: steps, a canary, a sidecar, failures, a change, fewer instances."""

import os
import signal
from pathlib import Path
from typing import Any

import requests

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from holdfast_playground.spec import Agent
from tests.cluster.running_service import Scheduler, wait_until

SERVICE = """
name: demo
scheduler:
  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'
pods:
  app:
    count: {{COUNT}}
    allow-decommission: true
    volume: {path: data, type: ROOT, size: 16}
    tasks:
      a:
        goal: RUNNING
        cmd: echo $PWD >> data/a && exec sleep 100000
        cpus: {{CPUS}}
        memory: 32
      b:
        goal: RUNNING
        cmd: echo $PWD >> data/b && exec sleep 100000
        cpus: {{CPUS}}
        memory: 32
      helper:
        goal: RUNNING
        essential: false
        cmd: echo $PWD >> data/helper && exec sleep 100000
        cpus: 0.1
        memory: 32
      backup:
        goal: ONCE
        cmd: echo "$BUCKET $POD_INSTANCE_INDEX" >> data/backup
        cpus: 0.1
        memory: 32
plans:
  deploy:
    strategy: serial
    phases:
      app: {pod: app, strategy: serial-canary, steps: [default: [[a], [b, helper]]]}
  backup:
    strategy: serial
    phases:
      save: {pod: app, strategy: parallel, steps: [default: [[backup]]]}
"""


def process_of(agent: Agent, task: str) -> int:
    """The process of a task on this agent, by its environment and its sandbox.

    Tasks may have process ids of their own, so what they say of themselves is of no use here.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            sandbox = Path(os.readlink(folder / "cwd"))
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        ours = sandbox.is_relative_to(agent.work_dir) and command.startswith(b"sleep\0")
        if ours and f"TASK_NAME={task}".encode() in variables:
            found.append(int(folder.name))
    (pid,) = found
    return pid


def order(service: Scheduler, path: str, body: dict[str, str] | None = None) -> int:
    url = f"http://{service.host}:{service.port}/v1/plans/{path}"
    return requests.post(url, json=body, timeout=10).status_code


def status(service: Scheduler, plan: str = "deploy") -> str:
    return str(service.get(f"plans/{plan}")["status"])


def volumes(service: Scheduler) -> dict[str, dict[str, Any]]:
    return {volume["pod"]: volume for volume in service.get("volumes")}


def reserved_cpus(cluster: Cluster) -> float:
    slaves = requests.get(f"{cluster.leader()}/slaves", timeout=10).json()["slaves"]
    amounts = [
        slave["reserved_resources"].get("demo-role", {}).get("cpus", 0.0) for slave in slaves
    ]
    return float(sum(amounts))


def test_a_service_of_several_tasks_and_plans(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    cluster = cluster_factory(ClusterSpec(agents=1, zones=("a",)))
    (agent,) = cluster.agents
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(SERVICE)

    def start(count: int, cpus: float) -> Scheduler:
        environment = {"COUNT": str(count), "CPUS": str(cpus)}
        return Scheduler(cluster, svc_yml, tmp_path, environment=environment).start()

    def data(pod: str) -> Path:
        return agent.work_dir / "volumes" / "roles" / "demo-role" / str(volumes(service)[pod]["id"])

    def starts(pod: str, task: str) -> list[str]:
        """The sandbox of each start of the task, as it wrote it down itself."""
        file = data(pod) / task
        return file.read_text().splitlines() if file.is_file() else []

    def counts(pod: str) -> list[int]:
        return [len(starts(pod, task)) for task in ("a", "b", "helper")]

    with start(2, 0.1) as service:
        # Nothing starts before an operator lets the canary go; the second word lets all go.
        wait_until("the API answers", service.answers)
        wait_until("the canary waits", lambda: status(service) == "WAITING")
        assert not any(service.task_ids().values())
        assert order(service, "deploy/continue") == 208
        assert order(service, "deploy/continue?phase=app") == 200
        wait_until("the canary runs", lambda: "app-0" in volumes(service) and starts("app-0", "a"))
        wait_until("the rest waits", lambda: status(service) == "WAITING")
        assert order(service, "deploy/continue?phase=app") == 200
        service.wait_well()
        for pod in ("app-0", "app-1"):
            wait_until("all have written", lambda pod=pod: counts(pod) == [1, 1, 1])  # type: ignore[misc]
            sandboxes = {starts(pod, task)[0] for task in ("a", "b", "helper")}
            assert len(sandboxes) == 1, "one executor for the whole pod"

        # What is not essential comes back alone, in the same executor.
        os.kill(process_of(agent, "app-0-helper"), signal.SIGKILL)
        wait_until("the helper is back", lambda: counts("app-0") == [1, 1, 2])
        assert len(set(starts("app-0", "helper"))) == 1
        service.wait_well()

        # What is essential takes all with it, into a new one.
        os.kill(process_of(agent, "app-0-b"), signal.SIGKILL)
        wait_until("all are back", lambda: counts("app-0") == [2, 2, 3])
        now = {starts("app-0", task)[-1] for task in ("a", "b", "helper")}
        assert len(now) == 1
        assert now != {starts("app-0", "a")[0]}
        service.wait_well()
        assert counts("app-1") == [1, 1, 1]

        # A plan of one's own runs beside the servers, as often as it is started.
        assert status(service, "backup") == "WAITING"
        for bucket in ("first", "second"):
            assert order(service, "backup/start", {"BUCKET": bucket}) == 200
            wait_until("the backup is done", lambda: status(service, "backup") == "COMPLETE")
        for number in (0, 1):
            lines = (data(f"app-{number}") / "backup").read_text()
            assert lines == f"first {number}\nsecond {number}\n"
        assert counts("app-0") == [2, 2, 3]
        assert counts("app-1") == [1, 1, 1]

        # More cpus: by canary again, on the same volumes.
        before = {pod: volume["id"] for pod, volume in volumes(service).items()}
        assert round(reserved_cpus(cluster), 3) == 2 * 0.5
        service.end()
        service = start(2, 0.2)
        wait_until("the API answers", service.answers)
        wait_until("the canary waits", lambda: status(service) == "WAITING")
        for _ in range(2):
            assert order(service, "deploy/continue?phase=app") == 200
        service.wait_well()
        wait_until("each was launched once", lambda: counts("app-0") == [3, 3, 4])
        wait_until("each was launched once", lambda: counts("app-1") == [2, 2, 2])
        assert {pod: volume["id"] for pod, volume in volumes(service).items()} == before
        assert round(reserved_cpus(cluster), 3) == 2 * 0.7

        # Fewer instances: the data of the one that goes is kept, the rest of it is given back.
        leaving = process_of(agent, "app-1-a")
        kept = data("app-1")
        service.end()
        service = start(1, 0.2)
        wait_until("the API answers", service.answers)
        wait_until("one is gone", lambda: set(service.instances()) == {"app-0"})
        assert not Path(f"/proc/{leaving}").exists()
        wait_until("its cpus are free", lambda: round(reserved_cpus(cluster), 3) == 0.7)
        assert volumes(service)["app-1"]["state"] == "retired"
        assert (kept / "backup").is_file()
        service.wait_well()
        assert counts("app-0") == [3, 3, 4]
        assert "decommission" not in service.get("plans")
