"""`holdfast orphans`."""

from typing import Any

import click

from holdfast_cli import output
from holdfast_cli.connection import Connection


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also what the records explain.")
@click.option("--apply", "names", multiple=True, metavar="NAME", help="Free this; may be repeated.")
@click.option(
    "--yes-destroy", multiple=True, metavar="NAME", help="Do not ask: the names a second time."
)
@output.json_option
@click.pass_obj
def orphans(
    api: Connection,
    everything: bool,
    names: tuple[str, ...],
    yes_destroy: tuple[str, ...],
    as_json: bool,
) -> None:
    """What Mesos has for the service that no record explains.

    The master is asked. Nothing is touched without --apply.
    """
    if not names:
        reply = api.get("orphans")
        if as_json:
            output.show_json(reply)
        else:
            _table(reply.data, everything)
        return
    if yes_destroy and set(yes_destroy) != set(names):
        raise click.UsageError("--yes-destroy and --apply name different things; nothing was done")
    if as_json and not yes_destroy:
        raise click.UsageError("with --json, --yes-destroy names what is freed; nothing was done")
    items = {item["name"]: item for item in api.get("orphans").data["items"]}
    for name in names if not yes_destroy else ():
        if name in items:
            click.echo(_line(items[name]))
        question = "Type its name again to free it, with any data on it, for good"
        if click.prompt(question, default="", show_default=False).strip() != name:
            click.echo("That is not its name. Nothing was changed.")
            raise click.exceptions.Exit(1)
    reply = api.post("orphans", "apply", body={"names": list(names)})
    if as_json:
        output.show_json(reply)
        return
    for answer in reply.data:
        click.echo(answer["message"])


def _line(item: dict[str, Any]) -> str:
    return f"{item['kind']} {item['name']} on {item['agent']}, {item['class']}"


def _table(found: dict[str, Any], everything: bool) -> None:
    shown = [i for i in found["items"] if everything or i["class"] != "explained"]
    for host in found["silent"]:
        click.echo(f"The master tells nothing of agent {host} at the moment.", err=True)
    if not shown:
        click.echo("The records explain all that the master tells of.")
        return
    output.show_table(
        ("name", "kind", "class", "agent", "size", "age", "labels", "what to do"),
        (
            (
                item["name"],
                item["resource"] or item["kind"],
                output.status(item["class"]),
                item["agent"],
                "-" if item["size"] is None else f"{item['size']:g}",
                output.age(item["age"]),
                " ".join(f"{key}={value}" for key, value in item["labels"].items()),
                item["hint"],
            )
            for item in shown
        ),
    )
