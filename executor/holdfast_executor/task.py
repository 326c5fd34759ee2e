"""One task's life: config files, hook, command, checks, kill, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Callable, Mapping, Protocol, Union

from holdfast_executor import checks, proctree, secret_files, templates
from holdfast_executor.check_runner import CheckRunner
from holdfast_executor.contract import TaskLaunch
from holdfast_executor.hook_gate import HookGate
from holdfast_executor.output import Passthrough, Pump, RotatingFile
from holdfast_executor.process import (
    SpawnError,
    describe_exit,
    exit_code,
    kill,
    shell,
    signal_group,
    spawn,
)
from holdfast_executor.reactor import Reactor, Timer

Sink = Union[RotatingFile, Passthrough]

FIRST_SWEEP = 0.02
"""Seconds between looks for processes that should be gone; doubled up to LAST_SWEEP."""
LAST_SWEEP = 1.0
GENTLE_SWEEP = 0.1


class TaskPlan:
    """What to run, all of it decided before the start."""

    __slots__ = ("environment", "health", "launch", "mark", "readiness", "sandbox", "task_id")

    def __init__(
        self,
        task_id: str,
        launch: TaskLaunch,
        environment: Mapping[str, str],
        sandbox: str,
        mark: str,
        health: tuple[checks.CommandCheck, checks.HealthPolicy] | None,
        readiness: checks.CommandCheck | None,
    ) -> None:
        self.task_id = task_id
        self.launch = launch
        self.environment = environment
        self.sandbox = sandbox
        self.mark = mark
        self.health = health
        self.readiness = readiness


class Owner(Protocol):
    """Whom a task tells. The last call is `ended`, when none of its processes is left."""

    def starting(self, task_id: str) -> None: ...

    def running(self, task_id: str) -> None: ...

    def killing(self, task_id: str) -> None: ...

    def health_changed(self, task_id: str, healthy: bool, explanation: str) -> None: ...

    def kill_unhealthy(self, task_id: str) -> None: ...

    def readiness_changed(self, task_id: str, exit_code: int | None) -> None: ...

    def ended(self, task_id: str, state: str, message: str) -> None: ...

    def is_alone(self, task_id: str) -> bool:
        """Whether no other task lives: processes of unknown origin are then this task's."""


class Task:
    """Runs a TaskPlan. All tasks share `groups`, process groups to launch marks, and `gate`."""

    def __init__(
        self,
        reactor: Reactor,
        plan: TaskPlan,
        stdout: Sink,
        stderr: Sink,
        groups: dict[int, str],
        gate: HookGate,
        owner: Owner,
        log: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._plan = plan
        self._stdout = stdout
        self._stderr = stderr
        self._groups = groups
        self._gate = gate
        self._owner = owner
        self._log = log
        self._pumps: list[Pump] = []
        self._pid: int | None = None
        self._group: int | None = None
        self._outputs: tuple[Pump, ...] = ()
        self._checks: list[CheckRunner] = []
        self._check_exit: int | None = None
        self._health = checks.HealthState(0.0)
        self._unhealthy = ""
        self._killing = False
        self._kill_started = 0.0
        self._kill_at = 0.0
        self._kill_timer: Timer | None = None
        self._hook_timer: Timer | None = None
        self._hook_timed_out = False
        self._outcome: tuple[str, Callable[[], str]] | None = None
        self._sweeps = 0

    def start(self) -> None:
        """Write secrets and config files, then have an owed hook done, then run the command."""
        launch = self._plan.launch
        try:
            secret_files.check_agent(self._plan.sandbox, self._plan.environment)
            secret_files.write(self._plan.sandbox, launch.secrets)
            lacking = templates.write(self._plan.sandbox, launch.templates, self._plan.environment)
        except (secret_files.SecretFileError, templates.ConfigError) as error:
            self._conclude("TASK_FAILED", str(error))
            return
        for name, missing in lacking:
            self._log(f"config {name}: no value for {', '.join(missing)}")
        if launch.hook is None:
            self._start_command()
            return
        self._owner.starting(self._plan.task_id)
        self._gate.enter(self)

    def run_hook(self) -> None:
        hook = self._plan.launch.hook
        assert hook is not None
        self._spawn(hook.command, f"{hook.name} hook", self._on_hook_exit)
        if self._pid is not None:
            self._hook_timer = self._reactor.call_later(hook.timeout_seconds, self._on_hook_timeout)

    def hook_passed(self) -> None:
        self._start_command()

    def hook_failed(self, message: str) -> None:
        self._conclude("TASK_FAILED", message)

    def kill(self, grace: float) -> None:
        """SIGTERM now, SIGKILL to whatever is left after `grace` seconds; a repeat only shortens.

        Source: `CommandExecutorProcess::kill` of Mesos.
        """
        if self._outcome is not None and not self._killing:
            return
        now = self._reactor.now()
        if not self._killing:
            self._killing = True
            self._kill_started = now
            self._kill_at = now + grace
            self._owner.killing(self._plan.task_id)
            self._stop_checks()
            self._terminate()
        elif self._kill_started + grace >= self._kill_at:
            return
        else:
            self._kill_at = self._kill_started + grace
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._kill_timer = self._reactor.call_later(self._kill_at - now, self._kill_all)
        if self._gate.is_waiting(self):
            self._conclude("TASK_KILLED", "killed before the hook was done")

    # Hook and command

    def _spawn(self, command: str, what: str, on_exit: Callable[[int, int], None]) -> None:
        """Start a shell command of the task, `_pid` is then set; if that fails the task ends.

        `on_exit` gets its process id, which is its group's as well, and its wait status.
        """
        stdout = Pump(self._reactor, self._stdout.write)
        stderr = Pump(self._reactor, self._stderr.write)
        self._pumps += [stdout, stderr]
        self._outputs = (stderr, stdout)
        try:
            pid = spawn(
                shell(command),
                self._plan.environment,
                self._plan.sandbox,
                stdout.write_end,
                stderr.write_end,
                self._plan.launch.rlimits,
            )
        except SpawnError as error:
            self._conclude("TASK_FAILED", f"{what} could not be started: {error}")
        else:
            self._pid = self._group = pid
            self._groups[pid] = self._plan.mark
            self._reactor.on_exit(pid, lambda status: on_exit(pid, status))
        finally:
            stdout.started()
            stderr.started()

    def _on_hook_timeout(self) -> None:
        self._hook_timed_out = True
        self._kill_all()

    def _on_hook_exit(self, pid: int, status: int) -> None:
        self._pid = None
        if not self._killing:
            signal_group(pid, signal.SIGKILL)
        if self._hook_timer is not None:
            self._hook_timer.cancel()
        hook = self._plan.launch.hook
        assert hook is not None
        code = exit_code(status)
        if self._killing:
            self._conclude("TASK_KILLED", f"killed during its {hook.name} hook")
        elif self._hook_timed_out:
            self._conclude(
                "TASK_FAILED",
                f"{hook.name} hook: not done within {hook.timeout_seconds:g} s",
                *self._outputs,
            )
        elif code != 0:
            self._conclude(
                "TASK_FAILED", f"{hook.name} hook: {describe_exit(code)}", *self._outputs
            )
        else:
            del self._groups[pid]
            self._gate.passed()
            self._start_command()

    def _start_command(self) -> None:
        self._spawn(self._plan.launch.command, "command", self._on_command_exit)
        if self._pid is None:
            return
        self._owner.running(self._plan.task_id)
        if self._plan.health is not None:
            self._health = checks.HealthState(started=self._reactor.now())
            self._checks.append(self._check(self._plan.health[0], self._on_health_result))
        if self._plan.readiness is not None:
            self._checks.append(self._check(self._plan.readiness, self._on_readiness_result))

    def _on_command_exit(self, pid: int, status: int) -> None:
        self._pid = None
        code = exit_code(status)
        if self._killing:
            reason = self._unhealthy or "killed on request"
            self._conclude("TASK_KILLED", f"{reason}; {describe_exit(code)}")
        elif code == 0:
            self._conclude("TASK_FINISHED", "exit code 0")
        else:
            self._conclude("TASK_FAILED", describe_exit(code), self._outputs[0])

    # Checks

    def _check(
        self, check: checks.CommandCheck, on_result: Callable[[int | None, str], None]
    ) -> CheckRunner:
        plan = self._plan
        return CheckRunner(
            self._reactor,
            check,
            plan.environment,
            plan.sandbox,
            plan.mark,
            self._groups,
            on_result,
        )

    def _on_health_result(self, code: int | None, explanation: str) -> None:
        assert self._plan.health is not None
        self._health, report = checks.on_health_result(
            self._plan.health[1], self._health, self._reactor.now(), code == 0
        )
        if report is None:
            return
        if not report.healthy:
            explanation = f"health check failed {report.failures} times in a row: {explanation}"
            self._log(f"task {self._plan.task_id}: {explanation}")
        self._owner.health_changed(self._plan.task_id, report.healthy, explanation)
        if report.kill:
            self._unhealthy = explanation
            self._owner.kill_unhealthy(self._plan.task_id)

    def _on_readiness_result(self, code: int | None, explanation: str) -> None:
        if checks.readiness_changed(self._check_exit, code):
            self._check_exit = code
            self._log(f"task {self._plan.task_id}: readiness check: {explanation}")
            self._owner.readiness_changed(self._plan.task_id, code)

    def _stop_checks(self) -> None:
        for runner in self._checks:
            runner.stop()
        self._checks = []

    # The end

    def _owned(self) -> tuple[list[proctree.Process], list[int]]:
        processes = proctree.read_processes()
        owners = proctree.attribute(processes, os.getpid(), self._groups, proctree.read_mark)
        alone = self._owner.is_alone(self._plan.task_id)
        return processes, proctree.owned_by(owners, self._plan.mark, alone)

    def _terminate(self) -> None:
        """SIGTERM to the process group and to daemons that left it."""
        processes, owned = self._owned()
        if self._pid is not None:
            signal_group(self._pid, signal.SIGTERM)
        for process in processes:
            strayed = process.parent == os.getpid() and process.group != self._pid
            if strayed and process.pid in owned:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)

    def _kill_all(self) -> None:
        kill(self._owned()[1])

    def _conclude(self, state: str, message: str, *outputs: Pump) -> None:
        """The task's outcome is known; it ends once none of its processes is left.

        `outputs` are where a last line that explains the outcome is looked for.
        """

        def complete() -> str:
            lines = [line for line in (pump.last_line() for pump in outputs) if line]
            return f"{message}: {lines[0]}" if lines else message

        self._outcome = (state, complete)
        self._stop_checks()
        self._sweep()

    def _sweep(self) -> None:
        """Kill what is left and look again until nothing is; a killed task has its grace first."""
        left = self._owned()[1]
        if not left:
            self._end()
            return
        if self._killing and self._reactor.now() < self._kill_at:
            self._reactor.call_later(GENTLE_SWEEP, self._sweep)
            return
        kill(left)
        delay = min(FIRST_SWEEP * 2.0 ** min(self._sweeps, 10), LAST_SWEEP)
        self._sweeps += 1
        if self._sweeps % 60 == 0:
            self._log(f"task {self._plan.task_id}: processes {left} do not end after SIGKILL")
        self._reactor.call_later(delay, self._sweep)

    def _end(self) -> None:
        assert self._outcome is not None
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        for pump in self._pumps:
            pump.finish()
        if self._group is not None:
            self._groups.pop(self._group, None)
        state, complete = self._outcome
        message = complete()
        self._owner.ended(self._plan.task_id, state, message)
        self._gate.left(self, message if state == "TASK_FAILED" else None)
