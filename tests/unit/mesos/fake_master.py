"""A master on loopback that does what a test scripts: answers, streams, falls silent, cuts off."""

import json
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Script = Callable[["Exchange"], None]


class Exchange:
    """One HTTP request on one connection, and the means to answer it."""

    def __init__(self, connection: socket.socket, method: str, path: str, headers: dict[str, str],
                 body: bytes) -> None:  # fmt: skip
        self.connection = connection
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def message(self) -> Json:
        parsed: Json = json.loads(self.body)
        return parsed

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def begin_stream(self, stream_id: str = "stream-1") -> None:
        self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
            b"Mesos-Stream-Id: " + stream_id.encode() + b"\r\n\r\n"
        )

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, event: Json) -> None:
        record = json.dumps(event).encode()
        self.chunk(b"%d\n%s" % (len(record), record))

    def subscribed(self, framework_id: str = "f-1", beat: float = 15.0) -> None:
        self.event(
            {
                "type": "SUBSCRIBED",
                "subscribed": {
                    "framework_id": {"value": framework_id},
                    "heartbeat_interval_seconds": beat,
                    "master_info": {
                        "id": "m-1", "ip": 0, "port": 5050, "hostname": "m", "version": "1.11.0",
                        "domain": {"fault_domain": {"region": {"name": "eu"},
                                                    "zone": {"name": "a"}}},
                    },
                },
            }
        )  # fmt: skip

    def close(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


class FakeMaster:
    """`subscribe` and `call` are the scripts for SUBSCRIBE and for all other calls.

    Every request is kept in `requests`. `hold` is set when the test ends: scripts that keep a
    stream open wait for it.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"
        self.requests: list[Exchange] = []
        self.calls: queue.Queue[Json] = queue.Queue()
        self.connections = 0
        self.hold = threading.Event()
        self.subscribe: Script = self.keep_subscribed
        self.call: Script = lambda exchange: exchange.answer(202)
        self.redirect: Script = lambda exchange: exchange.answer(307, Location=f"//{self.address}")
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def subscriptions(self) -> list[Json]:
        return [
            exchange.message
            for exchange in list(self.requests)
            if exchange.body and exchange.message.get("type") == "SUBSCRIBE"
        ]

    def keep_subscribed(self, exchange: Exchange) -> None:
        exchange.begin_stream()
        exchange.subscribed()
        self.hold.wait()

    def close(self) -> None:
        self.hold.set()
        self._listener.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                return
            self._open.append(connection)
        with connection, connection.makefile("rb") as reader:
            try:
                while exchange := _read(connection, reader):
                    self.requests.append(exchange)
                    if exchange.method == "GET":
                        self.redirect(exchange)
                    elif exchange.message["type"] == "SUBSCRIBE":
                        self.subscribe(exchange)
                        return
                    else:
                        self.calls.put(exchange.message)
                        self.call(exchange)
            except OSError:
                return


def _read(connection: socket.socket, reader: Any) -> Exchange | None:
    first = reader.readline().decode().split()
    if not first:
        return None
    headers = {}
    while line := reader.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Exchange(connection, first[0], first[1], headers, body)
