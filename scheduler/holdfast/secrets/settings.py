"""The scheduler's settings about secrets and certificates, and what is made of them."""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from holdfast.core.confidential import AUTHORITY_PATH, needs
from holdfast.secrets import authority
from holdfast.secrets.authority import Authority, AuthorityError
from holdfast.secrets.delivery import Delivery
from holdfast.secrets.own import OwnAuthority
from holdfast.secrets.store import SecretStore
from holdfast.service.model import ServiceSpec
from holdfast.state.store import Record, Store

KEY_VARIABLE = "HOLDFAST_STATE_KEY"
LEAST_KEY = 32
"""Characters of a state key: 128 bits in hexadecimal."""
HOW = "(umask 077 && openssl rand -hex 32 > state.key)"
"""The command that makes a state key."""


F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class SettingsError(Exception):
    """Settings with which the service cannot run; nothing was changed."""


@dataclass(frozen=True, slots=True)
class SecretSettings:
    """The command line's, and of the environment what may hold secrets."""

    secrets_dir: Path | None
    secret_references: bool
    state_key_file: Path | None
    tls_ca_certificate: Path | None
    tls_ca_key: Path | None
    renew_certificates: int | None = None

    @property
    def renew_before(self) -> float | None:
        """How many seconds before certificates end instances are restarted; None is never."""
        return None if self.renew_certificates is None else self.renew_certificates * 86400.0

    @classmethod
    def taken_from(cls, given: dict[str, Any]) -> Self:
        """Those of the options, which are removed there."""
        return cls(**{name: given.pop(name) for name in cls.__dataclass_fields__})

    @staticmethod
    def options(command: F) -> F:
        """The command with an option for each of the settings."""
        for decorate in (
            click.option(
                "--tls-ca-key", type=_FILE, help="The key of --tls-ca-certificate, in PEM form."
            ),
            click.option(
                "--tls-ca-certificate",
                type=_FILE,
                help="The authority that signs for tasks, then others up to the roots; PEM.",
            ),
            click.option(
                "--renew-certificates",
                type=click.IntRange(1, 180),
                metavar="DAYS",
                envvar="HOLDFAST_RENEW_CERTIFICATES",
                help="Restart instances so long before certificates end; default: never.",
            ),
            click.option(
                "--state-key-file",
                type=_FILE,
                envvar="HOLDFAST_STATE_KEY_FILE",
                help="What encrypts the key of the scheduler's own certificate authority.",
            ),
            click.option(
                "--secret-references",
                is_flag=True,
                envvar="HOLDFAST_SECRET_REFERENCES",
                help="Agents resolve secrets themselves, as on DC/OS Enterprise.",
            ),
            click.option(
                "--secrets-dir",
                type=click.Path(exists=True, file_okay=False, path_type=Path),
                envvar="HOLDFAST_SECRETS_DIR",
                help="The directory that has the service's secrets as files.",
            ),
        ):
            command = decorate(command)
        return command

    def check(self, service: ServiceSpec, environment: Mapping[str, str]) -> None:
        """Raise SettingsError when the service needs what the settings do not give."""
        if self.secret_references and self.secrets_dir:
            raise SettingsError("give either --secrets-dir or --secret-references, not both")
        if (self.tls_ca_certificate is None) != (self.tls_ca_key is None):
            raise SettingsError("--tls-ca-certificate and --tls-ca-key are given together")
        if not needs([service]).certificates or self.tls_ca_key or self._keys(environment):
            return
        where = next(
            f"pods.{pod.type}.tasks.{task.name}.transport-encryption"
            for pod in service.pods
            for task in pod.tasks
            if task.transport_encryption
        )
        raise SettingsError(
            f"{where}: certificates need an authority, and the scheduler was given none. Nothing "
            "was changed. Either let it make one of its own: make a key that protects it, "
            f"`{HOW}`, keep a copy, and start the scheduler with `--state-key-file state.key`; or "
            "give it yours with --tls-ca-certificate and --tls-ca-key"
        )

    def delivery(
        self,
        services: Mapping[str, ServiceSpec],
        name: str,
        stored: Mapping[str, Record],
        store: Store,
        environment: Mapping[str, str],
        later: bool = False,
    ) -> Delivery:
        """What delivers secrets and certificates to the tasks of the services.

        `later` when services may come that need certificates, though none does yet. A new
        authority is stored before it is used. Raises SettingsError and the store's errors.
        """
        secrets = None if self.secret_references else SecretStore(self.secrets_dir, environment)
        signer = None
        if later or needs(services.values()).certificates:
            try:
                signer = self._authority(name, stored.get(AUTHORITY_PATH), store, environment)
            except AuthorityError as error:
                raise SettingsError(
                    f"{error}. Tasks run on, and nothing was changed: no certificate can be made "
                    "until this is put right"
                ) from error
        return Delivery(secrets, signer)

    def _authority(
        self, name: str, record: Record | None, store: Store, environment: Mapping[str, str]
    ) -> Authority | OwnAuthority | None:
        now = datetime.datetime.now(datetime.UTC)
        if self.tls_ca_certificate and self.tls_ca_key:
            try:
                texts = self.tls_ca_certificate.read_bytes(), self.tls_ca_key.read_bytes()
            except OSError as error:
                raise AuthorityError(
                    f"{error.filename} cannot be read: {error.strerror}"
                ) from error
            return authority.from_pem(*texts, str(self.tls_ca_certificate), now)
        keys = self._keys(environment)
        if not keys:
            return None
        if record is None:
            own, anew = OwnAuthority.created(name, keys[0], now), True
        else:  # perhaps the state key is being replaced
            own, anew = OwnAuthority.from_record(name, record, keys, now)
        if anew:
            store.commit([(AUTHORITY_PATH, own.to_record())])
        return own

    def _keys(self, environment: Mapping[str, str]) -> list[str]:
        """The state keys, the one to use first, then former ones."""
        if self.state_key_file is None:
            where, text = KEY_VARIABLE, environment.get(KEY_VARIABLE, "")
        else:
            where = str(self.state_key_file)
            try:
                text = self.state_key_file.read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"{where}: expected a text file: {error}") from error
            if not text.split():
                raise SettingsError(f"{where}: is empty; make a key with `{HOW}`")
        keys = text.split()
        if any(len(key) < LEAST_KEY for key in keys):
            raise SettingsError(
                f"{where}: expected keys of {LEAST_KEY} characters or more, one a line; make one "
                f"with `{HOW}`"
            )
        return keys
