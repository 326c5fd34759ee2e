"""The API over real connections."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import ASGIApp

from holdfast.api.server import ApiServer


@contextmanager
def serving(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 0, tls: tuple[Path, Path] | None = None
) -> Iterator[str]:
    """The URL of a server with this application, on a free port unless one is given."""
    server = ApiServer(app, host, port, tls)
    server.start()
    shown = "localhost" if tls else host
    try:
        yield f"{'https' if tls else 'http'}://{shown}:{server.port}"
    finally:
        server.stop()
