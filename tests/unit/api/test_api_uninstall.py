"""The paths that end a service, and those about what lost machines still have."""

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from holdfast.api.app import create_app
from holdfast.core.events import Verb
from holdfast.core.uninstall_record import Forgotten, Left, Uninstalling
from holdfast.core.view import View
from tests.unit.api.pictures import NOW, SERVICE, Given, Source, answered, well

UNDER_WAY = Uninstalling(
    NOW,
    forgotten=(Forgotten("etcd-1", "host-7", ("volume-old",), NOW + 5),),
    left=(Left("volume-lost", "volume", 256.0, "host-9"),),
)


def client(source: Source) -> TestClient:
    return TestClient(create_app(source, {}))


def uninstalling(record: Uninstalling = UNDER_WAY, connected: bool = True) -> View:
    return replace(well(), uninstalling=record, connected=connected)


def test_an_uninstall_is_ordered_by_the_name_of_the_service() -> None:
    source = Source()
    answer = client(source).post("/v1/uninstall", json={"service": "/team/etcd.prod"})
    assert answer.status_code == 200
    assert source.commands == [Given(Verb.UNINSTALL, "/team/etcd.prod", parameters=None)]


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"service": 5}', '{"service": "a", "b": 1}'])
def test_nothing_is_uninstalled_without_a_name(body: str) -> None:
    source = Source()
    answer = client(source).post("/v1/uninstall", content=body)
    assert answer.status_code == 400
    assert "Nothing was changed" in answer.json()["message"]
    assert source.commands == []


def test_refusals_are_passed_on() -> None:
    source = Source(reply=answered(409))
    answer = client(source).post("/v1/uninstall", json={"service": "x"})
    assert answer.status_code == 409


def test_the_report_tells_what_stays_on_machines() -> None:
    assert client(Source()).get("/v1/uninstall").json() == {
        "service": SERVICE.name,
        "state": "none",
        "since": None,
        "forgotten": [],
        "left": [],
    }
    body = client(Source(uninstalling())).get("/v1/uninstall").json()
    assert (body["state"], body["since"]) == ("under-way", NOW)
    assert body["forgotten"] == [
        {"pod": "etcd-1", "agent": "host-7", "volumes": ["volume-old"], "at": NOW + 5}
    ]
    assert body["left"] == [
        {"id": "volume-lost", "kind": "volume", "size": 256.0, "agent": "host-9"}
    ]
    done = uninstalling(replace(UNDER_WAY, done=True))
    assert client(Source(done)).get("/v1/uninstall").json()["state"] == "done"


def test_health_is_not_in_trouble_for_want_of_a_master_once_all_is_gone() -> None:
    done = uninstalling(replace(UNDER_WAY, done=True), connected=False)
    answer = client(Source(done)).get("/v1/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "uninstalled")
    answer = client(Source(uninstalling())).get("/v1/health")
    assert (answer.status_code, answer.json()["status"]) == (202, "uninstalling")
    assert client(Source(uninstalling(connected=False))).get("/v1/health").status_code == 503


def test_retired_reservations_are_listed_and_forgotten_by_name() -> None:
    source = Source()
    assert client(source).get("/v1/retired").json() == [
        {
            "reservation": "resource-volume-old",
            "pod": "etcd-1",
            "agent": "host-7",
            "volumes": ["volume-old"],
            "reason": "replaced by the operator",
            "since": NOW - 100,
        }
    ]
    assert client(source).post("/v1/retired/volume-old/forget").status_code == 200
    assert source.commands == [Given(Verb.VOLUMES_FORGET, "volume-old", parameters=None)]
