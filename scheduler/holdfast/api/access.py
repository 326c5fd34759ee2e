"""Who asks, and whether they may: before any route is reached."""

import asyncio
import base64
import binascii
import time
from dataclasses import dataclass
from typing import Protocol

import jwt
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.api.answers import as_json
from holdfast.api.credentials import (
    ANY_ACCOUNT,
    Credentials,
    CredentialsFile,
    Role,
    digest_of,
)
from holdfast.api.source import ANONYMOUS, caller
from holdfast.eventlog import EventLog, Kind

log = structlog.get_logger("holdfast.api")

READS = frozenset({"GET", "HEAD"})
OPEN_PATHS = frozenset({"/v1/health", "/openapi.json"})
OPEN_FOLDERS = ("/v1/artifacts/",)
"""Marathon's health checks and the fetcher of agents send no credentials. No secret is there."""

CHALLENGES = ('Bearer realm="holdfast"', 'Basic realm="holdfast", charset="UTF-8"')
HASHES_AT_ONCE = 2
SHOWN = 200


def needed_role(method: str, path: str) -> Role | None:
    """The least role that may make the request; None when everybody may."""
    if method not in READS:
        return Role.OPERATOR
    is_open = path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)
    return None if is_open else Role.READ_ONLY


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    role: Role


class Journalled(Protocol):
    """What refused requests are told to."""

    @property
    def events(self) -> EventLog: ...


class Denied(Exception):
    """`status` is 401 or 403; the message says what is missing, never what was given."""

    def __init__(self, status: int, message: str, by: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.by = by


class Access:
    """Lets requests through to `app` that may be made; journals and answers the others."""

    def __init__(
        self, app: ASGIApp, source: Journalled, credentials: CredentialsFile | None
    ) -> None:
        """Without credentials everybody is let in."""
        self._app = app
        self._source = source
        self._file = credentials
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            name = await self._admit(scope)
        except Denied as denied:
            self._note(scope, denied)
            response = as_json({"message": str(denied)}, denied.status)
            if denied.status == 401:
                for challenge in CHALLENGES:
                    response.headers.append("www-authenticate", challenge)
            await response(scope, receive, send)
            return
        caller.set(name)
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> str:
        """The name of who may make the request. Raises Denied."""
        method, path = scope["method"], scope["path"]
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        if method not in READS and headers.get(b"sec-fetch-site") == "cross-site":
            # A browser sends the password it remembers along with what other sites have it send.
            raise Denied(403, "Orders from pages of other sites are refused. Nothing was changed.")
        if self._file is None:
            return ANONYMOUS
        needed = needed_role(method, path)
        if needed is None:
            return ANONYMOUS
        known = await self._identify(headers.get(b"authorization"), self._file.current())
        if known.role is Role.READ_ONLY and needed is not Role.READ_ONLY:
            raise Denied(
                403,
                f"{known.name} has the role {known.role}; {method} needs {needed}."
                " Nothing was changed.",
                known.name,
            )
        return known.name

    async def _identify(self, header: str | None, known: Credentials) -> Caller:
        if not header:
            raise Denied(
                401, "Credentials are missing: send a token (Authorization: Bearer) or a password."
            )
        scheme, _, value = header.strip().partition(" ")
        if scheme.lower() == "basic":
            return await self._user(value.strip(), known)
        if scheme.lower() == "bearer":
            return identify_token(value.strip(), known, time.time())
        if header.startswith("token="):  # as DC/OS sends it
            return identify_token(header.removeprefix("token=").strip(), known, time.time())
        raise Denied(401, "The Authorization header is none of Bearer, Basic or token=.")

    async def _user(self, value: str, known: Credentials) -> Caller:
        try:
            name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Denied(401, "The Basic credentials are not base64 of name:password.") from None
        if colon and known.was_verified(name, password):
            return Caller(name, known.users[name].role)
        async with self._hashing:
            right = await asyncio.to_thread(known.is_password, name, password)
        if not right:
            raise Denied(401, "The user name or the password is wrong.", name[:SHOWN])
        return Caller(name, known.users[name].role)

    def _note(self, scope: Scope, denied: Denied) -> None:
        client = scope.get("client")
        address = client[0] if client else "?"
        what = f"{scope['method']} {scope['path']}"[:SHOWN]
        by = f"{denied.by or ANONYMOUS} at {address}"
        self._source.events.append(
            Kind.REFUSED, time.time(), str(denied), by=by, what=what, status=denied.status
        )
        log.warning("refused a request", what=what, by=by, status=denied.status, why=str(denied))


def identify_token(token: str, known: Credentials, now: float) -> Caller:
    """Whose token it is: one of ours, or of an account of DC/OS. Raises Denied."""
    ours = known.tokens.get(digest_of(token))
    if ours is not None:
        if ours.expires is not None and ours.expires <= now:
            raise Denied(401, f"The token {ours.name!r} has expired.", ours.name)
        return Caller(ours.name, ours.role)
    if known.accounts is None or token.count(".") != 2:
        raise Denied(401, "The token is not known.")
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        keys = known.accounts.keys
        key = keys.get(key_id) or keys.get(None)
        if key is None:
            raise Denied(401, "The token is signed with a key that is not known.")
        claims = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            options={"require": ["exp", "uid"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise Denied(401, "The DC/OS token has expired: run `dcos auth login`.") from None
    except jwt.PyJWTError:
        raise Denied(401, "The token is not known, and no valid one of DC/OS.") from None
    uid = str(claims["uid"])
    role = known.accounts.roles.get(uid) or known.accounts.roles.get(ANY_ACCOUNT)
    if role is None:
        raise Denied(403, f"The DC/OS account {uid[:SHOWN]!r} has no role here.", uid[:SHOWN])
    return Caller(uid, role)
