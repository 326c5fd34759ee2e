"""Completion in the shell: `holdfast completion`, and names the scheduler knows."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from holdfast_cli.connection import DEFAULT_URL, Connection, access_for
from holdfast_cli.errors import Failure

VARIABLE = "_HOLDFAST_COMPLETE"
SHELLS = ("bash", "zsh", "fish")

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """A script for SHELL that completes commands, options and names.

    For bash: `eval "$(holdfast completion bash)"` in ~/.bashrc; zsh the same in ~/.zshrc; fish:
    `holdfast completion fish > ~/.config/fish/completions/holdfast.fish`.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "holdfast", VARIABLE).source())


def completes(path: str) -> Completer:
    """Complete with the names listed at a path of the API."""

    def found(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
        listed = _asked(context, path) or ()
        names = [one if isinstance(one, str) else one["id"] for one in listed]
        return _beginning(begun, names)

    return found


def completes_phase(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete with the phases of the plan that is named before."""
    return _beginning(begun, [phase["name"] for phase in _phases(context)])


def completes_step(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete with the steps of the plan and phase that are named before."""
    chosen = [one for one in _phases(context) if one["name"] == context.params.get("phase")]
    return _beginning(begun, [step["name"] for phase in chosen for step in phase["steps"]])


def _phases(context: click.Context) -> list[dict[str, Any]]:
    plan = context.params.get("plan", "deploy")  # `update` has no argument for it
    body = _asked(context, "plans", plan) or {"phases": []}
    phases: list[dict[str, Any]] = body["phases"]
    return phases


def _asked(context: click.Context, *path: str) -> Any:
    """What the scheduler says; None when there is none, as TAB is no place for messages."""
    given = context.find_root().params
    url = given.get("url") or DEFAULT_URL
    access = access_for(url, given.get("token"), given.get("user"), given.get("ca"), os.environ)
    try:
        return Connection(url, access).get(*path, good=(200, 202, 417)).data
    except (Failure, click.UsageError):
        return None


def _beginning(begun: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.startswith(begun)]
