"""Plans as trees of their phases and steps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from holdfast_cli import output

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree


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
