"""Who is let in to do what: users, tokens, DC/OS accounts, TLS, and what is told of refusals."""

import base64
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import argon2
import jwt
import pytest
import requests
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from fastapi.testclient import TestClient

from holdfast.api import shapes
from holdfast.api.app import create_app
from holdfast.api.credentials import BadCredentials, CredentialsFile, digest_of
from holdfast.api.server import AddressError, ApiServer
from holdfast.eventlog import Kind
from holdfast_cli.connection import authorization
from holdfast_cli.main import main

from .pictures import Source
from .serving import serving
from .test_api_routes import checked

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RESTART = "/v1/pod/etcd-0/restart"


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def document(**changes: Any) -> dict[str, Any]:
    return {
        "users": {
            "ann": {"password": CHEAP.hash("right"), "role": "operator"},
            "bob": {"password": CHEAP.hash("fine:too"), "role": "read-only"},
        },
        "tokens": {
            "ci": {"sha256": digest_of("t-operator"), "role": "operator"},
            "prometheus": {"sha256": digest_of("t-reader"), "role": "read-only"},
            "old": {
                "sha256": digest_of("t-old"), "role": "operator", "expires": "2020-01-01T00:00:00Z",
            },
        },
        "dcos": {"keys": "key.pem", "users": {"boss": "operator", "watcher": "read-only"}},
        **changes,
    }  # fmt: skip


def write(path: Path, content: dict[str, Any]) -> None:
    """As YAML, where a time is one and no text."""
    text = json.dumps(content).replace('"2020-01-01T00:00:00Z"', "2020-01-01T00:00:00Z")
    path.write_text(text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "key.pem").write_bytes(pem(KEY))
    path = tmp_path / "credentials.yml"
    write(path, document())
    return path


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def client(source: Source, file: Path) -> TestClient:
    return TestClient(create_app(source, {"x.pyz": b"x"}, credentials=CredentialsFile(file)))


def basic(user: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def dcos(uid: str = "boss", key: Any = KEY, seconds: float = 3600, **more: Any) -> str:
    claims = {"uid": uid, "exp": time.time() + seconds}
    return jwt.encode(claims, key, algorithm=more.pop("algorithm", "RS256"), **more)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        (basic("ann:right"), "ann"),
        (bearer("t-operator"), "ci"),
        ({"authorization": f"token={dcos()}"}, "boss"),
        (bearer(dcos()), "boss"),
    ],
)
def test_operators_give_orders_under_their_name(
    client: TestClient, source: Source, headers: dict[str, str], name: str
) -> None:
    for _ in range(2):  # a password is looked up once, then remembered
        assert client.post(RESTART, headers=headers).status_code == 200
    assert source.by == [name, name]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        (basic("bob:fine:too"), "bob"),
        (bearer("t-reader"), "prometheus"),
        ({"authorization": f"token={dcos('watcher')}"}, "watcher"),
    ],
)
def test_readers_read_and_give_no_orders(
    client: TestClient, source: Source, headers: dict[str, str], name: str
) -> None:
    assert client.get("/v1/plans", headers=headers).status_code == 200
    response = client.post(RESTART, headers=headers)
    assert response.status_code == 403
    assert response.json()["message"] == (
        f"{name} has the role read-only; POST needs operator. Nothing was changed."
    )
    assert source.commands == []


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "Credentials are missing"),
        (basic("ann:wrong"), "user name or the password is wrong"),
        (basic("nobody:right"), "user name or the password is wrong"),
        (basic("ann"), "user name or the password is wrong"),
        ({"authorization": "Basic ???"}, "not base64"),
        ({"authorization": "Digest x"}, "none of Bearer, Basic or token="),
        (bearer("t-unknown"), "The token is not known"),
        (bearer("t-old"), "The token 'old' has expired"),
        (bearer(dcos(seconds=-60)), "The DC/OS token has expired: run `dcos auth login`"),
        (bearer(dcos(key=OTHER_KEY)), "no valid one of DC/OS"),
        (bearer(dcos(key="x" * 64, algorithm="HS256")), "no valid one of DC/OS"),
        (bearer("a.b.c"), "no valid one of DC/OS"),
        (bearer(jwt.encode({"uid": "boss"}, KEY, algorithm="RS256")), "no valid one of DC/OS"),
        (bearer(digest_of("t-operator")), "The token is not known"),
    ],
)
def test_who_is_not_known_is_told_what_is_missing(
    client: TestClient, source: Source, headers: dict[str, str], words: str
) -> None:
    response = client.get("/v1/plans", headers=headers)
    assert response.status_code == 401
    assert words in checked(shapes.MessageBody, response.json())["message"]
    assert 'Bearer realm="holdfast"' in response.headers["www-authenticate"]
    assert 'Basic realm="holdfast"' in response.headers["www-authenticate"]


def test_a_dcos_account_without_a_role_is_named(client: TestClient) -> None:
    response = client.get("/v1/plans", headers=bearer(dcos("stranger")))
    assert response.status_code == 403
    assert "'stranger' has no role" in response.json()["message"]


def test_keys_may_be_a_jwks(file: Path, source: Source) -> None:
    jwks = {"keys": [
        {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": kid}
        for kid, key in (("one", OTHER_KEY), ("two", KEY))
    ]}  # fmt: skip
    (file.parent / "key.pem").write_text(json.dumps(jwks))
    client = TestClient(create_app(source, {}, credentials=CredentialsFile(file)))

    def status(token: str) -> int:
        return int(client.get("/v1/plans", headers=bearer(token)).status_code)

    assert status(dcos(headers={"kid": "two"})) == 200
    assert status(dcos(headers={"kid": "one"})) == 401
    assert status(dcos()) == 401


@pytest.mark.parametrize("path", ["/v1/health", "/v1/artifacts/x.pyz", "/openapi.json"])
def test_what_agents_and_marathon_fetch_stays_open(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (200, 202)
    assert client.head(path).status_code in (200, 405)


@pytest.mark.parametrize("path", ["/", "/v1/metrics", "/v1/metrics/prometheus", "/v1/health/",
                                  "/v1/nothing", "/v1/debug/threads", "/v1/events"])  # fmt: skip
def test_everything_else_is_closed(client: TestClient, path: str) -> None:
    assert client.get(path, follow_redirects=False).status_code == 401
    assert client.get(path, headers=bearer("t-reader")).status_code != 401


def test_without_a_file_everybody_may_do_everything(source: Source) -> None:
    client = TestClient(create_app(source, {}))
    assert client.post(RESTART).status_code == 200
    assert source.by == ["anonymous"]


def test_a_page_of_another_site_gives_no_orders(client: TestClient, source: Source) -> None:
    headers = {**basic("ann:right"), "sec-fetch-site": "cross-site"}
    assert client.post(RESTART, headers=headers).status_code == 403
    assert source.commands == []


def test_a_refusal_is_journalled_without_what_was_given(client: TestClient, source: Source) -> None:
    client.post(RESTART, headers=basic("ann:hunter2"))
    client.post(RESTART, headers=bearer("hunter2"))
    client.post(RESTART, headers=bearer("t-reader"))
    events = client.get("/v1/events?kind=refused", headers=bearer("t-reader")).json()["events"]
    assert [(e["what"], e["by"], e["status"]) for e in events] == [
        (f"POST {RESTART}", "prometheus at testclient", 403),
        (f"POST {RESTART}", "anonymous at testclient", 401),
        (f"POST {RESTART}", "ann at testclient", 401),
    ]
    assert "hunter2" not in str(source.events.after(0, list(Kind)))


# -- the file ---------------------------------------------------------------------------------


def test_a_changed_file_counts_at_once(client: TestClient, file: Path) -> None:
    assert client.get("/v1/plans", headers=basic("ann:right")).status_code == 200
    users = {"eve": {"password": CHEAP.hash("new"), "role": "read-only"}}
    write(file, document(users=users))
    assert client.get("/v1/plans", headers=basic("ann:right")).status_code == 401
    assert client.get("/v1/plans", headers=basic("eve:new")).status_code == 200


def test_a_changed_key_counts_at_once(client: TestClient, file: Path) -> None:
    (file.parent / "key.pem").write_bytes(pem(OTHER_KEY))
    os.utime(file.parent / "key.pem", ns=(1, 1))
    assert client.get("/v1/plans", headers=bearer(dcos())).status_code == 401
    assert client.get("/v1/plans", headers=bearer(dcos(key=OTHER_KEY))).status_code == 200


@pytest.mark.parametrize("content", ["users: [", None])
def test_a_spoilt_file_leaves_what_was_before(
    client: TestClient, file: Path, content: str | None
) -> None:
    file.unlink()
    if content is not None:
        file.write_text(content)
    for _ in range(2):
        assert client.get("/v1/plans", headers=bearer("t-reader")).status_code == 200
    write(file, document(tokens={}))
    assert client.get("/v1/plans", headers=bearer("t-reader")).status_code == 401


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"other": {}}, "'other' is none of dcos, tokens, users"),
        ({"users": []}, "users: expected names with values"),
        ({"users": {"ann": {"password": "hunter2", "role": "operator"}}},
         "users.ann.password: expected an argon2 hash"),
        ({"users": {"ann": {"password": CHEAP.hash("x"), "role": "root"}}},
         "users.ann.role: expected the role read-only or operator"),
        ({"tokens": {"ci": {"sha256": "hunter2", "role": "operator"}}},
         "tokens.ci.sha256: expected 64 hex digits"),
        ({"tokens": {"ci": {"sha256": "0" * 64, "role": "operator", "expires": "soon"}}},
         "tokens.ci.expires: expected a date"),
        ({"dcos": {}}, "dcos.keys: expected the path"),
        ({"dcos": {"keys": "missing.pem"}}, "missing.pem"),
    ],
)  # fmt: skip
def test_a_fault_is_named_without_secrets(file: Path, changes: dict[str, Any], words: str) -> None:
    write(file, document(**changes))
    with pytest.raises(BadCredentials) as caught:
        CredentialsFile(file)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_nobody_is_locked_out_by_an_empty_file(file: Path) -> None:
    file.write_text("users: {}")
    with pytest.raises(BadCredentials, match="lets nobody in"):
        CredentialsFile(file)


# -- TLS and the command line -----------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(KEY, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def url(source: Source, file: Path, tls: tuple[Path, Path]) -> Iterator[str]:
    app = create_app(source, {}, credentials=CredentialsFile(file))
    with serving(app, tls=tls) as at:
        yield at


def test_the_api_speaks_tls(url: str, tls: tuple[Path, Path]) -> None:
    assert requests.get(f"{url}/v1/health", verify=str(tls[0]), timeout=10).status_code == 202
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{url}/v1/health", timeout=10)


def test_a_key_of_another_certificate_is_named(tls: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(
        OTHER_KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(AddressError, match=r"other\.pem cannot be used"):
        ApiServer(create_app(Source(), {}), "127.0.0.1", 0, (tls[0], other)).start()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--token", "t-operator", "pod", "restart", "etcd-0"], 0, ""),
        (["--user", "ann:right", "pod", "list"], 0, "etcd-0"),
        (["pod", "list"], 7, "Credentials are missing"),
        (["--token", "t-old", "pod", "list"], 7, "has expired"),
        (["--user", "ann:wrong", "pod", "list"], 7, "password is wrong"),
        (["--token", "t-reader", "pod", "restart", "etcd-0"], 8, "POST needs operator"),
    ],
)
def test_the_command_line_sends_credentials_and_tells_apart_what_is_wrong(
    url: str, tls: tuple[Path, Path], arguments: list[str], code: int, words: str
) -> None:
    result = CliRunner().invoke(main, ["--url", url, "--ca", str(tls[0]), *arguments])
    assert result.exit_code == code, result.output
    assert words in result.output
    assert not code or len(result.stderr.strip().splitlines()) == 1


def test_the_token_of_the_dcos_command_goes_to_its_cluster_alone() -> None:
    environment = {"DCOS_URL": "https://dcos.example", "DCOS_ACS_TOKEN": "t"}
    there = "https://dcos.example/service/etcd"
    assert authorization(None, None, environment, there) == "token=t"
    for url in ("https://dcos.example.evil/service/etcd", "http://127.0.0.1:8080"):
        assert authorization(None, None, environment, url) is None
    assert authorization("mine", None, environment, there) == "Bearer mine"


def test_the_command_line_makes_passwords_and_tokens() -> None:
    hashed = CliRunner().invoke(main, ["access", "password"], "right\nright\n").output
    assert argon2.PasswordHasher().verify(hashed.splitlines()[-1], "right")
    first, second = CliRunner().invoke(main, ["access", "token"]).output.splitlines()
    assert digest_of(first.split()[1]) == second.split()[1]
