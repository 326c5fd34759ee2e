"""The plugin, run as the DC/OS command line runs it: arguments, variables, exit codes."""

import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast_cli import dcos
from tests.web_server import WebServer, answering

HELLO_WORLD = Path(__file__).parents[3] / "services" / "hello-world" / "svc.yml"
STATUS_TEXT = "<html>Admin Router</html>"


@pytest.fixture
def router() -> Iterator[WebServer]:
    """In the place of Admin Router, which knows an endpoint of the service."""
    with answering() as found:
        found.body = b'["client"]'
        yield found


def asked(router: WebServer) -> list[tuple[str, str | None]]:
    """Path and credentials of each request."""
    return [(one.path, one.headers.get("Authorization")) for one in router.asked]


def plugin(*argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `dcos` runs: the plugin with its own name first, and variables of the cluster."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("DCOS_")}
    return subprocess.run(
        [sys.executable, "-m", "holdfast_cli.dcos", *argv],
        env={**ours, "DCOS_CLI_VERSION": "1.2.0", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_info_is_one_line() -> None:
    done = plugin("holdfast", "--info")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{dcos.INFO}\n"


def test_the_settings_have_a_schema() -> None:
    done = plugin("holdfast", "--config-schema")
    assert done.returncode == 0
    assert list(json.loads(done.stdout)["properties"]) == ["service_name"]


def test_help_needs_no_cluster_and_speaks_of_dcos() -> None:
    done = plugin("holdfast", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: dcos holdfast ")
    assert "--name" in done.stdout
    assert "playground" not in done.stdout
    done = plugin("holdfast", "plan", "show", "-h")
    assert done.stdout.startswith("Usage: dcos holdfast plan show ")


def test_the_token_and_the_path_of_admin_router(router: WebServer) -> None:
    done = plugin("holdfast", "endpoints", DCOS_URL=f"{router.url}/", DCOS_ACS_TOKEN="t0ken")
    assert (done.returncode, done.stdout) == (0, "client\n")
    assert asked(router) == [("/service/holdfast/v1/endpoints", "token=t0ken")]


def test_no_token_no_header(router: WebServer) -> None:
    assert plugin("holdfast", "endpoints", DCOS_URL=router.url).returncode == 0
    assert asked(router) == [("/service/holdfast/v1/endpoints", None)]


@pytest.mark.parametrize(
    ("argv", "variables", "name"),
    [
        (["holdfast", "--name", "a", "endpoints"], {}, "a"),
        (["holdfast", "endpoints", "--name=a"], {}, "a"),
        (["holdfast", "endpoints", "--name", "folder/a"], {}, "folder/a"),
        (["holdfast", "endpoints", "--json", "--name", "/a"], {}, "a"),
        (["holdfast", "endpoints"], {"DCOS_HOLDFAST_SERVICE_NAME": "a"}, "a"),
        (["holdfast", "endpoints", "--name=b"], {"DCOS_HOLDFAST_SERVICE_NAME": "a"}, "b"),
        (["beta-holdfast", "endpoints"], {}, "holdfast"),
        (["beta-holdfast", "endpoints"], {"DCOS_BETA_HOLDFAST_SERVICE_NAME": "a"}, "a"),
    ],
)
def test_the_service_is_named_anywhere_or_configured(
    router: WebServer, argv: list[str], variables: dict[str, str], name: str
) -> None:
    assert plugin(*argv, DCOS_URL=router.url, **variables).returncode == 0
    assert asked(router) == [(f"/service/{name}/v1/endpoints", None)]


def test_what_follows_two_dashes_is_no_option() -> None:
    assert dcos.hoisted(["a", "--", "--name=b"]) == (None, ["a", "--", "--name=b"])
    assert dcos.hoisted(["a", "--name"]) == (None, ["a", "--name"])


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (401, STATUS_TEXT, 7, "dcos auth login"),
        (403, STATUS_TEXT, 8, "ask for the permission"),
        (404, STATUS_TEXT, 3, "--name=NAME"),
        (401, '{"message": "The token is not known."}', 7, "known. Run `dcos auth login`"),
        (502, STATUS_TEXT, 3, "does not run now"),
        (503, STATUS_TEXT, 3, "does not run now"),
        (404, '{"message": "no endpoint"}', 4, "no endpoint"),
    ],
)
def test_what_admin_router_says_is_told_from_what_the_scheduler_says(
    router: WebServer, status: int, body: str, code: int, message: str
) -> None:
    router.status, router.body = status, body.encode()
    done = plugin("holdfast", "endpoints", DCOS_URL=router.url)
    assert done.returncode == code
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("summary", "advice"),
    [
        (b'{"frameworks": [{"name": "/team/etcd", "active": true}]}', "mean --name=team/etcd?\n"),
        (b'{"frameworks": [{"name": "/team/etcd", "active": false}]}', "service: --name=NAME.\n"),
        (b'{"frameworks": [{"name": "kafka", "active": true}]}', "service: --name=NAME.\n"),
        (b"<html>", "service: --name=NAME.\n"),
        (b"[]", "service: --name=NAME.\n"),
    ],
)
def test_an_unknown_service_is_answered_with_the_nearest_of_the_cluster(
    router: WebServer, summary: bytes, advice: str
) -> None:
    router.status, router.body = 404, STATUS_TEXT.encode()
    router.pages = {"/mesos/state-summary": summary}
    done = plugin(
        "holdfast", "pod", "list", "--name=team/ectd", DCOS_URL=router.url, DCOS_ACS_TOKEN="t0ken"
    )
    assert done.returncode == 3
    assert done.stderr.endswith(advice)
    assert asked(router)[-1] == ("/mesos/state-summary", "token=t0ken")


def test_without_a_cluster() -> None:
    done = plugin("holdfast", "endpoints")
    assert done.returncode == 3
    assert "dcos cluster setup" in done.stderr
    done = plugin("holdfast", "validate", str(HELLO_WORLD))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_cluster_that_is_away() -> None:
    done = plugin("holdfast", "endpoints", DCOS_URL="http://127.0.0.1:1")
    assert done.returncode == 3
    assert "dcos config show core.dcos_url" in done.stderr


@pytest.mark.parametrize(
    ("variables", "verify"),
    [
        ({}, None),
        ({"DCOS_TLS_INSECURE": "1", "DCOS_TLS_CA_PATH": "/ca"}, False),
        ({"DCOS_TLS_CA_PATH": "/ca", "DCOS_SSL_VERIFY": "false"}, "/ca"),
        ({"DCOS_SSL_VERIFY": "False"}, False),
        ({"DCOS_SSL_VERIFY": "true"}, None),
        ({"DCOS_SSL_VERIFY": "/bundle"}, "/bundle"),
    ],
)
def test_whose_certificates_are_trusted(
    variables: dict[str, str], verify: bool | str | None
) -> None:
    assert dcos.verification(variables) == verify


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", "key.pem"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", "cert.pem"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "cert.pem"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_certificates_of_the_cluster(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with answering(context) as router:
        router.body = b'["client"]'
        known = plugin(
            "holdfast", "endpoints", DCOS_URL=router.url, DCOS_TLS_CA_PATH=str(certificate)
        )
        assert (known.returncode, known.stderr) == (0, "")
        insecure = plugin("holdfast", "endpoints", DCOS_URL=router.url, DCOS_TLS_INSECURE="1")
        assert (insecure.returncode, insecure.stderr) == (0, "")
        unknown = plugin("holdfast", "endpoints", DCOS_URL=router.url)
        assert unknown.returncode == 3
        assert "is not trusted" in unknown.stderr
