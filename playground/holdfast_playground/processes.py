"""Processes by id and start time: started detached, recorded before they run, ended exactly.

A process id alone can belong to someone else by now. With the start time from /proc/PID/stat (clock
ticks since boot; proc(5), field 22) and the boot's id it names one process for good.
"""

import errno
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
POLL_SECONDS: Final = 0.02
EXEC_SECONDS: Final = 1.0
# Waits for one line on its stdin, then becomes the program. Its start time stays what it was.
GATE: Final = 'read -r go && exec "$@" </dev/null'


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process, now and never another."""

    pid: int
    started: int
    boot: str


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What /proc/PID/stat says: R, S, T (stopped), Z (ended, not yet reaped) and so on."""

    pid: int
    state: str
    parent: int
    session: int
    started: int


def boot_id() -> str:
    """The id of this boot of this machine."""
    return BOOT_ID.read_text().strip()


def facts_of(pid: int) -> ProcessFacts | None:
    """The facts about a process, None when there is none of that id."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The command name, in parentheses, may hold anything, so count from the last one.
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessFacts(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
    )


def all_processes() -> list[ProcessFacts]:
    """The facts about every process of the machine."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [facts for facts in map(facts_of, pids) if facts is not None]


def environment_of(pid: int) -> dict[bytes, bytes]:
    """The environment of a process. OSError when there is none to see, as with kernel threads.

    In the middle of execve(2) a process shows neither environment nor arguments: that is waited
    out, as it would be missed.
    """
    folder = Path(f"/proc/{pid}")
    deadline = time.monotonic() + EXEC_SECONDS
    while True:
        found = (folder / "environ").read_bytes()
        if found or (folder / "cmdline").read_bytes() or time.monotonic() > deadline:
            return dict(entry.split(b"=", 1) for entry in found.split(b"\0") if b"=" in entry)
        (folder / "exe").readlink()
        time.sleep(POLL_SECONDS)


def record_of(pid: int) -> ProcessRecord | None:
    """The record of a process that runs now, None when there is none of that id."""
    facts = facts_of(pid)
    return ProcessRecord(pid, facts.started, boot_id()) if facts else None


def state_of(record: ProcessRecord) -> str | None:
    """The state letter of exactly that process, None when it has ended."""
    facts = facts_of(record.pid)
    if facts is None or facts.started != record.started or facts.state in "ZX":
        return None
    return facts.state if record.boot == boot_id() else None


def is_alive(record: ProcessRecord) -> bool:
    """Whether exactly that process still runs (a stopped one does)."""
    return state_of(record) is not None


def send(record: ProcessRecord, number: signal.Signals) -> bool:
    """Signal exactly that process; False when it has ended."""
    try:
        handle = os.pidfd_open(record.pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL):
            return False
        raise
    try:
        # Checked while holding the handle: from here on the id cannot change hands.
        if not is_alive(record):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def reap(record: ProcessRecord) -> bool:
    """Collect the process if it is an ended child of this one; False for a child that goes on."""
    if record_of(record.pid) != record:
        return True
    try:
        return os.waitpid(record.pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def kill(records: Iterable[ProcessRecord], seconds: float = 10.0) -> None:
    """SIGKILL them all and wait until they have ended. TimeoutError names the ones that have not.

    A killed process can stay while the kernel finishes a call for it.
    """
    left = list(records)
    for record in left:
        send(record, signal.SIGKILL)
    deadline = time.monotonic() + seconds
    while True:
        left = [record for record in left if is_alive(record) or not reap(record)]
        if not left:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"still there after SIGKILL: {[record.pid for record in left]}")
        time.sleep(POLL_SECONDS)


def spawn(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    note: Callable[[ProcessRecord], None],
) -> ProcessRecord:
    """Start a program in a session of its own, its output appended to `log`.

    It runs only after `note(record)` returned; when that fails, or this process dies before, it
    never runs. So there is no moment at which it runs unrecorded.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            pid = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", GATE, "sh", *arguments],
                dict(environment),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, reader, 0),
                    (os.POSIX_SPAWN_DUP2, output, 1),
                    (os.POSIX_SPAWN_DUP2, output, 2),
                ],
                setsid=True,
            )
        finally:
            os.close(output)
            os.close(reader)
        record = record_of(pid)
        if record is None:
            raise ProcessLookupError(f"process {pid} ended before it was started")
        note(record)
        os.write(writer, b"go\n")
    finally:
        os.close(writer)
    return record
