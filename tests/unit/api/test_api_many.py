"""Bodies that add a service to a framework of many, and names of services in paths."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from holdfast.api.bodies import BODY_BYTES
from holdfast.api.multi import create_multi_app

from .many import FRAMEWORK, PATH, ManySource

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def source() -> ManySource:
    return ManySource()


@pytest.fixture(scope="module")
def client(source: ManySource) -> TestClient:
    return TestClient(create_multi_app(source, {}, FRAMEWORK))


@pytest.mark.parametrize(
    ("headers", "content", "status", "words"),
    [
        (JSON, b"{", 400, "the body is no JSON"),
        (JSON, b"", 400, "the body is no JSON object"),
        (JSON, b"[]", 400, "the body is no JSON object"),
        (JSON, b"{}", 400, "there is no `yaml`"),
        (JSON, b'{"yaml": 1}', 400, "`yaml` is no text"),
        (JSON, b'{"yaml": "", "envronment": {}}', 400, "there is no key 'envronment'"),
        (JSON, b'{"yaml": "", "environment": []}', 400, "`environment` is no object"),
        (JSON, b'{"yaml": "", "files": {"a": 1}}', 400, "`files` is no object"),
        ({}, b"\xff", 400, "no UTF-8 text"),
        ({}, b"name: web\npods: {}", 400, "pods"),
        ({}, b"x" * (BODY_BYTES + 1), 413, f"{BODY_BYTES} bytes"),
        (JSON, b"x" * (BODY_BYTES + 1), 413, f"{BODY_BYTES} bytes"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"a=b", 400, "the field `yaml`"),
    ],
)
def test_what_is_no_service_is_refused_with_what_is_wrong(
    source: ManySource,
    client: TestClient,
    headers: dict[str, str],
    content: bytes,
    status: int,
    words: str,
) -> None:
    answer = client.post("/v1/multi/web", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["message"]
    assert source.given == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/multi/team__etcd.prd"),
        ("DELETE", "/v1/multi/team__etcd.prd"),
        ("GET", "/v1/service/team__etcd.prd/plans"),
        ("POST", "/v1/service/team__etcd.prd/v1/plans/deploy/interrupt"),
    ],
)
def test_an_unknown_service_is_answered_with_the_nearest(
    client: TestClient, method: str, path: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 404
    assert "Did you mean '/team/etcd.prod'?" in answer.json()["message"]


def test_a_path_of_a_service_that_is_none_names_its_document(client: TestClient) -> None:
    answer: Any = client.get(f"{PATH}/v1/nothing/at/all")
    assert answer.status_code == 404
    assert f"{PATH}/openapi.json lists all paths" in answer.json()["message"]
