"""`holdfast events`, also as they happen, and `decisions`."""

import json
import subprocess
import sys
import time
from collections.abc import Callable

from click.testing import Result

from holdfast.eventlog import Kind
from holdfast_cli import events
from holdfast_cli.connection import Connection
from tests.unit.api.pictures import NOW, Source

Run = Callable[..., Result]
FOLLOWED = (
    "import sys; from holdfast_cli import events; events.EVERY_SECONDS = 0.02;"
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


def test_what_came_since_is_read_from_as_many_pages_as_it_takes(url: str, source: Source) -> None:
    before = source.events.last
    for number in range(450):
        source.events.append(Kind.DECISION, NOW, f"number {number}")
    found = list(events._since(Connection(url), "decision", before))
    assert [event["text"] for event in found] == [f"number {n}" for n in range(449, -1, -1)]


def test_events_are_followed_as_lines_of_json(url: str, source: Source) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", FOLLOWED, "--url", url, "events", "-f", "--json", "--limit", "1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()  # what was there before
        source.events.append(Kind.DECISION, time.time(), "just now")
        assert json.loads(process.stdout.readline())["text"] == "just now"
    finally:
        process.kill()
        process.wait()
        process.communicate()
