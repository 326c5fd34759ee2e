"""What commands print: the API's JSON as it came, or tables for people."""

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from holdfast_cli.connection import Connection, Reply

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

P = ParamSpec("P")
Shown = tuple[Reply, Callable[[Any], None]]
"""A reply, and the function that shows what it says to people."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the API's JSON, for programs."
)

_COLOURS = {
    "green": ("COMPLETE", "RUNNING", "FINISHED", "in-use"),
    "cyan": (
        *("IN_PROGRESS", "PREPARED", "STARTING", "STARTED", "STAGING", "DEPLOYING", "RECOVERING"),
        "start",
    ),
    "yellow": (
        *("WAITING", "DELAYED", "KILLING", "STOPPING", "UNREACHABLE", "UNPLACED"),
        *("retired", "quarantined", "warning", "restart", "resize"),
    ),
    "red": (
        *("ERROR", "FAILED", "LOST", "DROPPED", "GONE", "GONE_BY_OPERATOR", "UNKNOWN"),
        *("DOWN", "DISCONNECTED", "to-be-destroyed", "refused", "decommission"),
    ),
}
_COLOUR_OF = {word.upper(): colour for colour, words in _COLOURS.items() for word in words}
_WIDE = 10_000
"""The width where no terminal sets one: lines for `grep` are not folded."""


def show_json(reply: Reply) -> None:
    click.echo(reply.text, nl=not reply.text.endswith("\n"))


def show_document(data: Any) -> None:
    """What is a document of its own, as a configuration: JSON also for people."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def status(word: str) -> "Text":
    """A status in its colour."""
    from rich.text import Text

    return Text(word, _COLOUR_OF.get(word.upper(), ""))


def show_table(headings: Sequence[str], rows: Iterable[Sequence["str | Text"]]) -> None:
    """A table without lines, which reads well and can be cut with `awk`."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading.upper(), overflow="fold")
    for row in rows:
        # Texts, not strings: names such as `etcd-0:[member]` are no markup.
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    show(table)


def show(*parts: "RenderableType") -> None:
    on = console()
    for part in parts:
        on.print(part)


def console() -> "Console":
    from rich.console import Console

    return Console(
        width=None if sys.stdout.isatty() else _WIDE,
        highlight=False,
        markup=False,
        emoji=False,
    )


def age(seconds: float | None) -> str:
    """`3 d`, `5 h`, `12 min` or `40 s`; `-` when unknown."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def moment(seconds: float) -> str:
    """A time since the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def megabytes(size: float) -> str:
    return f"{size:g} MB"


def reads(command: Callable[Concatenate[Connection, P], Shown]) -> Callable[..., None]:
    """For a command that only reads: adds `--json`, which prints the reply as it came instead."""

    @json_option
    @functools.wraps(command)
    def run(api: Connection, /, *args: P.args, **kwargs: P.kwargs) -> None:
        as_json = kwargs.pop("as_json")
        reply, show_it = command(api, *args, **kwargs)
        if as_json:
            show_json(reply)
        else:
            show_it(reply.data)

    return run


def orders(command: Callable[Concatenate[Connection, P], Reply]) -> Callable[..., None]:
    """For a command that gives an order: prints what the scheduler says to it, in words or JSON.

    With `--json` nothing is asked: what a person would have to confirm needs its option.
    """

    @json_option
    @functools.wraps(command)
    def run(api: Connection, /, *args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.pop("as_json"))
        may_ask(not as_json)
        reply = command(api, *args, **kwargs)
        if as_json:
            show_json(reply)
        else:
            show_message(reply)

    return run


def show_message(reply: Reply) -> None:
    """What the scheduler says to an order."""
    click.echo(reply.data["message"])


def may_ask(yes: bool) -> None:
    """Whether the command under way may ask a person."""
    click.get_current_context().meta[_MAY_ASK] = yes


_MAY_ASK = f"{__name__}.may_ask"


def confirm(explanation: str, question: str, option: str) -> None:
    """Go on only when a person agrees; `option` is what a script gives instead."""
    _explain(explanation, option)
    if not click.confirm(question):
        click.echo("Nothing was changed.")
        raise click.exceptions.Exit(1)


def confirm_by_name(explanation: str, question: str, what: str, name: str, option: str) -> None:
    """The same for what cannot be undone: a person types the name of what is lost."""
    _explain(explanation, option)
    if click.prompt(question, default="", show_default=False).strip() != name:
        click.echo(f"That is not its {what}. Nothing was changed.")
        raise click.exceptions.Exit(1)


def _explain(explanation: str, option: str) -> None:
    if not click.get_current_context().meta[_MAY_ASK]:
        raise click.UsageError(f"--json asks nothing: give {option} to agree; nothing was changed")
    click.echo(explanation)
