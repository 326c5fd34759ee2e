"""A kazoo client that fails fast, and words for what is wrong with a ZooKeeper address."""

import contextlib
import logging
import re
import selectors
import socket
import ssl
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConnectionClosedError,
    ConnectionLoss,
    OperationTimeoutError,
    SessionExpiredError,
    SessionMovedError,
)
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.handlers.utils import selector_select
from kazoo.protocol.connection import ConnectionHandler
from kazoo.protocol.states import KeeperState
from kazoo.retry import KazooRetry
from kazoo.security import make_digest_acl

DEFAULT_PORT = 2181

_quiet = logging.getLogger("holdfast.kazoo")
_quiet.setLevel(logging.ERROR)  # kazoo warns at every attempt; our callers report once, in words


class ZkAddressError(ValueError):
    """The text is not the address of a ZooKeeper ensemble."""


@dataclass(frozen=True, slots=True)
class ZkAddress:
    """`hosts` as "a:2181,b:2181", an absolute `path` ("/" when none), optional digest `auth`."""

    hosts: str
    path: str
    auth: str | None = None


@dataclass(frozen=True, slots=True)
class ZkTls:
    """PEM files: `ca` has who signs for the servers; ours are for servers that ask for them."""

    ca: str
    certificate: str | None = None
    key: str | None = None

    def context(self) -> ssl.SSLContext:
        """Raises ssl.SSLError or OSError when a file is none of PEM, or cannot be read."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context


class NotSent(ConnectionClosedError):  # type: ignore[misc]
    """The connection to ZooKeeper is down, and the request was not even queued."""


DISCONNECTED = (
    ConnectionClosedError,
    ConnectionLoss,
    OperationTimeoutError,
    SessionExpiredError,
    SessionMovedError,
)
"""What kazoo raises when the connection, not the request, is the problem."""


class FailFastClient(KazooClient):  # type: ignore[misc]
    """Refuses requests while the connection is down, and gives up on deaf servers early.

    kazoo >= 2.7 queues such requests instead, to be executed whenever ZooKeeper answers again:
    much later than the caller believes, and perhaps after another scheduler took over.
    """

    def __init__(self, *, patience: float, **options: Any) -> None:
        super().__init__(handler=_ImpatientHandler(patience), **options)
        self._connection = _ImpatientConnection(
            self, self._conn_retry.copy(), logger=self.logger, patience=patience
        )

    def _call(self, request: Any, async_object: Any) -> Any:
        if self._state == KeeperState.CONNECTING:
            async_object.set_exception(NotSent("not connected to ZooKeeper"))
            return False
        return super()._call(request, async_object)


_POLL = SimpleNamespace(
    DefaultSelector=selectors.PollSelector,
    EVENT_READ=selectors.EVENT_READ,
    EVENT_WRITE=selectors.EVENT_WRITE,
)


class _ImpatientHandler(SequentialThreadingHandler):  # type: ignore[misc]
    """Waits `patience` seconds for a TCP connection; kazoo would wait a whole session's time."""

    def __init__(self, patience: float) -> None:
        super().__init__()
        self._patience = patience

    def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        return super().create_connection(*args, **{**kwargs, "timeout": self._patience})

    def select(self, *args: Any, **kwargs: Any) -> Any:
        """kazoo makes a selector anew for each of the four times a request is waited for.

        That of poll() costs no system calls to make: ten thousand records take a third less CPU.
        """
        return selector_select(*args, **kwargs, selectors_module=_POLL)


class _ImpatientConnection(ConnectionHandler):  # type: ignore[misc]
    """Waits `patience` seconds for the answer to the handshake.

    A ZooKeeper that has just started can accept a connection and never answer on it. kazoo would
    wait a whole session's time there, and so lose the session.
    """

    def __init__(self, *args: Any, patience: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._patience = patience

    def _invoke(self, timeout: float, *args: Any, **options: Any) -> Any:
        return super()._invoke(min(timeout, self._patience), *args, **options)


def parse_zk_address(text: str) -> ZkAddress:
    """Read `zk://[user:password@]host[:port][,host...][/path]`, or the same without `zk://`.

    Raises ZkAddressError, saying what is wrong but no password.
    """
    rest = text.removeprefix("zk://")
    auth, at, address = rest.rpartition("@")
    servers, slash, path = address.partition("/")
    shown = re.sub(r"^(\w+://)?.*@", r"\1...@", text)
    if "://" in rest:
        raise ZkAddressError(
            f"{shown!r} is not a ZooKeeper address: expected zk://host:port,host:port/path"
        )
    if at and ":" not in auth:
        raise ZkAddressError(f"{shown!r}: expected user:password before the @")
    hosts = [_host(shown, server) for server in servers.split(",")]
    path = "/" + path.strip("/") if slash else "/"
    if "//" in path:
        raise ZkAddressError(f"{shown!r}: the path {path!r} has an empty part")
    return ZkAddress(",".join(hosts), path, auth or None)


def new_client(
    hosts: str,
    *,
    session_timeout: float = 10.0,
    auth: str | None = None,
    tls: ZkTls | None = None,
) -> FailFastClient:
    """A client that reconnects for ever; the caller starts and stops it.

    With `auth`, "user:password", what it creates is for that user alone. A server without its
    ensemble that serves read-only refuses this client: what it has may be old.
    """
    return FailFastClient(
        hosts=hosts,
        timeout=session_timeout,
        read_only=False,
        patience=max(1.0, session_timeout / 4),
        connection_retry=KazooRetry(max_tries=-1, delay=0.1, max_delay=1.0),
        auth_data=[("digest", auth)] if auth else None,
        default_acl=[make_digest_acl(*auth.split(":", 1), all=True)] if auth else None,
        logger=_quiet,
        use_ssl=tls is not None,
        ca=tls and tls.ca,
        certfile=tls and tls.certificate,
        keyfile=tls and tls.key,
        check_hostname=tls is not None,
    )


def connect_problem(hosts: str, timeout: float = 2.0, tls: ZkTls | None = None) -> str:
    """Why no connection to any of the hosts comes about, in words; tries each once."""
    problems = []
    for server in hosts.split(","):
        parts = urlsplit("//" + server)
        host = parts.hostname or ""
        try:
            with socket.create_connection((host, parts.port or DEFAULT_PORT), timeout) as plain:
                if tls is not None:
                    with tls.context().wrap_socket(plain, server_hostname=host) as secure:
                        _provoke(secure)
            problems.append(f"{server} accepts connections but does not answer as ZooKeeper")
        except ssl.SSLError as error:
            problems.append(f"{server} and this scheduler do not agree on TLS: {error}")
        except socket.gaierror:
            problems.append(f"the name {host} does not resolve")
        except TimeoutError:
            problems.append(f"{server} does not answer")
        except OSError as error:
            problems.append(f"{server}: {(error.strerror or str(error)).lower()}")
    return "; ".join(problems)


def _provoke(secure: ssl.SSLSocket) -> None:
    """Read on: a server that refuses our certificate, or wants one, says so in TLS 1.3 only now."""
    secure.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        secure.recv(1)


def _host(text: str, server: str) -> str:
    try:
        parts = urlsplit("//" + server.strip())
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        host, port = None, 0
    if not host or parts.path or parts.query:
        raise ZkAddressError(f"{text!r}: {server!r} is not host or host:port")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
