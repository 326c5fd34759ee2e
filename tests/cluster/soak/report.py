"""What a soak found, in a few lines."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from holdfast_playground.checker.load import Load


@dataclass(slots=True)
class Tally:
    """Acts by name, seconds until all was well after each round, and how often was looked."""

    acts: Counter[str] = field(default_factory=Counter)
    recovered: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    looks: int = 0

    def note(self, names: Sequence[str], seconds: float) -> None:
        """A round with these acts, after whose last end it took so long until all was well."""
        self.acts.update(names)
        for name in names:
            self.recovered[name].append(seconds)

    def lines(self) -> list[str]:
        """A table of the acts."""
        rows = [
            "| fault or order | times | well again after: median | at most |",
            "| --- | --- | --- | --- |",
        ]
        for name, count in sorted(self.acts.items()):
            seconds = self.recovered[name]
            rows.append(f"| {name} | {count} | {median(seconds):.1f} s | {max(seconds):.1f} s |")
        orders = sum(count for name, count in self.acts.items() if name.startswith("order "))
        all_ = self.acts.total()
        return [*rows, f"| all: {all_ - orders} faults, {orders} orders | {all_} | | |"]


def told(name: str, load: Load, took_effect: int) -> str:
    """What clients of a store saw."""
    report = load.report()
    return (
        f"{name}: {report.acknowledged:,} writes acknowledged, {len(load.wrong)} lost or wrong;"
        f" {report.unanswered} without an answer, of which {took_effect} took effect;"
        f" {report.reads:,} reads, {report.failed_reads} without an answer;"
        f" {len(report.outages)} times without a write for over 1 s, {report.unavailable:.0f} s in"
        f" all, {report.longest_outage:.1f} s at the longest"
    )
