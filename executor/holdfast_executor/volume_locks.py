"""One writer for each persistent volume: its folder is locked before any task of the pod starts.

Mesos keeps a second executor off a volume, but not when an agent has forgotten the first one: its
tasks may live on while the volume is offered anew. The lock is flock(2) on the folder itself, so
there is no file that a service could stumble over. It ends with the last process that has it open:
the executor, and its tasks' processes, which inherit it and may outlive the executor.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any, Callable, Mapping, Protocol

from holdfast_executor.lock_holders import holders
from holdfast_executor.reactor import Reactor, Timer

PATIENCE = 15.0
"""Seconds to wait for another's lock: an executor whose agent forgot it ends its tasks in that time
unless they take longer to stop; the scheduler tries again after a failure."""
LOOK_AGAIN = 0.2
FIRST_DESCRIPTOR = 100
"""Descriptors below are left to the tasks: shell scripts redirect those of one digit."""
CANNOT_LOCK = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""How file systems without locks on folders answer, as some over a network."""


class VolumeLockError(Exception):
    """A volume whose folder cannot be opened; the text names it."""


class Guest(Protocol):
    """A task that needs the volumes."""

    def volumes_awaited(self, message: str) -> None: ...

    def volumes_locked(self) -> None: ...

    def volumes_refused(self, message: str) -> None: ...


class VolumeLocks:
    """Shared by the tasks of an executor, which keeps the locks until it ends."""

    def __init__(
        self, reactor: Reactor, log: Callable[[str], None], patience: float = PATIENCE
    ) -> None:
        self._reactor = reactor
        self._log = log
        self._patience = patience
        self._wanted: dict[str, str] = {}
        self._waiting: list[Guest] = []
        self._deadline = 0.0
        self._timer: Timer | None = None

    def want(self, sandbox: str, executor: Mapping[str, Any]) -> None:
        """The volumes of an ExecutorInfo are to be locked before the first task starts."""
        self._wanted = {path: os.path.join(sandbox, path) for path in volumes_of(executor)}

    def enter(self, guest: Guest) -> None:
        """The guest is told, now or later, that all volumes are locked or that they cannot be."""
        self._waiting.append(guest)
        if len(self._waiting) == 1:
            self._deadline = self._reactor.now() + self._patience
            self._try(first=True)
        else:
            guest.volumes_awaited(self._complaint())

    def is_waiting(self, guest: Guest) -> bool:
        """Whether it has not been told yet."""
        return guest in self._waiting

    def leave(self, guest: Guest) -> None:
        """The guest does not wait any more."""
        self._waiting.remove(guest)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()

    def _try(self, first: bool = False) -> None:
        try:
            self._take()
        except VolumeLockError as error:
            self._refuse(str(error))
            return
        if not self._wanted:
            for guest in self._all_waiting():
                guest.volumes_locked()
        elif self._reactor.now() >= self._deadline:
            self._refuse(
                f"{self._complaint()} after {self._patience:g} s: nothing was started, "
                "and the data is as it was"
            )
        else:
            if first:
                self._log(f"{self._complaint()}: waiting for at most {self._patience:g} s")
                for guest in self._waiting:
                    guest.volumes_awaited(self._complaint())
            self._timer = self._reactor.call_later(LOOK_AGAIN, self._try)

    def _take(self) -> None:
        """Lock what can be; what is left in `_wanted` is locked by others."""
        for name, folder in list(self._wanted.items()):
            try:
                locked = lock(folder)
            except OSError as error:
                if error.errno not in CANNOT_LOCK:
                    raise VolumeLockError(
                        f"volume {name} cannot be locked: {error.strerror}; nothing was started"
                    ) from None
                self._log(
                    f"volume {name} is on a file system without locks ({error.strerror}): "
                    "a second writer would not be noticed"
                )
                locked = True
            if locked:
                del self._wanted[name]

    def _complaint(self) -> str:
        """Which volumes are locked by others, and by whom."""
        found = [f"volume {name} is still used by {self._users(name)}" for name in self._wanted]
        return "; ".join(found)

    def _users(self, name: str) -> str:
        processes = holders(self._wanted[name])
        if not processes:
            return "a process that cannot be seen from here"
        shown = ", ".join(f"{pid} ({command})" for pid, command in processes)
        return f"process {shown}" if len(processes) == 1 else f"processes {shown}"

    def _refuse(self, message: str) -> None:
        for guest in self._all_waiting():
            guest.volumes_refused(message)

    def _all_waiting(self) -> list[Guest]:
        waiting, self._waiting = self._waiting, []
        return waiting


def volumes_of(executor: Mapping[str, Any]) -> list[str]:
    """The paths in the sandbox of an ExecutorInfo's persistent volumes, sorted."""
    disks = [resource.get("disk", {}) for resource in executor.get("resources", ())]
    return sorted(disk["volume"]["container_path"] for disk in disks if "persistence" in disk)


def lock(folder: str) -> bool:
    """Lock a folder for as long as this process and those it starts live; False: another has it.

    Raises OSError when it cannot be opened or locked.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(opened)
        if isinstance(error, BlockingIOError):
            return False
        raise
    try:
        fcntl.fcntl(opened, fcntl.F_DUPFD, FIRST_DESCRIPTOR)  # open in children, too
    except OSError:  # fewer descriptors are allowed here
        os.set_inheritable(opened, True)
    else:
        os.close(opened)
    return True
