"""The secrets an operator gave the scheduler: files below a directory, or its own variables."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

PREFIX = "HOLDFAST_SECRET_"
MOST_BYTES = 512 * 1024
"""A launch is one message, with the secrets of all its tasks."""

_NOT_IN_NAME = re.compile(r"[^A-Z0-9]")


class Unavailable(Exception):
    """Why a secret cannot be had; ends a sentence that begins "for secret x:"."""


class SecretStore:
    """Finds secrets by their path; a file counts before a variable.

    Nothing is kept: what a file holds is read each time, so that a launch gets what is there now.
    """

    def __init__(self, directory: Path | None, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = environment

    def find(self, path: str) -> Path | str:
        """The file of a secret, or the name of its variable. Raises Unavailable."""
        variable = variable_of(path)
        if self._directory is None:
            if variable in self._environment:
                return variable
            raise Unavailable(
                f"the scheduler has no variable {variable}, and was not given --secrets-dir"
            )
        parts = [part for part in path.split("/") if part]
        if not parts or {".", ".."} & set(parts) or "\0" in path:
            raise Unavailable(f"{path!r} cannot be a file below {self._directory}")
        file = self._directory.joinpath(*parts)
        try:
            size = file.stat().st_size if file.is_file() else None
        except OSError as error:
            raise Unavailable(f"{file} cannot be read: {error.strerror}") from error
        if size is not None:
            if not os.access(file, os.R_OK):
                raise Unavailable(f"{file} is there, but the scheduler may not read it")
            if size > MOST_BYTES:
                raise Unavailable(f"{file} has more than {MOST_BYTES} bytes")
            return file
        if variable in self._environment:
            return variable
        raise Unavailable(f"there is neither a file {file} nor a scheduler's variable {variable}")

    def read(self, path: str) -> bytes:
        """The value, as it is in the file or the variable. Raises Unavailable."""
        found = self.find(path)
        if isinstance(found, str):
            return os.fsencode(self._environment[found])
        try:
            content = found.read_bytes()
        except OSError as error:
            raise Unavailable(f"{found} cannot be read: {error.strerror}") from error
        if len(content) > MOST_BYTES:
            raise Unavailable(f"{found} has more than {MOST_BYTES} bytes")
        return content


def variable_of(path: str) -> str:
    """The variable that may hold a secret: `db/password` is in HOLDFAST_SECRET_DB_PASSWORD."""
    return PREFIX + _NOT_IN_NAME.sub("_", path.strip("/").upper())
