"""Serves a built package where Cosmos takes it from: each repository with its own content type."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPOSITORY_TYPE = "application/vnd.dcos.universe.repo+json;charset=utf-8;version=v4"


class _Handler(SimpleHTTPRequestHandler):
    """Cosmos refuses a repository of any other type (UniverseClient.scala)."""

    def guess_type(self, path: object) -> str:
        name = Path(str(path)).name
        if name.startswith("stub-universe-") and name.endswith(".json"):
            return REPOSITORY_TYPE
        return "application/octet-stream"


@contextmanager
def serving(folder: Path, host: str, port: int) -> Iterator[str]:
    """Serve the folder's files inside the `with` block; gives the base URL. Port 0: a free one."""
    server = ThreadingHTTPServer((host, port), partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, name="artifacts", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait() -> None:
    """Return when this process is asked to end."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
