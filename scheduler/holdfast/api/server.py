"""Serving the API from a thread of its own."""

import errno
import os
import socket
import ssl
import sys
import threading
from pathlib import Path

import structlog
import uvicorn
from cryptography import x509
from starlette.types import ASGIApp

START_SECONDS = 30.0
STOP_SECONDS = 5

SWITCH_SECONDS = 0.0005
"""For how long another thread keeps the interpreter while the API waits for it. The engine computes
for long stretches, and an answer waits several times: with Python's 5 ms they would pile up."""

log = structlog.get_logger("holdfast.api")


class AddressError(Exception):
    """The API cannot listen where it should; the message names the address."""


class PortTaken(AddressError):
    """Another program listens there."""


class ApiServer:
    """One application on one address, from `start` to `stop`."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, tls: tuple[Path, Path] | None = None
    ) -> None:
        """`port` 0 takes any free one; `port` tells which after `start`.

        `tls` are the files of the certificate with its chain, and of its key, both PEM;
        `certificate_ends` is when the certificate does, since the epoch, after `start`.
        """
        self._tls = tls
        self.certificate_ends: float | None = None
        self.host = host
        self.port = port
        self._app = app
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, then serve in the background. Raises AddressError when it cannot listen."""
        if self._tls:
            self.certificate_ends = _check_tls(*self._tls)
        listener = _listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ssl_certfile=self._tls[0] if self._tls else None,
            ssl_keyfile=self._tls[1] if self._tls else None,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        server = _Server(config)
        self._server = server
        self._thread = threading.Thread(
            target=self._serve, args=(server, listener), name="api", daemon=True
        )
        sys.setswitchinterval(SWITCH_SECONDS)
        self._thread.start()
        if not server.ready.wait(START_SECONDS) or not server.started:
            raise AddressError(
                f"The API did not start on {self.host}:{self.port}; the log says why."
            )

    def stop(self) -> None:
        """Let requests under way end, for 5 seconds at most, and release the port."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._server = self._thread = None

    @staticmethod
    def _serve(server: "_Server", listener: socket.socket) -> None:
        try:
            server.run(sockets=[listener])
        finally:
            listener.close()
            server.ready.set()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _check_tls(certificate: Path, key: Path) -> float:
    """When the certificate ends, in seconds since the epoch. Raises AddressError."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        own = x509.load_pem_x509_certificate(certificate.read_bytes())
        return own.not_valid_after_utc.timestamp()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise AddressError(
            f"the certificate {certificate} and the key {key} cannot be used: {error}. Both must be"
            " PEM, belong together, and the key must have no passphrase. Tasks run on."
        ) from error


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        raise _explained(error, host, port) from error


def _explained(error: OSError, host: str, port: int) -> AddressError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            f"port {port} on {host} is in use by another program; end that one, or give the"
            " scheduler another port for its API. Tasks run on."
        )
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return AddressError(
            f"{host} is not an address of this machine; give the scheduler one that is, as agents"
            " and operators reach it. Tasks run on."
        )
    if error.errno == errno.EACCES:
        return AddressError(
            f"port {port} on {host} may only be used by root; choose one above 1023. Tasks run on."
        )
    reason = os.strerror(error.errno) if error.errno else str(error)
    return AddressError(f"the API cannot listen on port {port} of {host}: {reason}. Tasks run on.")
