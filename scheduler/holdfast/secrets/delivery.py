"""Puts secrets and certificates into launches about to be sent, and tells what is short."""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.core.confidential import Needs, Shortage
from holdfast.secrets import forms
from holdfast.secrets.authority import Authority
from holdfast.secrets.own import OwnAuthority
from holdfast.secrets.store import SecretStore, Unavailable
from holdfast_executor.confidential import Secret
from holdfast_executor.contract import TaskLaunch

NO_AUTHORITY = (
    "the scheduler has no certificate authority; start it with --state-key-file, or with "
    "--tls-ca-certificate and --tls-ca-key"
)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Delivery:
    """What a scheduler can deliver. Without a `store`, agents resolve references to secrets."""

    def __init__(
        self,
        store: SecretStore | None,
        authority: Authority | OwnAuthority | None,
        clock: Callable[[], datetime.datetime] = _now,
    ) -> None:
        self._store = store
        self._own = authority if isinstance(authority, OwnAuthority) else None
        self._given = None if isinstance(authority, OwnAuthority) else authority
        self._clock = clock

    @property
    def _authority(self) -> Authority | None:
        return self._own.in_force if self._own else self._given

    def rotate(self, signer: str, store: Callable[[Mapping[str, Any]], None]) -> None:
        """Take the scheduler's own authority one step further, if that is the signer still.

        `store` keeps the record of it; only then is it used.
        """
        if self._own is None or self._own.in_force.signer.id != signer:
            return
        advanced = self._own.advanced(self._clock())
        store(advanced.to_record())
        self._own = advanced

    def shortage(self, needs: Needs) -> Shortage:
        """What of the needs cannot be met now."""
        missing = {}
        for path in needs.secrets if self._store else ():
            assert self._store is not None
            try:
                self._store.find(path)
            except Unavailable as error:
                missing[path] = str(error)
        if not needs.certificates:
            return Shortage(missing)
        authority = self._authority
        return Shortage(missing, self._no_certificates(), authority.signer if authority else None)

    def _no_certificates(self) -> str:
        """Why no certificate can be made; "" when they can."""
        if self._authority is None:
            return NO_AUTHORITY
        ended = self._authority.chain[0].not_valid_after_utc
        if ended <= self._clock():
            return (
                f"the certificate authority ended on {ended:%Y-%m-%d}; give the scheduler another"
            )
        return ""

    def filled(self, operations: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
        """The operations of an ACCEPT with every value in its place. Raises Unavailable."""
        return tuple(
            operation
            if operation["type"] != "LAUNCH"
            else {
                **operation,
                "launch": {
                    "task_infos": [self._filled(info) for info in operation["launch"]["task_infos"]]
                },
            }
            for operation in operations
        )

    def _filled(self, info: Mapping[str, Any]) -> Mapping[str, Any]:
        launch = TaskLaunch.decode(info["data"])
        if not launch.secrets and not launch.certificates:
            return info
        values = (value for secret in launch.secrets for value in self._values(secret))
        secrets = (*values, *self._certificates(launch))
        return {**info, "data": launch._replace(secrets=secrets, certificates=()).encode()}

    def _values(self, secret: Secret) -> Iterator[Secret]:
        """The file is all of the value; the variable lacks a newline at its end, as by `$(cat)`."""
        if self._store is None:
            raise Unavailable(
                f"for secret {secret.path}: the executor was started before secrets became "
                "references; restart the pod instance, or replace it"
            )
        try:
            content = self._store.read(secret.path)
        except Unavailable as error:
            raise Unavailable(f"for secret {secret.path}: {error}") from error
        if secret.file:
            yield secret._replace(variable="", content=content)
        if not secret.variable:
            return
        if b"\0" in content:
            raise Unavailable(
                f"for secret {secret.path}: {secret.variable} cannot have a zero byte"
            )
        yield secret._replace(file="", content=content.removesuffix(b"\n"))

    def _certificates(self, launch: TaskLaunch) -> Iterator[Secret]:
        for wanted in launch.certificates:
            reason = self._no_certificates()
            if self._authority is None or reason:
                raise Unavailable(f"for a certificate: {reason}")
            try:
                issued = self._authority.issue(wanted, self._clock())
            except ValueError as error:  # a name that cannot be in one, for example
                raise Unavailable(f"for certificate {wanted.name}: {error}") from error
            yield from forms.files(wanted, issued, self._authority)
