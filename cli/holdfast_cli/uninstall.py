"""`holdfast uninstall`."""

from typing import Any

import click

from holdfast_cli import output
from holdfast_cli.connection import Connection, Reply
from holdfast_cli.errors import Refused


@click.command()
@click.option(
    "--yes-uninstall",
    metavar="NAME",
    help="Do not ask: the service's name, for scripts.",
)
@click.pass_obj
@output.orders
def uninstall(api: Connection, yes_uninstall: str | None) -> Reply:
    """Uninstall the service: stop it and destroy its volumes with all data, for good."""
    body = api.get("uninstall").data
    name = body["service"]
    if body["state"] != "none":
        raise Refused(
            f"{name} is being uninstalled already: `holdfast plan show deploy` tells how far it is."
        )
    if yes_uninstall is None:
        lost = _what_is_lost(name, api.get("pod", "status").data, api.get("volumes").data)
        question = "Type the service's name to uninstall it, for good"
        output.confirm_by_name(lost, question, "name", name, f"--yes-uninstall {name}")
    reply = api.post(
        "uninstall", body={"service": name if yes_uninstall is None else yes_uninstall}
    )
    click.echo("`holdfast plan show deploy` shows what is done, and what it waits for.", err=True)
    return reply


def _what_is_lost(name: str, pods: dict[str, Any], volumes: list[dict[str, Any]]) -> str:
    running = [
        task["name"]
        for group in pods["pods"]
        for instance in group["instances"]
        for task in instance["tasks"]
        if task["id"]
    ]
    kept = [v for v in volumes if v["state"] == "quarantined"]
    lost = [v for v in volumes if v["state"] != "quarantined"]
    lines = [f"Uninstalling {name} cannot be undone."]
    if running:
        lines.append(f"Its tasks are killed: {', '.join(running)}.")
    if lost:
        lines.append("Its volumes are destroyed, with all data on them:")
        lines += [f"  {_volume(volume)}" for volume in lost]
    if kept:
        lines.append("These are left alone, since no record says whose they are:")
        lines += [f"  {_volume(volume)}" for volume in kept]
    lines.append("Its reservations are given back, its framework and its records are removed.")
    return "\n".join(lines)


def _volume(volume: dict[str, Any]) -> str:
    size = output.megabytes(volume["size"])
    return f"{volume['id']}  {size} of {volume['pod'] or '?'} on agent {volume['agent']}"
