"""Metrics in the JSON of Codahale's MetricsServlet, under the names of dcos-commons."""

from holdfast.api.metrics import plan_status
from holdfast.api.shapes import MetricsBody
from holdfast.api.source import ServiceSource

VERSION = "4.0.0"

ALWAYS = (
    "offers.received",
    "offers.processed",
    "revives",
    "revives.throttles",
    "suppresses",
    "declines.short",
    "declines.long",
)
"""Counters that are there from the start, so that a dashboard finds them."""


def codahale(source: ServiceSource, now: float) -> MetricsBody:
    """All counters, gauges and timers. `now` is seconds since the epoch."""
    view = source.view
    counters = {**dict.fromkeys(ALWAYS, 0), **view.counters}
    return {
        "version": VERSION,
        "gauges": {
            "is_suppressed": {"value": view.suppressed},
            "connected": {"value": view.connected},
            **{f"plan_status.{plan.name}": {"value": plan_status(plan)} for plan in view.plans},
        },
        "counters": {name: {"count": count} for name, count in sorted(counters.items())},
        "histograms": {},
        "meters": {},
        "timers": {"offers.process": source.offers_timer.snapshot(now)},
    }
