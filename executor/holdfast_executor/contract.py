"""What the scheduler tells the executor about a task, carried in `TaskInfo.data`.

Task identity, `health_check`, `check` (readiness) and `kill_policy` travel in the native TaskInfo
fields; this record holds only what Mesos has no field for.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any, Mapping, NamedTuple

from holdfast_executor import confidential

VERSION = 1
VERSION_WITH_CONTAINER = 2
"""Of records with a container: an executor that would run the task without it refuses them."""

SANDBOX_IN_CONTAINER = "/mnt/mesos/sandbox"
"""Where a task with a container of its own finds the sandbox, as Mesos has it."""

ENV_TASK_ID = "MESOS_TASK_ID"
ENV_SANDBOX = "MESOS_SANDBOX"
ENV_CONTAINER_IP = "MESOS_CONTAINER_IP"
ENV_LAUNCH = "HOLDFAST_LAUNCH"
"""Set by the executor to a value unique to one task launch; marks the processes of that task."""

ENV_SECRET_VARIABLES = "HOLDFAST_SECRET_VARIABLES"
"""The names of the variables that are secret, with commas: nothing of ours prints their values."""
ENV_SECRET_FILES = "HOLDFAST_SECRET_FILES"
"""The files in the sandbox that the agent makes of secrets, with commas."""

CONFIG_TEMPLATE_PREFIX = "CONFIG_TEMPLATE_"
CONFIG_TEMPLATE_FOLDER = "config-templates"
BOOTSTRAP_NAME = "bootstrap"
ARCHIVE_NAME = "holdfast-executor.pyz"
EXECUTOR_COMMAND = f"exec python3 -SE {ARCHIVE_NAME}"
"""Starts the fetched archive; without site packages and PYTHON* variables, which it never needs."""

HOOK_NAMES = ("create", "replace")


class ContractError(ValueError):
    """A launch record that cannot be used; the text says which part and what was expected."""


class ConfigTemplate(NamedTuple):
    """A file rendered for the task: `content` is the raw text, `destination` sandbox-relative."""

    name: str
    content: str
    destination: str


class Hook(NamedTuple):
    """A command run once before the task's own; `name` is `create` or `replace`."""

    name: str
    command: str
    timeout_seconds: float


class RLimit(NamedTuple):
    """A POSIX resource limit, `name` as in `RLIMIT_NOFILE`; None means unlimited."""

    name: str
    soft: int | None
    hard: int | None


class TaskLaunch(NamedTuple):
    """Everything needed to start one task besides its native TaskInfo fields.

    `output`: empty for the sandbox's own `stdout` and `stderr`; a name for `<name>.stdout` and
    `<name>.stderr`, which a pod with several tasks needs to keep them apart.
    `container`: the ContainerInfo (JSON) of the nested container the task runs in; None runs it
    as a process beside the executor. Its rlimits are in there.
    """

    command: str
    environment: dict[str, str]
    templates: tuple[ConfigTemplate, ...] = ()
    hook: Hook | None = None
    rlimits: tuple[RLimit, ...] = ()
    output: str = ""
    secrets: tuple[confidential.Secret, ...] = ()
    certificates: tuple[confidential.Certificate, ...] = ()
    container: dict[str, Any] | None = None

    def encode(self) -> str:
        """The record as base64 text, ready for the JSON field `TaskInfo.data`."""
        document: dict[str, Any] = {
            "version": VERSION if self.container is None else VERSION_WITH_CONTAINER,
            "command": self.command,
            "environment": self.environment,
            "templates": [template._asdict() for template in self.templates],
            "hook": None if self.hook is None else self.hook._asdict(),
            "rlimits": [limit._asdict() for limit in self.rlimits],
            "output": self.output,
            **confidential.to_json(self.secrets, self.certificates),
        }
        if self.container is not None:
            document["container"] = self.container
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return base64.b64encode(text.encode()).decode("ascii")

    @staticmethod
    def decode(data: str) -> TaskLaunch:
        """The record in `TaskInfo.data`. Raises ContractError naming the field that is wrong."""
        return _decode(data)


def _decode(data: str) -> TaskLaunch:
    try:
        document = json.loads(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ContractError(f"task data is not base64 of JSON: {error}") from None
    if not isinstance(document, dict):
        raise ContractError(f"task data: expected an object, found {_kind(document)}")
    version = document.get("version")
    if version not in (VERSION, VERSION_WITH_CONTAINER):
        raise ContractError(
            f"task data has version {version!r}, this executor reads versions {VERSION} and "
            f"{VERSION_WITH_CONTAINER}: "
            "scheduler and executor come from different releases"
        )
    try:
        secrets, certificates = confidential.from_json(document)
    except ValueError as error:
        raise ContractError(str(error)) from None
    return TaskLaunch(
        command=_text(document, "command"),
        environment=_environment(document),
        templates=tuple(
            ConfigTemplate(
                name=_plain_name(item, "name", where),
                content=_text(item, "content", where),
                destination=_text(item, "destination", where),
            )
            for where, item in _objects(document, "templates")
        ),
        hook=_hook(document.get("hook")),
        rlimits=tuple(
            RLimit(
                name=_rlimit_name(item, where),
                soft=_limit(item, "soft", where),
                hard=_limit(item, "hard", where),
            )
            for where, item in _objects(document, "rlimits")
        ),
        output=_plain_name(document, "output") if document.get("output") else "",
        secrets=secrets,
        certificates=certificates,
        container=_container(document) if version == VERSION_WITH_CONTAINER else None,
    )


def _container(document: Mapping[str, Any]) -> dict[str, Any]:
    value = document.get("container")
    if not isinstance(value, dict):
        raise ContractError(f"container: expected an object, found {_kind(value)}")
    return value


def _hook(value: object) -> Hook | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ContractError(f"hook: expected an object, found {_kind(value)}")
    name = _text(value, "name", "hook")
    if name not in HOOK_NAMES:
        raise ContractError(f"hook.name: expected one of {', '.join(HOOK_NAMES)}, found {name!r}")
    timeout = value.get("timeout_seconds")
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise ContractError(f"hook.timeout_seconds: expected a number, found {_kind(timeout)}")
    if not (math.isfinite(timeout) and timeout > 0):
        raise ContractError(f"hook.timeout_seconds: expected more than 0, found {timeout}")
    return Hook(name=name, command=_text(value, "command", "hook"), timeout_seconds=float(timeout))


def _environment(document: Mapping[str, Any]) -> dict[str, str]:
    value = document.get("environment")
    if not isinstance(value, dict):
        raise ContractError(f"environment: expected an object, found {_kind(value)}")
    for name, text in value.items():
        if not name or "=" in name or "\0" in name:
            raise ContractError(f"environment: {name!r} is no name of a variable")
        if not isinstance(text, str) or "\0" in text:
            raise ContractError(f"environment.{name}: expected text, found {_kind(text)}")
    return dict(value)


def _objects(document: Mapping[str, Any], key: str) -> list[tuple[str, Mapping[str, Any]]]:
    value = document.get(key, [])
    if not isinstance(value, list):
        raise ContractError(f"{key}: expected a list, found {_kind(value)}")
    items = [(f"{key}[{number}]", item) for number, item in enumerate(value)]
    for where, item in items:
        if not isinstance(item, dict):
            raise ContractError(f"{where}: expected an object, found {_kind(item)}")
    return items


def _text(document: Mapping[str, Any], key: str, where: str = "") -> str:
    value = document.get(key)
    if not isinstance(value, str):
        path = f"{where}.{key}" if where else key
        raise ContractError(f"{path}: expected text, found {_kind(value)}")
    return value


def _plain_name(document: Mapping[str, Any], key: str, where: str = "") -> str:
    """A text that is safe as one component of a file path."""
    value = _text(document, key, where)
    if value in ("", ".", "..") or "/" in value or "\0" in value:
        path = f"{where}.{key}" if where else key
        raise ContractError(f"{path}: {value!r} cannot be the name of a file")
    return value


def _rlimit_name(item: Mapping[str, Any], where: str) -> str:
    name = _text(item, "name", where)
    if not name.startswith("RLIMIT_"):
        raise ContractError(f"{where}.name: expected RLIMIT_..., found {name!r}")
    return name


def _limit(item: Mapping[str, Any], key: str, where: str) -> int | None:
    value = item.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ContractError(f"{where}.{key}: expected a whole number or null, found {value!r}")
    return value


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
