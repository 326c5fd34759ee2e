"""Metrics in the Prometheus text format, under the names of dcos-commons with a prefix."""

import re
from collections import Counter
from collections.abc import Iterable
from time import time

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.api.pods import PodState, instance_names, pod_state
from holdfast.api.source import ServiceSource
from holdfast.api.volumes import VolumeState, volumes_body
from holdfast.core.view import View
from holdfast.plans.plan import Plan, Status
from holdfast.recovery.decide import Choice

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "holdfast_"
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9_]")


class Metrics:
    """All metrics of one scheduler, read from its view whenever they are asked for."""

    def __init__(self, source: ServiceSource) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_ViewCollector(source))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _ViewCollector(Collector):
    def __init__(self, source: ServiceSource) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        view = self._source.view
        yield from _counters(view)
        yield _gauge(view, "connected", "1 while subscribed to a master", view.connected)
        yield _gauge(view, "is_suppressed", "1 while no offers are wanted", view.suppressed)
        for plan in view.plans:
            text = "-1 error, 0 complete, 1 waiting, 2 under way"
            yield _gauge(view, f"plan_status.{plan.name}", text, plan_status(plan))
        pods = Counter(pod_state(view.pods.get(name)).value for name in instance_names(view))
        yield _by_state(view, "pods", "Pod instances by state", list(PodState), pods)
        volumes = Counter(volume["state"] for volume in volumes_body(view, time()))
        yield _by_state(view, "volumes", "Volumes by state", list(VolumeState), volumes)
        verdicts = Counter(each.choice.value for each in view.verdicts.values())
        text = "Failed pod instances by what becomes of them"
        yield _by_state(view, "failed", text, list(Choice), verdicts)
        text = "1 while too much is lost at once for automatic replacement"
        yield _gauge(view, "disaster", text, view.disaster is not None)
        yield _gauge(
            view,
            "quarantined",
            "Reserved resources, volumes or other, that no record explains",
            len(view.quarantined),
        )


def plan_status(plan: Plan) -> int:
    """As dcos-commons counts it; a delayed plan waits."""
    match plan.status:
        case Status.ERROR:
            return -1
        case Status.COMPLETE:
            return 0
        case Status.PENDING | Status.DELAYED | Status.WAITING:
            return 1
        case Status.PREPARED | Status.STARTING | Status.STARTED | Status.IN_PROGRESS:
            return 2


def _counters(view: View) -> Iterable[Metric]:
    for name, value in sorted(view.counters.items()):
        text = f"{name} since the scheduler started"
        family = CounterMetricFamily(_name(name), text, labels=["service"])
        family.add_metric([view.service.name], value)
        yield family


def _gauge(view: View, name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(_name(name), text, labels=["service"])
    family.add_metric([view.service.name], value)
    return family


def _by_state(
    view: View, name: str, text: str, states: Iterable[str], counts: Counter[str]
) -> Metric:
    family = GaugeMetricFamily(_name(name), text, labels=["service", "state"])
    for state in states:
        family.add_metric([view.service.name, state], counts[state])
    return family


def _name(name: str) -> str:
    return _PREFIX + _NOT_IN_NAME.sub("_", name)
