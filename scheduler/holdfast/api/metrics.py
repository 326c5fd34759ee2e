"""Metrics in the Prometheus text format, under the names of dcos-commons with a prefix."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from time import time

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.api.pods import PodState, instance_names, pod_state
from holdfast.api.volumes import VolumeState, volumes_body
from holdfast.core.budget import wanted
from holdfast.core.confidential import certificate_expiry
from holdfast.core.view import View
from holdfast.plans.plan import Plan, Status
from holdfast.recovery.decide import Choice
from holdfast.vitals import Vitals

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

CERTIFICATE = "certificate_expiry_timestamp_seconds"

_PREFIX = "holdfast_"
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9_]")


class Metrics:
    """All metrics of one scheduler, of however many services, read whenever they are asked for."""

    def __init__(
        self, views: Callable[[], Iterable[View]], vitals: Callable[[], Vitals] = Vitals
    ) -> None:
        """`views` has a picture of each service, `vitals` what is to be told of the process."""
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(views, vitals))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _Collector(Collector):
    def __init__(self, views: Callable[[], Iterable[View]], vitals: Callable[[], Vitals]) -> None:
        self._views = views
        self._vitals = vitals

    def collect(self) -> Iterable[Metric]:
        families = _Families()
        _add_process(families, self._vitals())
        for view in self._views():
            families.service = view.service.name
            _add_service(families, view, time())
        return families.all()


class _Families:
    """Metrics by name: each is told once, with a sample for every service that has it."""

    def __init__(self) -> None:
        self.service: str | None = None
        """Whose the samples are that come next; None of the process."""
        self._by_name: dict[str, Metric] = {}

    def gauge(self, name: str, text: str, value: float, **labels: str) -> None:
        self._add(GaugeMetricFamily, name, text, value, labels)

    def counter(self, name: str, text: str, value: float) -> None:
        self._add(CounterMetricFamily, name, text, value, {})

    def by_state(self, name: str, text: str, states: Iterable[str], counts: Counter[str]) -> None:
        for state in states:
            self.gauge(name, text, counts[state], state=state)

    def all(self) -> Iterable[Metric]:
        return self._by_name.values()

    def _add(
        self,
        kind: type[GaugeMetricFamily] | type[CounterMetricFamily],
        name: str,
        text: str,
        value: float,
        labels: Mapping[str, str],
    ) -> None:
        if self.service is not None:
            labels = {"service": self.service, **labels}
        family = self._by_name.get(name)
        if family is None:
            family = self._by_name[name] = kind(_name(name), text, labels=list(labels))
        assert isinstance(family, kind)
        family.add_metric(list(labels.values()), value)


def _add_process(families: _Families, vitals: Vitals) -> None:
    text = "1 while the ZooKeeper of the records answers"
    families.gauge("store_connected", text, vitals.store_connected)
    if vitals.api_certificate_ends is not None:
        text = "When the certificate of the API ends, since the epoch"
        families.gauge(
            "api_certificate_expiry_timestamp_seconds", text, vitals.api_certificate_ends
        )


def _add_service(families: _Families, view: View, now: float) -> None:
    gauge, by_state = families.gauge, families.by_state
    for name, value in sorted(view.counters.items()):
        families.counter(name, f"{name} since the scheduler started", value)
    gauge("connected", "1 while subscribed to a master", view.connected)
    gauge("is_suppressed", "1 while no offers are wanted", view.suppressed)
    text = "-1 error, 0 complete, 1 waiting, 2 under way"
    for plan in view.plans:
        gauge(f"plan_status.{plan.name}", text, plan_status(plan))
        gauge("plan", text, plan_status(plan), plan=plan.name)
    pods = Counter(pod_state(view.pods.get(name)).value for name in instance_names(view))
    by_state("pods", "Pod instances by state", list(PodState), pods)
    down = wanted(view.service, view.upkeep.down)
    for pod in view.service.pods:
        text = "Pod instances of a type that do not serve"
        gauge("pods_down", text, len(down.get(pod.type, ())), pod=pod.type)
        text = "How many of a type plans and orders may have down"
        gauge("pods_down_most", text, pod.max_unavailable, pod=pod.type)
    volumes = Counter(volume["state"] for volume in volumes_body(view, now))
    by_state("volumes", "Volumes by state", list(VolumeState), volumes)
    verdicts = Counter(each.choice.value for each in view.verdicts.values())
    by_state("failed", "Failed pod instances by what becomes of them", list(Choice), verdicts)
    text = "1 while too much is lost at once for automatic replacement"
    gauge("disaster", text, view.disaster is not None)
    text = "When the certificate a task was launched with ends, since the epoch"
    for name, instance in view.pods.items():
        for task in instance.tasks:
            expires = certificate_expiry(view.configs, instance.type, task)
            if expires is not None and task.live:
                gauge(CERTIFICATE, text, expires, pod_instance=name, task=task.name)
    if view.signer is not None:
        text = "When the authority that signs certificates of tasks ends, since the epoch"
        gauge("certificate_authority_expiry_timestamp_seconds", text, view.signer.ends)
    text = "Reserved resources, volumes or other, that no record explains"
    gauge("quarantined", text, len(view.quarantined))


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


def _name(name: str) -> str:
    return _PREFIX + _NOT_IN_NAME.sub("_", name)
