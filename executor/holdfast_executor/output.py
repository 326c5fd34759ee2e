"""Where a task's output goes: files bounded in size, filled from pipes by the loop.

A file `stdout` that reaches its limit becomes `stdout.1`, replacing the one before: at most two
limits on disk for each stream, however much a task writes. A task is slowed to the speed at which
its output can be stored, never stopped.
"""

from __future__ import annotations

import os
from typing import Callable, Union

from holdfast_executor.reactor import READ, Reactor

FILE_LIMIT = 10 * 1024 * 1024
"""Bytes until a file is rotated."""
READ_SIZE = 64 * 1024
TAIL_SIZE = 2048


class RotatingFile:
    """Appends to `path`. `standard` is 1 or 2 to move that descriptor along with the file."""

    def __init__(self, path: str, limit: int = FILE_LIMIT, standard: int | None = None) -> None:
        self._path = path
        self._limit = limit
        self._standard = standard
        self._lost = 0
        self._fd = self._open()

    def write(self, data: bytes) -> None:
        """Append; what does not fit on the disk is counted and told by the next write that does."""
        try:
            if self._lost:
                note = f"\n[{self._lost} bytes of output lost: the disk was full]\n"
                os.write(self._fd, note.encode())
                self._lost = 0
            view = memoryview(data)
            while view:
                written = os.write(self._fd, view)
                self._size += written
                view = view[written:]
            if self._size >= self._limit:
                self._rotate()
        except OSError:
            self._lost += len(data)

    def close(self) -> None:
        os.close(self._fd)

    def _open(self) -> int:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._size = os.fstat(fd).st_size
        if self._standard is not None:
            os.dup2(fd, self._standard)
        return fd

    def _rotate(self) -> None:
        os.replace(self._path, self._path + ".1")
        previous = self._fd
        self._fd = self._open()
        os.close(previous)


class Passthrough:
    """Writes to an inherited descriptor: a container logger of the agent bounds it already."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lost = 0

    def write(self, data: bytes) -> None:
        """Append; when the logger is gone its output is lost, the task goes on."""
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            self._lost += len(data)

    def close(self) -> None:
        """The descriptor is the executor's own and stays open."""


Sink = Union[RotatingFile, Passthrough]


def sandbox_stream(sandbox: str, name: str, standard: int) -> RotatingFile | Passthrough:
    """The sandbox's `stdout` or `stderr`: taken over when the agent gave us that very file.

    With a container logger module the descriptor is a pipe and the file is the logger's.
    """
    path = os.path.join(sandbox, name)
    try:
        ours, there = os.fstat(standard), os.stat(path)
    except FileNotFoundError:
        return Passthrough(standard)
    if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino):
        return RotatingFile(path, standard=standard)
    return Passthrough(standard)


def make_fifo(path: str) -> tuple[int, int]:
    """A named pipe, for writers that cannot inherit one: its read and its write end. OSError."""
    os.mkfifo(path, 0o600)
    read_end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    return read_end, os.open(path, os.O_WRONLY)


class Pump:
    """Moves what a process writes into a file and remembers the last line.

    `write` may be None to keep only the last line; `ends` are those of a pipe made already. One
    read of at most 64 KB each turn of the loop: a task that floods its output does not keep the
    loop from its other work.
    """

    def __init__(
        self,
        reactor: Reactor,
        write: Callable[[bytes], None] | None,
        ends: tuple[int, int] | None = None,
    ) -> None:
        self._reactor = reactor
        self._write = write
        self._tail = b""
        self._read_end, self.write_end = ends or os.pipe()
        os.set_blocking(self._read_end, False)
        self._open = True
        reactor.watch(self._read_end, READ, self._on_readable)

    def started(self) -> None:
        """The process has its copy of `write_end`: close ours, so that its end is noticed."""
        os.close(self.write_end)

    def finish(self) -> None:
        """Take what is still in the pipe and close it."""
        while self._open and self._take():
            pass
        self._close()

    def last_line(self) -> str:
        """The last line that is not blank, shortened to 200 characters, else empty."""
        return last_line(self._tail)

    def _on_readable(self) -> None:
        self._take()

    def _take(self) -> bool:
        try:
            data = os.read(self._read_end, READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            self._close()
            return False
        self._tail = (self._tail + data)[-TAIL_SIZE:]
        if self._write is not None:
            self._write(data)
        return True

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._reactor.unwatch(self._read_end)
            os.close(self._read_end)


def last_line(data: bytes) -> str:
    """The last line that is not blank, shortened to 200 characters, else empty."""
    for line in reversed(data.decode("utf-8", "replace").splitlines()):
        if line.strip():
            return line.strip()[:200]
    return ""
