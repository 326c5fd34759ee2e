"""Tables of measured values beside their limits, and the machine they were measured on."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value. It may be `limit` at most; None means it is for information."""

    name: str
    value: float
    unit: str = ""
    limit: float | None = None

    @property
    def missed(self) -> bool:
        return self.limit is not None and self.value > self.limit

    def cells(self) -> tuple[str, ...]:
        limit = "" if self.limit is None else f"{self.limit:g} {self.unit}".strip()
        verdict = "" if self.limit is None else "MISSED" if self.missed else "ok"
        return self.name, f"{shown(self.value)} {self.unit}".strip(), limit, verdict


HEADINGS = ("what", "measured", "limit", "")


def shown(value: float) -> str:
    """Three significant digits, and none cut off before the point."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:#.3g}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is aligned as text, too."""
    lines = [tuple(headings), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    text = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    text.insert(1, "| " + " | ".join("-" * max(3, width) for width in widths) + " |")
    return "\n".join(text)


def machine() -> str:
    """When and where: date, cores, memory, kernel, Python, and how busy the machine was before."""
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    return (
        f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, {os.cpu_count()} cores "
        f"({_processor()}), {memory:.0f} GB of memory, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f} at the start"
    )


def _processor() -> str:
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
