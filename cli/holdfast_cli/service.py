"""Commands about the service as a whole: endpoints, health, describe."""

from typing import Any

import click

from holdfast_cli import output
from holdfast_cli.completion import completes
from holdfast_cli.connection import Connection
from holdfast_cli.errors import EXIT_TROUBLE
from holdfast_cli.output import Shown

HEALTH_STATUSES = (200, 202, 203, 207, 208, 417, 500, 503)
IN_ERROR = 417
"""Of a framework of many services: a plan of one of them has errors."""


@click.command()
@click.argument("name", required=False, shell_complete=completes("endpoints"))
@click.pass_obj
@output.reads
def endpoints(api: Connection, name: str | None) -> Shown:
    """Where clients connect: all names, or the addresses of NAME."""
    if name is None:
        return api.get("endpoints"), _names
    return api.get("endpoints", name), _endpoint


def _names(names: list[str]) -> None:
    click.echo("\n".join(names) if names else "No port of the service is advertised.")


def _endpoint(body: dict[str, list[str]] | str) -> None:
    if isinstance(body, str):
        click.echo(body, nl=False)
        return
    if not body["address"]:
        click.echo("No task listens there now.")
        return
    output.show_table(("address", "dns (on DC/OS)"), zip(body["address"], body["dns"], strict=True))


@click.command()
@output.json_option
@click.pass_context
def health(context: click.Context, as_json: bool) -> None:
    """How the service is. Exits with 6 when it is in error or cut off from Mesos.

    At the address of a framework of many services, how each of them is.
    """
    reply = context.obj.get("health", good=HEALTH_STATUSES)
    if as_json:
        output.show_json(reply)
    else:
        _health(reply.data)
    if reply.status >= 500 or reply.status == IN_ERROR:
        context.exit(EXIT_TROUBLE)


def _health(body: dict[str, Any]) -> None:
    if "services" in body:  # the framework's address, where there are no plans to show
        _health_of_many(body)
        return
    _states([body])
    click.echo()
    output.show_table(
        ("plan", "status"),
        ((name, output.status(status)) for name, status in body["plans"].items()),
    )


def _health_of_many(body: dict[str, Any]) -> None:
    if not body["connected"]:
        click.echo("The framework is not subscribed to a Mesos master; tasks run on.")
    if body["services"]:
        _states(body["services"])
    else:
        click.echo("There is no service yet: holdfast service add SVC_YML")


def _states(bodies: list[dict[str, Any]]) -> None:
    output.show_table(
        ("service", "state", "message"),
        ((body["service"], output.status(body["status"]), body["message"]) for body in bodies),
    )


@click.command()
@click.pass_obj
@output.reads
def describe(api: Connection) -> Shown:
    """The service as it is asked for now: always JSON. Values that look secret are not shown."""
    return api.get("configurations", "target"), output.show_document
