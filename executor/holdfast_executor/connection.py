"""One HTTP POST on a connection of its own, without blocking the loop."""

from __future__ import annotations

import errno
import os
import socket
from typing import Callable

from holdfast_executor.reactor import READ, WRITE, Reactor, Timer
from holdfast_executor.stream import ResponseParser, StreamError

READ_SIZE = 64 * 1024

KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""A peer that vanished without closing (half-open connection) is noticed after a minute."""


class Post:
    """Sends `request`, hands body bytes to `on_body`, then calls `on_end(status, error)` once.

    `on_end` gets the status of a complete response with error None, or the reason why there is
    none (status known or None). `timeout` seconds cover everything up to the response's head;
    with `whole` they cover its body as well.
    """

    def __init__(
        self,
        reactor: Reactor,
        address: tuple[str, int],
        request: bytes,
        on_body: Callable[[int, bytes], None],
        on_end: Callable[[int | None, str | None], None],
        timeout: float,
        whole: bool,
    ) -> None:
        self._reactor = reactor
        self._out = memoryview(request)
        self._on_body = on_body
        self._on_end = on_end
        self._whole = whole
        self._parser = ResponseParser()
        self._timer: Timer | None = reactor.call_later(timeout, self._timed_out)
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
            self._reactor.watch(self._socket.fileno(), WRITE, self._on_writable)

    def close(self) -> None:
        """Drop the connection without a call of `on_end`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._socket is not None:
            self._reactor.unwatch(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _on_writable(self) -> None:
        if self._socket is None:
            return
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._end(None, os.strerror(code))
            return
        try:
            sent = self._socket.send(self._out)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(None, error.strerror or str(error))
            return
        self._out = self._out[sent:]
        if not self._out:
            self._reactor.watch(self._socket.fileno(), READ, self._on_readable)

    def _on_readable(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(self._parser.status, error.strerror or str(error))
            return
        if not data:
            self._end(self._parser.status, "the agent closed the connection")
            return
        try:
            body = self._parser.feed(data)
        except StreamError as error:
            self._end(None, str(error))
            return
        status = self._parser.status
        if status is None:
            return
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
