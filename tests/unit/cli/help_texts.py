"""The help of every command, as one text. `python -m tests.unit.cli.help_texts` records it."""

from collections.abc import Iterator
from pathlib import Path

import click

from holdfast_cli.main import PLAYGROUND, main

GOLDEN = Path(__file__).with_name("help.txt")


def help_texts() -> str:
    return "\n\n".join(_texts(main, None, "holdfast"))


def _texts(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    context = click.Context(
        command, parent, name, terminal_width=90, max_content_width=90, **command.context_settings
    )
    yield f"## {context.command_path}\n\n{command.get_help(context)}"
    if isinstance(command, click.Group):
        for below, one in command.commands.items():
            if below != PLAYGROUND:
                yield from _texts(one, context, below)


if __name__ == "__main__":
    GOLDEN.write_text(help_texts())
