"""Metrics over UDP."""

import socket

from holdfast.api.shapes import MetricsBody
from holdfast.statsd import Reporter, Target, lines

BODY: MetricsBody = {
    "version": "4.0.0",
    "gauges": {"connected": {"value": True}, "plan_status.deploy": {"value": -1}},
    "counters": {"revives": {"count": 3}},
    "histograms": {},
    "meters": {},
    "timers": {"offers.process": {"count": 2, "max": 0.25, "rate_units": "calls/second"}},
}


def test_everything_is_a_gauge() -> None:
    assert list(lines(BODY)) == [
        "connected:1|g",
        "plan_status.deploy:-1|g",
        "revives:3|g",
        "offers.process.count:2|g",
        "offers.process.max:0.25|g",
    ]


def test_they_arrive_until_it_is_stopped() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        reporter = Reporter(
            Target("127.0.0.1", server.getsockname()[1], 0.01), lambda: [("", BODY)]
        )
        reporter.start()
        try:
            received = {server.recv(1000).decode() for _ in range(15)}
        finally:
            reporter.stop()
        assert received == set(lines(BODY))


def test_what_fails_is_tried_again() -> None:
    failing = [True]

    def metrics() -> list[tuple[str, MetricsBody]]:
        if failing:
            raise OSError(failing.pop())
        return [("one", BODY)]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        reporter = Reporter(Target("127.0.0.1", server.getsockname()[1], 0.01), metrics)
        reporter.start()
        try:
            assert server.recv(1000) == b"connected:1|g|#service:one"
        finally:
            reporter.stop()
        assert not failing
