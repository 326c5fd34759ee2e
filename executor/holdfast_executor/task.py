"""One task's life: config files, hook, command, checks, kill, and nothing left behind."""

from __future__ import annotations

from typing import Callable, Mapping, Protocol, Sequence

from holdfast_executor import checks, secret_files, templates
from holdfast_executor.check_runner import CheckRunner
from holdfast_executor.contract import TaskLaunch
from holdfast_executor.hook_gate import HookGate
from holdfast_executor.reactor import Reactor, Timer
from holdfast_executor.runner import Exit, Runner
from holdfast_executor.volume_locks import VolumeLocks

FIRST_SWEEP = 0.02
"""Seconds between looks for what should be gone; doubled up to LAST_SWEEP."""
LAST_SWEEP = 1.0
GENTLE_SWEEP = 0.1


class TaskPlan:
    """What to run, all of it decided before the start."""

    __slots__ = ("environment", "health", "launch", "readiness", "sandbox", "task_id")

    def __init__(
        self,
        task_id: str,
        launch: TaskLaunch,
        environment: Mapping[str, str],
        sandbox: str,
        health: tuple[checks.CommandCheck, checks.HealthPolicy] | None,
        readiness: checks.CommandCheck | None,
    ) -> None:
        self.task_id = task_id
        self.launch = launch
        self.environment = environment
        self.sandbox = sandbox
        self.health = health
        self.readiness = readiness


class Owner(Protocol):
    """Whom a task tells. The last call is `ended`, when nothing is left of it."""

    def starting(self, task_id: str, message: str | None = None) -> None: ...

    def running(self, task_id: str) -> None: ...

    def killing(self, task_id: str) -> None: ...

    def health_changed(self, task_id: str, healthy: bool, explanation: str) -> None: ...

    def kill_unhealthy(self, task_id: str) -> None: ...

    def readiness_changed(self, task_id: str, exit_code: int | None) -> None: ...

    def ended(self, task_id: str, state: str, message: str, reason: str | None = None) -> None: ...


class Task:
    """Carries out a TaskPlan with a Runner. `gate` and `volumes` are shared by all tasks."""

    def __init__(
        self,
        reactor: Reactor,
        plan: TaskPlan,
        runner: Runner,
        gate: HookGate,
        volumes: VolumeLocks,
        owner: Owner,
        log: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._plan = plan
        self._runner = runner
        self._gate = gate
        self._volumes = volumes
        self._owner = owner
        self._log = log
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
        self._outcome: tuple[str, Callable[[], str], str | None] | None = None
        self._sweeps = 0

    def start(self) -> None:
        """Once the volumes are its own: secrets, config files, an owed hook, then the command."""
        self._volumes.enter(self)

    def volumes_awaited(self, message: str) -> None:
        self._owner.starting(self._plan.task_id, message)

    def volumes_refused(self, message: str) -> None:
        self._conclude("TASK_FAILED", message)

    def volumes_locked(self) -> None:
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
        self._runner.start(
            hook.command,
            self._on_hook_started,
            self._on_hook_exit,
            lambda reason: self._on_failure(f"{hook.name} hook", reason),
        )

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
            self._runner.terminate()
        elif self._kill_started + grace >= self._kill_at:
            return
        else:
            self._kill_at = self._kill_started + grace
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._kill_timer = self._reactor.call_later(self._kill_at - now, self._runner.kill)
        if self._volumes.is_waiting(self):
            self._volumes.leave(self)
            self._conclude("TASK_KILLED", "killed before its volumes were free")
        elif self._gate.is_waiting(self):
            self._conclude("TASK_KILLED", "killed before the hook was done")

    # Hook and command

    def _on_hook_started(self) -> None:
        hook = self._plan.launch.hook
        assert hook is not None
        self._hook_timer = self._reactor.call_later(hook.timeout_seconds, self._on_hook_timeout)

    def _on_hook_timeout(self) -> None:
        self._hook_timed_out = True
        self._runner.kill()

    def _on_hook_exit(self, exited: Exit) -> None:
        if self._hook_timer is not None:
            self._hook_timer.cancel()
        hook = self._plan.launch.hook
        assert hook is not None
        if self._killing:
            self._conclude("TASK_KILLED", f"killed during its {hook.name} hook")
        elif self._hook_timed_out:
            message = f"{hook.name} hook: not done within {hook.timeout_seconds:g} s"
            self._conclude("TASK_FAILED", message, 2)
        elif exited.code != 0:
            message = f"{hook.name} hook: {exited.description}"
            self._conclude("TASK_FAILED", message, 2, exited.reason)
        else:
            self._gate.passed()
            self._start_command()

    def _start_command(self) -> None:
        self._runner.start(
            self._plan.launch.command,
            self._on_command_started,
            self._on_command_exit,
            lambda reason: self._on_failure("command", reason),
        )

    def _on_failure(self, what: str, reason: str) -> None:
        if self._killing:
            self._conclude("TASK_KILLED", f"killed before its {what} was started")
        else:
            self._conclude("TASK_FAILED", f"{what} could not be started: {reason}")

    def _on_command_started(self) -> None:
        if self._killing:
            return
        self._owner.running(self._plan.task_id)
        if self._plan.health is not None:
            self._health = checks.HealthState(started=self._reactor.now())
            self._checks.append(self._check(self._plan.health[0], self._on_health_result))
        if self._plan.readiness is not None:
            self._checks.append(self._check(self._plan.readiness, self._on_readiness_result))

    def _on_command_exit(self, exited: Exit) -> None:
        if self._killing:
            reason = self._unhealthy or "killed on request"
            self._conclude("TASK_KILLED", f"{reason}; {exited.description}")
        elif exited.code == 0:
            self._conclude("TASK_FINISHED", "exit code 0")
        else:
            self._conclude("TASK_FAILED", exited.description, 1, exited.reason)

    # Checks

    def _check(
        self, check: checks.CommandCheck, on_result: Callable[[int | None, str], None]
    ) -> CheckRunner:
        return CheckRunner(self._reactor, check, self._runner.check_run(check), on_result)

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

    def _conclude(
        self, state: str, message: str, lines: int = 0, reason: str | None = None
    ) -> None:
        """The task's outcome is known; it ends once nothing is left of it.

        Of the output, `lines` is from how many streams a last line may explain it: stderr's,
        then stdout's.
        """

        def complete() -> str:
            found = [line for line in self._runner.last_lines()[:lines] if line]
            return f"{message}: {found[0]}" if found else message

        self._outcome = (state, complete, reason)
        self._stop_checks()
        self._sweep()

    def _sweep(self) -> None:
        """Kill what is left and look again until nothing is; a killed task has its grace first."""
        left = self._runner.left()
        if not left:
            self._end()
            return
        if self._killing and self._reactor.now() < self._kill_at:
            self._reactor.call_later(GENTLE_SWEEP, self._sweep)
            return
        self._runner.kill()
        delay = min(FIRST_SWEEP * 2.0 ** min(self._sweeps, 10), LAST_SWEEP)
        self._sweeps += 1
        if self._sweeps % 60 == 0:
            self._log(f"task {self._plan.task_id}: {_shown(left)} do not end after SIGKILL")
        self._reactor.call_later(delay, self._sweep)

    def _end(self) -> None:
        assert self._outcome is not None
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._runner.close()
        state, complete, reason = self._outcome
        message = complete()
        self._owner.ended(self._plan.task_id, state, message, reason)
        self._gate.left(self, message if state == "TASK_FAILED" else None)


def _shown(left: Sequence[object]) -> str:
    return f"processes {', '.join(map(str, left))}"
