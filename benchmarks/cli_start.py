"""How long the command line takes to start: `holdfast --help` beside a bare interpreter.

python -m benchmarks.cli_start
"""

import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import click

from benchmarks.report import HEADINGS, Row, machine, table

LIMIT_MS = 150.0
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "python -c pass": ("-c", "pass"),
    "holdfast --help": ("-m", "holdfast_cli.main", "--help"),
    "dcos holdfast --info": ("-m", "holdfast_cli.dcos", "holdfast", "--info"),
}


@dataclass(frozen=True, slots=True)
class Start:
    """Milliseconds of one start: of the clock, and of the CPU."""

    wall: float
    cpu: float


def measure(rounds: int) -> dict[str, list[Start]]:
    """Each start, by program. They take turns, so that all see the same load."""
    took: dict[str, list[Start]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, arguments in PROGRAMS.items():
            took[name].append(_start(arguments))
    return took


def _start(arguments: Sequence[str]) -> Start:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Start(wall * 1000, cpu * 1000)


def rows(took: Mapping[str, Sequence[Start]]) -> list[Row]:
    """Of each the median by the clock, and the least CPU time, which others hardly change."""
    return [
        row
        for name, starts in took.items()
        for row in (
            Row(
                f"{name}: clock, median",
                median(start.wall for start in starts),
                "ms",
                LIMIT_MS if "holdfast" in name else None,
            ),
            Row(f"{name}: CPU, best", min(start.cpu for start in starts), "ms"),
        )
    ]


def report(rounds: int) -> tuple[str, bool]:
    """The table, and whether every limit was kept."""
    measure(1)  # files into the cache of the system
    found = rows(measure(rounds))
    text = f"{rounds} starts each, in turns; {machine()}.\n\n"
    text += table(HEADINGS, [row.cells() for row in found])
    return f"{text}\n", not any(row.missed for row in found)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=40, show_default=True)
def main(rounds: int) -> None:
    """Measure starts. Ends with 1 when a limit is missed."""
    text, kept = report(rounds)
    click.echo(text)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
