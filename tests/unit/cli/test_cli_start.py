"""Starting up: what is loaded, help, the playground, colours on a terminal."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version

import pytest
from click.testing import Result

from tests.unit.api.pictures import Source

Run = Callable[..., Result]

LOADED = """
import sys
from holdfast_cli.main import main
main(sys.argv[1:], standalone_mode=False)
heavy = {"requests", "urllib3", "rich", "holdfast", "holdfast_playground", "psutil", "yaml"}
heavy |= {"pydantic"}
sys.exit(", ".join(sorted(heavy & sys.modules.keys())) or None)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["pod", "--help"], ["plan", "preview", "-h"]])
def test_help_loads_neither_requests_nor_rich_nor_the_playground(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage:")


def test_help_names_every_command(run: Run) -> None:
    text = run("--help").stdout
    for command in (
        *("endpoints", "explain", "health", "plan", "playground", "pod", "state", "validate"),
        "volumes",
        "HOLDFAST_URL",
    ):
        assert command in text


def test_the_version_is_the_one_installed(run: Run) -> None:
    assert version("holdfast") in run("--version").stdout


def test_the_playground_is_there_when_it_is_called(run: Run) -> None:
    result = run("playground", "--help", at="no url")  # it needs no scheduler
    assert result.exit_code == 0
    assert "zookeeper" in result.stdout


def test_a_missing_playground_breaks_nothing_else(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "holdfast_playground.commands", None)
    assert "playground" in run("--help").stdout
    assert run("plan", "list").exit_code == 0
    result = run("playground", "up")
    assert result.exit_code == 1
    assert "pip install 'holdfast[playground]'" in result.stderr


def on_terminal(url: str, *arguments: str, **environment: str) -> str:
    """What the command prints to a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "holdfast_cli.main", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "HOLDFAST_URL": url, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    output = b""
    try:
        while chunk := os.read(ours, 4096):
            output += chunk
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
        process.wait()
    return output.decode()


def test_statuses_are_coloured_on_a_terminal(url: str, source: Source) -> None:
    text = on_terminal(url, "plan", "show", "deploy", NO_COLOR="")
    assert "\x1b[32mCOMPLETE\x1b[0m" in text


def test_no_color_is_respected(url: str, source: Source) -> None:
    text = on_terminal(url, "plan", "show", "deploy", NO_COLOR="1")
    assert "COMPLETE" in text
    assert "\x1b[32m" not in text
