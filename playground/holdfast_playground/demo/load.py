"""A writer and a reader that go on while things fail, and what became of every request."""

import base64
import http.client
import itertools
import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from holdfast_playground.demo.etcd import CLIENT_PORT

PREFIX: Final = "load/"
PAUSE_SECONDS: Final = 0.03
TIMEOUT_SECONDS: Final = 1.0
# A client would notice: twenty times what a write takes when all is well.
NOTICED_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the requests. Times are seconds; an outage is a time without a write.

    A failed attempt was answered with an error, or not at all; the same key is then written
    through another member until it is acknowledged.
    """

    acknowledged: int
    failed_attempts: int
    reads: int
    failed_reads: int
    unavailable: float
    longest_outage: float


def outages(moments: Sequence[float], began: float, ended: float) -> list[float]:
    """The lengths of the times of more than NOTICED_SECONDS without any of the moments."""
    edges = [began, *moments, ended]
    gaps = (after - before for before, after in itertools.pairwise(edges))
    return [gap for gap in gaps if gap > NOTICED_SECONDS]


class _Client:
    """Requests to etcd's JSON gateway at any of the members, the last that answered first."""

    def __init__(self, ips: Sequence[str]) -> None:
        self._ips = list(ips)
        self._connection: http.client.HTTPConnection | None = None

    def call(self, path: str, body: Mapping[str, str]) -> dict[str, Any] | None:
        """The answer, None when this member gave none; the next call then asks another."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                self._ips[0], CLIENT_PORT, timeout=TIMEOUT_SECONDS
            )
        try:
            self._connection.request("POST", path, json.dumps(body))
            response = self._connection.getresponse()
            content = response.read()
            if response.status == http.HTTPStatus.OK:
                answer: dict[str, Any] = json.loads(content)
                return answer
        except (OSError, http.client.HTTPException, ValueError):
            pass  # as good as an error answer: whether it took effect is not known
        self.close()
        self._ips.append(self._ips.pop(0))
        return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(slots=True)
class Load:
    """A writer of ever new keys and a reader of written ones, each in a thread of its own."""

    ips: Sequence[str]
    written: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str | None] = field(default_factory=dict)
    _acknowledged_at: list[float] = field(default_factory=list)
    _failed: int = 0
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
            thread = threading.Thread(target=work, daemon=True)
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
        return len(self._acknowledged_at)

    def report(self, since: float | None = None) -> Report:
        """What became of the requests; outages only since then (time.monotonic)."""
        began = self._began if since is None else since
        moments = [moment for moment in list(self._acknowledged_at) if moment >= began]
        gaps = outages(moments, began, self._ended or time.monotonic())
        return Report(
            acknowledged=len(moments),
            failed_attempts=self._failed,
            reads=self._reads,
            failed_reads=self._failed_reads,
            unavailable=sum(gaps),
            longest_outage=max(gaps, default=0.0),
        )

    def _write(self) -> None:
        client = _Client(self.ips)
        for number in itertools.count():
            key, value = f"{PREFIX}{number:06}", f"value-{number}-{random.getrandbits(32):08x}"
            body = {"key": _encoded(key), "value": _encoded(value)}
            while not self._stop.is_set():
                if client.call("/v3/kv/put", body) is not None:
                    # The value first: the reader picks among those acknowledged.
                    self.written[key] = value
                    self._acknowledged_at.append(time.monotonic())
                    break
                self._failed += 1
                self._stop.wait(PAUSE_SECONDS)
            if self._stop.wait(PAUSE_SECONDS):
                client.close()
                return

    def _read(self) -> None:
        client = _Client(self.ips)
        while not self._stop.wait(PAUSE_SECONDS):
            if not self.acknowledged:
                continue
            key = f"{PREFIX}{random.randrange(self.acknowledged):06}"
            answer = client.call("/v3/kv/range", {"key": _encoded(key)})
            if answer is None:
                self._failed_reads += 1
                continue
            self._reads += 1
            pairs = answer.get("kvs", [])
            found = base64.b64decode(pairs[0]["value"]).decode() if pairs else None
            if found != self.written[key]:
                self.wrong[key] = found
        client.close()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
