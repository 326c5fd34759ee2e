"""Pausing and resuming over HTTP, and how it is shown."""

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from holdfast.api.app import create_app
from holdfast.core.events import Verb
from holdfast.core.pause import INSIST
from holdfast.core.view import View
from holdfast.mesos.messages import TaskState
from tests.unit.api.pictures import Given, Source, answered, pod, task, well


def client(source: Source) -> TestClient:
    return TestClient(create_app(source, {}))


def paused(launched: bool, wanted: bool = True) -> View:
    view = well()
    held = task(paused=launched, ready=not launched)
    return replace(
        view,
        pods={**view.pods, "etcd-0": pod(0, held)},
        paused={"etcd-0": frozenset({"member"})} if wanted else {},
    )


@pytest.mark.parametrize("verb", [Verb.POD_PAUSE, Verb.POD_RESUME])
@pytest.mark.parametrize("body", ["", "[]", '["member"]', '["etcd-0-member"]'])
def test_the_answer_names_pod_and_tasks(verb: Verb, body: str) -> None:
    source = Source()
    path = f"/v1/pod/etcd-0/{verb.removeprefix('pod ')}"
    answer = client(source).post(path, content=body)
    assert answer.status_code == 200
    assert {k: answer.json()[k] for k in ("pod", "tasks")} == {
        "pod": "etcd-0",
        "tasks": ["etcd-0-member"],
    }
    names = body.strip('[]"')
    assert source.commands == [Given(verb, "etcd-0", parameters={names: ""} if names else {})]


def test_an_operator_may_insist_on_a_pause() -> None:
    source = Source()
    answer = client(source).post("/v1/pod/etcd-0/pause?force=true", content='["member"]')
    assert answer.status_code == 200
    assert answer.json()["tasks"] == ["etcd-0-member"]
    parameters = {"member": "", INSIST: "true"}
    assert source.commands == [Given(Verb.POD_PAUSE, "etcd-0", parameters=parameters)]
    assert client(source).post("/v1/pod/etcd-0/pause?force=yes").status_code == 400
    assert len(source.commands) == 1


@pytest.mark.parametrize("body", ["{}", '"member"', "[5]", "not json", '["--force"]'])
def test_a_body_that_is_no_list_of_names_is_refused(body: str) -> None:
    source = Source()
    answer = client(source).post("/v1/pod/etcd-0/pause", content=body)
    assert answer.status_code == 400
    assert source.commands == []


def test_unknown_pods_and_refusals() -> None:
    source = Source(reply=answered(409))
    assert client(source).post("/v1/pod/nobody-7/pause").status_code == 404
    assert client(source).post("/v1/pod/etcd-0/pause").status_code == 409


@pytest.mark.parametrize(
    ("launched", "wanted", "status", "step"),
    [
        (False, True, "PAUSING", "PAUSING"),
        (True, True, "PAUSED", "PAUSED"),
        (True, False, "RESUMING", "COMPLETE"),
        (False, False, "RUNNING", "COMPLETE"),
    ],
)
def test_tasks_and_steps_are_shown_as_paused(
    launched: bool, wanted: bool, status: str, step: str
) -> None:
    source = Source(paused(launched, wanted))
    (shown,) = client(source).get("/v1/pod/etcd-0/status").json()["tasks"]
    assert shown["status"] == status
    plan = client(source).get("/v1/plans/deploy").json()
    assert plan["phases"][0]["steps"][0]["status"] == step
    assert shown["ready"] is not launched


def test_what_is_stopping_is_still_pausing() -> None:
    view = paused(launched=True)
    view = replace(view, pods={**view.pods, "etcd-0": pod(0, task(TaskState.STAGING, paused=True))})
    (shown,) = client(Source(view)).get("/v1/pod/etcd-0/status").json()["tasks"]
    assert shown["status"] == "PAUSING"
