"""One thread's event loop: file descriptors, timers, ended children and stop signals."""

from __future__ import annotations

import heapq
import os
import selectors
import signal
import time
from typing import Callable

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Timer:
    """A pending callback; `cancel` is harmless after it ran."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None] | None) -> None:
        self.when = when
        self.callback = callback

    def cancel(self) -> None:
        self.callback = None


class Reactor:
    """Calls back on readiness, on time and on ended children, until `stop`.

    Every ended child is reaped, adopted orphans included; those nobody asked for are forgotten.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._children: dict[int, Callable[[int], None]] = {}
        self._stop_signal: Callable[[], None] | None = None
        self._running = True
        self._wake, self._wake_write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_write, False)
        self.watch(self._wake, READ, self._on_signal)

    def handle_signals(self, on_stop: Callable[[], None]) -> None:
        """Reap children on SIGCHLD; call `on_stop` for SIGTERM and SIGINT. Main thread only."""
        self._stop_signal = on_stop
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def watch(self, fd: int, events: int, callback: Callable[[], None]) -> None:
        """Call back whenever `fd` is ready; replaces an earlier watch."""
        try:
            self._selector.modify(fd, events, callback)
        except KeyError:
            self._selector.register(fd, events, callback)

    def unwatch(self, fd: int) -> None:
        """End a watch, if there is one; must come before `fd` is closed."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back once after `seconds`."""
        timer = Timer(self.now() + max(0.0, seconds), callback)
        self._count += 1
        heapq.heappush(self._timers, (timer.when, self._count, timer))
        return timer

    def on_exit(self, pid: int, callback: Callable[[int], None]) -> None:
        """Call back with the wait status of a child started before the loop's next turn."""
        self._children[pid] = callback

    def stop(self) -> None:
        """Leave `run` after the current callback."""
        self._running = False

    def run(self) -> None:
        while self._running:
            for key, _ in self._selector.select(self._time_left()):
                if key.fd in self._selector.get_map():
                    key.data()
            self._run_timers()

    def _time_left(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.now()) if self._timers else None

    def _run_timers(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()

    def _on_signal(self) -> None:
        numbers = os.read(self._wake, 4096)
        self.reap()
        if self._stop_signal and any(n in (signal.SIGTERM, signal.SIGINT) for n in numbers):
            self._stop_signal()

    def reap(self) -> None:
        """Collect every ended child and call back for those asked for."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            callback = self._children.pop(pid, None)
            if callback is not None:
                callback(status)
