"""Secrets of a task as it sees them: variables, and files that only its user may read."""

from __future__ import annotations

import contextlib
import os
from typing import Iterable, Mapping

from holdfast_executor.confidential import Secret
from holdfast_executor.contract import (
    ENV_SECRET_FILES,
    ENV_SECRET_VARIABLES,
    ContractError,
    TaskLaunch,
)
from holdfast_executor.templates import ConfigError, inside

MODE = 0o600


class SecretFileError(Exception):
    """A secret that cannot be written; the text names the file, never the value."""


def check(launch: TaskLaunch) -> None:
    """Raise ContractError unless every value has been filled in."""
    lacking = [secret.path for secret in launch.secrets if secret.content is None]
    lacking += [f"certificate {certificate.name}" for certificate in launch.certificates]
    if lacking:
        raise ContractError(f"the scheduler sent no value for {', '.join(lacking)}")


def variables(own: Mapping[str, str], secrets: Iterable[Secret]) -> dict[str, str]:
    """The variables made of secrets, and one that names them all, so that nobody prints them.

    `own` are the executor's variables: the agent may have put secrets there too.
    """
    found = {s.variable: os.fsdecode(s.content or b"") for s in secrets if s.variable}
    names = {*own.get(ENV_SECRET_VARIABLES, "").split(","), *found} - {""}
    return {**found, ENV_SECRET_VARIABLES: ",".join(sorted(names))} if names else found


def check_agent(sandbox: str, environment: Mapping[str, str]) -> None:
    """Raise SecretFileError unless the agent has put in place what it was given references to.

    One without the isolators for it starts the executor all the same, without a word.
    """
    names = environment.get(ENV_SECRET_VARIABLES, "").split(",")
    lacking = [f"variable {name}" for name in names if name and name not in environment]
    files = environment.get(ENV_SECRET_FILES, "").split(",")
    lacking += [
        f"file {file}" for file in files if file and not os.path.exists(os.path.join(sandbox, file))
    ]
    if lacking:
        raise SecretFileError(
            f"the agent has not put secrets in place ({', '.join(lacking)}): it needs "
            "volume/secret among its --isolation, and a --secret_resolver that resolves references"
        )


def write(sandbox: str, secrets: Iterable[Secret]) -> None:
    """Write each secret that has a file, whole or not at all. Raises SecretFileError."""
    for secret in secrets:
        if not secret.file or secret.content is None:
            continue
        try:
            path = inside(sandbox, secret.file, f"secret {secret.path}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _write(path, secret.content)
        except (ConfigError, OSError) as error:
            raise SecretFileError(
                f"secret {secret.path}: cannot write {secret.file}: {error}"
            ) from None


def _write(path: str, content: bytes) -> None:
    partial = f"{path}.{os.getpid()}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as stream:
        stream.write(content)
    os.replace(partial, path)


def remove(sandbox: str, files: Iterable[str]) -> None:
    """Take the files away: the agent keeps the sandbox long after its tasks have ended."""
    for file in files:
        with contextlib.suppress(ConfigError, OSError):
            os.unlink(inside(sandbox, file, "secret"))
