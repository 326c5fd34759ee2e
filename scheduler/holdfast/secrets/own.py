"""The scheduler's own authority, and how it gives way to another without a break.

First tasks learn to trust the one to come, while the old one signs; then the new one signs, and the
old is trusted still; at last it is alone. Between these steps every task is launched once.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from cryptography import x509

from holdfast.core.confidential import Stage
from holdfast.secrets import authority
from holdfast.secrets.authority import Authority, AuthorityError, to_pem


@dataclass(frozen=True, slots=True)
class OwnAuthority:
    """`signs` does so now; `coming` is to follow it, `former` went before and is trusted still.

    What is stored of it is encrypted with the `password`.
    """

    service: str
    password: str = field(repr=False)
    signs: Authority
    coming: Authority | None = None
    former: tuple[x509.Certificate, ...] = ()

    @classmethod
    def created(cls, service: str, password: str, now: datetime.datetime) -> Self:
        return cls(service, password, authority.create(service, now))

    @classmethod
    def from_record(
        cls,
        service: str,
        record: Mapping[str, Any],
        passwords: Sequence[str],
        now: datetime.datetime,
    ) -> tuple[Self, bool]:
        """The stored one, and whether it is to be stored anew under the first of the passwords.

        Raises AuthorityError.
        """
        signs, used = authority.from_record(record, passwords, now)
        coming: Authority | None = None
        former: tuple[x509.Certificate, ...] = ()
        if record.get("coming"):
            coming, _ = authority.from_record(record["coming"], passwords, now)
        if record.get("former"):
            try:
                former = tuple(x509.load_pem_x509_certificates(record["former"].encode()))
            except (AttributeError, ValueError) as error:
                raise AuthorityError(
                    f"the certificate authority in ZooKeeper: the record is damaged ({error})"
                ) from error
        return cls(service, passwords[0], signs, coming, former), used != passwords[0]

    def to_record(self) -> dict[str, Any]:
        """What is stored; `from_record` is its inverse."""
        record = authority.to_record(self.signs, self.password)
        if self.coming is not None:
            record["coming"] = authority.to_record(self.coming, self.password)
        if self.former:
            record["former"] = b"".join(map(to_pem, self.former)).decode("ascii")
        return record

    @property
    def stage(self) -> Stage:
        if self.coming is not None:
            return Stage.COMING
        return Stage.FORMER if self.former else Stage.ALONE

    @property
    def in_force(self) -> Authority:
        """What signs, with all that tasks are to trust."""
        roots = (*self.signs.roots, *(self.coming.roots if self.coming else ()), *self.former)
        return replace(self.signs, roots=roots, stage=self.stage)

    def advanced(self, now: datetime.datetime) -> Self:
        """One step further on the way to another authority."""
        if self.coming is not None:
            return replace(self, signs=self.coming, coming=None, former=self.signs.roots)
        if self.former:
            return replace(self, former=())
        return replace(self, coming=authority.create(self.service, now))
