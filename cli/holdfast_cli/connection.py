"""Talking to the scheduler's API, and telling apart what can go wrong on the way."""

import json
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import click

from holdfast_cli.errors import (
    Failure,
    NotAllowed,
    NotFound,
    Refused,
    Trouble,
    Unknown,
    Unreachable,
)

if TYPE_CHECKING:
    from requests import Response

DEFAULT_URL = "http://127.0.0.1:8080"
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SET_URL = "give the scheduler's address with --url or HOLDFAST_URL"


@dataclass(frozen=True, slots=True)
class Access:
    """What every request carries, and what to advise when nobody understands it.

    `verify` is as in requests: a file of certificate authorities, or False for none; None is
    what the environment says. `login` is for whoever is not known, to the scheduler or on the way.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    verify: bool | str | None = None
    elsewhere: str = f"If it is elsewhere, {_SET_URL}."
    stranger: str = _SET_URL
    login: str = "Give a token with --token or HOLDFAST_TOKEN, or a user with HOLDFAST_USER."
    certificate: str = "Name its certificate authority with --ca."


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the API: `text` as it came, `data` what the JSON says."""

    status: int
    text: str
    data: Any


class Connection:
    """The scheduler at one URL. Nothing is sent, and `requests` not loaded, before it is used."""

    def __init__(self, url: str, access: Access | None = None) -> None:
        """Raises click.UsageError when `url` is none of HTTP."""
        wrong = click.UsageError(
            f"{url!r} is no URL of a scheduler; expected something like {DEFAULT_URL}"
        )
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # a port or IPv6 address that is none
            raise wrong from None
        if not valid:
            raise wrong
        self.url = url.rstrip("/")
        self._access = access or Access()
        self._direct = parts.hostname in _LOOPBACK

    def get(
        self,
        *path: str,
        query: Mapping[str, str] | None = None,
        good: Collection[int] = (200,),
    ) -> Reply:
        """Read what is at the path, given in parts. `good` are the statuses that are answers."""
        return self._ask("GET", path, good, query)

    def post(
        self,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | Sequence[str] | None = None,
        good: Collection[int] = (200,),
    ) -> Reply:
        """Give an order; `body` goes with it as JSON."""
        return self._ask("POST", path, good, query, body)

    def put(self, *path: str) -> Reply:
        return self._ask("PUT", path, (200,))

    def delete(self, *path: str) -> Reply:
        return self._ask("DELETE", path, (200,))

    def events(
        self, *path: str, query: Mapping[str, str] | None = None, after: int
    ) -> Iterator[Any]:
        """Each event of the stream at the path that comes after the one of that id, as JSON has it.

        It ends when the scheduler does; raises Unreachable when the connection breaks.
        """
        import requests
        import sseclient

        headers = {"accept": "text/event-stream", "last-event-id": str(after)}
        with self._exchange("GET", path, query, headers=headers, stream=True) as response:
            if response.status_code != 200:
                self._understood("GET", response, ())
            try:
                for event in sseclient.SSEClient(response.iter_content(128)).events():
                    yield json.loads(event.data)
            except requests.RequestException as error:
                raise Unreachable(
                    f"The events of {self.url} have broken off ({_cause(error)})."
                ) from None

    def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        good: Collection[int],
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | Sequence[str] | None = None,
    ) -> Reply:
        with self._exchange(method, path, query, body) as response:
            return self._understood(method, response, good)

    @contextmanager
    def _exchange(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
    ) -> Iterator["Response"]:
        """What answers to the request; raises Unreachable when nothing does."""
        import requests

        if self._access.verify is False:
            import urllib3

            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        url = "/".join([self.url, "v1", *(quote(part, safe="") for part in path)])
        with requests.Session() as session:
            # A proxy cannot reach the loopback interface of this machine.
            session.trust_env = not self._direct
            try:
                response = session.request(
                    method,
                    url,
                    params=query,
                    json=body,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,
                    headers={
                        "accept": "application/json",
                        **(headers or {}),
                        **self._access.headers,
                    },
                    stream=stream,
                    verify=self._access.verify,
                    # Else a ~/.netrc would replace the credentials in the headers.
                    auth=(lambda prepared: prepared) if self._access.headers else None,
                )
            except requests.ReadTimeout:
                raise self._silent(method) from None
            except requests.exceptions.SSLError as error:
                raise Unreachable(
                    f"{self.url} is not trusted: {_cause(error)}. {self._access.certificate}"
                ) from None
            except requests.RequestException as error:
                raise Unreachable(
                    f"No scheduler answers at {self.url} ({_cause(error)}). Is it running?"
                    f" {self._access.elsewhere} Tasks run on without it."
                ) from None
            yield response

    def _silent(self, method: str) -> Failure:
        text = f"The scheduler at {self.url} did not answer within {READ_SECONDS:g} s."
        if method != "GET":
            text += " It may have carried out the order: look before you repeat it."
        return Unreachable(text)

    def _understood(self, method: str, response: "Response", good: Collection[int]) -> Reply:
        url, status, text = response.url.partition("?")[0], response.status_code, response.text
        try:
            data = json.loads(text)
        except ValueError:
            if status in (401, 403):  # something before the scheduler, such as Admin Router
                asks = f"{self.url} wants to know who asks (HTTP {status}). {self._access.login}"
                raise (Unknown if status == 401 else NotAllowed)(asks) from None
            raise self._stranger(method, url, status) from None
        if status in good:
            return Reply(status, text, data)
        message = data.get("message") if isinstance(data, dict) else None
        if not isinstance(message, str):
            raise self._stranger(method, url, status)
        if status == 401:
            raise Unknown(f"{message} {self._access.login}")
        if status == 403:
            raise NotAllowed(message)
        if status == 404:
            raise NotFound(message)
        if status in (400, 409, 413):
            raise Refused(message)
        raise Trouble(message)

    def _stranger(self, method: str, url: str, status: int) -> Failure:
        return Unreachable(
            f"What answers at {self.url} is no Holdfast scheduler ({method} {url} gave HTTP"
            f" {status}); {self._access.stranger}."
        )


def access_for(
    url: str, token: str | None, user: str | None, ca: str | None, environment: Mapping[str, str]
) -> Access:
    """What the options and variables of the command say of credentials and trust."""
    known = authorization(token, user, environment, url)
    return Access(headers={"Authorization": known} if known else {}, verify=ca)


def authorization(
    token: str | None, user: str | None, environment: Mapping[str, str], url: str
) -> str | None:
    """The Authorization header: a token, `name:password`, or the token of the dcos command.

    The last goes to no other address than that of its cluster, DCOS_URL.
    """
    if token:
        return f"Bearer {token}"
    if user:
        return f"Basic {b64encode(user.encode()).decode()}"
    dcos_token, cluster = environment.get("DCOS_ACS_TOKEN"), environment.get("DCOS_URL")
    if dcos_token and cluster and f"{url.rstrip('/')}/".startswith(f"{cluster.rstrip('/')}/"):
        return f"token={dcos_token}"
    return None


def _cause(error: BaseException) -> str:
    """The innermost reason, without the wrapping of urllib3 and requests around it."""
    seen: BaseException = error
    while True:
        inner = getattr(seen, "reason", None) or next(
            (arg for arg in seen.args if isinstance(arg, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            break
        seen = inner
    cause = seen.__cause__ or seen.__context__ or seen
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return str(seen).rpartition(": ")[2] or type(seen).__name__
