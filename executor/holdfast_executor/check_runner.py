"""Runs a command check again and again beside a task."""

from __future__ import annotations

import os
from typing import Callable, Mapping

from holdfast_executor import proctree
from holdfast_executor.checks import CommandCheck
from holdfast_executor.output import Pump
from holdfast_executor.process import SpawnError, exit_code, kill, shell, signal_group, spawn
from holdfast_executor.reactor import Reactor, Timer

SIGKILL = 9


class CheckRunner:
    """Calls `on_result(exit code or None, explanation)` after every run.

    None stands for a run without an exit code: not started, or out of time. `groups` is where
    process groups are entered while they live, so that ending the task finds them.
    """

    def __init__(
        self,
        reactor: Reactor,
        check: CommandCheck,
        environment: Mapping[str, str],
        folder: str,
        mark: str,
        groups: dict[int, str],
        on_result: Callable[[int | None, str], None],
    ) -> None:
        self._reactor = reactor
        self._check = check
        self._environment = {**environment, **check.environment}
        self._folder = folder
        self._mark = mark
        self._groups = groups
        self._on_result = on_result
        self._stopped = False
        self._pid: int | None = None
        self._timed_out = False
        self._timer: Timer = reactor.call_later(check.delay, self._run)

    def stop(self) -> None:
        """No further run and no further result; a run under way is killed."""
        self._stopped = True
        self._timer.cancel()
        if self._pid is not None:
            self._kill(self._pid)

    def _run(self) -> None:
        check = self._check
        pump = Pump(self._reactor, None)
        try:
            pid = spawn(
                check.arguments or shell(check.command),
                self._environment,
                self._folder,
                pump.write_end,
                pump.write_end,
            )
        except SpawnError as error:
            pump.started()
            pump.finish()
            self._report(None, str(error))
            return
        pump.started()
        self._pid = pid
        self._timed_out = False
        self._groups[pid] = self._mark
        self._reactor.on_exit(pid, lambda status: self._on_exit(pid, pump, status))
        if check.timeout is not None:
            self._timer = self._reactor.call_later(check.timeout, self._on_timeout)

    def _on_timeout(self) -> None:
        if self._pid is not None:
            self._timed_out = True
            self._kill(self._pid)

    def _on_exit(self, pid: int, pump: Pump, status: int) -> None:
        self._pid = None
        self._timer.cancel()
        signal_group(pid, SIGKILL)
        self._groups.pop(pid, None)
        pump.finish()
        if self._stopped:
            return
        if self._timed_out:
            self._report(None, f"no result within {self._check.timeout:g} s")
        else:
            code = exit_code(status)
            line = pump.last_line()
            self._report(code, f"exit code {code}" + (f": {line}" if line else ""))

    def _report(self, code: int | None, explanation: str) -> None:
        self._on_result(code, explanation)
        if not self._stopped:
            self._timer = self._reactor.call_later(self._check.interval, self._run)

    def _kill(self, pid: int) -> None:
        """Kill the run with all its descendants, those in other process groups included."""
        processes = proctree.read_processes()
        owners = proctree.attribute(processes, os.getpid(), {pid: "run"}, lambda _: "other")
        kill(proctree.owned_by(owners, "run", alone=False))
