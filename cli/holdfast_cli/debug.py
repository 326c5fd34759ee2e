"""`holdfast debug`: configurations and stored state, under the names of dcos-commons.

Groups here take `-` for `_` in names, and the other way round.
"""

import click

from holdfast_cli import output
from holdfast_cli.completion import completes
from holdfast_cli.connection import Connection, Reply
from holdfast_cli.output import Shown


class _Underscores(click.Group):
    """Knows `framework-id` as `framework_id`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name.replace("-", "_"))


@click.group()
def debug() -> None:
    """Look into a service: its configurations and what the scheduler has stored."""


@debug.group("config", cls=_Underscores)
def config() -> None:
    """The configurations the scheduler knows: what svc.yml asks for, and asked for."""


@config.command("list")
@click.pass_obj
@output.reads
def list_configurations(api: Connection) -> Shown:
    """The ids of all configurations."""
    return api.get("configurations"), _lines


@config.command("show")
@click.argument("id", shell_complete=completes("configurations"))
@click.pass_obj
@output.reads
def show_configuration(api: Connection, id: str) -> Shown:
    """The configuration ID: always JSON. Values that look secret are not shown."""
    return api.get("configurations", id), output.show_document


@config.command("target")
@click.pass_obj
@output.reads
def show_target(api: Connection) -> Shown:
    """The configuration that is asked for now: always JSON."""
    return api.get("configurations", "target"), output.show_document


@config.command("target_id")
@click.pass_obj
@output.reads
def show_target_id(api: Connection) -> Shown:
    """The id of the configuration that is asked for now."""
    return api.get("configurations", "targetId"), _lines


@debug.group("state", cls=_Underscores)
def state() -> None:
    """What the scheduler has stored about itself."""


@state.command("framework_id")
@click.pass_obj
@output.reads
def framework_id(api: Connection) -> Shown:
    """The id Mesos knows the service by."""
    return api.get("state", "frameworkId"), _lines


@state.command("properties")
@click.pass_obj
@output.reads
def list_properties(api: Connection) -> Shown:
    """The names of all properties."""
    return api.get("state", "properties"), _lines


@state.command("property")
@click.argument("name", shell_complete=completes("state/properties"))
@click.pass_obj
@output.reads
def show_property(api: Connection, name: str) -> Shown:
    """The value of the property NAME."""
    return api.get("state", "properties", name), _value


@state.command("refresh_cache")
@click.pass_obj
@output.orders
def refresh_cache(api: Connection) -> Reply:
    """Have the scheduler confirm that it is the one that writes the records, and has them all."""
    return api.put("state", "refresh")


def former(group: click.Group, name: str) -> click.Group:
    """A group under the name it had before `debug`: it works, and help does not show it."""
    return type(group)(name, group.commands, help=group.help, hidden=True)


def _lines(names: list[str]) -> None:
    for name in names:
        click.echo(name)


def _value(value: str | bool) -> None:
    click.echo(value if isinstance(value, str) else str(value).lower())
