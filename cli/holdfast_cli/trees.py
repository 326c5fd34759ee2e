"""Plans as trees of their phases and steps, and what in them waits for an operator."""

import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from holdfast_cli import output

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

BUILT_IN = frozenset({"deploy", "recovery", "decommission"})
"""Plans that begin by themselves; all others are started by an operator."""


def tree(name: str, body: Mapping[str, Any]) -> "Tree":
    """The plan, its phases and steps, each with its status."""
    from rich.tree import Tree

    root = Tree(line(f"{name} ({body['strategy']})", body["status"]))
    for phase in body["phases"]:
        branch = root.add(line(f"{phase['name']} ({phase['strategy']})", phase["status"]))
        for step in phase["steps"]:
            branch.add(line(step["name"], step["status"], step["message"]))
    return root


def line(name: str, status: str, message: str = "") -> "Text":
    from rich.text import Text

    text = Text(f"{name} " if name else "").append_text(output.status(status))
    return text.append(f": {message}") if message else text


def hints(name: str, body: Mapping[str, Any]) -> Iterator[str]:
    """What waits for an operator, each with the command that lets it go."""
    if body["status"] == "COMPLETE":
        return
    steps = [step for phase in body["phases"] for step in phase["steps"]]
    if body["interrupted"] and name not in BUILT_IN:
        yield f"{name} waits to be started: {_command('start', name)}"
        if any(step["status"] != "PENDING" for step in steps):
            yield f"To go on where it is: {_command('resume', name)}"
    elif body["interrupted"]:
        yield f"{name} is interrupted. To let it go on: {_command('resume', name)}"
    for phase in body["phases"]:
        held = [step["name"] for step in phase["steps"] if step["status"] == "WAITING"]
        if phase["interrupted"] and phase["status"] != "COMPLETE":
            resume = _command("resume", name, phase["name"])
            yield f"{phase['name']} is interrupted. To let it go on: {resume}"
        elif held:
            resume = _command("resume", name, phase["name"])
            yield f"Held back as canaries: {', '.join(held)}. To let the first go: {resume}"


def _command(verb: str, *names: str) -> str:
    return shlex.join(["holdfast", "plan", verb, *names])
