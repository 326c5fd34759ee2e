"""What the agent tells an executor through its environment (Mesos: executor-http-api.md)."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from holdfast_executor import duration


class SettingsError(ValueError):
    """The environment is not that of a Mesos executor; the text names the variable."""


class Settings(NamedTuple):
    """Durations in seconds; `recovery_timeout` is 0 without checkpointing.

    `path` is that of the executor API, `operator_path` that of the agent's operator API.
    """

    host: str
    port: int
    path: str
    operator_path: str
    framework_id: str
    executor_id: str
    sandbox: str
    checkpoint: bool
    recovery_timeout: float
    backoff_max: float
    shutdown_grace: float
    token: str | None


def read(environment: Mapping[str, str]) -> Settings:
    """Settings from the agent's variables. Raises SettingsError."""
    endpoint = _required(environment, "MESOS_AGENT_ENDPOINT")
    host, separator, port = endpoint.rpartition(":")
    if not separator or not port.isdigit():
        raise SettingsError(f"MESOS_AGENT_ENDPOINT: expected host:port, found {endpoint!r}")
    agent = environment.get("MESOS_SLAVE_PID", "slave(1)@")
    process, separator, _ = agent.partition("@")
    if not separator or not process:
        raise SettingsError(f"MESOS_SLAVE_PID: expected slave(1)@host:port, found {agent!r}")
    checkpoint = environment.get("MESOS_CHECKPOINT") == "1"
    return Settings(
        host=host.strip("[]"),
        port=int(port),
        path=f"/{process}/api/v1/executor",
        operator_path=f"/{process}/api/v1",
        framework_id=_required(environment, "MESOS_FRAMEWORK_ID"),
        executor_id=_required(environment, "MESOS_EXECUTOR_ID"),
        sandbox=environment.get("MESOS_SANDBOX") or _required(environment, "MESOS_DIRECTORY"),
        checkpoint=checkpoint,
        recovery_timeout=_seconds(environment, "MESOS_RECOVERY_TIMEOUT", "15mins")
        if checkpoint
        else 0.0,
        backoff_max=_seconds(environment, "MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
        shutdown_grace=_seconds(environment, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs"),
        token=environment.get("MESOS_EXECUTOR_AUTHENTICATION_TOKEN") or None,
    )


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise SettingsError(f"{name} is not set: this program is started by a Mesos agent")
    return value


def _seconds(environment: Mapping[str, str], name: str, default: str) -> float:
    try:
        return duration.parse_mesos(environment.get(name, default))
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None
