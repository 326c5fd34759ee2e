"""The commands of the README and of the quick start, run in order as a reader would.

A comment before each block says how: `run`, `run in background`, `run until: TEXT` (again and again
until it succeeds and TEXT is in what it prints), or `run elsewhere: WHERE`.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.running_service import wait_until

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"(?:<!-- (?P<how>run[^>]*?) -->\n)?^```(?P<kind>\w*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
VOLUME = re.compile(r"\b[0-9a-f]{32}\b")
BLOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Block:
    """The commands of a page that follow each other, and how they are run."""

    how: str
    code: str


def blocks(text: str) -> Sequence[Block]:
    """All blocks of commands, in order; one of which nobody says how to run it is a fault."""
    found = [Block(match["how"] or "", match["code"]) for match in BLOCK.finditer(text)]
    unmarked = [block.code for block in found if not block.how]
    assert not unmarked, f"say how these are run: {unmarked}"
    return found


class Reader:
    """A shell's variables, carried from block to block, and what runs in other terminals."""

    def __init__(self, folder: Path) -> None:
        self._variables = folder / "variables"
        self._variables.touch()
        self._log = folder / "background.log"
        self._terminals: list[subprocess.Popen[bytes]] = []
        tools = Path(sys.executable).parent
        self._environment = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run `code` in the checkout, stopping at the first command that fails."""
        script = f". '{self._variables}'\nset -eu\n{code}\nexport -p >'{self._variables}'\n"
        return subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BLOCK_SECONDS,
        )

    def open_terminal(self, code: str) -> None:
        """Run `code` beside everything that follows."""
        with self._log.open("ab") as log:
            self._terminals.append(
                subprocess.Popen(
                    ["bash", "-c", f". '{self._variables}'\nexec {code}"],
                    cwd=ROOT,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def close_terminals(self) -> None:
        """End them all; the page has Ctrl-C pressed in each."""
        for terminal in self._terminals:
            terminal.send_signal(signal.SIGINT)
            terminal.wait(BLOCK_SECONDS)
        self._terminals.clear()

    def close(self) -> None:
        """End whatever the page would still have ended, had it come to that."""
        self.close_terminals()
        subprocess.run(
            [sys.executable, "-m", "holdfast_cli.main", "playground", "down"],
            env=self._environment,
            check=True,
            timeout=BLOCK_SECONDS,
        )


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    one = Reader(tmp_path)
    yield one
    one.close()


def test_a_block_without_a_word_on_how_to_run_it_is_a_fault() -> None:
    with pytest.raises(AssertionError, match="say how"):
        blocks("Look:\n\n```sh\nholdfast pod status\n```\n")


def follow(reader: Reader, page: Path) -> list[set[str]]:
    """Run all blocks of the page. Ids of the volumes of each list of them that was printed."""
    volumes = []
    for block in blocks(page.read_text()):
        if block.how.startswith("run elsewhere: "):
            continue
        if block.how == "run in background":
            reader.open_terminal(block.code)
        elif block.how.startswith("run until: "):
            text = block.how.removeprefix("run until: ")

            def there(code: str = block.code, text: str = text) -> bool:
                result = reader.run(code)
                return result.returncode == 0 and text in result.stdout

            wait_until(f"{text!r} from {block.code}", there, every=0.5)
        else:
            assert block.how == "run", block.how
            result = reader.run(block.code)
            assert result.returncode == 0, f"{block.code}\n{result.stdout}\n{result.stderr}"
            for listed in re.split(r"(?m)^ID .*", result.stdout)[1:]:
                volumes.append(set(VOLUME.findall(listed)))
    return volumes


def test_the_quick_start_does_what_it_says(reader: Reader) -> None:
    volumes = follow(reader, ROOT / "docs" / "quickstart.md")
    assert len(volumes) == 3
    assert len(volumes[0]) == 3
    assert volumes[0] == volumes[1] == volumes[2], "the page says that volumes stay"


def test_the_readme_does_what_it_says(reader: Reader) -> None:
    before, after = follow(reader, ROOT / "README.md")
    assert len(before) == 1
    assert before == after
