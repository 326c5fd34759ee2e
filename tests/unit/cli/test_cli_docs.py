"""docs/cli.md names every command with its options and a working example; help is as it was."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from holdfast_cli import dcos
from holdfast_cli.main import PLAYGROUND, main
from tests.unit.cli.help_texts import GOLDEN, help_texts

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
OF_ALL = {"--json", "--help", "--timeout"}
"""Told of once: the last goes with `--watch`."""


def leaves(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that is shown, with its words."""
    for name, command in group.commands.items():
        if command.hidden or name == PLAYGROUND:
            continue
        if isinstance(command, click.Group):
            yield from leaves(command, *path, name)
        else:
            yield (*path, name), command


COMMANDS = {" ".join(words): command for words, command in leaves(main)}
ON_DCOS = {" ".join(words): command for words, command in leaves(dcos.command("holdfast", {}))}
ROWS = [row for row in PAGE.splitlines() if row.startswith("| `")]
EXAMPLES = [
    shlex.split(part, comments=True)[1:]
    for line in PAGE.splitlines()
    if line.startswith("    holdfast ")
    for part in re.split(r"&&|\|\|?|>", line.strip())
    if part.strip().startswith("holdfast ")
]


@pytest.mark.parametrize("words", sorted({*COMMANDS, *ON_DCOS}))
def test_a_command_has_an_entry_with_its_options(words: str) -> None:
    entry = " ".join(row for row in ROWS if re.search(rf"`{words}[ `]", row.split("|")[1]))
    assert entry, f"docs/cli.md lacks {words}"
    both = [tree[words] for tree in (COMMANDS, ON_DCOS) if words in tree]
    for parameter in (parameter for command in both for parameter in command.params):
        if isinstance(parameter, click.Option):
            options = set(parameter.opts) - OF_ALL
            assert not options or any(option in entry for option in options), options


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_has_an_example(words: str) -> None:
    assert any(example[: len(words.split())] == words.split() for example in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=" ".join)
def test_an_example_is_understood(
    example: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the files examples name
    for file in ("svc.yml", "scheduler.env"):
        Path(file).touch()
    command: click.Command = main
    context = click.Context(main, info_name="holdfast", **main.context_settings)
    rest = example
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = click.Context(command, context, name)
    command.make_context(name, rest, parent=context.parent)


def test_no_entry_is_of_a_command_that_is_no_more() -> None:
    known = {*COMMANDS, *ON_DCOS, PLAYGROUND}
    for row in ROWS:
        for text in re.findall(r"`([^`]+)`", row.split("|")[1]):
            words = text.split()
            starts = {" ".join(words[:length]) for length in (1, 2, 3)}
            if words[0] in main.commands:
                assert starts & known, f"docs/cli.md names {text}, which is no command"


def test_help_texts_are_those_that_were_agreed_on() -> None:
    assert help_texts() == GOLDEN.read_text(), (
        "help has changed; if it is meant to: python -m tests.unit.cli.help_texts"
    )
