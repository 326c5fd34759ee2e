"""A scheduler that is started again with ten thousand pod records in real ZooKeeper.

python -m benchmarks.restart [--pods 10000] [--rounds 3]
"""

import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import click

from benchmarks import workload
from benchmarks.core import raw_offer
from benchmarks.cpu import wait_for_calm
from benchmarks.known_tasks import Master, serving
from benchmarks.report import HEADINGS, Row, machine, table
from benchmarks.rig import (
    PORT,
    SCHEDULER_COMMAND,
    check_alive,
    cpu_of,
    end_with_signals,
    peak_mb,
    process_of,
    wait,
    zookeeper_alone,
)
from benchmarks.stored import store_running

PODS = 10_000
LIMIT_SECONDS = 5.0
LIMIT_MB = 250.0


@dataclass(frozen=True, slots=True)
class Restart:
    """CPU seconds and MB of the scheduler until it launched something, and the time that took."""

    cpu: float
    memory: float
    seconds: float


def play(pods: int, rounds: int) -> list[Restart]:
    """The scheduler is started, and killed once it has launched, so many times. Raises Failed."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name:
        folder = Path(name)
        with zookeeper_alone(folder) as zookeeper:
            tasks = store_running(zookeeper, pods, "framework")
            played = []
            for number in range(rounds):
                # Each round has one more instance than the one before: that is what is launched.
                svc_yml = workload.write(folder / "svc.yml", pods + 1 + number)
                offer = raw_offer(pods + number, "bench-role")
                with serving(zookeeper.partition(":")[0], tasks, offer) as master:
                    wait_for_calm()
                    log = folder / "scheduler.log"
                    played.append(_start(zookeeper, master, svc_yml, log))
                    click.echo(f"round {number + 1}: {played[-1]}", err=True)
                tasks = {**tasks, **master.launched}
            return played


def _start(zookeeper: str, master: Master, svc_yml: Path, log: Path) -> Restart:
    command = [
        *(*SCHEDULER_COMMAND, str(svc_yml), "--master", master.address),
        *("--zookeeper", zookeeper),
        *("--host", zookeeper.partition(":")[0], "--port", str(PORT)),
    ]

    with process_of(command, log) as process:
        began = time.time()
        alive = partial(check_alive, process, log)
        accepted = wait(lambda: master.accepted, "an offer was accepted", alive)
        result = Restart(cpu_of(process), peak_mb(process), accepted - began)
        process.kill()
    return result


def report(pods: int, rounds: int) -> tuple[str, bool]:
    """The table as Markdown, and whether every limit was kept. Raises Failed."""
    end_with_signals()
    where = machine()
    played = play(pods, rounds)
    rows = [
        Row("CPU of the scheduler, median", median(o.cpu for o in played), "s", LIMIT_SECONDS),
        Row("the same, worst round", max(o.cpu for o in played), "s"),
        Row("most memory it had, worst round", max(o.memory for o in played), "MB", LIMIT_MB),
        Row("from its start to the launch, median", median(o.seconds for o in played), "s"),
        Row("the same, worst round", max(o.seconds for o in played), "s"),
    ]
    text = f"{pods:,} pod records in ZooKeeper, {rounds} rounds; {where}.\n\n"
    text += table(HEADINGS, [row.cells() for row in rows])
    return f"{text}\n", not any(row.missed for row in rows)


@click.command()
@click.option("--pods", type=click.IntRange(1), default=PODS, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
def main(pods: int, rounds: int) -> None:
    """Start a scheduler with many records. Ends with 1 when a limit is missed."""
    text, kept = report(pods, rounds)
    click.echo(text)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
