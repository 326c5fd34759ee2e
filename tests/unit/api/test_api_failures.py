"""What the API says of failed pod instances."""

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from holdfast.api.app import create_app
from holdfast.core.events import Verb
from holdfast.core.view import View
from holdfast.mesos.messages import TaskState
from holdfast.plans.orders import Orders
from holdfast.plans.plan import Phase, Plan, Status, Step
from holdfast.recovery.decide import Choice, Verdict
from holdfast.recovery.failure import Cause
from holdfast.service.model import Strategy

from .pictures import NOW, Source, all_well, backup, plan, pod, task, well


def client(source: Source) -> TestClient:
    return TestClient(create_app(source, {}), raise_server_exceptions=False)


def failed() -> View:
    """etcd-0 has failed, and so much else that an operator is asked."""
    reason = "agent host-1 cannot be reached"
    verdicts = {
        "etcd-0": Verdict("etcd-0", Choice.ASK, reason, NOW - 5, cause=Cause.OUT_OF_SIGHT),
        "etcd-1": Verdict("etcd-1", Choice.REPLACE, reason, NOW - 5, NOW + 100),
    }
    return replace(well(), verdicts=verdicts, disaster="2 of 3 were lost")


def test_failures_and_what_becomes_of_them() -> None:
    api = client(Source(failed()))
    body = api.get("/v1/failures").json()
    assert body["disaster"] == "2 of 3 were lost"
    asked, replaced = body["failures"]
    assert asked == {
        "pod": "etcd-0",
        "choice": "ask the operator",
        "reason": "agent host-1 cannot be reached",
        "since": NOW - 5,
    }
    assert (replaced["choice"], replaced["deadline"]) == ("replace", NOW + 100)
    assert api.get("/v1/pod/etcd-0/status").json()["decision"] == asked
    assert "decision" not in api.get("/v1/pod/etcd-2/status").json()


def test_a_disaster_is_for_the_operator() -> None:
    api = client(Source(failed()))
    health = api.get("/v1/health")
    assert (health.status_code, health.json()["message"]) == (207, "disaster: 2 of 3 were lost")
    health = client(Source(replace(failed(), disaster=None))).get("/v1/health")
    assert health.status_code == 207
    assert health.json()["message"].startswith("etcd-0: ask the operator: agent host-1")
    text = api.get("/v1/metrics/prometheus").text
    assert 'holdfast_disaster{service="/team/etcd.prod"} 1.0' in text
    assert 'state="ask the operator"} 1.0' in text


def test_without_failures_nothing_is_said() -> None:
    body = client(Source()).get("/v1/failures").json()
    assert body == {"service": "/team/etcd.prod", "failures": []}


def test_what_would_mend_it() -> None:
    paused = {"recovery": Orders("recovery", interrupted=True)}
    body = client(Source(replace(failed(), orders=paused))).get("/v1/recover").json()
    assert [each["action"] for each in body["actions"]] == [
        "plan continue recovery",
        "pod replace etcd-0",
        "pod restart etcd-1",
    ]
    assert body["disaster"] == "2 of 3 were lost"
    assert body["retired_volumes"] == 1
    assert client(Source()).get("/v1/recover").json()["actions"] == []


def waiting(view: View) -> dict[str, tuple[str, str]]:
    listed = client(Source(view)).get("/v1/recover").json()["waiting"]
    return {each["name"]: (each["state"], each["reason"]) for each in listed}


def test_what_no_order_mends_is_told_all_the_same() -> None:
    assert waiting(all_well()) == {}
    assert waiting(well()) == {"etcd-2": ("unplaced", "it waits until an offer fits")}
    # What an order mends is not told twice.
    assert list(waiting(failed())) == ["etcd-2"]
    # A task that crashes again and again, beside one that runs.
    pair = (task(), task(TaskState.FAILED, name="helper", id="h"))
    step = Step("etcd-0:[helper]", "etcd-0", ("helper",), Status.DELAYED, "it waits 300 s")
    delayed = Plan("recovery", Strategy.PARALLEL, (Phase("x", Strategy.PARALLEL, (step,)),))
    view = all_well()
    limping = replace(view, pods={**view.pods, "etcd-0": pod(0, *pair)}, plans=(delayed,))
    assert waiting(limping) == {
        "etcd-0": ("starting", "etcd-0:[helper]: it waits 300 s"),
        "recovery": ("DELAYED", "etcd-0:[helper]: it waits 300 s"),
    }
    erring = replace(view, plans=(plan("deploy", Status.PENDING, errors=("no such pod",)),))
    assert waiting(erring) == {"deploy": ("ERROR", "no such pod")}
    # A plan of the operator's own that nobody started waits for nobody.
    assert waiting(replace(view, plans=(backup(),))) == {}


def test_what_becomes_of_agents_marked_gone_is_told() -> None:
    why = "agent host-1 was marked gone"
    verdict = Verdict("etcd-0", Choice.REPLACE, why, NOW, NOW, cause=Cause.MARKED_GONE)
    pods = {**all_well().pods, "etcd-0": pod(0, task(TaskState.GONE_BY_OPERATOR))}
    view = replace(all_well(), pods=pods, verdicts={"etcd-0": verdict})
    assert waiting(view)["etcd-0"][1] == why


def test_the_order_names_what_was_seen() -> None:
    source = Source(failed())
    answer = client(source).post("/v1/recover", json=["pod replace etcd-0", "pod restart etcd-1"])
    assert answer.status_code == 200
    (given,) = source.commands
    assert (given.verb, given.parameters) == (
        Verb.RECOVER,
        {"seen": "pod replace etcd-0\npod restart etcd-1"},
    )


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', "[1]", '"pod replace etcd-0"'])
def test_another_body_is_refused(content: str) -> None:
    source = Source(failed())
    answer = client(source).post("/v1/recover", content=content)
    assert answer.status_code == 400
    assert "Nothing was changed" in answer.json()["message"]
    assert source.commands == []
