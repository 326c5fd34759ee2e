"""The OpenAPI document: every route is told of in full, with an example of each answer."""

from typing import Any

import jsonschema_rs
import pytest
from fastapi.testclient import TestClient

from holdfast.api.app import create_app
from holdfast.api.multi import create_multi_app

from .many import FRAMEWORK, PATH, ManySource
from .pictures import Source

DOCUMENT: dict[str, Any] = create_app(Source(), {}).openapi()
MANY = TestClient(create_multi_app(ManySource(), {}, FRAMEWORK))
FRAMEWORK_DOCUMENT: dict[str, Any] = MANY.get("/openapi.json").json()


def operations_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


OPERATIONS = operations_of(DOCUMENT)
OF_FRAMEWORK = operations_of(FRAMEWORK_DOCUMENT)
each_operation = pytest.mark.parametrize(
    ("name", "operation", "document"),
    [
        pytest.param(name, operation, document, id=f"{kind} {name}")
        for kind, document in (("one", DOCUMENT), ("many", FRAMEWORK_DOCUMENT))
        for name, operation in operations_of(document).items()
    ],
)


def codes(name: str) -> set[str]:
    return set(OPERATIONS[name]["responses"])


def validator(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    return jsonschema_rs.validator_for({**schema, "components": document["components"]})


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")


@each_operation
def test_a_route_has_a_summary_a_description_and_a_group(
    name: str, operation: dict[str, Any], document: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["description"].endswith((".", "`"))
    assert len(operation["tags"]) == 1
    assert operation["operationId"]


@each_operation
def test_every_answer_has_a_description_and_an_example(
    name: str, operation: dict[str, Any], document: dict[str, Any]
) -> None:
    assert any(code.startswith("2") for code in operation["responses"])
    for code, response in operation["responses"].items():
        assert response["description"], code
        if code != "default":
            for kind, content in response["content"].items():
                assert "example" in content, (code, kind)
                if kind == "application/json":
                    validator(content["schema"], document).validate(content["example"])


@each_operation
def test_every_error_has_one_shape(
    name: str, operation: dict[str, Any], document: dict[str, Any]
) -> None:
    assert {"500", "default"} <= set(operation["responses"])
    for code, response in operation["responses"].items():
        if (code.startswith(("4", "5")) or code == "default") and code != "417":
            if (name, code) in {("GET /v1/health", "500"), ("GET /v1/health", "503")}:
                continue  # its states are told by codes
            schema = response["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/MessageBody"}, code


@each_operation
def test_bodies_have_an_example(
    name: str, operation: dict[str, Any], document: dict[str, Any]
) -> None:
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        if kind == "application/json":
            validator(content["schema"], document).validate(content["example"])
        assert "example" in content


@each_operation
def test_parameters_are_described(
    name: str, operation: dict[str, Any], document: dict[str, Any]
) -> None:
    assert not any("422" in response for response in operation["responses"])
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter["name"]
        assert parameter["in"] != "path" or parameter["schema"]["examples"], parameter["name"]


@each_operation
def test_the_role_is_told(name: str, operation: dict[str, Any], document: dict[str, Any]) -> None:
    reads = name.startswith("GET ")
    open_to_all = name == "GET /v1/health" or "/artifacts/" in name
    assert operation["x-role"] == ("none" if open_to_all else "read-only" if reads else "operator")
    assert bool(operation["security"]) == (not open_to_all)


def test_one_of_many_services_tells_where_its_own_paths_are() -> None:
    document = MANY.get(f"{PATH}/openapi.json").json()
    assert document["servers"] == [{"url": PATH}]
    of_it = operations_of(document)
    assert of_it.keys() == OPERATIONS.keys()
    assert of_it["GET /v1/health"]["x-role"] == "read-only"
    assert MANY.get(f"{PATH}/v1/health").status_code == 202


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)


def test_the_paths_of_a_framework_are_there() -> None:
    assert OF_FRAMEWORK.keys() >= {
        "GET /v1/multi",
        "GET /v1/multi/{name}",
        "POST /v1/multi/{name}",
        "DELETE /v1/multi/{name}",
        "GET /v1/state/frameworkId",
        "GET /v1/orphans",
        "POST /v1/orphans/apply",
    }


@pytest.mark.parametrize("action", ["start", "stop", "continue", "interrupt", "restart"])
def test_orders_for_plans_tell_all_their_codes(action: str) -> None:
    known = codes(f"POST /v1/plans/{{plan}}/{action}")
    assert {"200", "208", "400", "404", "409", "503"} <= known


def test_a_plan_tells_its_state_by_code() -> None:
    assert {"200", "202", "404", "417"} <= codes("GET /v1/plans/{plan}")


def test_the_paths_of_dcos_commons_are_there() -> None:
    """dcos-commons 0.57, the classes under sdk/scheduler http/endpoints."""
    assert OPERATIONS.keys() >= {
        "GET /v1/artifacts/template/{configuration}/{pod}/{task}/{name}",
        "GET /v1/configurations",
        "GET /v1/configurations/target",
        "GET /v1/configurations/targetId",
        "GET /v1/configurations/{id}",
        "GET /v1/debug/plans",
        "GET /v1/debug/reservations",
        "GET /v1/debug/taskStatuses",
        "GET /v1/debug/threads",
        "GET /v1/endpoints",
        "GET /v1/endpoints/{name}",
        "GET /v1/health",
        "GET /v1/metrics",
        "GET /v1/metrics/prometheus",
        "GET /v1/plan",
        "GET /v1/plans",
        "GET /v1/plans/{plan}",
        "GET /v1/pod",
        "GET /v1/pod/status",
        "GET /v1/pod/{name}/info",
        "GET /v1/pod/{name}/status",
        "GET /v1/state/files",
        "GET /v1/state/files/{name}",
        "GET /v1/state/frameworkId",
        "GET /v1/state/properties",
        "GET /v1/state/properties/{key}",
        "GET /v1/state/zone/tasks",
        "GET /v1/state/zone/tasks/{task}",
        "GET /v1/state/zone/{pod_type}/{ip}",
        "GET /v2/debug/offers",
        "POST /v1/plan/continue",
        "POST /v1/plan/forceComplete",
        "POST /v1/plan/interrupt",
        "POST /v1/plan/restart",
        "POST /v1/plans/{plan}/continue",
        "POST /v1/plans/{plan}/forceComplete",
        "POST /v1/plans/{plan}/interrupt",
        "POST /v1/plans/{plan}/restart",
        "POST /v1/plans/{plan}/start",
        "POST /v1/plans/{plan}/stop",
        "POST /v1/pod/{name}/replace",
        "POST /v1/pod/{name}/restart",
        "PUT /v1/state/files/{name}",
        "PUT /v1/state/refresh",
    }


def test_the_paths_of_old_are_marked() -> None:
    old = {name for name, operation in OPERATIONS.items() if operation.get("deprecated")}
    assert old == {name for name in OPERATIONS if name.split()[1].startswith("/v1/plan/")} | {
        "GET /v1/plan"
    }
