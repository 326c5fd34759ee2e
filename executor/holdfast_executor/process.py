"""Starting processes and the few kernel features a supervisor needs (prctl(2), setrlimit(2))."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from typing import Mapping, Sequence

from holdfast_executor.contract import RLimit

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


class SpawnError(OSError):
    """A process that could not be started; the text says at which step."""


def become_subreaper() -> None:
    """Adopt the orphans of all descendants, instead of losing them to init. Raises OSError."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def keep_files_from_children() -> None:
    """Mark every inherited file descriptor but the standard three to be closed on exec."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                continue  # the descriptor of the listing itself, closed by now


def shell(command: str) -> tuple[str, ...]:
    """The argument vector that runs a shell command."""
    return ("/bin/sh", "-c", command)


def spawn(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    stdout: int,
    stderr: int,
    rlimits: Sequence[RLimit] = (),
) -> int:
    """Start a process in a new process group and return its id. Raises SpawnError.

    It stays in the executor's session, where a Mesos agent finds it should the executor be killed,
    and is killed by the kernel with the executor.
    """
    failure, report = os.pipe()
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:  # out of processes or memory: the task's limits count for us too
        os.close(failure)
        os.close(report)
        raise SpawnError(f"fork: {error.strerror}") from None
    if pid == 0:
        _become(arguments, environment, folder, stdout, stderr, rlimits, report, parent)
    os.close(report)
    with contextlib.suppress(OSError):  # the child did it first and is past its exec, or ended
        os.setpgid(pid, pid)
    try:
        with os.fdopen(failure, "rb") as stream:
            problem = stream.read()
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    if problem:
        raise SpawnError(problem.decode("utf-8", "replace"))
    return pid


def _become(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    stdout: int,
    stderr: int,
    rlimits: Sequence[RLimit],
    report: int,
    parent: int,
) -> None:
    """Turn the forked child into the program; never returns."""
    step = "start"
    try:
        os.setpgid(0, 0)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        for number in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
            signal.SIGCHLD,
            signal.SIGTERM,
            signal.SIGINT,
        ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        for limit in rlimits:
            step = f"{limit.name} soft {_shown(limit.soft)} hard {_shown(limit.hard)}"
            _set_limit(limit)
        step = f"change to folder {folder}"
        os.chdir(folder)
        step = f"execute {arguments[0]}"
        os.execvpe(arguments[0], list(arguments), dict(environment))
    except BaseException as error:  # noqa: BLE001 - the parent reports whatever it was
        os.write(report, f"{step}: {error}".encode("utf-8", "replace")[:4000])
    finally:
        os._exit(127)


def _set_limit(limit: RLimit) -> None:
    number = getattr(resource, limit.name, None)
    if number is None:
        raise ValueError("this limit is not known on this agent")
    soft, hard = (resource.RLIM_INFINITY if n is None else n for n in (limit.soft, limit.hard))
    resource.setrlimit(number, (soft, hard))


def _shown(limit: int | None) -> str:
    return "unlimited" if limit is None else str(limit)


def signal_group(group: int, number: int) -> None:
    """Signal a process group; a group without members is none of our business any more."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def kill(pids: Sequence[int]) -> None:
    """SIGKILL processes, some of which may have ended meanwhile."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def exit_code(status: int) -> int:
    """A wait status as Popen shows it: the exit code, or minus the signal's number."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def describe_exit(code: int) -> str:
    """`exit code 1` or `killed by signal SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by signal {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
