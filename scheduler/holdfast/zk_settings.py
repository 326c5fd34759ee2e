"""The scheduler's settings about the ZooKeeper of its records: who it is there, and TLS."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from holdfast.zk_client import ZkTls

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class ZkSettingsError(Exception):
    """A setting that cannot be used; the text has no secret. Nothing was connected to."""


@dataclass(frozen=True, slots=True)
class ZkSettings:
    """The command line's, as files: arguments of a process are seen by every user."""

    zookeeper_auth_file: Path | None
    zookeeper_ca: Path | None
    zookeeper_certificate: Path | None
    zookeeper_key: Path | None

    @classmethod
    def taken_from(cls, given: dict[str, Any]) -> Self:
        """Those of the options, which are removed there."""
        return cls(**{name: given.pop(name) for name in cls.__dataclass_fields__})

    @staticmethod
    def options(command: F) -> F:
        """The command with an option for each of the settings."""
        for name, text in (
            ("key", "The PEM key of --zookeeper-certificate."),
            ("certificate", "Our PEM certificate, for servers that ask for one."),
            ("ca", "Speak TLS to the ZooKeeper of the records; PEM of who signed for its servers."),
            ("auth-file", "A file with user:password; the records are readable by that user only."),
        ):
            variable = f"HOLDFAST_ZOOKEEPER_{name.replace('-', '_').upper()}"
            command = click.option(f"--zookeeper-{name}", type=_FILE, envvar=variable, help=text)(
                command
            )
        return command

    def auth(self) -> str | None:
        """`user:password`, if any. Raises ZkSettingsError."""
        file = self.zookeeper_auth_file
        if file is None:
            return None
        try:
            text = file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ZkSettingsError(f"{file}: cannot be read as text: {error}") from error
        user, colon, password = text.partition(":")
        if not (user and colon and password) or "\n" in text:
            raise ZkSettingsError(f"{file}: expected one line, user:password")
        return text

    def tls(self) -> ZkTls | None:
        """How to speak TLS, if at all. Raises ZkSettingsError."""
        if (self.zookeeper_certificate is None) != (self.zookeeper_key is None):
            raise ZkSettingsError("--zookeeper-certificate and --zookeeper-key are given together")
        if self.zookeeper_ca is None:
            if self.zookeeper_certificate is not None:
                raise ZkSettingsError("--zookeeper-certificate needs --zookeeper-ca")
            return None
        files = [self.zookeeper_ca, self.zookeeper_certificate, self.zookeeper_key]
        named = [str(file) for file in files if file]
        tls = ZkTls(*named)
        try:
            tls.context()
        except OSError as error:  # ssl.SSLError is one
            raise ZkSettingsError(
                f"{', '.join(named)}: cannot be used for TLS, expected PEM: {error}"
            ) from error
        return tls
