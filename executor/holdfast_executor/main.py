"""The program inside the archive: the executor, or `bootstrap` when called from a task."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Callable, Mapping, Sequence

from holdfast_executor.contract import BOOTSTRAP_NAME

if TYPE_CHECKING:
    from holdfast_executor.tls import Tls


def main(arguments: Sequence[str] | None = None) -> int:
    """`bootstrap ...` runs that program; without arguments the executor runs until it is done."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == [BOOTSTRAP_NAME]:
        from holdfast_executor import bootstrap

        return bootstrap.main(words[1:], os.environ)
    if words:
        sys.stderr.write("usage: python3 holdfast-executor.pyz [bootstrap FLAGS...]\n")
        return 2
    return _run_executor()


def _run_executor() -> int:
    from holdfast_executor import process, sandbox_bootstrap, settings, supervisor
    from holdfast_executor.reactor import Reactor

    own_environment = dict(os.environ)
    try:
        found = settings.read(own_environment)
        tls = _tls(own_environment)
    except ValueError as error:
        sys.stderr.write(f"holdfast executor: {error}\n")
        return 2
    process.keep_files_from_children()
    process.become_subreaper()
    stdout, stderr = supervisor.standard_streams(found.sandbox)
    log = _logger(stderr.write)
    sandbox_bootstrap.write(found.sandbox)
    reactor = Reactor()
    runner = supervisor.Supervisor(reactor, found, tls, own_environment, log, stdout, stderr)
    reactor.handle_signals(lambda: runner.shutdown("the executor got a signal to stop"))
    runner.start()
    reactor.run()
    runner.remove_secrets()
    log("done")
    return 0


def _tls(environment: Mapping[str, str]) -> Tls | None:
    """Encryption towards the agent, if it asks for it; costly to import, so only then."""
    if environment.get("LIBPROCESS_SSL_ENABLED", "").lower() not in ("1", "true"):
        return None
    from holdfast_executor.tls import Tls

    return Tls(environment)


def _logger(write: Callable[[bytes], None]) -> Callable[[str], None]:
    def log(text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write(f"{stamp} holdfast-executor: {text}\n".encode("utf-8", "replace"))

    return log
