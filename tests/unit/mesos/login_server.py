"""A login server as that of DC/OS: takes what an account's key has signed, gives tokens."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

UID = "db-principal"


def new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


class LoginServer:
    """Knows one account. Its tokens are good for `token_seconds`."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.key = new_key()
        self.token_seconds = 3600.0
        self.refuses = False
        self.fails = False
        self.tokens: list[str] = []
        self.attempts = 0
        self._signer = new_key()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = outer._login(body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                """Not to standard error."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self.url = f"http://{host}:{self._server.server_port}/acs/api/v1/auth/login"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def credential(self, **changed: Any) -> str:
        """The JSON that the account's owner has."""
        fields = {"uid": UID, "private_key": pem(self.key), "scheme": "RS256"}
        return json.dumps({**fields, "login_endpoint": self.url, **changed})

    def accepts(self, token: str) -> bool:
        """Whether it gave the token, as an authenticator would check: by signature and time."""
        try:
            jwt.decode(token, self._signer.public_key(), algorithms=["RS256"])
        except jwt.PyJWTError:
            return False
        return True

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _login(self, body: dict[str, str]) -> tuple[int, dict[str, str]]:
        self.attempts += 1
        if self.fails:
            return 503, {}
        try:
            claims = jwt.decode(
                body["token"],
                self.key.public_key(),
                algorithms=["RS256"],
                options={"require": ["exp", "uid"]},
            )
        except jwt.PyJWTError as error:
            return 401, {"title": str(error)}
        if self.refuses or claims["uid"] != UID != body["uid"]:
            return 401, {"title": "no such account"}
        ends = time.time() + self.token_seconds
        token = jwt.encode(
            {"uid": UID, "exp": ends, "n": self.attempts}, self._signer, algorithm="RS256"
        )
        self.tokens.append(token)
        return 200, {"token": token}


@contextmanager
def login_server(host: str = "127.0.0.1") -> Iterator[LoginServer]:
    server = LoginServer(host)
    try:
        yield server
    finally:
        server.close()
