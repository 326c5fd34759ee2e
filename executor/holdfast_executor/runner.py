"""Where the commands of a task run: the interface of processes and of containers to its life."""

from __future__ import annotations

from typing import Callable, NamedTuple, Protocol, Sequence

from holdfast_executor.checks import CommandCheck


class Exit(NamedTuple):
    """How a command ended: `code` as Popen shows it (-9 for SIGKILL), None when nobody knows.

    `reason` is the TaskStatus reason of one that was ended from outside, as by its memory limit.
    """

    code: int | None
    description: str
    reason: str | None = None


class CheckResult(NamedTuple):
    """What one run of a check gave; `code` None: not started, or out of time."""

    code: int | None
    explanation: str


class CheckRun(Protocol):
    """Runs one check's command, each time it is started."""

    def start(self, on_done: Callable[[CheckResult | None], None]) -> None:
        """`on_done` comes once the run is over; None is no result at all, good or bad."""

    def kill(self) -> None:
        """End the run under way, if there is one; its `on_done` comes nevertheless."""


class Runner(Protocol):
    """Runs a task's commands, one after the other."""

    def start(
        self,
        command: str,
        on_started: Callable[[], None],
        on_exit: Callable[[Exit], None],
        on_failure: Callable[[str], None],
    ) -> None:
        """Run a shell command: `on_started` and then `on_exit`, or `on_failure` with the reason."""

    def terminate(self) -> None:
        """SIGTERM to what runs."""

    def kill(self) -> None:
        """SIGKILL to all that is left."""

    def left(self) -> Sequence[object]:
        """What is left of the task, empty when nothing is: shown to people."""

    def check_run(self, check: CommandCheck) -> CheckRun:
        """A check of the running command."""

    def last_lines(self) -> Sequence[str]:
        """The last line of the last command's stderr and of its stdout, empty without."""

    def close(self) -> None:
        """The task has ended and nothing is left of it."""
