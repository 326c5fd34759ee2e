"""What a cluster can leave behind: containers, mounts, cgroups. Found and removed.

Containers outlive their agent by design, so they are found by what they carry: the sandbox in their
environment, their cgroup, their parents and their session. Never by name.
"""

import ctypes
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from holdfast_playground.processes import (
    POLL_SECONDS,
    ProcessFacts,
    ProcessRecord,
    all_processes,
    boot_id,
    environment_of,
    facts_of,
    kill,
)

CGROUP_HIERARCHIES: Final = Path("/sys/fs/cgroup")
# What Mesos sets for every executor; the first always, with the path as the host sees it.
SANDBOX_VARIABLES: Final = (b"MESOS_DIRECTORY", b"MESOS_SANDBOX")
DETACH: Final = 2
PATIENCE_SECONDS: Final = 15.0


def end_processes(roots: Iterable[ProcessRecord], directory: Path, cgroup: str) -> None:
    """SIGKILL `roots`, all they started, and every container whose sandbox is under `directory`.

    Everything in `cgroup` (its path below each hierarchy) ends too. Processes that appear while
    others are being killed are found in the next round. TimeoutError when they go on.

    The roots get the first signals: an agent must not live to report its containers' end.
    """
    roots = tuple(roots)
    deadline = time.monotonic() + PATIENCE_SECONDS
    # The roots' descendants are known only while the roots live, so look before the first kill.
    known: set[int] = {record.pid for record in roots if _is_that(record)}
    while True:
        _thaw(cgroup)
        found = _belonging(known, directory, cgroup)
        if not found:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes go on appearing: {sorted(p.pid for p in found)}")
        boot = boot_id()
        found.sort(key=lambda process: process.pid not in known)
        kill(ProcessRecord(process.pid, process.started, boot) for process in found)
        known = set()


def _is_that(record: ProcessRecord) -> bool:
    facts = facts_of(record.pid)
    return facts is not None and facts.started == record.started and record.boot == boot_id()


def _belonging(known: set[int], directory: Path, cgroup: str) -> list[ProcessFacts]:
    processes = [process for process in all_processes() if process.state not in "ZX"]
    spared = _self_and_ancestors(processes)
    family = {
        process.pid
        for process in processes
        if process.pid in known or _carries(process.pid, directory, cgroup)
    } - spared
    sessions_spared = {process.session for process in processes if process.pid in spared}
    while True:
        sessions = {p.session for p in processes if p.pid in family} - sessions_spared - {0}
        grown = {
            p.pid
            for p in processes
            if p.pid in family or p.parent in family or p.session in sessions
        } - spared
        if grown == family:
            return [process for process in processes if process.pid in family]
        family = grown


def _self_and_ancestors(processes: Iterable[ProcessFacts]) -> set[int]:
    parents = {process.pid: process.parent for process in processes}
    result: set[int] = {1}
    pid = os.getpid()
    while pid and pid not in result:
        result.add(pid)
        pid = parents.get(pid, 0)
    return result


def _carries(pid: int, directory: Path, cgroup: str) -> bool:
    inside = os.fsencode(directory) + b"/"
    try:
        environment = environment_of(pid)
        if any(environment.get(name, b"").startswith(inside) for name in SANDBOX_VARIABLES):
            return True
        groups = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        # It ended meanwhile, or is another user's and so none of ours.
        return False
    return any(f"{line.split(':', 2)[2]}/".startswith(f"/{cgroup}/") for line in groups)


def remove_mounts(directory: Path) -> None:
    """Unmount everything mounted at or under `directory`, the innermost first. OSError if not."""
    libc = ctypes.CDLL(None, use_errno=True)
    for point in reversed(list(mounts_under(directory))):
        if libc.umount2(os.fsencode(point), DETACH) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"cannot unmount: {os.strerror(number)}", str(point))


def mounts_under(directory: Path) -> Iterator[Path]:
    """Mount points at or under `directory`, in the order they were mounted."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # Field 5, with blanks and backslashes as octal escapes (proc(5)).
        raw = line.split()[4].encode().decode("unicode_escape").encode("latin-1")
        point = Path(os.fsdecode(raw))
        if point == directory or directory in point.parents:
            yield point


def cgroups_of(cgroup: str) -> list[Path]:
    """The directories of a cgroup and of all in it, in every hierarchy, the innermost first."""
    tops = CGROUP_HIERARCHIES.glob(f"*/{cgroup}")
    return [Path(folder) for top in tops for folder, _, _ in os.walk(top, topdown=False)]


def remove_cgroups(cgroup: str) -> None:
    """Remove a cgroup from every hierarchy, waiting for the kernel to let go. OSError if not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        failed: OSError | None = None
        for path in cgroups_of(cgroup):
            try:
                path.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                failed = error
        if failed is None:
            return
        if time.monotonic() > deadline:
            raise failed
        time.sleep(POLL_SECONDS)


def _thaw(cgroup: str) -> None:
    # A frozen process does not die, not even of SIGKILL, before it is thawed.
    for state in (CGROUP_HIERARCHIES / "freezer" / cgroup).glob("**/freezer.state"):
        try:
            state.write_text("THAWED")
        except FileNotFoundError:
            continue


def remove_directory(directory: Path) -> None:
    """Delete a directory with everything in it, after unmounting what is mounted there."""
    remove_mounts(directory)
    if directory.exists():
        shutil.rmtree(directory)
