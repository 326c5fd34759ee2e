"""The environment of a task, derived from the executor's own."""

from __future__ import annotations

from typing import Mapping

from holdfast_executor.contract import ENV_CONTAINER_IP, ENV_LAUNCH, ENV_SANDBOX, ENV_TASK_ID

HIDDEN_PREFIXES = ("LIBPROCESS_", "MESOS_CONTAINERIZER_", "PYTHON")
"""Variables for the executor itself: they would change how programs of a task behave."""
SECRETS = ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN",)


def task_environment(
    executor: Mapping[str, str],
    task: Mapping[str, str],
    task_id: str,
    sandbox: str,
    agent_host: str,
    mark: str,
) -> dict[str, str]:
    """The executor's variables without its secrets, the task's over them, and the task's identity.

    `mark` names this launch. MESOS_CONTAINER_IP is kept when the container has one of its own.
    """
    environment = {
        name: value
        for name, value in executor.items()
        if not name.startswith(HIDDEN_PREFIXES) and name not in SECRETS
    }
    address = executor.get("LIBPROCESS_IP", "")
    environment.setdefault(
        ENV_CONTAINER_IP, address if address not in ("", "0.0.0.0", "::") else agent_host
    )
    environment.update(task)
    environment[ENV_SANDBOX] = sandbox
    environment[ENV_TASK_ID] = task_id
    environment[ENV_LAUNCH] = mark
    return environment
