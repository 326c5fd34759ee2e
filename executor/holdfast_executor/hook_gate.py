"""The pod's hook runs once in an executor, before its tasks: one has it run, the others wait."""

from __future__ import annotations

from typing import Protocol


class Guest(Protocol):
    """A task that owes the hook."""

    def run_hook(self) -> None: ...

    def hook_passed(self) -> None: ...

    def hook_failed(self, message: str) -> None: ...


class HookGate:
    """Shared by the tasks of an executor. Once the hook has succeeded, it is not run again here.

    Should the task that runs it be killed, the next one runs it from its beginning.
    """

    def __init__(self) -> None:
        self._open = False
        self._runs_it: Guest | None = None
        self._waiting: list[Guest] = []

    def enter(self, guest: Guest) -> None:
        """The guest runs the hook, waits for it, or passes, and is told which later if not now."""
        if self._open:
            guest.hook_passed()
        elif self._runs_it is None:
            self._runs_it = guest
            guest.run_hook()
        else:
            self._waiting.append(guest)

    def is_waiting(self, guest: Guest) -> bool:
        """Whether it runs nothing yet."""
        return guest in self._waiting

    def passed(self) -> None:
        """The hook has succeeded."""
        self._open = True
        self._runs_it = None
        for guest in self._take_waiting():
            guest.hook_passed()

    def left(self, guest: Guest, failure: str | None) -> None:
        """The guest has ended, none of its processes is left; `failure` says that the hook failed.

        A failure is everyone's who waits.
        """
        if guest in self._waiting:
            self._waiting.remove(guest)
        if guest is not self._runs_it:
            return
        self._runs_it = None
        if failure is not None:
            for other in self._take_waiting():
                other.hook_failed(failure)
        elif self._waiting:
            self.enter(self._waiting.pop(0))

    def _take_waiting(self) -> list[Guest]:
        waiting, self._waiting = self._waiting, []
        return waiting
