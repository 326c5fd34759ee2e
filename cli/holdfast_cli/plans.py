"""`holdfast plan`."""

from typing import TYPE_CHECKING, Any

import click

from holdfast_cli import output
from holdfast_cli.connection import Connection
from holdfast_cli.output import Shown

if TYPE_CHECKING:
    from rich.text import Text

PLAN_STATUSES = (200, 202, 417)
"""Complete, under way, with errors: all are answers."""


@click.group()
def plan() -> None:
    """What the scheduler is doing: deploying, recovering."""


@plan.command("list")
@click.pass_obj
@output.reads
def list_plans(api: Connection) -> Shown:
    """The names of all plans."""
    return api.get("plans"), lambda names: click.echo("\n".join(names))


@plan.command("show")
@click.argument("name")
@click.pass_obj
@output.reads
def show_plan(api: Connection, name: str) -> Shown:
    """A plan with its phases and steps."""
    return api.get("plans", name, good=PLAN_STATUSES), lambda body: _tree(name, body)


plan.add_command(show_plan, "status")


def _tree(name: str, body: dict[str, Any]) -> None:
    from rich.tree import Tree

    tree = Tree(_line(f"{name} ({body['strategy']})", body["status"]))
    for phase in body["phases"]:
        branch = tree.add(_line(f"{phase['name']} ({phase['strategy']})", phase["status"]))
        for step in phase["steps"]:
            branch.add(_line(step["name"], step["status"], step["message"]))
    output.show(tree)
    for error in body["errors"]:
        output.show(_line("", "ERROR", error))


def _line(name: str, status: str, message: str = "") -> "Text":
    from rich.text import Text

    line = Text(f"{name} " if name else "").append_text(output.status(status))
    return line.append(f": {message}") if message else line
