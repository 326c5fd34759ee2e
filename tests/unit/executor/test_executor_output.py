"""Bounded output files, and the agent's own container loggers left in charge."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast_executor.output import Passthrough, Pump, RotatingFile, sandbox_stream
from holdfast_executor.reactor import Reactor


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_full_file_moves_aside_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "stdout"
    file = RotatingFile(str(path), limit=10)
    for number in range(5):
        file.write(b"%d234567890" % number)
    file.write(b"rest")
    file.close()
    assert path.read_bytes() == b"rest"
    assert (tmp_path / "stdout.1").read_bytes() == b"4234567890"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["stdout", "stdout.1"]


def test_what_was_there_counts(tmp_path: Path) -> None:
    path = tmp_path / "stdout"
    path.write_bytes(b"12345678")
    file = RotatingFile(str(path), limit=10)
    file.write(b"90")
    file.close()
    assert (tmp_path / "stdout.1").read_bytes() == b"1234567890"


def test_lost_output_is_told_once_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = RotatingFile(str(tmp_path / "stdout"))

    def no_room(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", no_room)
        file.write(b"lost")
        file.write(b"lost too")
    file.write(b"kept")
    file.close()
    text = (tmp_path / "stdout").read_text()
    assert text == "\n[12 bytes of output lost: the disk was full]\nkept"


def test_the_file_the_agent_opened_is_taken_over(tmp_path: Path) -> None:
    standard = os.open(tmp_path / "stdout", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stream = sandbox_stream(str(tmp_path), "stdout", standard)
    assert isinstance(stream, RotatingFile)
    stream.write(b"through the file\n")
    os.write(standard, b"through the descriptor\n")
    stream.close()
    os.close(standard)
    expected = b"through the file\nthrough the descriptor\n"
    assert (tmp_path / "stdout").read_bytes() == expected


@pytest.mark.parametrize("present", [True, False])
def test_the_pipe_of_a_container_logger_is_used_as_it_is(
    tmp_path: Path, pipe: tuple[int, int], present: bool
) -> None:
    if present:
        (tmp_path / "stdout").write_bytes(b"written by the logger")
    stream = sandbox_stream(str(tmp_path), "stdout", pipe[1])
    assert isinstance(stream, Passthrough)
    stream.write(b"line\n")
    assert os.read(pipe[0], 100) == b"line\n"


def test_a_dead_container_logger_does_not_end_the_task() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    Passthrough(writing).write(b"nobody reads this\n")
    os.close(writing)


def test_the_last_line_is_the_last_one_with_text() -> None:
    kept: list[bytes] = []
    pump = Pump(Reactor(), kept.append)
    os.write(pump.write_end, b"first\n" + b"x" * 3000 + b"\n  the reason  \n\n \n")
    pump.started()
    pump.finish()
    assert pump.last_line() == "the reason"
    assert b"".join(kept).startswith(b"first\n")


def test_without_output_there_is_no_last_line() -> None:
    pump = Pump(Reactor(), None)
    pump.started()
    pump.finish()
    assert pump.last_line() == ""
