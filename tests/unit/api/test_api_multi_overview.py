"""Machines and failures, over all services of a framework."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from holdfast.api.multi_overview import add_overview
from holdfast.core.events import Verb
from holdfast.core.upkeep import Answered, Cordon, Window
from holdfast.core.view import Upkeep, View
from holdfast.engine import Answer

from .pictures import NOW, well

Given = tuple[Verb, str, str]


def named(name: str, upkeep: Upkeep | None = None) -> View:
    view = well()
    return replace(view, service=replace(view.service, name=name), upkeep=upkeep or Upkeep())


def client(
    views: dict[str, View], status: Callable[[str], int] = lambda name: 200
) -> tuple[TestClient, list[Given]]:
    """And the orders that were given."""
    given: list[Given] = []

    def order(verb: Verb, host: str, name: str) -> "Future[Answer]":
        given.append((verb, host, name))
        future: Future[Answer] = Future()
        future.set_result(Answer(status(name), {"message": f"{verb} {host}"}))
        return future

    app, router = FastAPI(), APIRouter(prefix="/v1")
    add_overview(router, lambda: views, order, 5.0)
    app.include_router(router)
    return TestClient(app), given


def test_hosts_are_safe_when_they_are_for_every_service() -> None:
    http, _ = client({"one": named("one"), "two": named("two")})
    body = http.get("/v1/maintenance/check?hosts=host-1,elsewhere").json()
    assert body["safe"] is True
    assert body["pods"] == ["one: etcd-0", "two: etcd-0"]
    assert body["unknown"] == ["elsewhere"]
    broken = named("two", Upkeep(down=("etcd-2",)))
    body = client({"one": named("one"), "two": broken})[0]
    found = body.get("/v1/maintenance/check?hosts=host-1").json()
    assert found["safe"] is False
    assert found["down"] == ["two: etcd-2"]
    (problem,) = found["problems"]
    assert problem.startswith("two: at most 1 of etcd may be down")
    assert http.get("/v1/maintenance/check").status_code == 400


def test_hosts_are_serviced_in_an_order_that_every_service_allows() -> None:
    """What one service could spare together goes apart when another cannot."""
    spread = named("two")
    both_free = replace(spread, pods={"etcd-0": spread.pods["etcd-0"]})
    path = "/v1/maintenance/plan?hosts=host-1,host-2"

    def hosts_of(views: dict[str, View]) -> list[list[str]]:
        return [batch["hosts"] for batch in client(views)[0].get(path).json()["batches"]]

    (together,) = hosts_of({"two": both_free})
    assert set(together) == {"host-1", "host-2"}
    body = client({"two": both_free, "one": named("one")})[0].get(path).json()
    assert [batch["hosts"] for batch in body["batches"]] == [["host-1"], ["host-2"]]
    assert body["batches"][0]["pods"] == ["two: etcd-0", "one: etcd-0"]
    assert body["batches"][1]["pods"] == ["one: etcd-1"]
    assert body["waits_for"] == []
    assert body["never"] == {}
    broken = named("one", Upkeep(down=("etcd-2",)))
    waits = client({"two": both_free, "one": broken})[0].get(path).json()
    assert waits["waits_for"] == ["one: etcd-2"]
    assert client({"one": broken})[0].get("/v1/maintenance/plan").status_code == 400


def test_hosts_in_maintenance_have_what_each_service_has_there() -> None:
    window = Window("agent-2", NOW, None)
    answers = {"agent-2": Answered(window, "host-2", "too many")}
    upkeep = Upkeep({"host-1": Cordon("host-1", NOW)}, answers)
    later = Upkeep({"host-1": Cordon("host-1", NOW + 5), "host-0": Cordon("host-0", NOW)})
    http, _ = client({"one": named("one", upkeep), "two": named("two", later)})
    body = http.get("/v1/maintenance").json()
    assert [(host["host"], host["since"], host["pods"]) for host in body["hosts"]] == [
        ("host-0", NOW, []),
        ("host-1", NOW, ["one: etcd-0", "two: etcd-0"]),
    ]
    assert [window["reason"] for window in body["windows"]] == ["one: too many"]


def test_orders_go_to_every_service_and_are_told_for_all() -> None:
    both = {"one": named("one"), "two": named("two")}
    http, given = client(both)
    answer = http.post("/v1/maintenance/host-1/start")
    assert answer.status_code == 200
    assert answer.json()["message"].splitlines() == [
        "one: maintenance start host-1",
        "two: maintenance start host-1",
    ]
    assert http.post("/v1/maintenance/host-1/end").status_code == 200
    assert given[2:] == [(Verb.MAINTENANCE_END, "host-1", name) for name in both]
    mixed, _ = client(both, lambda name: 200 if name == "two" else 409)
    assert mixed.post("/v1/maintenance/host-1/start").status_code == 200
    refused, _ = client(both, lambda name: 409)
    assert refused.post("/v1/maintenance/host-1/start").status_code == 409
    assert client({})[0].post("/v1/maintenance/host-1/start").status_code == 404


def test_failures_are_those_of_each_service() -> None:
    lost = replace(named("two"), disaster="3 of 3 are lost")
    body = client({"one": named("one"), "two": lost})[0].get("/v1/failures").json()
    assert [(each["service"], "disaster" in each) for each in body] == [
        ("one", False),
        ("two", True),
    ]
