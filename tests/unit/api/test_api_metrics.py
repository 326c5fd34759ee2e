"""The metrics of many services together, and those of the scheduler's process."""

from collections.abc import Iterable
from dataclasses import replace

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from holdfast.api.app import create_app
from holdfast.api.codahale import of_many
from holdfast.api.metrics import Metrics
from holdfast.core.multi_view import MultiView
from holdfast.core.view import Upkeep, View
from holdfast.service.model import EncryptionType, TransportEncryptionSpec
from holdfast.timing import Timer
from holdfast.vitals import Vitals

from .pictures import MEMBER, NOW, SERVICE, Source, task, well


def named(name: str, view: View | None = None) -> View:
    view = view or well()
    return replace(view, service=replace(view.service, name=name))


Found = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(views: Iterable[View], vitals: Vitals | None = None) -> Found:
    """Every sample by its name and labels; fails when a metric is told twice."""
    text = Metrics(lambda: views, lambda: vitals or Vitals()).text().decode()
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_each_service_has_its_samples_under_its_name() -> None:
    two = replace(named("two"), counters={"offers.received": 1, "revives": 2}, connected=False)
    found = samples([named("one"), two])
    of_one, of_two = ("service", "one"), ("service", "two")
    assert found["holdfast_connected", (of_one,)] == 1
    assert found["holdfast_connected", (of_two,)] == 0
    assert found["holdfast_offers_received_total", (of_one,)] == 7
    assert found["holdfast_offers_received_total", (of_two,)] == 1
    assert found["holdfast_revives_total", (of_two,)] == 2
    assert ("holdfast_revives_total", (of_one,)) not in found
    assert found["holdfast_pods", (of_two, ("state", "running"))] == 2
    assert found["holdfast_plan", (("plan", "deploy"), of_one)] == 2


def test_what_is_down_is_beside_what_may_be() -> None:
    view = replace(well(), upkeep=Upkeep(down=("etcd-0", "etcd-2", "etcd-7", "other-0")))
    found = samples([named("one", view)])
    labels = (("pod", "etcd"), ("service", "one"))
    assert found["holdfast_pods_down", labels] == 2
    assert found["holdfast_pods_down_most", labels] == 1


def test_the_process_is_told_of_without_a_service() -> None:
    assert samples([])["holdfast_store_connected", ()] == 1
    assert ("holdfast_api_certificate_expiry_timestamp_seconds", ()) not in samples([])
    found = samples([well()], Vitals(store_connected=False, api_certificate_ends=NOW))
    assert found["holdfast_store_connected", ()] == 0
    assert found["holdfast_api_certificate_expiry_timestamp_seconds", ()] == NOW
    assert found["process_start_time_seconds", ()] > 0


def test_certificates_of_running_tasks_have_an_end() -> None:
    certified = replace(
        MEMBER, transport_encryption=(TransportEncryptionSpec("tls", EncryptionType.TLS),)
    )
    service = replace(SERVICE, pods=(replace(SERVICE.pods[0], tasks=(certified,)),))
    found = samples([named("one", replace(well(), configs={"config-1": service}))])
    labels = (("pod_instance", "etcd-0"), ("service", "one"), ("task", "member"))
    ends = found["holdfast_certificate_expiry_timestamp_seconds", labels]
    assert ends == task().launched + 365 * 86400
    assert not [name for name, _ in samples([well()]) if "certificate" in name]


def test_counters_of_many_services_are_added_up() -> None:
    views = {"one": named("one"), "two": replace(named("two"), suppressed=True)}
    body = of_many(MultiView("f", True, views, {}, frozenset()), Timer(), NOW)
    assert body["counters"]["offers.received"] == {"count": 14}
    assert body["counters"]["revives"] == {"count": 0}
    assert body["gauges"]["connected"] == {"value": True}
    assert body["gauges"]["is_suppressed"] == {"value": False}
    assert body["gauges"]["plan_status.two.deploy"] == {"value": 2}


def test_an_application_shows_the_vitals_it_is_given() -> None:
    client = TestClient(create_app(Source(), {}, vitals=lambda: Vitals(store_connected=False)))
    assert "holdfast_store_connected 0.0" in client.get("/v1/metrics/prometheus").text
