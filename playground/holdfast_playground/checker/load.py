"""A writer and a reader that go on while things fail, and what became of every request."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from holdfast_playground.checker.history import (
    Outage,
    Write,
    outages,
    wrong_content,
    wrong_order,
    wrong_reading,
)
from holdfast_playground.checker.store import Store, Unanswered

PREFIX: Final = "load/"
PAUSE_SECONDS: Final = 0.03


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the requests.

    A write without an answer may have taken effect or not; the next one has another key.
    """

    acknowledged: int
    unanswered: int
    reads: int
    failed_reads: int
    outages: tuple[Outage, ...]

    @property
    def unavailable(self) -> float:
        """Seconds of all outages."""
        return sum(outage.seconds for outage in self.outages)

    @property
    def longest_outage(self) -> float:
        """Seconds of the longest outage, 0 without one."""
        return max((outage.seconds for outage in self.outages), default=0.0)


@dataclass(slots=True)
class Load:
    """A writer of ever new keys and a reader of acknowledged ones, each in a thread of its own.

    `store` makes a client for a thread. `wrong` has, in words, whatever must not be: acknowledged
    writes that are lost or changed, and answers from a state before writes acknowledged earlier.
    """

    store: Callable[[], Store]
    pause: float = PAUSE_SECONDS
    writes: list[Write] = field(default_factory=list)
    unanswered: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _reads: int = 0
    _failed_reads: int = 0
    _began: float = 0.0
    _ended: float | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin; daemon threads, so that they never keep the process from ending."""
        self._began = time.monotonic()
        for work in (self._write, self._read):
            thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End both threads and wait for them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._ended = self._ended or time.monotonic()

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged so far."""
        return len(self.writes)

    def written(self) -> dict[str, str]:
        """Every acknowledged write so far, by key."""
        return {write.key: write.value for write in list(self.writes)}

    def report(self, since: float | None = None) -> Report:
        """What became of the requests; writes and outages only since then (time.monotonic)."""
        began = self._began if since is None else since
        moments = [w.acknowledged for w in list(self.writes) if w.acknowledged >= began]
        return Report(
            acknowledged=len(moments),
            unanswered=len(self.unanswered),
            reads=self._reads,
            failed_reads=self._failed_reads,
            outages=tuple(outages(moments, began, self._ended or time.monotonic())),
        )

    def verify(self, found: Mapping[str, str]) -> int:
        """Compare all that the store has under PREFIX with all that was written, after `stop`.

        Adds to `wrong`; returns how many of the writes without an answer took effect.
        """
        self.wrong += wrong_content(self.written(), self.unanswered, found)
        return len(self.unanswered.keys() & found.keys())

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            # Without its thread nothing would be checked any more, and nothing found.
            self.wrong.append(f"the checker itself failed: {error!r}")
            raise

    def _write(self) -> None:
        store = self.store()
        before: Write | None = None
        for number in itertools.count():
            key, value = f"{PREFIX}{number:07}", f"value-{number}-{random.getrandbits(32):08x}"
            sent = time.monotonic()
            try:
                moment = store.write(key, value)
            except Unanswered:
                self.unanswered[key] = value
            else:
                write = Write(key, value, sent, time.monotonic(), moment)
                self._judge(wrong_order(before, write))
                self.writes.append(write)
                before = write
            if self._stop.wait(self.pause):
                store.close()
                return

    def _read(self) -> None:
        store = self.store()
        while not self._stop.wait(self.pause):
            if not self.writes:
                continue
            newest = self.writes[-1]
            # Half of the readings are of the newest: what is lost by going back is lost there.
            expected = random.choice((newest, random.choice(self.writes)))
            try:
                found = store.read(expected.key)
            except Unanswered:
                self._failed_reads += 1
                continue
            self._reads += 1
            self._judge(wrong_reading(expected, newest, found))
        store.close()

    def _judge(self, fault: str | None) -> None:
        if fault is not None:
            self.wrong.append(fault)
