"""Which processes belong to which task, from /proc.

The executor is a child subreaper, so whatever a task starts stays among its descendants, even a
daemon in a session of its own. Such a daemon is recognised by the launch mark in its environment.
"""

from __future__ import annotations

import os
from typing import Callable, Iterable, Mapping, NamedTuple

from holdfast_executor.contract import ENV_LAUNCH


class Process(NamedTuple):
    """A process as /proc shows it; `zombie` has ended and waits for its parent.

    `started` is in clock ticks since the machine was.
    """

    pid: int
    parent: int
    group: int
    zombie: bool
    started: int = 0


def read_processes() -> list[Process]:
    """Every process visible here."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:
                    found.append(parse_stat(stat.read()))
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended since the folder was listed
    return found


def parse_stat(line: bytes) -> Process:
    """A line of /proc/PID/stat; the name in parentheses may hold anything (proc(5))."""
    fields = line[line.rindex(b")") + 2 :].split()
    return Process(
        pid=int(line[: line.index(b" ")]),
        parent=int(fields[1]),
        group=int(fields[2]),
        zombie=fields[0] in (b"Z", b"X"),
        started=int(fields[19]) if len(fields) > 19 else 0,
    )


def read_mark(pid: int) -> str | None:
    """The launch mark in the environment a process was started with, None without one."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            content = environ.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    prefix = ENV_LAUNCH.encode() + b"="
    for entry in content.split(b"\0"):
        if entry.startswith(prefix):
            return entry[len(prefix) :].decode("utf-8", "replace")
    return None


def handles(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal (SigCgt in proc(5))."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            lines = status.read().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(b"SigCgt:")]
    return any(mask >> (number - 1) & 1 for mask in masks)


def attribute(
    processes: Iterable[Process],
    executor: int,
    groups: Mapping[int, str],
    mark_of: Callable[[int], str | None],
) -> dict[int, str | None]:
    """The living descendants of `executor`, each with the mark of its task, None if unknown.

    `groups` maps process groups the executor made to marks. A process belongs to the task of its
    group, else of its parent, else of the mark in its environment.
    """
    children: dict[int, list[Process]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process)
    owners: dict[int, str | None] = {}

    queue: list[tuple[Process, str | None]] = [
        (child, None) for child in children.get(executor, [])
    ]
    while queue:
        process, inherited = queue.pop()
        owner = groups.get(process.group) or inherited
        if owner is None and not process.zombie:
            owner = mark_of(process.pid)
        if not process.zombie:
            owners[process.pid] = owner
        queue.extend((child, owner) for child in children.get(process.pid, []))
    return owners


def owned_by(owners: Mapping[int, str | None], mark: str, alone: bool) -> list[int]:
    """The processes of the task with `mark`; with no other task left, unknown ones as well."""
    return [pid for pid, owner in owners.items() if owner == mark or (owner is None and alone)]


def marked(
    processes: Iterable[Process], mark: str, mark_of: Callable[[int], str | None]
) -> list[Process]:
    """The living processes with that launch mark, and their descendants, wherever they run."""
    living = [process for process in processes if not process.zombie]
    found = {process.pid: process for process in living if mark_of(process.pid) == mark}
    children: dict[int, list[Process]] = {}
    for process in living:
        children.setdefault(process.parent, []).append(process)
    queue = list(found.values())
    while queue:
        for child in children.get(queue.pop().pid, ()):
            if child.pid not in found:
                found[child.pid] = child
                queue.append(child)
    return list(found.values())
