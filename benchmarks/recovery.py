"""What failed runs again: tasks that are killed, and what ran on a machine that comes back.

Beside it, on the same cluster and at the same times, the blind launcher starts one task: what any
launch takes here.

python -m benchmarks.recovery [--rounds 6]
"""

import dataclasses
import http.client
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click
import psutil

from benchmarks import workload
from benchmarks.contestants import launch_blindly, operations_of_one, orders_of_blind
from benchmarks.cpu import wait_for_calm
from benchmarks.master_events import MasterEvents
from benchmarks.report import HEADINGS, Row, machine, shown, table
from benchmarks.rig import (
    PORT,
    SCHEDULER_COMMAND,
    check_alive,
    cluster_of,
    end_with_signals,
    process_of,
    wait,
    zookeeper_client,
)
from holdfast.state.zookeeper import service_root
from holdfast_playground.cluster import ClusterSpec

AGENTS = 8
"""Each has one instance, of which half are killed and half lose their machine: a task that fails
again soon waits on purpose."""

ROUNDS = AGENTS // 2
PINGS, PING_SECONDS = 3, 1
"""After so many unanswered pings an agent is unreachable."""

LAUNCHES = 1.5
"""A recovery may take one interval of Mesos' allocator and so many launches."""

UNIQUE = '[["hostname", "UNIQUE"]]'


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of one blind launch, from a kill to RUNNING, from a re-registration to RUNNING."""

    blind: float
    crash: float
    back: float


class Service:
    """One pod instance on each agent, deployed by a scheduler as users run it."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        spec = ClusterSpec(
            agents=AGENTS, ping_timeout_seconds=PING_SECONDS, max_ping_timeouts=PINGS
        )
        self.cluster = stack.enter_context(cluster_of(folder, spec))
        self._address = self.cluster.zookeeper_address
        self._host = self._address.partition(":")[0]
        self._master = self.cluster.leader().removeprefix("http://")
        self._log = folder / "scheduler.log"
        self._seen = MasterEvents(self._master, "bench")
        svc_yml = workload.write(folder / "svc.yml", AGENTS, self._address, UNIQUE)
        command = [*SCHEDULER_COMMAND, str(svc_yml), "--host", self._host, "--port", str(PORT)]
        self._process = stack.enter_context(process_of(command, self._log))
        self._wait(lambda: len(self._seen.running) == AGENTS, "every task ran")
        self._wait(lambda: len(self._instances("running")) == AGENTS, "the service is well")
        self._orders = self._orders_of_blind()

    def blind(self) -> float:
        """The launch of one task on one of these agents, which have the executor already."""
        accepted, ended = launch_blindly(self._orders)
        return ended - accepted

    def crash(self, name: str) -> float:
        """Kill what runs as the task of that pod instance."""
        (process,) = (one for one in psutil.process_iter() if self._is_task(one, name))
        known = set(self._seen.running)
        killed = time.time()
        process.kill()
        return self._next_running(known) - killed

    def reboot(self, name: str) -> float:
        """Take the power from the agent of that pod instance, and start it again when given up."""
        hostname = self._instances("running")[name]
        number = next(agent.number for agent in self.cluster.agents if agent.ip == hostname)
        self.cluster.agent_kill(number)
        self._wait(lambda: name in self._instances("unreachable"), f"{name} is unreachable")
        known = set(self._seen.running)
        self.cluster.agent_start(number)
        running = self._next_running(known)
        (agent,) = (
            agent
            for agent in self._get(self._master, "/master/slaves")["slaves"]
            if agent["hostname"] == hostname
        )
        return running - float(agent["reregistered_time"])

    def _next_running(self, known: set[str]) -> float:
        self._wait(lambda: self._seen.running.keys() - known, "a new task ran")
        (task,) = self._seen.running.keys() - known
        return self._seen.running[task]

    def _is_task(self, process: psutil.Process, name: str) -> bool:
        try:
            return (
                process.cmdline()[:1] == ["sleep"]
                and Path(process.cwd()).is_relative_to(self.cluster.directory)
                and process.environ().get("FRAMEWORK_NAME") == "bench"
                and process.environ().get("POD_INSTANCE") == name
            )
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            return False

    def _instances(self, state: str) -> dict[str, str]:
        """The hostnames of the pod instances in that state, by their names."""
        pods = self._get(f"{self._host}:{PORT}", "/v1/pod/status")["pods"]
        return {
            one["name"]: one["agent"]
            for pod in pods
            for one in pod["instances"]
            if one["state"] == state
        }

    def _orders_of_blind(self) -> dict[str, Any]:
        """One task, in a role of its own, with the executor that Holdfast serves."""
        with zookeeper_client(self._address) as records:
            raw, _ = records.get(f"{service_root('bench')}/pods/node-0")
        uri = json.loads(raw)["executor"]["command"]["uris"][0]["value"]
        service = dataclasses.replace(workload.service(1), name="blind")
        operations = operations_of_one(service, uri, self._host)
        return orders_of_blind(service, self._master, operations, tasks=1, agents=1)

    def _wait(self, found: Callable[[], object], what: str) -> None:
        wait(found, what, partial(check_alive, self._process, self._log))

    def _get(self, address: str, path: str) -> Any:
        connection = http.client.HTTPConnection(address, timeout=10)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def play() -> list[Round]:
    """Let each instance fail once. Raises Failed."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name, ExitStack() as stack:
        service = Service(stack, Path(name))
        played = []
        for number in range(ROUNDS):
            wait_for_calm()
            blind = service.blind()
            crash = service.crash(f"node-{number}")
            back = service.reboot(f"node-{ROUNDS + number}")
            played.append(Round(blind, crash, back))
            click.echo(f"round {number + 1}: {played[-1]}", err=True)
        return played


def report() -> tuple[str, bool]:
    """The tables as Markdown, and whether every limit was kept. Raises Failed."""
    end_with_signals()
    where = machine()
    played = play()
    blind = median(one.blind for one in played)
    interval = ClusterSpec().allocation_interval_ms / 1000
    limit = round(interval + LAUNCHES * blind, 2)
    rows = [
        Row("one launch of the blind launcher, median", blind, "s"),
        Row("killed task to RUNNING, median", median(one.crash for one in played), "s", limit),
        Row("agent back to RUNNING, median", median(one.back for one in played), "s", limit),
    ]
    each = [
        (str(number), *(f"{shown(value)} s" for value in dataclasses.astuple(one)))
        for number, one in enumerate(played, 1)
    ]
    text = (
        f"{AGENTS} agents, an allocation interval of {interval:g} s; {where}. The limit is that and"
        f" {LAUNCHES:g} launches of the blind launcher.\n\n"
        f"{table(HEADINGS, [row.cells() for row in rows])}\n\n"
        f"{table(('round', 'blind launch', 'killed task', 'agent back'), each)}\n"
    )
    return text, not any(row.missed for row in rows)


@click.command()
def main() -> None:
    """Kill tasks and agents. Ends with 1 when they run again too late."""
    text, kept = report()
    click.echo(text)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
