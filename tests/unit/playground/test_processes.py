"""Processes by id and start time: exactly those, never another that has the id now."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast_playground import processes
from holdfast_playground.processes import ProcessRecord

Start = Callable[..., ProcessRecord]


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `sh -c SCRIPT` as the playground starts its servers; ended with the test."""
    started: list[ProcessRecord] = []

    def spawn(script: str, note: Callable[[ProcessRecord], None] = started.append) -> ProcessRecord:
        record = processes.spawn(
            ["/bin/sh", "-c", script], {"PATH": "/usr/bin:/bin"}, tmp_path / "log", note
        )
        started.append(record)
        return record

    yield spawn
    processes.kill(started)


def test_runs_detached_with_its_output_in_the_log(start: Start, tmp_path: Path) -> None:
    record = start("echo hello; echo trouble >&2; exec sleep 60")

    log = tmp_path / "log"
    wait_until(lambda: log.read_text() == "hello\ntrouble\n")
    facts = processes.facts_of(record.pid)
    assert facts is not None
    assert facts.session == record.pid
    assert facts.started == record.started
    assert processes.is_alive(record)


def test_it_does_not_run_unless_it_was_noted(start: Start, tmp_path: Path) -> None:
    seen: list[ProcessRecord] = []

    def fail(record: ProcessRecord) -> None:
        seen.append(record)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        start(f"touch {tmp_path}/ran", fail)

    wait_until(lambda: not processes.is_alive(seen[0]))
    processes.reap(seen[0])
    assert not (tmp_path / "ran").exists()


def test_stop_and_continue_show_in_the_state(start: Start) -> None:
    record = start("exec sleep 60")
    assert processes.send(record, signal.SIGSTOP)
    wait_until(lambda: processes.state_of(record) == "T")
    assert processes.send(record, signal.SIGCONT)
    wait_until(lambda: processes.state_of(record) == "S")


def test_kill_ends_a_stopped_process_and_leaves_no_zombie(start: Start) -> None:
    record = start("exec sleep 60")
    processes.send(record, signal.SIGSTOP)
    processes.kill([record])
    assert processes.facts_of(record.pid) is None
    assert not processes.send(record, signal.SIGCONT)


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_another_process_with_the_same_id_is_left_alone(
    start: Start, change: dict[str, object]
) -> None:
    record = start("exec sleep 60")
    earlier = replace(record, **change)  # type: ignore[arg-type]

    assert not processes.is_alive(earlier)
    assert not processes.send(earlier, signal.SIGKILL)
    processes.kill([earlier])

    assert processes.is_alive(record)
