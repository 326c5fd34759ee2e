"""`holdfast volumes`."""

from typing import Any

import click

from holdfast_cli import output
from holdfast_cli.completion import completes
from holdfast_cli.connection import Connection, Reply
from holdfast_cli.errors import Refused
from holdfast_cli.output import Shown


@click.group()
def volumes() -> None:
    """The persistent volumes: in use, or kept after their pod instance left them."""


@volumes.command("list")
@click.pass_obj
@output.reads
def list_volumes(api: Connection) -> Shown:
    """Every volume, whose it is and where."""
    return api.get("volumes"), _table


def _table(found: list[dict[str, Any]]) -> None:
    if not found:
        click.echo("There are no volumes.")
        return
    output.show_table(
        ("id", "state", "pod", "agent", "path", "size", "age", "reason"),
        (
            (
                volume["id"],
                output.status(volume["state"]),
                volume["pod"] or "-",
                volume["agent"],
                volume["path"] or "-",
                output.megabytes(volume["size"]),
                output.age(volume["age"]),
                volume["reason"] or "",
            )
            for volume in found
        ),
    )


@volumes.command("destroy")
@click.argument("id", shell_complete=completes("volumes"))
@click.option(
    "--yes-destroy", metavar="ID", help="Do not ask: the same ID, a second time, for scripts."
)
@click.pass_obj
@output.orders
def destroy_volume(api: Connection, id: str, yes_destroy: str | None) -> Reply:
    """Destroy the volume ID and all data on it, for good. It must not be in use."""
    if yes_destroy is not None and yes_destroy != id:
        raise click.UsageError(
            f"--yes-destroy names {yes_destroy!r}, the argument {id!r}; nothing was changed"
        )
    volume = api.get("volumes", id).data
    if volume["state"] == "in-use":
        raise Refused(
            f"Volume {id} is in use by {volume['pod']}; nothing was changed."
            f" `holdfast pod replace {volume['pod']}` would release it first."
        )
    if yes_destroy is None:
        question = "Type its id again to destroy it and its data, for good"
        output.confirm_by_name(_description(volume), question, "id", id, f"--yes-destroy {id}")
    return api.delete("volumes", id)


@volumes.command("forget")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
@output.orders
def forget_volumes(api: Connection, name: str, yes: bool) -> Reply:
    """Forget what was left on a machine that never returns; nothing is destroyed.

    NAME is a volume, a reservation, or the pod instance that left it.
    """
    if not yes:
        left = [one for one in api.get("retired").data if name in _names_of(one)]
        if left:
            told = "\n".join(map(_left, left))
            output.confirm(f"{told}\n{_IF_IT_RETURNS}", f"Forget what is called {name}?", "--yes")
    return api.post("retired", name, "forget")


_IF_IT_RETURNS = (
    "Forget it only if that machine never returns. Should it come back, what is on it is"
    " quarantined: kept, not destroyed."
)


def _left(one: dict[str, Any]) -> str:
    kept = ", ".join(one["volumes"]) or "no volumes"
    return f"{one['pod']} left {kept} on agent {one['agent']} ({one['reason']})."


def _names_of(left: dict[str, Any]) -> list[str]:
    return [left["reservation"], left["pod"], *left["volumes"]]


def _description(volume: dict[str, Any]) -> str:
    what = f"Volume {volume['id']}, {output.megabytes(volume['size'])} on agent {volume['agent']}"
    if volume["pod"]:
        what += f", once of {volume['pod']}"
    text = f"{what}: {volume['state']}"
    if volume["age"] is not None:
        text += f" for {output.age(volume['age'])}"
    return text + (f" ({volume['reason']})." if volume["reason"] else ".")
