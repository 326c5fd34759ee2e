"""Who has a folder locked, as far as /proc shows it to this user (proc(5), `lock:` in fdinfo)."""

from __future__ import annotations

import os

MOST = 5
"""How many processes are named."""


def holders(folder: str) -> list[tuple[int, str]]:
    """Processes with the flock of a folder, by id, each with the name of its command.

    Empty when none can be seen: of another user, or in another pid namespace.
    """
    try:
        wanted = os.stat(folder)
    except OSError:
        return []
    found = []
    for name in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        try:
            if _holds(name, wanted):
                found.append((int(name), _command(name)))
        except OSError:
            continue  # it has ended, or is none of ours to look at
        if len(found) == MOST:
            break
    return found


def _holds(pid: str, wanted: os.stat_result) -> bool:
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            opened = os.stat(f"/proc/{pid}/fd/{number}")
            if os.path.samestat(opened, wanted) and _is_locked(pid, number):
                return True
        except OSError:
            continue  # closed meanwhile
    return False


def _is_locked(pid: str, number: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{number}", "rb") as info:
        return any(line.startswith(b"lock:") and b" FLOCK " in line for line in info)


def _command(pid: str) -> str:
    with open(f"/proc/{pid}/comm", "rb") as comm:
        return comm.read().decode("utf-8", "replace").strip()
