"""The leading scheduler is killed: how soon the standby has an offer accepted.

python -m benchmarks.takeover [--pods 1000] [--rounds 5]
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
import psutil
from kazoo.client import KazooClient

from benchmarks import workload
from benchmarks.cpu import wait_for_calm
from benchmarks.master_events import MasterEvents
from benchmarks.report import HEADINGS, Row, machine, table
from benchmarks.rig import (
    PORT,
    SCHEDULER_COMMAND,
    check_alive,
    cluster_of,
    cpu_of,
    end_with_signals,
    process_of,
    wait,
    zookeeper_client,
)
from benchmarks.stored import store_running
from holdfast.state.zookeeper import service_root
from holdfast_playground.cluster import Cluster, ClusterSpec

PODS = 1_000
SESSION_SECONDS = 10.0
"""The default of `holdfast-scheduler`."""

LIMIT_SECONDS = 1.0
"""Beyond the session of the dead one, when that began with its last sign of life."""

TICK_SECONDS = 0.5
"""By as much ZooKeeper may end a session late (`tickTime`), so the standby has this less."""

FRAMEWORK_ID = "bench-framework"
"""The master knows it no more, as after a failover of its own, and takes it."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """Seconds from the kill to the first launch by the standby; `freed` is when ZooKeeper had ended
    the session of the dead one. `cpu` is what the standby used for it.
    """

    seconds: float
    freed: float
    cpu: float


class Candidates:
    """Schedulers of one service that queue for its lead, started one after the other.

    The definition of each asks for one instance more than that of the one before: this is what it
    launches once it leads.
    """

    def __init__(self, cluster: Cluster, folder: Path, pods: int) -> None:
        self._cluster = cluster
        self._folder = folder
        self._pods = pods
        self._number = 0

    @contextmanager
    def next(self) -> Iterator["Candidate"]:
        address = self._cluster.zookeeper_address
        here = self._folder / f"scheduler-{self._number}"
        here.mkdir()
        svc_yml = workload.write(here / "svc.yml", self._pods + self._number, address)
        command = [
            *(*SCHEDULER_COMMAND, str(svc_yml), "--host", address.partition(":")[0]),
            *("--port", str(PORT + self._number), "--session-timeout", f"{SESSION_SECONDS:g}"),
        ]
        self._number += 1
        log = here / "scheduler.log"
        with process_of(command, log) as process:
            yield Candidate(process, log)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of them."""

    process: psutil.Popen
    log: Path

    def check(self) -> None:
        check_alive(self.process, self.log)

    def said(self, text: str) -> bool:
        return text in self.log.read_text()


def play(pods: int, rounds: int) -> list[Takeover]:
    """So many times the leader is killed while another one stands by. Raises Failed."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        cluster = stack.enter_context(cluster_of(folder, ClusterSpec(agents=2)))
        store_running(cluster.zookeeper_address, pods, FRAMEWORK_ID)
        records = stack.enter_context(zookeeper_client(cluster.zookeeper_address))
        seen = MasterEvents(cluster.leader().removeprefix("http://"), "bench")
        candidates = Candidates(cluster, folder, pods)
        leader = stack.enter_context(candidates.next())
        wait(lambda: seen.came, "the first scheduler subscribed", leader.check)
        played = []
        for number in range(rounds):
            standby = stack.enter_context(candidates.next())
            wait(lambda: standby.said("waits as standby"), "another stands by", standby.check)  # noqa: B023
            wait_for_calm()
            # Heartbeats come every third of a session: what of one is left differs.
            time.sleep(SESSION_SECONDS / 3 * number / rounds)
            leader.check()
            played.append(_kill(records, seen, leader, standby))
            click.echo(f"round {number + 1}: {played[-1]}", err=True)
            leader = standby
        return played


def _kill(
    records: KazooClient, seen: MasterEvents, leader: Candidate, standby: Candidate
) -> Takeover:
    queue = f"{service_root('bench')}/election"
    launched = len(seen.launched)
    cpu = cpu_of(standby.process)
    killed = time.time()
    leader.process.kill()
    wait(lambda: len(records.get_children(queue)) == 1, "its session ended", standby.check)
    freed = time.time()
    wait(lambda: len(seen.launched) > launched, "the standby launched", standby.check)
    used = cpu_of(standby.process) - cpu
    return Takeover(
        seconds=list(seen.launched.values())[launched] - killed,
        freed=freed - killed,
        cpu=used,
    )


def report(pods: int, rounds: int) -> tuple[str, bool]:
    """The table as Markdown, and whether the limit was kept. Raises Failed."""
    end_with_signals()
    where = machine()
    played = play(pods, rounds)
    limit = SESSION_SECONDS + LIMIT_SECONDS
    left = LIMIT_SECONDS - TICK_SECONDS  # whatever part of its session the dead one had used up
    rows = [
        Row("kill to first launch, median", median(o.seconds for o in played), "s"),
        Row("the same, worst round", max(o.seconds for o in played), "s", limit),
        Row("until ZooKeeper ended the session, median", median(o.freed for o in played), "s"),
        Row("from then on, median", median(o.seconds - o.freed for o in played), "s"),
        Row("the same, worst round", max(o.seconds - o.freed for o in played), "s", left),
        Row("CPU of the standby for it, median", median(o.cpu for o in played), "s"),
    ]
    text = (
        f"{pods:,} pod records, a ZooKeeper session of {SESSION_SECONDS:g} s, {rounds} rounds;"
        f" {where}.\n\n{table(HEADINGS, [row.cells() for row in rows])}\n"
    )
    return text, not any(row.missed for row in rows)


@click.command()
@click.option("--pods", type=click.IntRange(1), default=PODS, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
def main(pods: int, rounds: int) -> None:
    """Kill the leading scheduler. Ends with 1 when the standby takes over too late."""
    text, kept = report(pods, rounds)
    click.echo(text)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
