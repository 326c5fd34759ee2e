"""`holdfast events` and `holdfast decisions`: what was ordered, and what the scheduler did."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from holdfast_cli import output
from holdfast_cli.connection import Connection
from holdfast_cli.errors import Trouble, Unreachable
from holdfast_cli.output import Shown

AGAIN_SECONDS = 1.0
"""Until a stream that has ended is asked for again."""

_limit = click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."
)


@click.command()
@_limit
@click.option("--kind", metavar="KIND", help="Only one kind: command or decision.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, until interrupted.")
@output.json_option
@click.pass_obj
def events(api: Connection, limit: int, kind: str | None, follow: bool, as_json: bool) -> None:
    """Commands and decisions, the oldest first.

    With --follow and --json, each event is a line of JSON.
    """
    given = {"limit": str(limit), **({"kind": kind} if kind else {})}
    reply = api.get("events", query=given)
    latest = reply.data["events"][::-1]
    if as_json and not follow:
        output.show_json(reply)
        return
    show = _show_json_line if as_json else _show
    for event in latest:
        show(event)
    if follow:
        _follow(api, kind, latest[-1]["id"] if latest else 0, show)


@click.command()
@_limit
@click.pass_obj
@output.reads
def decisions(api: Connection, limit: int) -> Shown:
    """What the scheduler decided lately, with its reasons, the newest first."""
    return api.get("decisions", query={"limit": str(limit)}), _show_decisions


def _show_decisions(body: list[dict[str, Any]]) -> None:
    if not body:
        click.echo("Nothing was decided since the scheduler started.")
        return
    output.show_table(("time", "decision"), ((_clock(one["at"]), one["text"]) for one in body))


def _follow(
    api: Connection, kind: str | None, last: int, show: Callable[[dict[str, Any]], None]
) -> None:
    """Show what comes after the event `last`, also across a restart of the scheduler."""
    query = {"kind": kind} if kind else None
    away = False
    while True:
        try:
            for event in api.events("events", "stream", query=query, after=max(last, 1)):
                show(event)
                last, away = event["id"], False
        except (Unreachable, Trouble) as error:
            if not away:
                click.echo(f"{error.message} Asking on.", err=True)
            away = True
        time.sleep(AGAIN_SECONDS)


def _show(event: dict[str, Any]) -> None:
    from rich.text import Text

    line = Text(f"{_clock(event['at'])} ")
    if event["what"] is not None:
        refused = (event["status"] or 0) >= 400
        line.append(event["kind"], "red" if refused else "cyan")
        line.append(f" {event['what']} by {event['by'] or 'somebody'}: {event['text']}")
        line.append(f" ({event['status']})" if event["status"] else "")
    else:
        line.append(event["kind"], "bold").append(f" {event['text']}")
    output.show(line)


def _show_json_line(event: dict[str, Any]) -> None:
    click.echo(json.dumps(event, ensure_ascii=False))


def _clock(at: float) -> str:
    """The local time, as people who look at a terminal expect it."""
    return datetime.fromtimestamp(at).isoformat(sep=" ", timespec="seconds")
