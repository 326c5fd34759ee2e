"""One subscription's HTTP response: opened, read record by record, cut off from any thread."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import RemoteDisconnected
from typing import Any

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from holdfast.mesos.access import Access
from holdfast.mesos.messages import Json
from holdfast.mesos.recordio import RecordDecoder, RecordIOError
from holdfast.mesos.service_account import LoginFailed, LoginRefused

CONNECT_TIMEOUT_SECONDS = 5.0
_READ_BYTES = 1 << 18
_REASON_BYTES = 2000


class StreamEnded(Exception):
    """The stream is over; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The master's answer to SUBSCRIBE. `reason` is its text when the status is not 200."""

    status: int
    stream_id: str
    location: str
    reason: str


class EventStream:
    """Used by one thread, except `interrupt`, which any thread may call at any time."""

    def __init__(self, access: Access) -> None:
        self._session = access.session(_SocketReportingAdapter(self._adopt))
        self._response: requests.Response | None = None
        self._socket: socket.socket | None = None
        self._interrupted: str | None = None
        self._lock = threading.Lock()

    def open(self, url: str, call: Json, silence_limit: float) -> Answer:
        """POST the SUBSCRIBE call; raises StreamEnded when no answer comes.

        `silence_limit`: seconds without a byte after which the stream counts as dead.
        """
        try:
            response = self._session.post(
                url,
                data=orjson.dumps(call),
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                },
                stream=True,
                timeout=(CONNECT_TIMEOUT_SECONDS, silence_limit),
                allow_redirects=False,
            )
        except LoginRefused:
            raise
        except (requests.RequestException, OSError) as error:
            raise StreamEnded(self._interrupted or connection_problem(error)) from error
        self._response = response
        reason = "" if response.status_code == 200 else read_reason(response)
        return Answer(
            response.status_code,
            response.headers.get("Mesos-Stream-Id", ""),
            response.headers.get("Location", ""),
            reason,
        )

    def limit_silence(self, seconds: float) -> None:
        """Count the stream as dead after this long without a byte."""
        with self._lock:
            if self._socket is not None:
                self._socket.settimeout(seconds)

    def records(self) -> Iterator[bytes]:
        """The stream's records; always ends with StreamEnded."""
        assert self._response is not None
        decoder = RecordDecoder()
        while True:
            try:
                data = self._response.raw.read1(_READ_BYTES, decode_content=False)
                records = decoder.feed(data)
            except urllib3.exceptions.ReadTimeoutError as error:
                text = "the master fell silent: no heartbeat came in time"
                raise StreamEnded(self._interrupted or text) from error
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                if isinstance(error, RecordIOError):
                    raise StreamEnded(f"the master's stream is damaged: {error}") from error
                raise StreamEnded(self._interrupted or f"connection lost: {error}") from error
            if not data:
                raise StreamEnded(self._interrupted or "the master closed the stream")
            yield from records

    def interrupt(self, reason: str) -> None:
        """End the stream from any thread: the reader gets StreamEnded with this reason."""
        with self._lock:
            if self._interrupted is None:
                self._interrupted = reason
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # the connection is gone already, which is what was asked for

    def close(self) -> None:
        """Release the connection; called by the reading thread."""
        self.interrupt("closed")
        with self._lock:
            self._socket = None
        if self._response is not None:
            self._response.close()
        self._session.close()

    def _adopt(self, connected: socket.socket) -> None:
        with self._lock:
            if self._interrupted is not None:
                raise OSError(self._interrupted)
            self._socket = connected


def read_reason(response: requests.Response) -> str:
    """The text of an error answer, which may come late or be cut off: the status stands anyway."""
    try:
        text = response.raw.read(_REASON_BYTES, decode_content=True).decode(errors="replace")
    except (urllib3.exceptions.HTTPError, OSError):
        return "(its reason could not be read)"
    return text.strip() or response.reason or "(no reason given)"


def connection_problem(error: Exception) -> str:
    """The innermost cause of a requests exception, in words."""
    if isinstance(error, LoginFailed):
        return str(error)
    cause: BaseException = error
    for _ in range(8):
        inner = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
        inner = inner if isinstance(inner, BaseException) else cause.__cause__ or cause.__context__
        if inner is None:
            break
        cause = inner
    if isinstance(cause, socket.gaierror):
        return "the host name does not resolve"
    if isinstance(cause, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted: {cause.verify_message.rstrip('.')}. --master-ca "
            "must have the authority that signed for it, and it must name this address"
        )
    if isinstance(cause, ssl.SSLError):
        return f"no TLS connection: {cause.reason or cause}; does it speak TLS at all?"
    if isinstance(cause, ConnectionResetError | RemoteDisconnected) and _is_plain(error):
        return f"it closes the connection ({cause}); if it speaks TLS alone, give --master-ca"
    if isinstance(cause, TimeoutError) or isinstance(error, requests.Timeout):
        return "no answer in time"
    return str(cause) or type(cause).__name__


def _is_plain(error: Exception) -> bool:
    request = getattr(error, "request", None)
    return request is not None and (request.url or "").startswith("http://")


class _SocketReportingAdapter(HTTPAdapter):
    """Hands out each socket it connects, to set its timeout and to shut it down."""

    def __init__(self, opened: Callable[[socket.socket], None]) -> None:
        self._opened = opened
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        opened = self._opened

        class PlainConnection(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                opened(self.sock)

        class TlsConnection(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                opened(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = PlainConnection

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = TlsConnection

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
