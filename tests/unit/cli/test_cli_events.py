"""`holdfast events`, also as they happen, and `decisions`."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import Result

from holdfast.api.app import create_app
from holdfast.api.credentials import CredentialsFile
from holdfast.eventlog import Kind
from holdfast_cli.connection import Connection
from holdfast_cli.errors import Unknown
from tests.unit.api.pictures import NOW, Source
from tests.unit.api.serving import serving

Run = Callable[..., Result]
FOLLOWED = (
    "import sys; from holdfast_cli import events; events.AGAIN_SECONDS = 0.02;"
    "from holdfast_cli.main import main; main(sys.argv[1:])"
)


def test_events_are_told_the_oldest_first(run: Run, source: Source) -> None:
    source.events.append(Kind.COMMAND, NOW, "no such plan", by=None, what="plan y", status=404)
    shown = run("events", "--limit", "1000").stdout.splitlines()
    ordered = next(n for n, line in enumerate(shown) if "command plan x by ann: stored" in line)
    decided = next(n for n, line in enumerate(shown) if "decision declined 2 offers" in line)
    assert ordered < decided
    assert shown[-1].endswith("command plan y by somebody: no such plan (404)")


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do(run: Run) -> None:
    result = run("events", "--kind", "x")
    assert result.exit_code == 5
    assert "There is no kind 'x': command, decision" in result.stderr


def test_decisions_are_a_table(run: Run) -> None:
    table = run("decisions").stdout.splitlines()
    assert table[0].split() == ["TIME", "DECISION"]
    assert any(line.endswith("declined 2 offers") for line in table)


class Followed:
    """`holdfast events -f --json` in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", FOLLOWED, *arguments, "-f", "--json", "--limit", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Followed":
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.kill()
        self._process.communicate()

    def text(self) -> str:
        """Of the next event, waiting for it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._process.communicate()[1]
        return str(json.loads(line)["text"])

    def told(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.readline()


def test_events_are_followed_as_lines_of_json(url: str, source: Source) -> None:
    with Followed("--url", url, "events", "--kind", "decision") as followed:
        followed.text()  # what was there before
        source.events.append(Kind.COMMAND, time.time(), "another kind", what="plan x", status=200)
        source.events.append(Kind.DECISION, time.time(), "just now")
        assert followed.text() == "just now"


def test_following_goes_on_after_a_restart_where_it_was() -> None:
    source = Source()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    app = create_app(source, {})
    with ExitStack() as first, Followed("--url", f"http://127.0.0.1:{port}", "events") as followed:
        first.enter_context(serving(app, port=port))
        followed.text()
        source.events.append(Kind.DECISION, time.time(), "before")
        assert followed.text() == "before"
        first.close()
        assert "Asking on." in followed.told()
        source.events.append(Kind.DECISION, time.time(), "meanwhile")
        with serving(app, port=port):
            assert followed.text() == "meanwhile"
            source.events.append(Kind.DECISION, time.time(), "after")
            assert followed.text() == "after"


def test_following_ends_when_who_asks_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text('{"tokens": {"ann": {"sha256": "%s", "role": "read-only"}}}' % ("0" * 64))
    app = create_app(Source(), {}, credentials=CredentialsFile(file))
    with serving(app) as url, pytest.raises(Unknown, match="Credentials are missing"):
        list(Connection(url).events("events", "stream", after=1))
