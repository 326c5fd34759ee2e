"""The scheduler's settings about who it is for Mesos, and how it trusts masters and agents."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from holdfast.mesos.access import Access
from holdfast.mesos.service_account import CredentialError, ServiceAccount, parse_credential

ACCOUNT_VARIABLE = "DCOS_SERVICE_ACCOUNT_CREDENTIAL"
"""A file, or its content: as in dcos-commons (SchedulerConfig)."""
RENEW_VARIABLE = "AUTH_TOKEN_REFRESH_THRESHOLD_S"
RENEW_SECONDS = "30"

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class MesosSettingsError(Exception):
    """A setting that cannot be used; the text has no secret. Nothing was connected to."""


@dataclass(frozen=True, slots=True)
class MesosSettings:
    """The command line's."""

    principal_secret_file: Path | None
    master_ca: Path | None

    @classmethod
    def taken_from(cls, given: dict[str, Any]) -> Self:
        """Those of the options, which are removed there."""
        return cls(**{name: given.pop(name) for name in cls.__dataclass_fields__})

    @staticmethod
    def options(command: F) -> F:
        """The command with an option for each of the settings."""
        command = click.option(
            "--master-ca",
            type=_FILE,
            envvar="HOLDFAST_MASTER_CA",
            help="Speak TLS to Mesos; PEM of who signed for masters and agents.",
        )(command)
        return click.option(
            "--principal-secret-file",
            type=_FILE,
            help="The secret of scheduler.principal, when the master asks for authentication.",
        )(command)

    def access(self, principal: str, environment: Mapping[str, str]) -> Access:
        """Raises MesosSettingsError."""
        account = environment.get(ACCOUNT_VARIABLE, "").strip()
        verify = self._verify()
        tls = self.master_ca is not None
        if account:
            if self.principal_secret_file:
                raise MesosSettingsError(
                    f"give either --principal-secret-file or {ACCOUNT_VARIABLE}, not both"
                )
            return Access(
                verify=verify, tls=tls, account=_account(account, principal, verify, environment)
            )
        if self.principal_secret_file is None:
            return Access(verify=verify, tls=tls)
        secret = _text(self.principal_secret_file).strip()
        if not secret:
            raise MesosSettingsError(f"{self.principal_secret_file}: is empty, expected a secret")
        return Access(principal, secret, verify, tls=tls)

    def _verify(self) -> bool | str:
        if self.master_ca is None:
            return True
        try:
            ssl.create_default_context(cafile=self.master_ca)
        except OSError as error:  # ssl.SSLError is one
            raise MesosSettingsError(
                f"{self.master_ca}: cannot be used for TLS, expected PEM: {error}"
            ) from error
        return str(self.master_ca)


def _account(
    text: str, principal: str, verify: bool | str, environment: Mapping[str, str]
) -> ServiceAccount:
    where = ACCOUNT_VARIABLE
    if not text.startswith("{"):
        where, text = f"{text} ({ACCOUNT_VARIABLE})", _text(Path(text))
    try:
        credential = parse_credential(text)
    except CredentialError as error:
        raise MesosSettingsError(f"{where}: {error}") from error
    if credential.uid != principal:
        raise MesosSettingsError(
            f"{where}: is of {credential.uid!r}, and scheduler.principal is {principal!r}: Mesos "
            "takes only the same. A service that has volumes keeps the principal they are "
            "reserved by"
        )
    seconds = environment.get(RENEW_VARIABLE, "") or RENEW_SECONDS
    if not seconds.isdecimal():
        raise MesosSettingsError(f"{RENEW_VARIABLE}: found {seconds!r}, expected whole seconds")
    return ServiceAccount(credential, verify=verify, renew_before=float(seconds))


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise MesosSettingsError(f"{file}: cannot be read as text: {error}") from error
