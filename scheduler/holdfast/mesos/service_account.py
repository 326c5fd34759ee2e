"""Requests in the name of a service account of DC/OS: logs in with its key, renews the token.

https://docs.d2iq.com/mesosphere/dcos/2.2/security/ent/service-auth/
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
import orjson
import requests
import structlog
from requests.auth import AuthBase

DEFAULT_LOGIN = "https://master.mesos/acs/api/v1/auth/login"
ANSWER_SECONDS = 10.0
LOGIN_TOKEN_SECONDS = 120
"""How long what we sign is good for; DC/OS takes no more than ten minutes."""

log = structlog.get_logger("holdfast.login")


class LoginFailed(requests.RequestException):
    """No token at the moment; another attempt may succeed."""


class LoginRefused(LoginFailed):
    """The account is not accepted: it is gone, or its key is another one."""


class CredentialError(ValueError):
    """The text is no credential of a service account; says why, without any of it."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What DC/OS keeps as the secret of a service account."""

    uid: str
    private_key: str = field(repr=False)
    login_endpoint: str = DEFAULT_LOGIN


def parse_credential(text: str) -> Credential:
    """Read the JSON DC/OS makes. Raises CredentialError."""
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise CredentialError("expected the JSON of a service account") from None
    if not isinstance(given, dict):
        raise CredentialError("expected a JSON object with uid and private_key")
    for name in ("uid", "private_key"):
        if not (isinstance(given.get(name), str) and given[name]):
            raise CredentialError(f"expected a text as {name!r}")
    if given.get("scheme", "RS256") != "RS256":
        raise CredentialError("expected the scheme RS256")
    login = given.get("login_endpoint", DEFAULT_LOGIN)
    if not (isinstance(login, str) and login.startswith(("http://", "https://"))):
        raise CredentialError("expected an http:// or https:// address as 'login_endpoint'")
    credential = Credential(given["uid"], given["private_key"], login)
    try:
        _signed(credential, 0)
    except (ValueError, TypeError, jwt.PyJWTError):
        raise CredentialError("expected an RSA key in PEM form as 'private_key'") from None
    return credential


class ServiceAccount(AuthBase):
    """Adds `Authorization: token=...` to requests; safe to use from several threads.

    The token is renewed `renew_before` seconds before it ends, and when a request is answered 401
    with one that should still be good. A request for which there is no token raises LoginFailed
    or LoginRefused and is not sent.
    """

    def __init__(
        self,
        credential: Credential,
        *,
        verify: bool | str = True,
        renew_before: float = 30.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._credential = credential
        self._verify = verify
        self._renew_before = renew_before
        self._now = now
        self._token = ""
        self._ends = 0.0
        self._lock = threading.Lock()

    @property
    def uid(self) -> str:
        return self._credential.uid

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"token={self._current()}"
        request.register_hook("response", self._again_when_unauthorized)  # type: ignore[no-untyped-call]
        return request

    def _again_when_unauthorized(
        self, response: requests.Response, **options: Any
    ) -> requests.Response:
        """Once with a new token: 401 says that the request had no effect."""
        sent = response.request.headers.get("Authorization")
        if response.status_code != 401 or sent != f"token={self._token}":
            return response
        _ = response.content
        response.close()
        with self._lock:
            if sent == f"token={self._token}":
                self._login()
        again = response.request.copy()
        again.headers["Authorization"] = f"token={self._token}"
        answer: requests.Response = response.connection.send(again, **options)
        answer.history.append(response)
        answer.request = again
        return answer

    def _current(self) -> str:
        with self._lock:
            left = self._ends - self._now()
            if left > self._renew_before:
                return self._token
            try:
                self._login()
            except LoginRefused:
                raise
            except LoginFailed as error:
                if left <= 0:
                    raise
                log.warning("the token is not renewed yet", why=str(error), good_for_s=int(left))
            return self._token

    def _login(self) -> None:
        where, uid = self._credential.login_endpoint, self.uid
        token = _signed(self._credential, self._now() + LOGIN_TOKEN_SECONDS)
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    where,
                    json={"uid": uid, "token": token},
                    timeout=ANSWER_SECONDS,
                    verify=self._verify,
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            raise LoginFailed(f"no login as {uid!r}: {where} does not answer: {error}") from error
        if answer.status_code in (400, 401, 403):
            raise LoginRefused(
                f"the login of service account {uid!r} is refused by {where} (HTTP "
                f"{answer.status_code}): the account is gone or expired, or has another key"
            )
        try:
            if answer.status_code != 200:
                raise ValueError(f"HTTP {answer.status_code}")
            given = answer.json()["token"]
            ends = float(jwt.decode(given, options={"verify_signature": False})["exp"])
        except (ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            reason = f"{where} gives no token: {type(error).__name__}"
            if answer.status_code != 200:
                reason = f"{where} gives no token but HTTP {answer.status_code}"
            raise LoginFailed(f"no login as {uid!r}: {reason}") from None
        self._token, self._ends = given, ends
        log.info("logged in", account=uid, good_for_s=int(ends - self._now()))


def _signed(credential: Credential, ends: float) -> str:
    claims = {"uid": credential.uid, "exp": int(ends)}
    return jwt.encode(claims, credential.private_key, algorithm="RS256")
