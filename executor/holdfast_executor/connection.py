"""One HTTP POST on a connection of its own, without blocking the loop."""

from __future__ import annotations

import errno
import json
import os
import socket
from functools import partial
from typing import TYPE_CHECKING, Callable, Mapping, Sequence, TypeVar

from holdfast_executor.reactor import READ, WRITE, Reactor, Timer
from holdfast_executor.settings import Settings
from holdfast_executor.stream import ResponseParser, StreamError

if TYPE_CHECKING:
    import ssl

    from holdfast_executor.tls import Tls

T = TypeVar("T")

READ_SIZE = 64 * 1024

KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""A peer that vanished without closing (half-open connection) is noticed after a minute."""


def json_request(
    settings: Settings, path: str, message: Mapping[str, object], headers: Sequence[str]
) -> bytes:
    """The HTTP request that posts a call to the agent, with the executor's token if it has one."""
    body = json.dumps(message, separators=(",", ":")).encode()
    head = [
        f"POST {path} HTTP/1.1",
        f"Host: {settings.host}:{settings.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    if settings.token is not None:
        head.append(f"Authorization: Bearer {settings.token}")
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


class Post:
    """Sends `request`, hands body bytes to `on_body`, then calls `on_end(status, error)` once.

    `on_end` gets the status of a complete response with error None, or the reason why there is
    none (status known or None). `timeout` seconds cover everything up to the response's head,
    None is no limit; with `whole` they cover its body as well. `tls` None speaks plain HTTP.
    """

    def __init__(
        self,
        reactor: Reactor,
        address: tuple[str, int],
        request: bytes,
        on_body: Callable[[int, bytes], None],
        on_end: Callable[[int | None, str | None], None],
        timeout: float | None,
        whole: bool,
        tls: Tls | None,
    ) -> None:
        self._reactor = reactor
        self._out = memoryview(request)
        self._on_body = on_body
        self._on_end = on_end
        self._whole = whole
        self._tls = tls
        self._host = address[0]
        self._tls_reads = tls.want_read if tls else ()
        self._tls_writes = tls.want_write if tls else ()
        self._parser = ResponseParser()
        self._timer: Timer | None = (
            None if timeout is None else reactor.call_later(timeout, self._timed_out)
        )
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket: socket.socket | None = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            if hasattr(socket, option):
                self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self._socket.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            reason = os.strerror(code)
            self._reactor.call_later(0, lambda: self._end(None, reason))
        else:
            self._reactor.watch(self._socket.fileno(), WRITE, self._on_connected)

    def close(self) -> None:
        """Drop the connection without a call of `on_end`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._socket is not None:
            self._reactor.unwatch(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _on_connected(self) -> None:
        if self._socket is None:
            return
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._end(None, os.strerror(code))
        elif self._tls is None:
            self._send()
        else:
            try:
                secure = self._tls.wrap(self._socket, self._host)
            except (OSError, ValueError) as error:
                self._end(None, str(error))
                return
            self._socket = secure
            self._handshake(secure)

    def _handshake(self, secure: ssl.SSLSocket) -> None:
        def shake() -> bool:
            secure.do_handshake()
            return True

        if self._attempt(READ, shake, lambda: self._handshake(secure)):
            self._send()

    def _send(self) -> None:
        while self._socket is not None and self._out:
            sent = self._attempt(WRITE, partial(self._socket.send, self._out), self._send)
            if sent is None:
                return
            self._out = self._out[sent:]
        self._receive()

    def _receive(self) -> None:
        while self._socket is not None:
            data = self._attempt(READ, partial(self._socket.recv, READ_SIZE), self._receive)
            if data is None:
                return
            self._on_received(data)

    def _attempt(self, event: int, action: Callable[[], T], again: Callable[[], None]) -> T | None:
        """The action's result, or None: `again` is called once the socket is ready, or it ended."""
        if self._socket is None:
            return None
        try:
            return action()
        except BlockingIOError:
            self._reactor.watch(self._socket.fileno(), event, again)
        except self._tls_reads:
            self._reactor.watch(self._socket.fileno(), READ, again)
        except self._tls_writes:
            self._reactor.watch(self._socket.fileno(), WRITE, again)
        except OSError as error:
            self._end(self._parser.status, error.strerror or str(error))
        return None

    def _on_received(self, data: bytes) -> None:
        if not data:
            self._end(self._parser.status, "the agent closed the connection")
            return
        try:
            body = self._parser.feed(data)
        except StreamError as error:
            self._end(None, str(error))
            return
        status = self._parser.status
        if status is not None:
            if self._timer is not None and not self._whole:
                self._timer.cancel()
            if body:
                self._on_body(status, body)
            if self._parser.ended:
                self._end(status, None)

    def _timed_out(self) -> None:
        self._end(self._parser.status, "no answer in time")

    def _end(self, status: int | None, error: str | None) -> None:
        if self._socket is not None:
            self.close()
            self._on_end(status, error)
