"""Decisions on check results, as Mesos' checks library takes them.

Source: `src/checks/health_checker.cpp` and `src/checks/checker.cpp` of Mesos 1.11. A check starts
`delay` seconds after the task, the next one `interval` seconds after a result. No I/O, no clock.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple


class CheckError(ValueError):
    """A check this executor cannot run; the text names it."""


class CommandCheck(NamedTuple):
    """A command with its timing in seconds; `timeout` None waits for ever.

    `arguments` is empty for a shell command, else the argument vector of `command`.
    """

    command: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    delay: float
    interval: float
    timeout: float | None


class HealthPolicy(NamedTuple):
    """When failures count: not within `grace` seconds of the start until a first success."""

    grace: float
    consecutive_failures: int


class HealthState(NamedTuple):
    """`started` is the time the task's checks were set up, on the clock of the results."""

    started: float
    initializing: bool = True
    failures: int = 0


class HealthReport(NamedTuple):
    """What to tell: the new health; `kill` when the task has used up its failures."""

    healthy: bool
    failures: int
    kill: bool


def on_health_result(
    policy: HealthPolicy, state: HealthState, now: float, passed: bool
) -> tuple[HealthState, HealthReport | None]:
    """The state after a health check result and the report to send, if any.

    Healthy is reported on the first success and on the first one after failures, every counted
    failure is reported.
    """
    if passed:
        changed = state.initializing or state.failures > 0
        following = state._replace(initializing=False, failures=0)
        return following, HealthReport(True, 0, False) if changed else None
    if state.initializing and policy.grace > 0 and now - state.started <= policy.grace:
        return state, None
    failures = state.failures + 1
    return (
        state._replace(failures=failures),
        HealthReport(False, failures, failures >= policy.consecutive_failures),
    )


def readiness_changed(previous: int | None, exit_code: int | None) -> bool:
    """Whether a check result is news; None stands for a check that gave no exit code."""
    return previous != exit_code


def health_check_of(task: Mapping[str, Any]) -> tuple[CommandCheck, HealthPolicy] | None:
    """The health check of a TaskInfo. Raises CheckError for kinds other than COMMAND."""
    check = task.get("health_check")
    if check is None:
        return None
    kind = check.get("type", "UNKNOWN")
    if kind != "COMMAND":
        raise CheckError(f"health check of type {kind} is not supported: use COMMAND")
    policy = HealthPolicy(
        grace=float(check.get("grace_period_seconds", 10.0)),
        consecutive_failures=int(check.get("consecutive_failures", 3)),
    )
    return _command_check("health check", check, check.get("command")), policy


def readiness_check_of(task: Mapping[str, Any]) -> CommandCheck | None:
    """The check of a TaskInfo. Raises CheckError for kinds other than COMMAND."""
    check = task.get("check")
    if check is None:
        return None
    kind = check.get("type", "UNKNOWN")
    if kind != "COMMAND":
        raise CheckError(f"check of type {kind} is not supported: use COMMAND")
    return _command_check("check", check, check.get("command", {}).get("command"))


def _command_check(
    what: str, check: Mapping[str, Any], command: Mapping[str, Any] | None
) -> CommandCheck:
    if command is None or "value" not in command:
        raise CheckError(f"{what} has no command")
    timeout = float(check.get("timeout_seconds", 20.0))
    arguments = () if command.get("shell", True) else tuple(command.get("arguments", ()))
    if not command.get("shell", True) and not arguments:
        arguments = (command["value"],)
    variables = command.get("environment", {}).get("variables", ())
    return CommandCheck(
        command=command["value"],
        arguments=arguments,
        environment={item["name"]: item.get("value", "") for item in variables},
        delay=float(check.get("delay_seconds", 15.0)),
        interval=float(check.get("interval_seconds", 10.0)),
        timeout=timeout if timeout > 0 else None,
    )
