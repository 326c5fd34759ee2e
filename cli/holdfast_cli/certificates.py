"""`holdfast certificates`."""

from datetime import UTC, datetime
from typing import Any

import click

from holdfast_cli import output
from holdfast_cli.connection import Connection, Reply


@click.group()
def certificates() -> None:
    """Certificates of tasks, and the authority of the scheduler's own that signs them."""


@certificates.command("show")
@click.pass_obj
@output.reads
def show(api: Connection) -> output.Shown:
    """When each certificate ends, and whether it is of the authority that signs now."""
    return api.get("certificates"), _show


def _show(body: dict[str, Any]) -> None:
    authority = body.get("authority")
    if authority is None:
        click.echo("No task has a certificate.")
        return
    stage = authority.get("stage", "given by the operator")
    click.echo(f"Authority {authority['id']} until {_day(authority['expires'])}: {stage}.")
    output.show_table(
        ("pod", "task", "until", "authority"),
        (
            (
                each["pod"],
                each["task"],
                _day(each["expires"]),
                "this one" if each["current"] else "another: restart it",
            )
            for each in body["certificates"]
        ),
    )


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


@certificates.command("rotate")
@click.option("--force", is_flag=True, help="Although some would not trust each other any more.")
@click.pass_obj
@output.orders
def rotate(api: Connection, force: bool) -> Reply:
    """Take the scheduler's own authority one of three steps on the way to another.

    Between the steps all instances with certificates are restarted: by you, or by a scheduler with
    --renew-certificates. Until then the next step is refused.
    """
    return api.post("certificates", "rotate", query={"force": "true"} if force else None)
