"""Metrics in the JSON of Codahale's MetricsServlet, under the names of dcos-commons."""

from collections import Counter
from collections.abc import Iterable, Mapping

from holdfast.api.metrics import plan_status
from holdfast.api.shapes import MetricsBody
from holdfast.core.multi_view import MultiView
from holdfast.core.view import View
from holdfast.timing import Timer

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


def of_service(view: View, offers: Timer, now: float) -> MetricsBody:
    """All counters, gauges and timers of a service. `now` is seconds since the epoch."""
    gauges = {
        "is_suppressed": view.suppressed,
        "connected": view.connected,
        **{f"plan_status.{plan.name}": plan_status(plan) for plan in view.plans},
    }
    return _body(gauges, [view], offers, now)


def of_many(view: MultiView, offers: Timer, now: float) -> MetricsBody:
    """The same of a framework: counters of all services together, and the plans of each."""
    services = view.services.items()
    gauges = {
        "is_suppressed": all(each.suppressed for _, each in services),
        "connected": view.connected,
        **{
            f"plan_status.{name}.{plan.name}": plan_status(plan)
            for name, each in services
            for plan in each.plans
        },
    }
    return _body(gauges, view.services.values(), offers, now)


def _body(
    gauges: Mapping[str, float], views: Iterable[View], offers: Timer, now: float
) -> MetricsBody:
    counters = Counter(dict.fromkeys(ALWAYS, 0))
    for view in views:
        counters.update(view.counters)
    return {
        "version": VERSION,
        "gauges": {name: {"value": value} for name, value in gauges.items()},
        "counters": {name: {"count": count} for name, count in sorted(counters.items())},
        "histograms": {},
        "meters": {},
        "timers": {"offers.process": offers.snapshot(now)},
    }
