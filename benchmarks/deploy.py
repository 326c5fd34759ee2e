"""Deploys pods with volumes, by Holdfast and by the blind launcher, and compares.

python -m benchmarks.deploy [--pods 100] [--agents 20] [--rounds 1]
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.contestants import BlindDeployment, Deployment, Load, blindly, holdfast
from benchmarks.report import HEADINGS, Row, machine, table
from benchmarks.rig import end_with_signals

RATIO_LIMIT = 1.25
MEMORY_LIMIT_MB = 120
TRANSACTIONS_LIMIT = 2
DISTURBANCE = 0.1
"""The share of the CPU that others may use before a result is worth nothing."""
EACH = (
    "round", "Holdfast", "blind", "bare", "ratio", "CPU ratio",
    "CPU s of the run (Holdfast / blind / bare)", "CPU s of others meanwhile",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Round:
    """One deployment by each, one after the other, each on a fresh cluster. Seconds."""

    holdfast: Deployment
    blind: BlindDeployment
    bare: BlindDeployment

    @property
    def ratio(self) -> float:
        return self.holdfast.seconds / self.blind.seconds

    @property
    def cpu_ratio(self) -> float:
        return self.holdfast.total.ours / self.blind.total.ours

    @property
    def disturbance(self) -> float:
        """How much others disturbed the two deployments that are compared."""
        return max(self.holdfast.total.disturbance, self.blind.total.disturbance)

    def cells(self) -> tuple[str, ...]:
        """Times and, for each, the CPU seconds used by the run and by others on the machine."""
        runs = (self.holdfast, self.blind, self.bare)
        return (
            *(f"{run.seconds:.1f} s" for run in runs),
            f"{self.ratio:.2f}",
            f"{self.cpu_ratio:.2f}",
            " / ".join(f"{run.total.ours:.1f}" for run in runs),
            " / ".join(f"{run.total.others:.1f}" for run in runs),
        )


def play(folder: Path, load: Load, rounds: int) -> list[Round]:
    """The rounds; every other one begins with the blind launcher. Raises Failed."""
    played = []
    for number in range(rounds):
        here = folder / f"round-{number + 1}"
        here.mkdir()
        blind = blindly(_in(here, "blind"), load) if number % 2 else None
        ours = holdfast(_in(here, "holdfast"), load)
        if blind is None:
            blind = blindly(_in(here, "blind"), load)
        bare = blindly(_in(here, "bare"), load, bare=True)
        played.append(Round(ours, blind, bare))
        click.echo(
            f"round {number + 1}: " + ", ".join(played[-1].cells()),
            err=True,
        )
    return played


def rows(load: Load, played: list[Round]) -> list[Row]:
    """What the calmest round says of times; for memory and transactions the worst of all."""
    calm = calmest(played)
    ours, all_ = calm.holdfast, [one.holdfast for one in played]
    return [
        Row("Holdfast, subscribed to all running", ours.seconds, "s"),
        Row("blind launcher, same tasks and executor", calm.blind.seconds, "s"),
        Row("blind launcher, bare executor", calm.bare.seconds, "s"),
        Row("Holdfast / blind launcher", calm.ratio, "", RATIO_LIMIT),
        Row("the same in CPU seconds of all processes", calm.cpu_ratio),
        Row("CPU of the scheduler per pod", ours.cpu / load.pods * 1000, "ms"),
        Row("memory of the scheduler", max(o.memory for o in all_), "MB", MEMORY_LIMIT_MB),
        Row(
            "ZooKeeper transactions per pod",
            max(o.transactions / load.pods for o in all_),
            "",
            TRANSACTIONS_LIMIT,
        ),
        Row("commits of the scheduler per pod", max(o.commits / load.pods for o in all_)),
        Row("process start to subscribed", ours.startup_seconds, "s"),
        Row("CPU of that start", ours.startup_cpu, "s"),
        Row("ZooKeeper transactions of that start", max(o.startup_transactions for o in all_)),
    ]


def calmest(played: list[Round]) -> Round:
    return min(played, key=lambda one: one.disturbance)


def warning(played: list[Round]) -> str:
    """A paragraph when even the calmest round was disturbed too much to judge by; or nothing."""
    share = calmest(played).disturbance
    if share <= DISTURBANCE:
        return ""
    return (
        f"**Others used {share:.0%} of the CPU.** Do not rely on the seconds, nor on their ratio;"
        " repeat it on a quiet machine.\n\n"
    )


def report(load: Load, rounds: int) -> tuple[str, bool]:
    """Run it: the tables as Markdown, and whether every limit was kept. Raises Failed."""
    end_with_signals()
    where = machine()
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        played = play(Path(folder), load, rounds)
    found = rows(load, played)
    each = table(EACH, [(str(number), *one.cells()) for number, one in enumerate(played, 1)])
    text = (
        f"{load.pods} pods with a volume each on {load.agents} agents; {where}.\n\n"
        f"{warning(played)}"
        f"{table(HEADINGS, [row.cells() for row in found])}\n\n{each}\n"
    )
    return text, not any(row.missed for row in found)


def _in(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


@click.command()
@click.option("--pods", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--agents", type=click.IntRange(1, 50), default=20, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True)
def main(pods: int, agents: int, rounds: int) -> None:
    """Compare Holdfast with the blind launcher. Ends with 1 when a limit is missed."""
    text, kept = report(Load(pods, agents), rounds)
    click.echo(text)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
