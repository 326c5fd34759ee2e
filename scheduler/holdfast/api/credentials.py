"""Who may use the API: users, tokens and DC/OS accounts, from a file that may change any time."""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Any

import argon2
import jwt
import structlog
import yaml
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

log = structlog.get_logger("holdfast.api")

ANY_ACCOUNT = "*"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Role(StrEnum):
    """What one may do: look, or also give orders."""

    READ_ONLY = "read-only"
    OPERATOR = "operator"


class BadCredentials(Exception):
    """The file cannot be used; the message names it, and what is wrong where. Never a secret."""


@dataclass(frozen=True, slots=True)
class User:
    role: Role
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """`expires` is seconds since the epoch, None for never."""

    name: str
    role: Role
    expires: float | None


@dataclass(frozen=True, slots=True)
class Accounts:
    """DC/OS accounts by `uid`, and the keys their tokens are signed with, by key id."""

    roles: Mapping[str, Role]
    keys: Mapping[str | None, RSAPublicKey]


@dataclass(slots=True)
class Credentials:
    """One reading of the file. Tokens are by the SHA-256 of their value, in hex."""

    users: Mapping[str, User]
    tokens: Mapping[str, Token]
    accounts: Accounts | None
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _verified: set[bytes] = field(default_factory=set, repr=False)

    def is_password(self, name: str, password: str) -> bool:
        """Whether that is the user's password. Slow on purpose, but once for each right one."""
        user = self.users.get(name)
        mark = hmac.digest(self._salt, f"{name}\0{password}".encode(), "sha256")
        if mark in self._verified:
            return True
        try:
            _HASHER.verify(user.password_hash if user else _NOBODYS_HASH, password)
        except argon2.exceptions.VerificationError:
            return False
        if user is None:
            return False
        self._verified.add(mark)
        return True

    def was_verified(self, name: str, password: str) -> bool:
        """Whether `is_password` will answer without delay."""
        return hmac.digest(self._salt, f"{name}\0{password}".encode(), "sha256") in self._verified


_HASHER = argon2.PasswordHasher()
_NOBODYS_HASH = _HASHER.hash(secrets.token_hex())
"""Looked at for unknown users, so that time does not tell who is known."""


class CredentialsFile:
    """The file, read anew when it, or the key file it names, has changed."""

    def __init__(self, path: Path) -> None:
        """Raises BadCredentials."""
        self._path = path
        self._seen = self._stamp(())
        self._current, self._keys = read(path)
        self._seen = self._stamp(self._keys)

    def current(self) -> Credentials:
        """The latest that could be read: a faulty change is logged, and what was before counts."""
        stamp = self._stamp(self._keys)
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._current, self._keys = read(self._path)
                self._seen = self._stamp(self._keys)
                log.info("read the credentials anew", file=str(self._path))
            except BadCredentials as error:
                log.error("the changed credentials are not used, those before are", why=str(error))
        return self._current

    def _stamp(self, keys: tuple[Path, ...]) -> tuple[object, ...]:
        return tuple(_stat(path) for path in (self._path, *keys))


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def read(path: Path) -> tuple[Credentials, tuple[Path, ...]]:
    """What the file says, and the other files it names. Raises BadCredentials."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise BadCredentials(f"{path} cannot be read: {type(error).__name__}") from error
    except yaml.YAMLError:
        raise BadCredentials(f"{path} is no YAML") from None
    reader = _Reader(path)
    top = reader.mapping(document, "the file", {"users", "tokens", "dcos"})
    users = {
        str(name): reader.user(entry, f"users.{name}")
        for name, entry in reader.mapping(top.get("users", {}), "users").items()
    }
    tokens = dict(
        reader.token(str(name), entry, f"tokens.{name}")
        for name, entry in reader.mapping(top.get("tokens", {}), "tokens").items()
    )
    accounts, keys = reader.accounts(top["dcos"]) if "dcos" in top else (None, ())
    if not users and not tokens and accounts is None:
        raise BadCredentials(f"{path} lets nobody in: expected users, tokens or dcos")
    return Credentials(users, tokens, accounts), keys


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def bad(self, where: str, what: str) -> BadCredentials:
        return BadCredentials(f"{self._path}: {where}: {what}")

    def mapping(self, found: Any, where: str, known: set[str] | None = None) -> dict[Any, Any]:
        if not isinstance(found, dict):
            raise self.bad(where, "expected names with values")
        for key in found:
            if known is not None and key not in known:
                raise self.bad(where, f"{key!r} is none of {', '.join(sorted(known))}")
        return found

    def role(self, found: Any, where: str) -> Role:
        try:
            return Role(found)
        except ValueError:
            raise self.bad(where, f"expected the role {' or '.join(Role)}") from None

    def user(self, found: Any, where: str) -> User:
        entry = self.mapping(found, where, {"password", "role"})
        hashed = entry.get("password")
        try:
            argon2.extract_parameters(str(hashed))
        except argon2.exceptions.InvalidHashError:
            raise self.bad(
                f"{where}.password", "expected an argon2 hash; `holdfast access password` makes one"
            ) from None
        return User(self.role(entry.get("role"), f"{where}.role"), str(hashed))

    def token(self, name: str, found: Any, where: str) -> tuple[str, Token]:
        entry = self.mapping(found, where, {"sha256", "role", "expires"})
        digest = str(entry.get("sha256"))
        if not _SHA256.fullmatch(digest):
            raise self.bad(
                f"{where}.sha256", "expected 64 hex digits; `holdfast access token` makes a token"
            )
        expires = self.moment(entry.get("expires"), f"{where}.expires")
        return digest, Token(name, self.role(entry.get("role"), f"{where}.role"), expires)

    def moment(self, found: Any, where: str) -> float | None:
        if found is None:
            return None
        if isinstance(found, date) and not isinstance(found, datetime):
            found = datetime.combine(found, time())
        if not isinstance(found, datetime):
            raise self.bad(where, "expected a date or time, as 2027-01-31 or 2027-01-31T12:00:00Z")
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()

    def accounts(self, found: Any) -> tuple[Accounts, tuple[Path, ...]]:
        entry = self.mapping(found, "dcos", {"keys", "users"})
        if not isinstance(entry.get("keys"), str):
            raise self.bad("dcos.keys", "expected the path of a JWKS or PEM file")
        path = self._path.parent / entry["keys"]
        roles = self.mapping(entry.get("users", {}), "dcos.users")
        return Accounts(
            {str(uid): self.role(role, f"dcos.users.{uid}") for uid, role in roles.items()},
            self.keys(path),
        ), (path,)

    def keys(self, path: Path) -> dict[str | None, RSAPublicKey]:
        """The RSA keys of a JWKS by their id, or the one of a PEM file by None."""
        try:
            content = path.read_bytes()
            if b"-----BEGIN" in content:
                found: dict[str | None, Any] = {None: load_pem_public_key(content)}
            else:
                keys = jwt.PyJWKSet.from_dict(json.loads(content)).keys
                found = {key.key_id: key.key for key in keys}
        except (OSError, ValueError, jwt.PyJWTError) as error:
            raise self.bad("dcos.keys", f"{path}: {error}") from error
        if not all(isinstance(key, RSAPublicKey) for key in found.values()):
            raise self.bad("dcos.keys", f"{path} holds a key that is no RSA public key")
        return found


def digest_of(token: str) -> str:
    """What the file holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
