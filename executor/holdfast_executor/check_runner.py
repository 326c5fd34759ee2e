"""Runs a command check again and again beside a task."""

from __future__ import annotations

from typing import Callable

from holdfast_executor.checks import CommandCheck
from holdfast_executor.reactor import Reactor, Timer
from holdfast_executor.runner import CheckResult, CheckRun


class CheckRunner:
    """Calls `on_result(exit code or None, explanation)` after every run that had a result.

    None stands for a run without an exit code: not started, or out of time.
    """

    def __init__(
        self,
        reactor: Reactor,
        check: CommandCheck,
        run: CheckRun,
        on_result: Callable[[int | None, str], None],
    ) -> None:
        self._reactor = reactor
        self._check = check
        self._run = run
        self._on_result = on_result
        self._stopped = False
        self._timed_out = False
        self._timer: Timer = reactor.call_later(check.delay, self._start)

    def stop(self) -> None:
        """No further run and no further result; a run under way is killed."""
        self._stopped = True
        self._timer.cancel()
        self._run.kill()

    def _start(self) -> None:
        self._timed_out = False
        if self._check.timeout is not None:
            self._timer = self._reactor.call_later(self._check.timeout, self._on_timeout)
        self._run.start(self._on_done)

    def _on_timeout(self) -> None:
        self._timed_out = True
        self._run.kill()

    def _on_done(self, result: CheckResult | None) -> None:
        self._timer.cancel()
        if self._stopped:
            return
        if self._timed_out:
            self._on_result(None, f"no result within {self._check.timeout:g} s")
        elif result is not None and result.code is None:
            self._on_result(None, result.explanation)
        elif result is not None:
            line = result.explanation
            self._on_result(result.code, f"exit code {result.code}" + (f": {line}" if line else ""))
        if not self._stopped:
            self._timer = self._reactor.call_later(self._check.interval, self._start)
