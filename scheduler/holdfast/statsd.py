"""Metrics pushed to a StatsD server over UDP, under the names of `/v1/metrics`.

As in dcos-commons everything is sent as a gauge: the values are those of this moment, and a lost
datagram is made good by the next. What is of one service of many has its name as a tag, in the form
of DogStatsD, which most servers of today read.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import structlog

from holdfast.api.shapes import MetricsBody

log = structlog.get_logger("holdfast.statsd")


@dataclass(frozen=True, slots=True)
class Target:
    """Where metrics are sent to, and every how many seconds."""

    host: str
    port: int
    interval: float


def lines(metrics: MetricsBody, service: str = "") -> Iterator[str]:
    """The metrics as StatsD's gauges, of a timer each number; those of a `service` are tagged."""
    tag = f"|#service:{service}" if service else ""
    for name, gauge in metrics["gauges"].items():
        yield f"{name}:{gauge['value']:g}|g{tag}"
    for name, counter in metrics["counters"].items():
        yield f"{name}:{counter['count']:d}|g{tag}"
    for name, timer in metrics["timers"].items():
        for key, value in timer.items():
            if not isinstance(value, str):
                yield f"{name}.{key}:{value:.6g}|g{tag}"


class Reporter:
    """Sends the metrics from a thread of its own until it is stopped."""

    def __init__(
        self, target: Target, metrics: Callable[[], Iterable[tuple[str, MetricsBody]]]
    ) -> None:
        """`metrics` gives those of each service with its name, or with "" of the only one."""
        self._target = target
        self._metrics = metrics
        self._stop = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="statsd", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.wait(self._target.interval):
            self._report()

    def _report(self) -> None:
        """Send all once. What goes wrong is logged when it begins, and when it ends."""
        where = f"{self._target.host}:{self._target.port}"
        try:
            found = socket.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = found[0]
            with socket.socket(family, kind, protocol) as udp:
                for service, metrics in self._metrics():
                    for line in lines(metrics, service):
                        udp.sendto(line.encode(), address)
        except OSError as error:
            if not self._failing:
                log.warning("metrics cannot be sent; trying on", to=where, error=str(error))
            self._failing = True
            return
        if self._failing:
            log.info("metrics are sent again", to=where)
        self._failing = False
