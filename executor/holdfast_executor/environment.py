"""The environment of a task, derived from the executor's own."""

from __future__ import annotations

from typing import Callable, Mapping

from holdfast_executor.contract import (
    ENV_CONTAINER_IP,
    ENV_LAUNCH,
    ENV_SANDBOX,
    ENV_SECRET_FILES,
    ENV_SECRET_VARIABLES,
    ENV_TASK_ID,
)

HIDDEN_PREFIXES = ("LIBPROCESS_", "MESOS_CONTAINERIZER_", "PYTHON")
"""Variables for the executor itself: they would change how programs of a task behave."""
ANY_ADDRESS = ("0.0.0.0", "::")
SECRETS = ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN",)


def own_address(executor: Mapping[str, str], agent_host: str, resolve: Callable[[], str]) -> str:
    """The IP address of this container.

    Where it has a network of its own, Mesos has it listen on every address (LIBPROCESS_IP) and
    makes its host name, which `resolve` looks up, lead to its own address (network/cni isolator).
    """
    address = executor.get("LIBPROCESS_IP", "")
    if address not in ("", *ANY_ADDRESS):
        return address
    if address in ANY_ADDRESS:
        try:
            found = resolve()
        except OSError:
            return agent_host
        if not found.startswith("127."):
            return found
    return agent_host


def task_environment(
    executor: Mapping[str, str],
    task: Mapping[str, str],
    task_id: str,
    sandbox: str,
    address: str,
    mark: str,
) -> dict[str, str]:
    """The executor's variables without its secrets, the task's over them, and the task's identity.

    `address` is where the task is reached; a MESOS_CONTAINER_IP that is set already is kept.
    `mark` names this launch.
    """
    environment = {
        name: value
        for name, value in executor.items()
        if not name.startswith(HIDDEN_PREFIXES) and name not in SECRETS
    }
    environment.setdefault(ENV_CONTAINER_IP, address)
    environment.update(task)
    environment[ENV_SANDBOX] = sandbox
    environment[ENV_TASK_ID] = task_id
    environment[ENV_LAUNCH] = mark
    return environment


def container_environment(
    executor: Mapping[str, str],
    task: Mapping[str, str],
    task_id: str,
    sandbox: str,
    address: str,
    mark: str,
) -> dict[str, str]:
    """As `task_environment`, for a task with an image, which has a PATH and the like of its own.

    Of the executor's variables it gets the secrets that the agent has put there.
    """
    secret = executor.get(ENV_SECRET_VARIABLES, "").split(",")
    names = (*secret, ENV_SECRET_VARIABLES, ENV_SECRET_FILES)
    return {
        **{name: executor[name] for name in names if name in executor},
        ENV_CONTAINER_IP: executor.get(ENV_CONTAINER_IP) or address,
        **task,
        ENV_SANDBOX: sandbox,
        ENV_TASK_ID: task_id,
        ENV_LAUNCH: mark,
    }
