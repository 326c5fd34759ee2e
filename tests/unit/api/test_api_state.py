"""Stored state over HTTP: properties, files, zones, and the debug paths, metrics and the page."""

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from holdfast.api import shapes
from holdfast.api.app import create_app
from holdfast.api.bodies import BODY_BYTES
from holdfast.core.events import Verb
from holdfast.plans.plan import Status
from holdfast.service.model import ConfigSpec, ServiceSpec, VipSpec
from holdfast.service.redact import NOT_SHOWN

from .pictures import MEMBER, NOW, SERVICE, Given, Source, answered, plan, well
from .test_api_routes import checked, with_view


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def client(source: Source) -> TestClient:
    return TestClient(create_app(source, {}, answer_seconds=0.2))


def service(**member: Any) -> ServiceSpec:
    task = replace(MEMBER, **member)
    return replace(SERVICE, pods=(replace(SERVICE.pods[0], tasks=(task,)),))


# -- properties -------------------------------------------------------------------------------


def test_properties_are_those_of_dcos_commons(client: TestClient) -> None:
    keys = ["last-completed-update-type", "suppressed", "file-VERSION"]
    assert client.get("/v1/state/properties").json() == keys
    assert [client.get(f"/v1/state/properties/{key}").json() for key in keys] == [
        "DEPLOY",
        False,
        "layoutVersion=-63",
    ]


@pytest.mark.parametrize(
    ("deployed", "updating", "kind"),
    [(None, False, None), ("config-1", False, "DEPLOY"), ("config-1", True, "UPDATE")],
)
def test_what_was_completed_last(deployed: str | None, updating: bool, kind: str | None) -> None:
    client = with_view(well(), deployed=deployed, updating=updating)
    response = client.get("/v1/state/properties/last-completed-update-type")
    assert (response.json() if response.status_code == 200 else None) == kind


def test_an_unknown_property_is_named_with_the_nearest(client: TestClient) -> None:
    response = client.get("/v1/state/properties/supressed")
    assert response.status_code == 404
    assert "Did you mean 'suppressed'?" in response.json()["message"]


def test_refreshing_is_an_order_to_the_engine(client: TestClient, source: Source) -> None:
    assert client.put("/v1/state/refresh").status_code == 200
    assert source.commands == [Given(Verb.STATE_REFRESH, "records")]


# -- files ------------------------------------------------------------------------------------


def test_files_are_listed_as_text_or_json(client: TestClient) -> None:
    response = client.get("/v1/state/files")
    assert (response.text, response.headers["content-type"].split(";")[0]) == (
        "[VERSION]",
        "text/plain",
    )
    assert client.get("/v1/state/files", headers={"accept": "application/json"}).json() == [
        "VERSION"
    ]


def test_a_file_is_text(client: TestClient) -> None:
    assert client.get("/v1/state/files/VERSION").text == "layoutVersion=-63"
    response = client.get("/v1/state/files/VERSIO")
    assert response.status_code == 404
    assert "Did you mean 'VERSION'?" in response.json()["message"]


@pytest.mark.parametrize("size", [0, 1024])
def test_a_file_is_stored_by_the_engine(client: TestClient, source: Source, size: int) -> None:
    content = "x" * size
    response = client.put("/v1/state/files/VERSION", files={"file": ("name", content)})
    assert response.status_code == 200, response.text
    assert source.commands == [
        Given(Verb.STATE_STORE_FILE, "VERSION", parameters={"content": content})
    ]


@pytest.mark.parametrize(
    ("name", "request_", "code", "words"),
    [
        ("a", {"files": {"file": ("a", "x" * 1025)}}, 400, "has 1025 bytes; it may have 1024"),
        ("a", {"files": {"other": ("a", "x")}}, 400, "no field `file`"),
        ("a", {"files": {"file": ("a", b"\xff\xfe")}}, 400, "no UTF-8 text"),
        ("a", {"content": b"x"}, 400, "there is no Content-Type"),
        ("a", {"json": {"file": "x"}}, 400, "Content-Type is 'application/json'"),
        (
            "a",
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            400,
            "boundary",
        ),
        ("%00", {"files": {"file": ("a", "x")}}, 400, "no name of a file"),
        ("x" * 101, {"files": {"file": ("a", "x")}}, 400, "no name of a file"),
        ("a", {"files": {"file": ("a", b"x" * (BODY_BYTES + 1))}}, 413, "131072 bytes"),
    ],
)
def test_what_is_no_small_text_is_refused(
    client: TestClient, source: Source, name: str, request_: dict[str, Any], code: int, words: str
) -> None:
    response = client.put(f"/v1/state/files/{name}", **request_)
    assert response.status_code == code, response.text
    message = checked(shapes.MessageBody, response.json())["message"]
    assert words in message
    assert message.endswith("Nothing was changed.")
    assert source.commands == []


def test_a_refused_file_is_the_engines_word(client: TestClient, source: Source) -> None:
    source.reply = answered(409)
    response = client.put("/v1/state/files/more", files={"file": ("a", "x")})
    assert response.status_code == 409


# -- zones ------------------------------------------------------------------------------------


def test_zones_are_told_by_task_and_by_address(client: TestClient) -> None:
    assert client.get("/v1/state/zone/tasks").json() == {
        "etcd-0-member": "zone-1",
        "etcd-1-member": "zone-2",
    }
    assert client.get("/v1/state/zone/tasks/etcd-1-member").text == "zone-2"
    assert client.get("/v1/state/zone/etcd/10.0.0.1").text == "zone-1"


@pytest.mark.parametrize("path", ["tasks/etcd-2-member", "etcd/10.9.9.9", "other/10.0.0.1"])
def test_what_has_no_zone_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(f"/v1/state/zone/{path}").status_code == 404


# -- debug ------------------------------------------------------------------------------------


def test_debug_plans_have_the_shape_of_dcos_commons(client: TestClient) -> None:
    body = checked(shapes.DebugPlansBody, client.get("/v1/debug/plans").json())
    assert (body["schedulerState"], body["activePlans"]) == ("DEPLOYING", ["deploy"])
    deploy = body["plans"][0]
    assert (deploy["totalSteps"], deploy["completedSteps"]) == (3, 2)
    assert body["serviceTopology"][0]["children"][0]["type"] == "phase"


@pytest.mark.parametrize(
    ("plans", "deployed", "state"),
    [
        ((plan("deploy", Status.COMPLETE), plan("recovery", Status.STARTED)), None, "RECOVERING"),
        ((plan("deploy", Status.COMPLETE),), "config-1", "DEPLOYED"),
        ((plan("decommission", Status.PENDING),), "config-1", "DECOMMISSIONING"),
    ],
)
def test_debug_plans_tell_what_is_under_way(plans: Any, deployed: str | None, state: str) -> None:
    body = with_view(well(), plans=plans, deployed=deployed).get("/v1/debug/plans").json()
    assert body["schedulerState"] == state


def test_debug_plans_are_chosen(client: TestClient) -> None:
    params = {"plan": "deploy", "phase": "etcd", "step": "etcd-1:[member]", "sync": "true"}
    (deploy,) = client.get("/v1/debug/plans", params=params).json()["plans"]
    assert [step["name"] for step in deploy["phases"][0]["steps"]] == ["etcd-1:[member]"]
    (statuses,) = client.get("/v1/debug/taskStatuses", params=params).json()
    assert statuses["phases"][0]["steps"] == [
        {
            "name": "etcd-1:[member]",
            "taskStatus": [
                {
                    "name": "etcd-1-member",
                    "taskStatus": "TASK_RUNNING",
                    "taskId": "etcd__etcd-member__1",
                }
            ],
        }
    ]


@pytest.mark.parametrize(
    "params", [{"step": "x"}, {"phase": "x"}, {"plan": "x"}, {"plan": "deploy", "phase": "x"}]
)
def test_a_wrong_choice_of_debug_plans_is_told_with_200(
    client: TestClient, params: dict[str, str]
) -> None:
    response = client.get("/v1/debug/plans", params=params)
    assert (response.status_code, list(response.json())) == (200, ["invalid-input"])


def test_reservations_are_listed_by_host(client: TestClient) -> None:
    assert client.get("/v1/debug/reservations").json() == {
        "host-1": ["disk-volume-0", "resource-volume-0"],
        "host-2": ["disk-volume-1", "resource-volume-1"],
    }


def test_offers_tell_the_failing_rules(client: TestClient) -> None:
    body = checked(shapes.DebugOffersBody, client.get("/v2/debug/offers").json())
    assert (body["acceptedCount"], body["rejectedCount"]) == (2, 0)
    assert body["failureReasons"] == {"hostname": 1, "cpus": 1}
    assert [(o["pod-instance-name"], o["offer"]) for o in body["offers"]] == [
        ("etcd-2", "host-1"),
        ("etcd-2", "host-4"),
    ]


def test_threads_are_told_without_values(client: TestClient) -> None:
    text = client.get("/v1/debug/threads").text
    assert "MainThread" in text
    assert __file__ in text


# -- metrics, endpoints, configurations, page -------------------------------------------------


def test_metrics_have_codahales_shape(client: TestClient, source: Source) -> None:
    source.offers_timer.note(0.25, NOW)
    body = checked(shapes.MetricsBody, client.get("/v1/metrics").json())
    assert body["counters"]["offers.received"] == {"count": 7}
    assert body["counters"]["declines.long"] == {"count": 0}
    assert body["gauges"]["plan_status.deploy"] == {"value": 2}
    assert body["gauges"]["is_suppressed"] == {"value": False}
    assert body["timers"]["offers.process"]["count"] == 1
    assert body["timers"]["offers.process"]["p99"] == 0.25


def test_a_port_with_a_virtual_address_tells_it() -> None:
    ports = tuple(
        replace(port, vip=VipSpec("store", 80)) if port.name == "client" else port
        for port in MEMBER.ports
    )
    client = with_view(well(), service=service(ports=ports))
    assert client.get("/v1/endpoints/client").json()["vip"] == (
        "store.teametcd.prod.l4lb.thisdcos.directory:80"
    )
    assert "vip" not in client.get("/v1/endpoints/peer").json()


def test_a_template_is_fetched_by_its_names() -> None:
    config = ConfigSpec("etcd.conf", "etcd.conf.mustache", "conf", "port={{PORT}}")
    client = with_view(well(), service=service(configs=(config,)))
    base = "/v1/artifacts/template"
    assert client.get(f"{base}/config-1/etcd/member/etcd.conf").text == "port={{PORT}}"
    for path in ("config-2/etcd/member/etcd.conf", "config-1/etc/member/etcd.conf",
                 "config-1/etcd/membre/etcd.conf", "config-1/etcd/member/etcd.cnf"):  # fmt: skip
        response = client.get(f"{base}/{path}")
        assert response.status_code == 404
        assert "Did you mean" in response.json()["message"]


def test_variables_that_look_secret_are_not_shown() -> None:
    env = {"DB_PASSWORD": "hunter2", "API_KEY": "hunter2", "SIZE": "3"}
    client = with_view(well(), service=service(env=env))
    for path in ("target", "config-1"):
        response = client.get(f"/v1/configurations/{path}")
        assert "hunter2" not in response.text
        (task,) = response.json()["pods"][0]["tasks"]
        assert task["env"] == {"DB_PASSWORD": NOT_SHOWN, "API_KEY": NOT_SHOWN, "SIZE": "3"}


def test_the_page_shows_the_service_without_scripts_or_anything_from_elsewhere() -> None:
    client = with_view(well(), service=replace(SERVICE, name="<script>alert(1)</script>"))
    response = client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "<script" not in response.text
    assert "http" not in response.text
    assert "etcd-2" in response.text
    assert "it waits until an offer fits" in response.text
