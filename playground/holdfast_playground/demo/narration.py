"""What the demo says in the terminal, and how long each step took."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

INDENT = 3


@dataclass(slots=True)
class Narrator:
    """Tells the steps one after the other. `times` has the title and seconds of each finished."""

    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    times: list[tuple[str, float]] = field(default_factory=list)
    current: str | None = None

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step of the demo; its time is told when it ends well."""
        number = len(self.times) + 1
        self.current = f"step {number}, {title}"
        self.console.print(f"\n[bold cyan]{number}. {title}[/]")
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        self.times.append((title, seconds))
        self.current = None
        self.console.print(f"{' ' * INDENT}[dim]{seconds:.1f} s[/]")

    def say(self, text: str) -> None:
        """What is being done now."""
        self._line("·", "cyan", text)

    def verified(self, text: str) -> None:
        """What has been checked and is so."""
        self._line("✓", "green", text)

    def wrong(self, text: str) -> None:
        """What has been checked and is not so."""
        self._line("✗", "bold red", text)

    def plain(self, text: str = "") -> None:
        """A line as it is, without markup."""
        self.console.print(Text(text))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table of facts."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in columns:
            table.add_column(column, no_wrap=True)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(Padding(table, (0, 0, 0, INDENT)), soft_wrap=False)

    def _line(self, sign: str, style: str, text: str) -> None:
        self.console.print(Text.assemble(" " * INDENT, (sign, style), " ", text))
