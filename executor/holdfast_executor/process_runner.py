"""Runs a task's commands as processes beside the executor."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Callable, Mapping, Sequence

from holdfast_executor import proctree
from holdfast_executor.checks import CommandCheck
from holdfast_executor.contract import RLimit
from holdfast_executor.output import Pump, Sink
from holdfast_executor.process import (
    SpawnError,
    describe_exit,
    exit_code,
    kill,
    shell,
    signal_group,
    spawn,
)
from holdfast_executor.reactor import Reactor
from holdfast_executor.runner import CheckResult, CheckRun, Exit


class ProcessRunner:
    """`groups` maps process groups to launch marks, shared by all tasks.

    `is_alone` says whether no other task lives: processes of unknown origin are then this task's.
    """

    def __init__(
        self,
        reactor: Reactor,
        environment: Mapping[str, str],
        sandbox: str,
        mark: str,
        rlimits: Sequence[RLimit],
        outputs: tuple[Sink, Sink],
        groups: dict[int, str],
        is_alone: Callable[[], bool],
    ) -> None:
        self._reactor = reactor
        self._environment = environment
        self._sandbox = sandbox
        self._mark = mark
        self._rlimits = rlimits
        self._stdout, self._stderr = outputs
        self._groups = groups
        self._is_alone = is_alone
        self._pumps: list[Pump] = []
        self._pid: int | None = None
        self._group: int | None = None

    def start(
        self,
        command: str,
        on_started: Callable[[], None],
        on_exit: Callable[[Exit], None],
        on_failure: Callable[[str], None],
    ) -> None:
        if self._group is not None:
            signal_group(self._group, signal.SIGKILL)
            self._groups.pop(self._group, None)
        stdout = Pump(self._reactor, self._stdout.write)
        stderr = Pump(self._reactor, self._stderr.write)
        self._pumps += [stdout, stderr]
        failure = None
        try:
            pid = spawn(
                shell(command),
                self._environment,
                self._sandbox,
                stdout.write_end,
                stderr.write_end,
                self._rlimits,
            )
        except SpawnError as error:
            failure = str(error)
        finally:
            stdout.started()
            stderr.started()
        if failure is not None:
            on_failure(failure)
            return
        self._pid = self._group = pid
        self._groups[pid] = self._mark
        self._reactor.on_exit(pid, lambda status: self._on_exit(status, on_exit))
        on_started()

    def _on_exit(self, status: int, on_exit: Callable[[Exit], None]) -> None:
        self._pid = None
        code = exit_code(status)
        on_exit(Exit(code, describe_exit(code)))

    def terminate(self) -> None:
        """SIGTERM to the process group and to daemons that left it."""
        processes, owned = self._owned()
        if self._pid is not None:
            signal_group(self._pid, signal.SIGTERM)
        for process in processes:
            strayed = process.parent == os.getpid() and process.group != self._pid
            if strayed and process.pid in owned:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)

    def kill(self) -> None:
        kill(self.left())

    def left(self) -> list[int]:
        return self._owned()[1]

    def _owned(self) -> tuple[list[proctree.Process], list[int]]:
        processes = proctree.read_processes()
        owners = proctree.attribute(processes, os.getpid(), self._groups, proctree.read_mark)
        return processes, proctree.owned_by(owners, self._mark, self._is_alone())

    def check_run(self, check: CommandCheck) -> CheckRun:
        return _ProcessCheck(
            self._reactor,
            check,
            {**self._environment, **check.environment},
            self._sandbox,
            self._mark,
            self._groups,
        )

    def last_lines(self) -> list[str]:
        return [pump.last_line() for pump in reversed(self._pumps[-2:])]

    def close(self) -> None:
        for pump in self._pumps:
            pump.finish()
        if self._group is not None:
            self._groups.pop(self._group, None)


class _ProcessCheck:
    """Its process group is in `groups` while it lives, so that the task's end finds it."""

    def __init__(
        self,
        reactor: Reactor,
        check: CommandCheck,
        environment: Mapping[str, str],
        folder: str,
        mark: str,
        groups: dict[int, str],
    ) -> None:
        self._reactor = reactor
        self._check = check
        self._environment = environment
        self._folder = folder
        self._mark = mark
        self._groups = groups
        self._pid: int | None = None

    def start(self, on_done: Callable[[CheckResult | None], None]) -> None:
        pump = Pump(self._reactor, None)
        try:
            pid = spawn(
                self._check.arguments or shell(self._check.command),
                self._environment,
                self._folder,
                pump.write_end,
                pump.write_end,
            )
        except SpawnError as error:
            pump.started()
            pump.finish()
            on_done(CheckResult(None, str(error)))
            return
        pump.started()
        self._pid = pid
        self._groups[pid] = self._mark
        self._reactor.on_exit(pid, lambda status: self._on_exit(pid, pump, status, on_done))

    def _on_exit(
        self, pid: int, pump: Pump, status: int, on_done: Callable[[CheckResult | None], None]
    ) -> None:
        self._pid = None
        signal_group(pid, signal.SIGKILL)
        self._groups.pop(pid, None)
        pump.finish()
        on_done(CheckResult(exit_code(status), pump.last_line()))

    def kill(self) -> None:
        """Kill the run with all its descendants, those in other process groups included."""
        if self._pid is None:
            return
        processes = proctree.read_processes()
        owners = proctree.attribute(processes, os.getpid(), {self._pid: "run"}, lambda _: "other")
        kill(proctree.owned_by(owners, "run", alone=False))
