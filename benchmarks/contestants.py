"""One deployment, by Holdfast or by the blind launcher, on a cluster of its own."""

import contextlib
import functools
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson
import psutil
from kazoo.client import KazooClient

from benchmarks import workload
from benchmarks.cpu import Usage, usage, wait_for_calm
from benchmarks.master_events import MasterEvents
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
from holdfast_playground.cluster import Cluster, ClusterSpec, running

SCHEDULER_COMMAND: Sequence[str] = (sys.executable, "-m", "holdfast.main")
"""What `holdfast-scheduler` starts."""

PORT = 8080
BLIND = Path(__file__).with_name("blind.py")
BARE_EXECUTOR = Path(__file__).with_name("bare_executor.py")
DEADLINE_SECONDS = 120.0
POLL_SECONDS = 0.02

T = TypeVar("T")


class Failed(Exception):
    """A deployment did not come to its end, so there is nothing to compare."""


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
    with _cluster(folder, load) as cluster:
        host = cluster.zookeeper_address.partition(":")[0]
        svc_yml = workload.write(folder / "svc.yml", load.pods, cluster.zookeeper_address)
        seen = MasterEvents(cluster.leader().removeprefix("http://"), "bench")
        with _zookeeper(cluster.zookeeper_address) as records:
            at_start = _last_transaction(cluster.zookeeper_address)
            before = _usage(cluster)
            started = time.time()
            command = [*SCHEDULER_COMMAND, str(svc_yml), "--host", host, "--port", str(PORT)]
            with _running(command, folder / "scheduler.log") as process:
                alive = functools.partial(_check_alive, process, folder / "scheduler.log", seen)
                _wait(lambda: seen.came is not None, "the scheduler subscribed", alive)
                startup_cpu = _cpu(process)
                subscribed = _last_transaction(cluster.zookeeper_address)
                _wait(lambda: len(seen.running) == load.pods, "every task ran", alive)
                ended = _wait(lambda: _stored(records, load.pods), "RUNNING was stored", alive)
                cpu = _cpu(process)
                total = _usage(cluster).since(before).without(startup_cpu)
                memory = process.memory_info().rss / 2**20
                last = _last_transaction(cluster.zookeeper_address)
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
    with _cluster(folder, load) as cluster:
        host = cluster.zookeeper_address.partition(":")[0]
        service = workload.service(load.pods)
        artifact = archive.build(folder / "artifacts")
        operations = operations_of_one(service, f"http://{host}:{PORT}/{artifact.name}", host)
        master = cluster.leader().removeprefix("http://")
        orders = {
            "master": master,
            "framework": calls.framework_info(
                "blind", roles=[service.role], user=service.user, principal=service.principal
            ),
            "tasks": load.pods,
            "per_agent": -(-load.pods // load.agents),
            "operations": json.dumps(_bare(operations) if bare else operations),
        }
        seen = MasterEvents(master, "blind")
        with _serving(artifact.parent, host):
            before = _usage(cluster)
            done = subprocess.run(
                ["timeout", f"{DEADLINE_SECONDS:g}", sys.executable, "-I", "-S", str(BLIND)],
                input=json.dumps(orders),
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            total = _usage(cluster).since(before)
    if done.returncode != 0 or seen.came is None:
        raise Failed(f"the blind launcher ended with {done.returncode} and {seen.bad}")
    return BlindDeployment(float(done.stdout) - seen.came, total)


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


@contextlib.contextmanager
def _cluster(folder: Path, load: Load) -> Iterator[Cluster]:
    with running(folder / "cluster", ClusterSpec(agents=load.agents)) as cluster:
        wait_for_calm()
        yield cluster


@contextlib.contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[psutil.Popen]:
    with log.open("wb") as output:
        process = psutil.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def _zookeeper(address: str) -> Iterator[Any]:
    client = KazooClient(address)
    client.start()
    try:
        yield client
    finally:
        client.stop()
        client.close()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@contextlib.contextmanager
def _serving(folder: Path, host: str) -> Iterator[None]:
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


def _last_transaction(zookeeper: str) -> int:
    """The number of ZooKeeper's last transaction, which reads and heartbeats do not raise."""
    host, _, port = zookeeper.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"srvr")
        text = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    (number,) = (line.split()[1] for line in text.splitlines() if line.startswith("Zxid:"))
    return int(number, 16)


def _usage(cluster: Cluster) -> Usage:
    return usage(record.pid for record in cluster.state.processes.values())


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _check_alive(process: psutil.Popen, log: Path, seen: MasterEvents) -> None:
    if process.poll() is not None or seen.bad:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise Failed(f"the scheduler, or a task, ended: {seen.bad[:3]}\n{tail}")


def _wait(found: Callable[[], T | None], what: str, alive: Callable[[], None]) -> T:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (result := found()):
        alive()
        if time.monotonic() > deadline:
            raise Failed(f"not within {DEADLINE_SECONDS:g} s: {what}")
        time.sleep(POLL_SECONDS)
    return result
