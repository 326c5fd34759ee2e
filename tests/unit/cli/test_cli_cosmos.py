"""`dcos holdfast describe` and `update`: what Cosmos is asked, and what it may answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_cli_dcos import plugin
from tests.web_server import WebServer, answering

DESCRIBED = {
    "package": {"name": "holdfast", "version": "2.0.0"},
    "upgradesTo": ["2.1.0"],
    "downgradesTo": ["1.9.0"],
    "resolvedOptions": {"nodes": {"count": 3}},
    "userProvidedOptions": {},
}
UPDATED = {"marathonDeploymentId": "d-1", "package": {}, "resolvedOptions": {}}


@pytest.fixture
def packages() -> Iterator[WebServer]:
    """In the place of Cosmos."""
    with answering() as found:
        yield found


def test_describe_shows_the_options(packages: WebServer) -> None:
    packages.body = json.dumps(DESCRIBED).encode()
    done = plugin("holdfast", "describe", "--name=/a/b", DCOS_URL=packages.url, DCOS_ACS_TOKEN="t")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"nodes": {"count": 3}}
    ((path, headers, asked),) = packages.asked
    assert (path, json.loads(asked)) == ("/cosmos/service/describe", {"appId": "/a/b"})
    kind = "application/vnd.dcos.service.describe-{}+json;charset=utf-8;version=v1"
    assert headers["Content-Type"] == kind.format("request")
    assert headers["Accept"] == kind.format("response")
    assert headers["Authorization"] == "token=t"


def test_json_is_all_that_cosmos_says(packages: WebServer) -> None:
    packages.body = json.dumps(DESCRIBED).encode()
    done = plugin("holdfast", "describe", "--json", DCOS_URL=packages.url)
    assert json.loads(done.stdout) == DESCRIBED


def test_package_versions_are_a_table(packages: WebServer) -> None:
    packages.body = json.dumps(DESCRIBED).encode()
    done = plugin("holdfast", "update", "package-versions", DCOS_URL=packages.url)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["VERSION", "WHAT"],
        ["2.0.0", "installed"],
        ["2.1.0", "upgrade"],
        ["1.9.0", "downgrade"],
    ]


def test_an_update_sends_options_and_version(packages: WebServer, tmp_path: Path) -> None:
    packages.body = json.dumps(UPDATED).encode()
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
    assert json.loads(asked) == {
        "appId": "/holdfast",
        "options": {"nodes": {"count": 5}},
        "packageVersion": "2.1.0",
        "replace": True,
    }


@pytest.mark.parametrize(
    ("text", "words"), [("{", "is no JSON"), ("[1]", "expected a JSON object")]
)
def test_options_are_read_before_anything_is_sent(
    packages: WebServer, tmp_path: Path, text: str, words: str
) -> None:
    options = tmp_path / "options.json"
    options.write_text(text)
    done = plugin("holdfast", "update", "start", "--options", str(options), DCOS_URL=packages.url)
    assert done.returncode == 9
    assert words in done.stderr
    assert "Nothing was changed" in done.stderr
    assert packages.asked == []


def test_an_update_to_nothing_is_wrong_usage(packages: WebServer) -> None:
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
    packages: WebServer, status: int, body: Any, code: int, words: str
) -> None:
    packages.status = status
    packages.body = body if isinstance(body, bytes) else json.dumps(body).encode()
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


def test_verbosity_of_dcos_tells_exchanges_without_the_token(packages: WebServer) -> None:
    packages.body = json.dumps(DESCRIBED).encode()
    done = plugin(
        "holdfast", "describe", DCOS_URL=packages.url, DCOS_ACS_TOKEN="t0ken", DCOS_VERBOSITY="1"
    )
    assert "POST /cosmos/service/describe" in done.stderr
    assert "t0ken" not in done.stdout + done.stderr
