"""`holdfast recover`."""

from typing import Any

import click

from holdfast_cli import output
from holdfast_cli.connection import Connection
from holdfast_cli.errors import Refused

_WELL = ("running", "uninstalled")


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--yes-without-quorum",
    metavar="NAME",
    help="Also when more than max-unavailable begin without data: the service's name.",
)
@output.json_option
@click.pass_obj
def recover(api: Connection, yes: bool, yes_without_quorum: str | None, as_json: bool) -> None:
    """Show all that is broken and the orders that would mend it, and give them once you agreed.

    `pod replace` gives data up that is out of reach: it is kept where it is, and not used again.
    """
    seen = api.get("recover")
    if as_json and not yes:
        output.show_json(seen)
        return
    if not as_json:
        _show(seen.data)
    names = [each["action"] for each in seen.data["actions"]]
    if not names and not as_json:
        return
    name = seen.data["service"]
    dangers = "; ".join(seen.data["dangers"])
    option = f"--yes-without-quorum {name}"
    if yes_without_quorum not in (None, name):
        raise Refused(f"This is the service {name}. Nothing was changed.")
    if dangers and yes_without_quorum is None:
        if yes:
            raise Refused(f"{dangers}. Nothing was changed: to agree, add {option}.")
        output.may_ask(not as_json)
        output.confirm_by_name(
            f"{dangers}.", "Type the service's name to do all of this", "name", name, option
        )
    elif not yes and not click.confirm("Do all of this?"):
        click.echo("Nothing was changed.")
        raise click.exceptions.Exit(1)
    answer = api.post("recover", body=names)
    if as_json:
        output.show_json(answer)
    else:
        click.echo(answer.data["message"])


def _show(body: dict[str, Any]) -> None:
    if body["status"] == "uninstalling":
        click.echo(f"{body['service']} is being uninstalled: `holdfast plan show deploy`")
        return
    if "disaster" in body:
        click.echo(f"There is a disaster: {body['disaster']}.")
        click.echo("What is lost may come back by itself; what is replaced begins without data.")
        click.echo()
    if body["actions"]:
        rows = ((each["action"], each["why"]) for each in body["actions"])
        output.show_table(("to be done", "reason"), rows)
    if body["waiting"]:
        if body["actions"]:
            click.echo()
        click.echo("Broken or waiting, nothing to order: see `holdfast explain NAME`, or for plans")
        click.echo("`holdfast plan show NAME`.")
        waiting = (
            (each["kind"], each["name"], output.status(each["state"]), each["reason"] or "-")
            for each in body["waiting"]
        )
        output.show_table(("kind", "name", "state", "reason"), waiting)
    elif not body["actions"] and body["status"] in _WELL:
        click.echo("Nothing is broken.")
    elif not body["actions"]:
        click.echo(f"Nothing to order. The service is {body['status']}: {body['message']}.")
    if body["quarantined"]:
        number = body["quarantined"]
        click.echo(f"{number} things no record explains are kept: `holdfast orphans`.")
    if body["retired_volumes"]:
        click.echo(f"{body['retired_volumes']} former volumes are kept: `holdfast volumes list`.")
