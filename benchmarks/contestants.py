"""One deployment, by Holdfast or by the blind launcher, on a cluster of its own."""

import contextlib
import functools
import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil

from benchmarks import workload
from benchmarks.cpu import Usage, usage
from benchmarks.master_events import MasterEvents
from benchmarks.rig import (
    DEADLINE_SECONDS,
    PORT,
    SCHEDULER_COMMAND,
    Failed,
    cluster_of,
    cpu_of,
    last_transaction,
    process_of,
    tail,
    wait,
    zookeeper_client,
)
from holdfast.core import events as ev
from holdfast.core.core import Core
from holdfast.core.effects import Accept
from holdfast.core.launch import LaunchSettings
from holdfast.core.startup import open_ledger
from holdfast.mesos import calls
from holdfast.mesos.messages import MasterInfo
from holdfast.mesos.parse import parse_offer
from holdfast.service.model import ServiceSpec
from holdfast.state.memory import MemoryStore
from holdfast.state.zookeeper import service_root
from holdfast_executor import archive
from holdfast_playground.cluster import Cluster, ClusterSpec

BLIND = Path(__file__).with_name("blind.py")
BARE_EXECUTOR = Path(__file__).with_name("bare_executor.py")


@dataclass(frozen=True, slots=True)
class Load:
    """What is deployed: so many pods of one task and one volume, on so many agents."""

    pods: int
    agents: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """How Holdfast did: CPU in seconds, memory in MB. `total` is with Mesos and the executors.

    `seconds` go from the subscription to the moment the last RUNNING was stored, and so does what
    has no `startup` in its name. ZooKeeper counts no reads and heartbeats as transactions.
    """

    seconds: float
    total: Usage
    startup_seconds: float
    cpu: float
    startup_cpu: float
    memory: float
    transactions: int
    startup_transactions: int
    commits: int


@dataclass(frozen=True, slots=True)
class BlindDeployment:
    """How the blind launcher did, from its subscription to the last RUNNING it was told of."""

    seconds: float
    total: Usage


def holdfast(folder: Path, load: Load) -> Deployment:
    """Deploy with the scheduler as users run it, against real ZooKeeper. Raises Failed."""
    with cluster_of(folder, ClusterSpec(agents=load.agents)) as cluster:
        host = cluster.zookeeper_address.partition(":")[0]
        svc_yml = workload.write(folder / "svc.yml", load.pods, cluster.zookeeper_address)
        seen = MasterEvents(cluster.leader().removeprefix("http://"), "bench")
        with zookeeper_client(cluster.zookeeper_address) as records:
            at_start = last_transaction(cluster.zookeeper_address)
            before = _usage(cluster)
            started = time.time()
            command = [*SCHEDULER_COMMAND, str(svc_yml), "--host", host, "--port", str(PORT)]
            with process_of(command, folder / "scheduler.log") as process:
                alive = functools.partial(_check_alive, process, folder / "scheduler.log", seen)
                wait(lambda: seen.came is not None, "the scheduler subscribed", alive)
                startup_cpu = cpu_of(process)
                subscribed = last_transaction(cluster.zookeeper_address)
                wait(lambda: len(seen.running) == load.pods, "every task ran", alive)
                ended = wait(lambda: _stored(records, load.pods), "RUNNING was stored", alive)
                cpu = cpu_of(process)
                total = _usage(cluster).since(before).without(startup_cpu)
                memory = process.memory_info().rss / 2**20
                last = last_transaction(cluster.zookeeper_address)
                epoch = json.loads(records.get(f"{service_root('bench')}/epoch")[0])
    assert seen.came is not None
    return Deployment(
        seconds=ended - seen.came,
        total=total,
        startup_seconds=seen.came - started,
        cpu=cpu - startup_cpu,
        startup_cpu=startup_cpu,
        memory=memory,
        transactions=last - subscribed,
        startup_transactions=subscribed - at_start,
        commits=epoch["commit"],
    )


def blindly(folder: Path, load: Load, *, bare: bool = False) -> BlindDeployment:
    """The same by the blind launcher; `bare` with an executor that does nothing. Raises Failed."""
    with cluster_of(folder, ClusterSpec(agents=load.agents)) as cluster:
        host = cluster.zookeeper_address.partition(":")[0]
        service = workload.service(load.pods)
        artifact = archive.build(folder / "artifacts")
        operations = operations_of_one(service, f"http://{host}:{PORT}/{artifact.name}", host)
        master = cluster.leader().removeprefix("http://")
        orders = orders_of_blind(
            service, master, _bare(operations) if bare else operations, load.pods, load.agents
        )
        seen = MasterEvents(master, "blind")
        with serving(artifact.parent, host):
            before = _usage(cluster)
            _, ended = launch_blindly(orders)
            total = _usage(cluster).since(before)
    if seen.came is None:
        raise Failed(f"the master did not tell of the blind launcher, but of {seen.bad}")
    return BlindDeployment(ended - seen.came, total)


def orders_of_blind(
    service: ServiceSpec, master: str, operations: list[Any], tasks: int, agents: int
) -> dict[str, Any]:
    """What the blind launcher is to do, as it reads it."""
    return {
        "master": master,
        "framework": calls.framework_info(
            "blind", roles=[service.role], user=service.user, principal=service.principal
        ),
        "tasks": tasks,
        "per_agent": -(-tasks // agents),
        "operations": json.dumps(operations),
    }


def launch_blindly(orders: dict[str, Any]) -> tuple[float, float]:
    """Run the blind launcher: when it first accepted an offer, and when all ran. Raises Failed."""
    done = subprocess.run(
        ["timeout", f"{DEADLINE_SECONDS:g}", sys.executable, "-I", "-S", str(BLIND)],
        input=json.dumps(orders),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"the blind launcher ended with {done.returncode}")
    accepted, ended = map(float, done.stdout.split())
    return accepted, ended


def operations_of_one(service: ServiceSpec, executor_uri: str, host: str) -> list[Any]:
    """What Holdfast sends to start one pod instance, with blanks the blind launcher fills in."""
    numbers = iter(range(1, 1000))
    ledger, _ = open_ledger(MemoryStore().load(), service)
    settings = LaunchSettings(executor_uri, host, PORT)
    core = Core(ledger, settings, lambda: f"@ID@-{next(numbers)}")
    effects = core.step(
        [
            ev.Subscribed("@FRAMEWORK@", MasterInfo("", "http://master", "1.11.0", region="local")),
            ev.OffersReceived((parse_offer(_offer_for_one(service)),)),
        ],
        time.time(),
    )
    (accept,) = (effect for effect in effects if isinstance(effect, Accept))
    operations: list[Any] = orjson.loads(orjson.dumps(accept.operations))
    return operations


def _offer_for_one(service: ServiceSpec) -> dict[str, Any]:
    """An offer that one pod instance fits into, and not two."""
    amounts = {"cpus": 0.25, "mem": 100, "disk": 1000}
    return {
        "id": {"value": "offer"},
        "agent_id": {"value": "@AGENT@"},
        "hostname": "agent",
        "allocation_info": {"role": service.role},
        "domain": {"fault_domain": {"region": {"name": "local"}, "zone": {"name": "a"}}},
        "resources": [
            {"name": name, "type": "SCALAR", "scalar": {"value": amount}}
            for name, amount in amounts.items()
        ],
    }


def _bare(operations: list[Any]) -> list[Any]:
    """The same with an executor that is not fetched and does nothing."""
    changed: list[Any] = orjson.loads(orjson.dumps(operations))
    for operation in changed:
        for info in operation.get("launch", {}).get("task_infos", ()):
            command = info["executor"]["command"]
            command["uris"] = []
            command["value"] = f"exec python3 -SE {BARE_EXECUTOR}"
    return changed


# -- around a run


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@contextlib.contextmanager
def serving(folder: Path, host: str) -> Iterator[None]:
    handler = functools.partial(_QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer((host, PORT), handler)
    server.request_queue_size = 128
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _stored(records: Any, pods: int) -> float | None:
    """When the last pod was recorded as running (seconds since the epoch), once all are."""
    root = service_root("bench")
    last = 0.0
    for index in range(pods):
        raw, stat = records.get(f"{root}/pods/node-{index}")
        if any(task["state"] != "TASK_RUNNING" for task in json.loads(raw)["tasks"]):
            return None
        last = max(last, stat.mtime / 1000)
    return last


def _usage(cluster: Cluster) -> Usage:
    return usage(record.pid for record in cluster.state.processes.values())


def _check_alive(process: psutil.Popen, log: Path, seen: MasterEvents) -> None:
    if process.poll() is not None or seen.bad:
        raise Failed(f"the scheduler, or a task, ended: {seen.bad[:3]}\n{tail(log)}")
