"""Certificates over HTTP: when they end, and the order for another authority."""

from fastapi.testclient import TestClient

from holdfast.api.app import create_app
from holdfast.core.events import Verb
from tests.unit.api.pictures import NOW, Given, Source, answered, with_certificates


def client(source: Source) -> TestClient:
    return TestClient(create_app(source, {}))


def test_each_certificate_has_its_end_and_its_authority() -> None:
    body = client(Source(with_certificates())).get("/v1/certificates").json()
    assert body["authority"] == {
        "id": "new",
        "expires": NOW + 9,
        "stage": "the former one is trusted still",
    }
    assert [(c["pod"], c["expires"], c["current"]) for c in body["certificates"]] == [
        ("etcd-0", NOW, True),
        ("etcd-1", NOW + 1, False),
    ]
    assert client(Source()).get("/v1/certificates").json() == {"certificates": []}


def test_the_order_is_handed_on() -> None:
    source = Source()
    assert client(source).post("/v1/certificates/rotate").status_code == 200
    assert client(source).post("/v1/certificates/rotate?force=true").status_code == 200
    assert source.commands == [
        Given(Verb.AUTHORITY_ROTATE, "own", parameters={}),
        Given(Verb.AUTHORITY_ROTATE, "own", parameters={"force": "true"}),
    ]
    assert client(source).post("/v1/certificates/rotate?force=perhaps").status_code == 400
    refused = Source(reply=answered(409))
    assert client(refused).post("/v1/certificates/rotate").status_code == 409
