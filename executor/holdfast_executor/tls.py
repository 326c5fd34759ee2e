"""Talking to agents that speak TLS, as libprocess is told by LIBPROCESS_SSL_* (Mesos: ssl.md)."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Mapping

if TYPE_CHECKING:
    import socket

PREFIX = "LIBPROCESS_SSL_"


class TlsError(ValueError):
    """Certificates that cannot be used; the text names the variables."""


class Tls:
    """Wraps connected sockets. `want_read` and `want_write` say that a call has to wait."""

    want_read: tuple[type[OSError], ...] = (ssl.SSLWantReadError,)
    want_write: tuple[type[OSError], ...] = (ssl.SSLWantWriteError,)

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Raises TlsError. The agent's certificate is checked only if libprocess is told to."""
        verify = any(
            environment.get(PREFIX + name, "").lower() in ("1", "true")
            for name in ("VERIFY_SERVER_CERT", "VERIFY_CERT", "REQUIRE_CERT")
        )
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = verify
        self._context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        certificate = environment.get(PREFIX + "CERT_FILE")
        file = environment.get(PREFIX + "CA_FILE")
        folder = environment.get(PREFIX + "CA_DIR")
        try:
            if certificate:
                self._context.load_cert_chain(certificate, environment.get(PREFIX + "KEY_FILE"))
            if file or folder:
                self._context.load_verify_locations(file or None, folder or None)
            else:
                self._context.load_default_certs()
        except OSError as error:
            raise TlsError(
                f"{PREFIX}CERT_FILE, KEY_FILE, CA_FILE or CA_DIR cannot be used: {error}"
            ) from None

    def wrap(self, connected: socket.socket, host: str) -> ssl.SSLSocket:
        """The socket with its handshake still to do."""
        return self._context.wrap_socket(
            connected, server_hostname=host, do_handshake_on_connect=False
        )
