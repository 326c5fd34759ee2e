"""`dcos holdfast describe` and `update`: what Cosmos is asked, and what it may answer."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_cli_dcos import plugin

DESCRIBED = {
    "package": {"name": "holdfast", "version": "2.0.0"},
    "upgradesTo": ["2.1.0"],
    "downgradesTo": ["1.9.0"],
    "resolvedOptions": {"nodes": {"count": 3}},
    "userProvidedOptions": {},
}
UPDATED = {"marathonDeploymentId": "d-1", "package": {}, "resolvedOptions": {}}


@dataclass
class Packages:
    """Answers as Cosmos, and keeps what it was asked."""

    url: str = ""
    status: int = 200
    body: Any = None
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


@pytest.fixture
def packages() -> Iterator[Packages]:
    found = Packages()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.asked.append((self.path, dict(self.headers), asked))
            raw = isinstance(found.body, bytes)
            content = found.body if raw else json.dumps(found.body).encode()
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def test_describe_shows_the_options(packages: Packages) -> None:
    packages.body = DESCRIBED
    done = plugin("holdfast", "describe", "--name=/a/b", DCOS_URL=packages.url, DCOS_ACS_TOKEN="t")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"nodes": {"count": 3}}
    ((path, headers, asked),) = packages.asked
    assert (path, asked) == ("/cosmos/service/describe", {"appId": "/a/b"})
    kind = "application/vnd.dcos.service.describe-{}+json;charset=utf-8;version=v1"
    assert headers["Content-Type"] == kind.format("request")
    assert headers["Accept"] == kind.format("response")
    assert headers["Authorization"] == "token=t"


def test_json_is_all_that_cosmos_says(packages: Packages) -> None:
    packages.body = DESCRIBED
    done = plugin("holdfast", "describe", "--json", DCOS_URL=packages.url)
    assert json.loads(done.stdout) == DESCRIBED


def test_package_versions_are_a_table(packages: Packages) -> None:
    packages.body = DESCRIBED
    done = plugin("holdfast", "update", "package-versions", DCOS_URL=packages.url)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["VERSION", "WHAT"],
        ["2.0.0", "installed"],
        ["2.1.0", "upgrade"],
        ["1.9.0", "downgrade"],
    ]


def test_an_update_sends_options_and_version(packages: Packages, tmp_path: Path) -> None:
    packages.body = UPDATED
    options = tmp_path / "options.json"
    options.write_text('{"nodes": {"count": 5}}')
    done = plugin(
        *("holdfast", "update", "start", "--options", str(options), "--package-version=2.1.0"),
        *("--replace",),
        DCOS_URL=packages.url,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "update status --watch" in done.stdout
    ((path, _, asked),) = packages.asked
    assert path == "/cosmos/service/update"
    assert asked == {
        "appId": "/holdfast",
        "options": {"nodes": {"count": 5}},
        "packageVersion": "2.1.0",
        "replace": True,
    }


@pytest.mark.parametrize(
    ("text", "words"), [("{", "is no JSON"), ("[1]", "expected a JSON object")]
)
def test_options_are_read_before_anything_is_sent(
    packages: Packages, tmp_path: Path, text: str, words: str
) -> None:
    options = tmp_path / "options.json"
    options.write_text(text)
    done = plugin("holdfast", "update", "start", "--options", str(options), DCOS_URL=packages.url)
    assert done.returncode == 9
    assert words in done.stderr
    assert "Nothing was changed" in done.stderr
    assert packages.asked == []


def test_an_update_to_nothing_is_wrong_usage(packages: Packages) -> None:
    assert plugin("holdfast", "update", "start", DCOS_URL=packages.url).returncode == 2
    assert packages.asked == []


UNKNOWN_KEY = {
    "level": "error",
    "schema": {"loadingURI": "#", "pointer": "/properties/nodes"},
    "instance": {"pointer": "/nodes"},
    "domain": "validation",
    "keyword": "additionalProperties",
    "message": 'object instance has properties which are not allowed by the schema: ["cuont"]',
    "unwanted": ["cuont"],
}
MISFIT = {"message": "too many", "instance": {"pointer": "/nodes/count"}}


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (400, {"type": "MarathonAppNotFound", "message": "x"}, 4, "--name=NAME"),
        (
            400,
            {"type": "JsonSchemaMismatch", "message": "x", "data": {"errors": [MISFIT]}},
            9,
            "/nodes/count: too many",
        ),
        (
            400,
            {"type": "JsonSchemaMismatch", "message": "x", "data": {"errors": [UNKNOWN_KEY]}},
            9,
            'schema: ["cuont"]. Nothing was changed.',
        ),
        (
            400,
            {"type": "BadVersionUpdate", "message": "No.", "data": {"validVersions": ["3.0"]}},
            9,
            "It can change to: 3.0",
        ),
        (409, {"type": "Conflict", "message": "locked"}, 5, "Cosmos refuses: locked"),
        (404, b"<html>", 3, "is not Cosmos (HTTP 404)"),
        (401, b"<html>", 7, "dcos auth login"),
        (403, b"<html>", 8, "dcos auth login"),
    ],
)
def test_what_cosmos_refuses_is_told_with_what_to_do(
    packages: Packages, status: int, body: Any, code: int, words: str
) -> None:
    packages.status, packages.body = status, body
    done = plugin("holdfast", "update", "start", "--package-version=2", DCOS_URL=packages.url)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_cosmos() -> None:
    done = plugin("holdfast", "describe", DCOS_URL="http://127.0.0.1:1")
    assert done.returncode == 3
    assert "dcos config show core.dcos_url" in done.stderr
    done = plugin("holdfast", "describe")
    assert done.returncode == 3
    assert "dcos cluster setup" in done.stderr


def test_verbosity_of_dcos_tells_exchanges_without_the_token(packages: Packages) -> None:
    packages.body = DESCRIBED
    done = plugin(
        "holdfast", "describe", DCOS_URL=packages.url, DCOS_ACS_TOKEN="t0ken", DCOS_VERBOSITY="1"
    )
    assert "POST /cosmos/service/describe" in done.stderr
    assert "t0ken" not in done.stdout + done.stderr
