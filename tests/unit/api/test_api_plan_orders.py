"""Orders for plans: what reaches the engine, and what is refused on the way."""

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from holdfast.api import shapes
from holdfast.api.app import create_app
from holdfast.api.plan_routes import PARAMETERS_BYTES
from holdfast.core.events import Verb
from holdfast.plans.plan import Status

from .pictures import Given, Source, answered, backup, canary, step, well
from .test_api_routes import checked, with_view

ACTIONS = {
    "start": Verb.PLAN_START,
    "stop": Verb.PLAN_STOP,
    "continue": Verb.PLAN_CONTINUE,
    "interrupt": Verb.PLAN_INTERRUPT,
    "forceComplete": Verb.PLAN_FORCE_COMPLETE,
    "restart": Verb.PLAN_RESTART,
}
OF_PHASES = ("continue", "interrupt", "forceComplete", "restart")
OF_STEPS = ("forceComplete", "restart")
STEP = "etcd-1:[member]"


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def client(source: Source) -> TestClient:
    return TestClient(create_app(source, {}, answer_seconds=0.2))


def refused(client: TestClient, source: Source, code: int, path: str, **more: Any) -> str:
    """The words of a refusal, when the engine never heard of the order."""
    response = client.post(path, **more)
    assert response.status_code == code, response.text
    assert source.commands == []
    message: str = checked(shapes.MessageBody, response.json())["message"]
    return message


@pytest.mark.parametrize(("action", "verb"), ACTIONS.items())
def test_an_order_for_a_plan_reaches_the_engine(
    client: TestClient, source: Source, action: str, verb: Verb
) -> None:
    response = client.post(f"/v1/plans/backup/{action}")
    assert response.status_code == 200
    assert checked(shapes.MessageBody, response.json()) == {"message": f"{verb} backup"}
    given = Given(verb, "backup")
    assert source.commands == [given._replace(parameters={}) if action == "start" else given]


@pytest.mark.parametrize("action", OF_PHASES)
@pytest.mark.parametrize("by_id", [False, True])
def test_a_phase_is_named_by_its_name_or_id(
    client: TestClient, source: Source, action: str, by_id: bool
) -> None:
    phase = client.get("/v1/plans/deploy").json()["phases"][0]["id"] if by_id else "etcd"
    assert client.post(f"/v1/plans/deploy/{action}", params={"phase": phase}).status_code == 200
    assert source.commands == [Given(ACTIONS[action], "deploy", "etcd")]


@pytest.mark.parametrize("action", OF_STEPS)
@pytest.mark.parametrize("by_id", [False, True])
def test_a_step_is_named_by_its_name_or_id(
    client: TestClient, source: Source, action: str, by_id: bool
) -> None:
    phase = client.get("/v1/plans/deploy").json()["phases"][0]
    given = (phase["id"], phase["steps"][1]["id"]) if by_id else ("etcd", STEP)
    params = dict(zip(("phase", "step"), given, strict=True))
    assert client.post(f"/v1/plans/deploy/{action}", params=params).status_code == 200
    assert source.commands == [Given(ACTIONS[action], "deploy", "etcd", STEP)]


@pytest.mark.parametrize("status", [208, 400, 404, 409])
def test_the_code_and_words_of_the_engine_come_back(
    client: TestClient, source: Source, status: int
) -> None:
    source.reply = answered(status, pod="etcd-0")
    response = client.post("/v1/plans/deploy/continue?phase=etcd")
    assert response.status_code == status
    assert response.json() == {"message": "plan continue deploy etcd"}


@pytest.mark.parametrize("action", ACTIONS)
def test_an_unknown_plan_is_named_with_the_nearest(
    client: TestClient, source: Source, action: str
) -> None:
    message = refused(client, source, 404, f"/v1/plans/bakcup/{action}")
    assert message == "There is no plan 'bakcup'. Did you mean 'backup'?"


@pytest.mark.parametrize("action", OF_PHASES)
def test_an_unknown_phase_is_named_with_the_nearest(
    client: TestClient, source: Source, action: str
) -> None:
    message = refused(client, source, 404, f"/v1/plans/deploy/{action}?phase=etdc")
    assert message == "There is no phase of deploy 'etdc'. Did you mean 'etcd'?"


@pytest.mark.parametrize("action", OF_STEPS)
def test_an_unknown_step_is_named_with_the_nearest(
    client: TestClient, source: Source, action: str
) -> None:
    message = refused(client, source, 404, f"/v1/plans/deploy/{action}?phase=etcd&step=etcd-1")
    assert message == f"There is no step of deploy etcd 'etcd-1'. Did you mean {STEP!r}?"


def test_ids_of_another_plan_are_unknown(client: TestClient, source: Source) -> None:
    other = client.get("/v1/plans/backup").json()["phases"][0]["id"]
    refused(client, source, 404, f"/v1/plans/deploy/restart?phase={other}")


@pytest.mark.parametrize("action", OF_STEPS)
def test_a_step_without_its_phase_is_not_understood(
    client: TestClient, source: Source, action: str
) -> None:
    message = refused(client, source, 400, f"/v1/plans/deploy/{action}", params={"step": STEP})
    assert "add phase=" in message


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("query", ["phas=etcd", "phase=etcd&phase=etcd", "PHASE=etcd", "phase="])
def test_a_slip_never_makes_it_an_order_for_the_whole_plan(
    client: TestClient, source: Source, action: str, query: str
) -> None:
    message = refused(
        client,
        source,
        404 if query == "phase=" and action in OF_PHASES else 400,
        f"/v1/plans/backup/{action}?{query}",
    )
    assert "Nothing was changed" in message or "There is no phase" in message


@pytest.mark.parametrize("action", ["continue", "interrupt"])
def test_only_whole_phases_are_continued_and_interrupted(
    client: TestClient, source: Source, action: str
) -> None:
    path = f"/v1/plans/deploy/{action}?phase=etcd&step={STEP}"
    assert "no parameter 'step': there is phase" in refused(client, source, 400, path)


@pytest.mark.parametrize("action", OF_PHASES)
def test_the_old_paths_are_about_the_deploy_plan(
    client: TestClient, source: Source, action: str
) -> None:
    assert client.post(f"/v1/plan/{action}?phase=etcd").status_code == 200
    assert source.commands == [Given(ACTIONS[action], "deploy", "etcd")]
    assert client.get("/v1/plan").json() == client.get("/v1/plans/deploy").json()
    assert client.get("/v1/plan").status_code == 202


# -- parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        (b"", {}),
        (b" \n", {}),
        (b"{}", {}),
        (b'{"NAME": "daily", "_a1": ""}', {"NAME": "daily", "_a1": ""}),
        (b'{"N": 3, "F": 0.5, "T": true}', {"N": "3", "F": "0.5", "T": "true"}),
    ],
)
def test_parameters_reach_the_engine_as_texts(
    client: TestClient, source: Source, body: bytes, parameters: dict[str, str]
) -> None:
    # As `curl -d` sends it: of a type that is none of JSON's.
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = client.post("/v1/plans/backup/start", content=body, headers=headers)
    assert response.status_code == 200
    assert source.commands == [Given(Verb.PLAN_START, "backup", parameters=parameters)]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"{", "no JSON ("),
        (b"[]", "no JSON object"),
        (b'"x"', "no JSON object"),
        (b"\xff", "no JSON ("),
        (b'{"1A": ""}', "'1A' is no name of a parameter"),
        (b'{"A-B": ""}', "'A-B' is no name of a parameter"),
        (b'{"": ""}', "'' is no name of a parameter"),
        (b'{"A\\n": ""}', "is no name of a parameter"),
        ('{"Ä": ""}'.encode(), "'Ä' is no name of a parameter"),
        (b'{"A": null}', "A is no text, number, true or false"),
        (b'{"A": []}', "A is no text, number, true or false"),
        (b'{"A": "x\\u0000"}', "A is no text, number, true or false"),
        (b'{"A": "\\ud800"}', "no JSON ("),
    ],
)
def test_parameters_that_no_task_could_have_are_not_understood(
    client: TestClient, source: Source, body: bytes, complaint: str
) -> None:
    message = refused(client, source, 400, "/v1/plans/backup/start", content=body)
    assert complaint in message
    assert 'as {"NAME": "value"}' in message


def test_parameters_that_no_record_could_hold_are_refused(
    client: TestClient, source: Source
) -> None:
    def body(length: int) -> str:
        return f'{{"A": "{"x" * (length - 9)}"}}'

    path = "/v1/plans/backup/start"
    assert "limited to" in refused(client, source, 400, path, content=body(PARAMETERS_BYTES + 1))
    assert client.post(path, content=body(PARAMETERS_BYTES)).status_code == 200


# -- waiting ----------------------------------------------------------------------------------


def statuses(body: dict[str, Any]) -> tuple[str, str, list[str]]:
    (phase,) = body["phases"]
    return body["status"], phase["status"], [step["status"] for step in phase["steps"]]


def test_canaries_wait_and_say_so() -> None:
    response = with_view(well(), plans=(canary(),)).get("/v1/plans/deploy")
    body = checked(shapes.PlanBody, response.json())
    assert response.status_code == 202
    assert statuses(body) == ("WAITING", "WAITING", ["WAITING", "WAITING", "PENDING"])
    assert (
        "held back until an operator lets its phase continue"
        in (body["phases"][0]["steps"][1]["message"])
    )
    assert (body["interrupted"], body["phases"][0]["interrupted"]) == (False, False)


def test_a_canary_let_go_does_not_wait() -> None:
    body = with_view(well(), plans=(canary(0),)).get("/v1/plans/deploy").json()
    assert statuses(body) == ("PENDING", "PENDING", ["PENDING", "WAITING", "PENDING"])


def test_a_canary_that_is_done_does_not_wait() -> None:
    (phase,) = canary().phases
    done = replace(phase, steps=(step(0, Status.COMPLETE, held=True), *phase.steps[1:]))
    body = with_view(well(), plans=(replace(canary(), phases=(done,)),)).get("/v1/plans/deploy")
    assert statuses(body.json())[2] == ["COMPLETE", "WAITING", "PENDING"]


def test_an_interrupted_phase_waits_and_says_so() -> None:
    shown = canary(0, 1, interrupted=True)
    body = with_view(well(), plans=(shown,)).get("/v1/plans/deploy").json()
    assert statuses(body) == ("WAITING", "WAITING", ["PENDING"] * 3)
    assert (body["interrupted"], body["phases"][0]["interrupted"]) == (False, True)


def test_a_plan_nobody_started_waits() -> None:
    body = with_view(well(), plans=(backup(),)).get("/v1/plans/backup").json()
    assert (body["status"], body["interrupted"]) == ("WAITING", True)
