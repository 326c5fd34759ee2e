"""Every route of the API over pictures built by hand: bodies, codes, errors, OpenAPI."""

import threading
import uuid
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter

from holdfast.api import shapes
from holdfast.api.app import create_app
from holdfast.api.pods import PodState, pod_state
from holdfast.core.events import Verb
from holdfast.core.view import View
from holdfast.engine import Answer
from holdfast.mesos.messages import TaskState
from holdfast.plans.plan import Phase, Plan, Status, Step
from holdfast.records import Pod
from holdfast.service.encode import to_json
from holdfast.service.extra_model import EndpointSpec
from holdfast.service.model import NetworkSpec, Strategy

from .pictures import (
    NOW,
    SERVICE,
    Given,
    Source,
    answered,
    backup,
    canary,
    ordered_destroyed,
    plan,
    pod,
    task,
    well,
)

RECOVERY = Plan("recovery", Strategy.PARALLEL, ())
DONE = (plan("deploy", *[Status.COMPLETE] * 3), RECOVERY)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def client(source: Source) -> TestClient:
    app = create_app(source, {"executor.pyz": b"zip\x00app"}, answer_seconds=0.2)
    return TestClient(app, raise_server_exceptions=False)


def with_view(view: View, **changes: Any) -> TestClient:
    return TestClient(create_app(Source(replace(view, **changes)), {}))


def checked(shape: Any, body: Any) -> Any:
    """`body`, once it is known to have exactly the documented shape."""
    assert TypeAdapter(shape).validate_python(body, strict=True) == body
    return body


# -- plans ------------------------------------------------------------------------------------


def test_plans_are_listed_by_name(client: TestClient) -> None:
    assert client.get("/v1/plans").json() == ["deploy", "recovery", "backup"]


def test_a_plan_has_the_shape_of_dcos_commons(client: TestClient) -> None:
    response = client.get("/v1/plans/deploy")
    body = checked(shapes.PlanBody, response.json())
    assert response.status_code == 202
    assert (body["status"], body["strategy"], body["errors"]) == ("IN_PROGRESS", "serial", [])
    (phase,) = body["phases"]
    assert (phase["name"], phase["strategy"], phase["status"]) == ("etcd", "serial", "IN_PROGRESS")
    assert [step["name"] for step in phase["steps"]] == [f"etcd-{n}:[member]" for n in range(3)]
    assert [step["status"] for step in phase["steps"]] == ["COMPLETE", "COMPLETE", "PENDING"]
    assert phase["steps"][1]["message"] == "why"


def test_plan_ids_are_uuids_of_the_names_alone(client: TestClient) -> None:
    first = client.get("/v1/plans/deploy").json()
    again = with_view(well(), plans=DONE).get("/v1/plans/deploy").json()
    ids = [first["phases"][0]["id"], *(step["id"] for step in first["phases"][0]["steps"])]
    assert ids == [again["phases"][0]["id"], *(s["id"] for s in again["phases"][0]["steps"])]
    assert len({uuid.UUID(text) for text in ids}) == 4


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (plan("deploy", Status.COMPLETE), 200),
        (plan("deploy", Status.DELAYED), 202),
        (plan("deploy", Status.COMPLETE, errors=("user: cannot change",)), 417),
    ],
)
def test_the_code_of_a_plan_tells_its_state(shown: Plan, code: int) -> None:
    response = with_view(well(), plans=(shown,)).get("/v1/plans/deploy")
    assert response.status_code == code
    assert response.json()["errors"] == list(shown.errors)


def test_an_unknown_plan_is_named_with_the_nearest(client: TestClient) -> None:
    response = client.get("/v1/plans/deplyo")
    assert response.status_code == 404
    assert response.json() == {"message": "There is no plan 'deplyo'. Did you mean 'deploy'?"}


# -- pods -------------------------------------------------------------------------------------


def test_pods_are_listed_wanted_first_then_those_left_over() -> None:
    left = Pod(type="etcd", index=11)
    client = with_view(well(), pods={"etcd-11": left, **well().pods})
    assert client.get("/v1/pod").json() == ["etcd-0", "etcd-1", "etcd-2", "etcd-11"]


def test_pod_status_has_the_shape_of_dcos_commons_and_more(client: TestClient) -> None:
    body = checked(shapes.PodsBody, client.get("/v1/pod/status").json())
    assert body["service"] == "/team/etcd.prod"
    (group,) = body["pods"]
    assert group["name"] == "etcd"
    first, _, third = group["instances"]
    assert first == {
        "name": "etcd-0",
        "tasks": [
            {
                "name": "etcd-0-member",
                "id": "etcd__etcd-member__1",
                "status": "RUNNING",
                "ready": True,
                "message": "",
            }
        ],
        "state": "running",
        "agent": "host-1",
        "zone": "zone-1",
        "reason": None,
        "volumes": [{"id": "volume-0", "path": "data", "size": 512}],
    }
    assert third["tasks"] == [{"name": "etcd-2-member", "id": ""}]  # never launched: no status
    assert (third["state"], third["agent"]) == ("unplaced", None)
    assert third["reason"] == "it waits until an offer fits"


def test_one_pod_status_is_the_one_of_the_list(client: TestClient) -> None:
    listed = client.get("/v1/pod/status").json()["pods"][0]["instances"]
    assert [client.get(f"/v1/pod/etcd-{n}/status").json() for n in range(3)] == listed


def test_a_pod_left_over_after_its_type_went_is_still_shown() -> None:
    old = replace(pod(0), type="proxy")
    client = with_view(well(), pods={"proxy-0": old})
    assert client.get("/v1/pod/proxy-0/status").json()["tasks"][0]["name"] == "proxy-0-member"


def test_pod_info_shows_launch_and_status(client: TestClient) -> None:
    (body,) = checked(list[shapes.TaskInfoBody], client.get("/v1/pod/etcd-0/info").json())
    assert body["info"]["name"] == "etcd-0-member"
    assert body["info"]["slaveId"] == {"value": "agent-1"}
    assert {"key": "target_configuration", "value": "config-1"} in body["info"]["labels"]["labels"]
    assert {"name": "client", "number": 2379} in body["info"]["discovery"]["ports"]["ports"]
    assert body["status"]["state"] == "TASK_RUNNING"
    assert body["info"]["taskId"] == body["status"]["taskId"]
    assert client.get("/v1/pod/etcd-2/info").json() == []


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        (None, PodState.UNPLACED),
        (Pod("etcd", 0), PodState.UNPLACED),
        (pod(0), PodState.RUNNING),
        (pod(0, task(ready=False)), PodState.STARTING),
        (pod(0, task(TaskState.STAGING)), PodState.STARTING),
        (pod(0, task(stopping="why")), PodState.STOPPING),
        (pod(0, task(TaskState.FAILED)), PodState.DOWN),
        (pod(0, task(TaskState.FAILED, stopping="why")), PodState.DOWN),
        (pod(0, task(TaskState.UNREACHABLE, stopping="why")), PodState.UNREACHABLE),
        (pod(0, task(TaskState.FINISHED)), PodState.RUNNING),
        (pod(0, task(TaskState.FINISHED), deployed=None), PodState.DOWN),
        (pod(0, task(TaskState.FINISHED), task()), PodState.RUNNING),
    ],
)
def test_the_state_of_a_pod_is_one_word(shown: Pod | None, state: PodState) -> None:
    assert pod_state(shown) is state


@pytest.mark.parametrize("path", ["pod/etdc-1/status", "pod/etdc-1/info", "explain/etdc-1"])
def test_an_unknown_pod_is_named_with_the_nearest(client: TestClient, path: str) -> None:
    response = client.get(f"/v1/{path}")
    assert response.status_code == 404
    assert "no pod instance 'etdc-1'" in response.json()["message"]
    assert "Did you mean 'etcd-1'?" in response.json()["message"]


def test_what_resembles_nothing_is_answered_with_all_there_is(client: TestClient) -> None:
    message = client.get("/v1/pod/zzz/status").json()["message"]
    assert message.endswith("There are: etcd-0, etcd-1, etcd-2.")


# -- commands ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "verb"), [("restart", Verb.POD_RESTART), ("replace", Verb.POD_REPLACE)]
)
def test_an_order_goes_to_the_engine_and_its_words_come_back(
    client: TestClient, source: Source, action: str, verb: Verb
) -> None:
    response = client.post(f"/v1/pod/etcd-0/{action}")
    assert response.status_code == 200
    assert checked(shapes.CommandBody, response.json()) == {
        "pod": "etcd-0",
        "tasks": ["etcd-0-member"],
        "message": f"{verb} etcd-0",
    }
    assert source.commands == [Given(verb, "etcd-0")]


def test_a_refusal_keeps_its_code_and_words(client: TestClient, source: Source) -> None:
    source.reply = answered(409)
    response = client.post("/v1/pod/etcd-2/restart")
    assert (response.status_code, response.json()) == (409, {"message": "pod restart etcd-2"})


def test_an_order_for_an_unknown_pod_never_reaches_the_engine(
    client: TestClient, source: Source
) -> None:
    assert client.post("/v1/pod/etcd-9/replace").status_code == 404
    assert source.commands == []


def test_an_engine_that_does_not_answer_is_a_503_and_may_answer_later(
    client: TestClient, source: Source
) -> None:
    source.reply = lambda given: Future()
    response = client.post("/v1/pod/etcd-0/restart")
    assert response.status_code == 503
    assert "has not answered within 0.2 s" in response.json()["message"]
    source.futures[0].set_result(Answer(200, {}))  # would raise, had the API cancelled it


def test_an_answer_from_another_thread_is_waited_for(client: TestClient, source: Source) -> None:
    future: Future[Answer] = Future()
    source.reply = lambda given: future
    timer = threading.Timer(0.05, future.set_result, [Answer(200, {"message": "late"})])
    timer.start()
    assert client.post("/v1/pod/etcd-0/restart").json()["message"] == "late"
    timer.join()


def test_an_engine_that_stops_is_a_503(client: TestClient, source: Source) -> None:
    future: Future[Answer] = Future()
    future.cancel()
    source.reply = lambda given: future
    response = client.post("/v1/pod/etcd-0/restart")
    assert response.status_code == 503
    assert "Nothing was changed" in response.json()["message"]


# -- explain ----------------------------------------------------------------------------------


def test_explanations_name_the_first_failing_rule_of_each_agent(client: TestClient) -> None:
    body = checked(shapes.ExplanationsBody, client.get("/v1/explain").json())
    assert body["pods"] == [
        {
            "name": "etcd-2",
            "reason": "it waits until an offer fits",
            "agents": {
                "host-1": "hostname: UNIQUE, taken by etcd-0",
                "host-4": "cpus: needs 0.5",
            },
        }
    ]
    assert client.get("/v1/explain/etcd-2").json() == body["pods"][0]


def test_a_pod_that_runs_needs_no_explanation(client: TestClient) -> None:
    body = checked(shapes.ExplanationBody, client.get("/v1/explain/etcd-0").json())
    assert body == {"name": "etcd-0", "reason": None, "agents": {}}


# -- volumes ----------------------------------------------------------------------------------


def test_every_volume_is_listed_with_its_state(client: TestClient) -> None:
    body = checked(list[shapes.VolumeBody], client.get("/v1/volumes").json())
    assert {volume["id"]: volume["state"] for volume in body} == {
        "volume-0": "in-use",
        "volume-1": "in-use",
        "volume-old": "retired",
        "volume-lost": "quarantined",
    }
    old = next(volume for volume in body if volume["id"] == "volume-old")
    assert (old["pod"], old["agent"], old["path"]) == ("etcd-1", "host-7", "data")
    assert (old["size"], old["reason"]) == (512, "replaced by the operator")
    assert old["since"] == NOW - 100
    assert old["age"] > 0
    lost = next(volume for volume in body if volume["id"] == "volume-lost")
    assert (lost["pod"], lost["agent"], lost["path"]) == ("etcd-8", "host-9", None)


@pytest.mark.parametrize("volume_id", ["volume-old", "volume-lost"])
def test_a_volume_ordered_destroyed_says_so(volume_id: str) -> None:
    client = TestClient(create_app(Source(ordered_destroyed(well(), volume_id)), {}))
    (marked,) = [v for v in client.get("/v1/volumes").json() if v["id"] == volume_id]
    assert (marked["state"], marked["since"]) == ("to-be-destroyed", NOW - 10)


def test_one_volume_is_the_one_of_the_list(client: TestClient) -> None:
    body = checked(shapes.VolumeBody, client.get("/v1/volumes/volume-old").json())
    (listed,) = [v for v in client.get("/v1/volumes").json() if v["id"] == "volume-old"]
    assert body | {"age": 0} == listed | {"age": 0}
    message = client.get("/v1/volumes/volume-olt").json()["message"]
    assert message == "There is no volume 'volume-olt'. Did you mean 'volume-old'?"


def test_quarantine_lists_what_is_no_volume_too(client: TestClient) -> None:
    body = checked(list[shapes.QuarantinedBody], client.get("/v1/quarantine").json())
    assert [(item["id"], item["kind"]) for item in body] == [
        ("volume-lost", "volume"),
        ("r/cpus@agent-9", "cpus"),
    ]


def test_destroying_a_volume_is_an_order_to_the_engine(client: TestClient, source: Source) -> None:
    response = client.delete("/v1/volumes/volume-old")
    assert response.status_code == 200
    assert response.json() == {"message": "volumes destroy volume-old"}
    assert source.commands == [Given(Verb.VOLUMES_DESTROY, "volume-old")]


@pytest.mark.parametrize("name", ["volume-olt", "r/cpus@agent-9", "r%2Fcpus%40agent-9"])
def test_only_a_known_volume_can_be_destroyed(
    client: TestClient, source: Source, name: str
) -> None:
    response = client.delete(f"/v1/volumes/{name}")
    assert response.status_code == 404
    assert "There is no volume" in response.json()["message"]
    assert source.commands == []


def test_a_volume_in_use_is_refused_by_the_engine(client: TestClient, source: Source) -> None:
    source.reply = answered(409)
    assert client.delete("/v1/volumes/volume-0").status_code == 409


# -- endpoints --------------------------------------------------------------------------------


def test_endpoints_are_the_advertised_ports(client: TestClient) -> None:
    assert client.get("/v1/endpoints").json() == ["client", "peer"]


def test_an_endpoint_has_the_shape_of_dcos_commons(client: TestClient) -> None:
    assert checked(shapes.EndpointBody, client.get("/v1/endpoints/client").json()) == {
        "address": ["10.0.0.1:2379", "10.0.0.2:2379"],
        "dns": [
            "etcd-0-member.teametcd-prod.autoip.dcos.thisdcos.directory:2379",
            "etcd-1-member.teametcd-prod.autoip.dcos.thisdcos.directory:2379",
        ],
    }


def test_a_dead_task_is_no_endpoint() -> None:
    pods = {"etcd-0": pod(0, task(TaskState.FAILED)), "etcd-1": pod(1, task(TaskState.UNREACHABLE))}
    body = with_view(well(), pods=pods).get("/v1/endpoints/peer").json()
    assert body["address"] == ["10.0.0.2:2380"]


def test_an_endpoint_on_a_network_of_its_own_has_the_address_of_the_container() -> None:
    view = well()
    overlay = replace(view.service.pods[0], networks=(NetworkSpec("dcos"),))
    service = replace(view.service, pods=(overlay, *view.service.pods[1:]))
    here = replace(task(TaskState.RUNNING), ip="9.0.0.7")
    pods = {"etcd-0": pod(0, here), "etcd-1": pod(1, task(TaskState.STAGING))}
    body = with_view(view, service=service, pods=pods).get("/v1/endpoints/peer").json()
    assert body["address"] == ["9.0.0.7:2380"]


@pytest.mark.parametrize("name", ["debug", "clients"])
def test_an_unknown_or_unadvertised_port_is_no_endpoint(client: TestClient, name: str) -> None:
    response = client.get(f"/v1/endpoints/{name}")
    assert response.status_code == 404
    assert f"no endpoint '{name}'" in response.json()["message"]


OWN = replace(
    SERVICE,
    endpoints=(
        EndpointSpec("seeds", pod="etcd", count=2),
        EndpointSpec("all", pod="etcd", port="peer"),
        EndpointSpec(
            "site.conf",
            template="t",
            content="{{#ETCD_0_IP}}first={{ETCD_0_IP}}:{{ETCD_0_PORT_PEER}} {{/ETCD_0_IP}}"
            "third={{ETCD_2_IP}} of {{ETCD_COUNT}}: {{ETCD_IPS}} in {{ETCD_1_ZONE}}",
        ),
    ),
)


def test_a_service_may_have_endpoints_of_its_own() -> None:
    client = with_view(well(), service=OWN)
    assert client.get("/v1/endpoints").json() == ["all", "client", "peer", "seeds", "site.conf"]
    domain = "teametcd-prod.autoip.dcos.thisdcos.directory"
    assert checked(shapes.EndpointBody, client.get("/v1/endpoints/seeds").json()) == {
        "address": ["10.0.0.1", "10.0.0.2"],
        "dns": [f"etcd-{n}-member.{domain}" for n in (0, 1)],
    }
    ports = client.get("/v1/endpoints/all").json()["address"]
    assert ports == ["10.0.0.1:2380", "10.0.0.2:2380"], "the third has no place yet"
    assert client.get("/v1/seeds").json() == {"seeds": ["10.0.0.1", "10.0.0.2"]}


def test_seeds_are_told_while_they_do_not_run() -> None:
    pods = {"etcd-0": pod(0, task(TaskState.FAILED))}
    client = with_view(well(), service=OWN, pods=pods)
    assert client.get("/v1/seeds").json() == {"seeds": ["10.0.0.1"]}


def test_an_endpoint_may_be_a_text() -> None:
    client = with_view(well(), service=OWN)
    text = "first=10.0.0.1:2380 third= of 3: 10.0.0.1,10.0.0.2 in zone-2"
    for path in ("endpoints/site.conf", "site.conf"):
        response = client.get(f"/v1/{path}")
        assert response.text == text
        assert response.headers["content-type"].startswith("text/plain")
    accepted = {"accept": "application/json"}
    assert client.get("/v1/endpoints/site.conf", headers=accepted).json() == text


def test_endpoints_of_its_own_do_not_hide_the_api() -> None:
    hidden = replace(SERVICE, endpoints=(EndpointSpec("plans", pod="etcd"),))
    client = with_view(well(), service=hidden)
    assert "deploy" in client.get("/v1/plans").json()
    assert client.get("/v1/endpoints/plans").json()["address"] == ["10.0.0.1", "10.0.0.2"]


# -- state, configuration, artifacts ----------------------------------------------------------


def test_ids_are_lists_of_one_as_in_dcos_commons(client: TestClient) -> None:
    assert client.get("/v1/state/frameworkId").json() == ["framework-1"]
    assert client.get("/v1/configurations/targetId").json() == ["config-1"]


def test_there_is_no_framework_id_before_the_first_subscription() -> None:
    response = with_view(well(), framework_id=None).get("/v1/state/frameworkId")
    assert response.status_code == 404
    assert "never been subscribed" in response.json()["message"]


def test_a_configuration_is_shown_by_its_id(client: TestClient) -> None:
    assert client.get("/v1/configurations").json() == ["config-1"]
    assert client.get("/v1/configurations/config-1").json() == to_json(SERVICE)
    response = client.get("/v1/configurations/config-2")
    assert response.status_code == 404
    assert "Did you mean 'config-1'?" in response.json()["message"]


def test_the_target_is_the_whole_service(client: TestClient) -> None:
    assert client.get("/v1/configurations/target").json() == to_json(SERVICE)


def test_an_artifact_is_served_for_ever(client: TestClient) -> None:
    response = client.get("/v1/artifacts/executor.pyz")
    assert response.content == b"zip\x00app"
    assert "immutable" in response.headers["cache-control"]
    head = client.head("/v1/artifacts/executor.pyz")
    assert (head.status_code, head.headers["content-length"]) == (200, "7")
    assert client.get("/v1/artifacts/executor.py").status_code == 404


# -- monitoring -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"plans": DONE}, 200, "running"),
        ({}, 202, "deploying"),
        ({"plans": (DONE[0], plan("recovery", Status.STARTED))}, 203, "recovering"),
        ({"plans": (*DONE, plan("decommission", Status.IN_PROGRESS))}, 203, "recovering"),
        ({"plans": (canary(), RECOVERY)}, 207, "waiting"),
        ({"plans": (canary(0), RECOVERY)}, 202, "deploying"),
        ({"plans": (*DONE, backup())}, 200, "running"),
        ({"plans": (*DONE, backup(Status.STARTED, interrupted=False))}, 200, "running"),
        ({"plans": (*DONE, backup(Status.DELAYED, interrupted=False))}, 208, "delayed"),
        ({"plans": (plan("deploy", Status.DELAYED), RECOVERY)}, 208, "delayed"),
        ({"plans": (DONE[0], plan("recovery", Status.DELAYED))}, 208, "delayed"),
        ({"connected": False}, 503, "disconnected"),
        ({"plans": (plan("deploy", errors=("pods.etcd.count: fewer",)),)}, 500, "error"),
    ],
)
def test_health_is_told_by_the_code(changes: dict[str, Any], code: int, status: str) -> None:
    response = with_view(well(), **changes).get("/v1/health")
    body = checked(shapes.HealthBody, response.json())
    assert (response.status_code, body["status"]) == (code, status)
    assert body["plans"]["deploy"]


def samples(client: TestClient) -> dict[tuple[str, str], float]:
    text = client.get("/v1/metrics/prometheus").text
    return {
        (sample.name, sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_prometheus_text(client: TestClient) -> None:
    found = samples(client)
    assert found["holdfast_offers_received_total", ""] == 7
    assert found["holdfast_task_status_task_running_total", ""] == 2
    assert found["holdfast_connected", ""] == 1
    assert found["holdfast_is_suppressed", ""] == 0
    assert found["holdfast_plan_status_deploy", ""] == 2
    assert found["holdfast_plan_status_recovery", ""] == 0
    assert found["holdfast_pods", "running"] == 2
    assert found["holdfast_pods", "unplaced"] == 1
    assert found["holdfast_pods", "down"] == 0
    assert found["holdfast_volumes", "quarantined"] == 1
    assert found["holdfast_quarantined", ""] == 2
    assert found["process_resident_memory_bytes", ""] > 1e6
    kind = client.get("/v1/metrics/prometheus").headers["content-type"]
    assert kind.startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    ("shown", "value"),
    [
        (plan("deploy", errors=("why",)), -1),
        (plan("deploy", Status.DELAYED), 1),
        (plan("deploy", Status.PENDING), 1),
        (plan("deploy", Status.STARTING), 2),
    ],
)
def test_plan_status_is_a_number(shown: Plan, value: int) -> None:
    found = samples(with_view(well(), plans=(shown,)))
    assert found["holdfast_plan_status_deploy", ""] == value


def test_metrics_follow_the_view(client: TestClient, source: Source) -> None:
    source.view = replace(source.view, counters={"offers.received": 8}, connected=False)
    found = samples(client)
    assert (found["holdfast_offers_received_total", ""], found["holdfast_connected", ""]) == (8, 0)


# -- what goes wrong, and the description of it all -------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/plans", 405),
        ("PUT", "/v1/pod/etcd-0/restart", 405),
    ],
)
def test_every_error_is_json_with_a_message(
    client: TestClient, method: str, path: str, code: int
) -> None:
    response = client.request(method, path)
    assert response.status_code == code
    assert path in checked(shapes.MessageBody, response.json())["message"]


def test_a_fault_of_our_own_is_json_with_a_message_too(client: TestClient, source: Source) -> None:
    def broken(given: Given) -> "Future[Answer]":
        raise RuntimeError("the queue is gone")

    source.reply = broken
    response = client.post("/v1/pod/etcd-0/restart")
    assert response.status_code == 500
    message = checked(shapes.MessageBody, response.json())["message"]
    assert "RuntimeError" in message
    assert "the queue is gone" not in message  # who knows what else it says


def test_names_with_strange_characters_are_no_trouble() -> None:
    odd = Plan("my plan.ä", Strategy.SERIAL, (Phase("p", Strategy.SERIAL, (STEP,)),))
    client = with_view(well(), plans=(odd,))
    assert client.get("/v1/plans/my%20plan.%C3%A4").status_code == 202
    assert ("holdfast_plan_status_my_plan__", "") in samples(client)


STEP = Step("s", "etcd-0", ("member",), Status.PENDING)
