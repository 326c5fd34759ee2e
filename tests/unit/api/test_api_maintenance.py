"""The paths of maintenance, and orders that insist."""

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from holdfast.api.app import create_app
from holdfast.core.events import Verb
from holdfast.core.upkeep import Answered, Cordon, Window
from holdfast.core.view import Upkeep, View

from .pictures import NOW, Source, drained, well


def upkept(down: tuple[str, ...] = ()) -> View:
    window = Window("agent-2", NOW, NOW + 60.0)
    return replace(
        well(),
        upkeep=Upkeep(
            {"host-1": Cordon("host-1", NOW), "elsewhere": Cordon("elsewhere", NOW)},
            {"agent-2": Answered(window, "host-2", "too many")},
            down,
        ),
    )


def client(view: View) -> TestClient:
    return TestClient(create_app(Source(view), {}))


def test_what_is_in_maintenance() -> None:
    body = client(upkept()).get("/v1/maintenance").json()
    assert body["hosts"] == [
        {"host": "elsewhere", "since": NOW, "pods": [], "running": []},
        {"host": "host-1", "since": NOW, "pods": ["etcd-0"], "running": ["etcd-0"]},
    ]
    (window,) = body["windows"]
    assert (window["host"], window["accepted"], window["reason"]) == ("host-2", False, "too many")


def test_what_mesos_drained() -> None:
    assert client(upkept()).get("/v1/maintenance").json()["drained"] == []
    body = client(drained("etcd-1")).get("/v1/maintenance").json()
    assert body["drained"] == [{"host": "host-2", "pods": ["etcd-1"]}]


def test_the_check_and_the_plan() -> None:
    api = client(upkept())
    body = api.get("/v1/maintenance/check?hosts=host-1").json()
    assert (body["safe"], body["pods"], body["problems"]) == (True, ["etcd-0"], [])
    body = api.get("/v1/maintenance/check?hosts=host-1, host-2,").json()
    assert (body["safe"], body["hosts"]) == (False, ["host-1", "host-2"])
    body = api.get("/v1/maintenance/plan?hosts=host-1,host-2").json()
    assert [batch["hosts"] for batch in body["batches"]] == [["host-1"], ["host-2"]]
    body = client(upkept(("etcd-2",))).get("/v1/maintenance/check?hosts=host-1").json()
    assert (body["safe"], body["down"]) == (False, ["etcd-2"])


@pytest.mark.parametrize("path", ["check", "plan", "check?hosts=", "plan?hosts=,"])
def test_hosts_must_be_named(path: str) -> None:
    response = client(upkept()).get(f"/v1/maintenance/{path}")
    assert response.status_code == 400
    assert "Name the hosts" in response.json()["message"]


@pytest.mark.parametrize(
    ("path", "verb"), [("start", Verb.MAINTENANCE_START), ("end", Verb.MAINTENANCE_END)]
)
def test_orders_name_the_host(path: str, verb: Verb) -> None:
    source = Source(upkept())
    api = TestClient(create_app(source, {}))
    assert api.post(f"/v1/maintenance/host-1/{path}").status_code == 200
    assert [(order.verb, order.target) for order in source.commands] == [(verb, "host-1")]


@pytest.mark.parametrize("action", ["restart", "replace"])
def test_force_is_told_to_the_engine(action: str) -> None:
    source = Source(well())
    api = TestClient(create_app(source, {}))
    assert api.post(f"/v1/pod/etcd-0/{action}?force=true").status_code == 200
    assert api.post(f"/v1/pod/etcd-0/{action}").status_code == 200
    assert api.post(f"/v1/pod/etcd-0/{action}?force=maybe").status_code == 400
    assert [order.parameters for order in source.commands] == [{"force": "true"}, None]
