"""Metrics in the JSON of Codahale's MetricsServlet, under the names of dcos-commons."""

from collections import Counter

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
        "timers": {"offers.process": offers.snapshot(now)},
    }


def of_many(view: MultiView, offers: Timer, now: float) -> MetricsBody:
    """The same of a framework: counters of all services together, and the plans of each."""
    services = view.services.items()
    counters = Counter(dict.fromkeys(ALWAYS, 0))
    for _, each in services:
        counters.update(each.counters)
    return {
        "version": VERSION,
        "gauges": {
            "is_suppressed": {"value": all(each.suppressed for _, each in services)},
            "connected": {"value": view.connected},
            **{
                f"plan_status.{name}.{plan.name}": {"value": plan_status(plan)}
                for name, each in services
                for plan in each.plans
            },
        },
        "counters": {name: {"count": count} for name, count in sorted(counters.items())},
        "histograms": {},
        "meters": {},
        "timers": {"offers.process": offers.snapshot(now)},
    }
