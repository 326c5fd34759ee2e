"""What goes wrong: one line on standard error with the next step, and an exit code each."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from click.testing import Result

from holdfast_cli import connection
from tests.unit.api.pictures import Source, answered
from tests.web_server import WebServer, answering

Run = Callable[..., Result]


def told(result: Result, code: int) -> str:
    """The one line on standard error of a command that ended with that code."""
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    (line,) = result.stderr.splitlines()
    assert result.stdout == ""
    return line


@pytest.fixture
def closed() -> str:
    """The URL of a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def stranger() -> Iterator[WebServer]:
    """A web server that is no scheduler."""
    with answering() as server:
        yield server


def test_a_scheduler_that_is_not_there(run: Run, closed: str) -> None:
    line = told(run("plan", "list", at=closed), 3)
    assert f"No scheduler answers at {closed} (connection refused)" in line
    assert "--url or HOLDFAST_URL" in line


def test_a_host_that_does_not_exist(run: Run) -> None:
    line = told(run("plan", "list", at="http://no-such-host.invalid:8080"), 3)
    assert "http://no-such-host.invalid:8080 (" in line


def test_a_proxy_is_not_asked_for_this_machine(
    run: Run, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", closed)
    assert run("plan", "list").exit_code == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_scheduler_that_says_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(connection, "READ_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        at = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = ("plan", "list") if method == "GET" else ("pod", "restart", "etcd-0")
        line = told(run(*command, at=at), 3)
    assert "did not answer within 0.1 s" in line
    assert ("look before you repeat it" in line) == (method == "POST")


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {}, b"<html>hello</html>"),
        (404, {}, b"[]"),
        (301, {"Location": "/elsewhere"}, b""),
        (404, {}, b'{"detail": "?"}'),
    ],
)
def test_an_url_of_something_else(
    run: Run, stranger: WebServer, status: int, headers: dict[str, str], body: bytes
) -> None:
    stranger.status, stranger.headers, stranger.body = status, headers, body
    line = told(run("plan", "list", at=stranger.url), 3)
    assert "is no Holdfast scheduler" in line
    assert "--url or HOLDFAST_URL" in line
    assert len(stranger.asked) == 1


@pytest.mark.parametrize(
    "wrong", ["foo", "localhost:8080", "ftp://x", "http://", "http://x:y", "http://[::1"]
)
def test_what_is_no_url_is_wrong_usage(run: Run, wrong: str) -> None:
    result = run("plan", "list", at=wrong)
    assert result.exit_code == 2
    assert f"{wrong!r} is no URL of a scheduler; expected something like http" in result.stderr


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("plan show deplo", "'deploy'"),
        ("plan show deplo --watch", "'deploy'"),
        ("plan start bakup", "'backup'"),
        ("plan stop bakup", "'backup'"),
        ("plan pause deplo", "'deploy'"),
        ("plan pause deploy ecd", "'etcd'"),
        ("plan resume deplo", "'deploy'"),
        ("plan restart deploy etc", "'etcd'"),
        ("plan restart deploy etcd etcd-1", "'etcd-1:[member]'"),
        ("plan restart deploy etc --watch", "'etcd'"),
        ("plan force deploy etcd etcd_1:[member]", "'etcd-1:[member]'"),
        ("update force-restart ecd", "'etcd'"),
        ("update force-complete etcd etcd_1:[member]", "'etcd-1:[member]'"),
        ("pod status etdc-1", "'etcd-1'"),
        ("pod info etdc-1", "'etcd-1'"),
        ("pod restart etcd_0", "'etcd-0'"),
        ("pod restart etcd_0 --watch", "'etcd-0'"),
        ("pod replace etcd_0", "'etcd-0'"),
        ("pod replace etcd_0 --yes", "'etcd-0'"),
        ("pod pause etcd_0", "'etcd-0'"),
        ("pod resume etcd_0", "'etcd-0'"),
        ("explain ETCD-2x", "'etcd-2'"),
        ("endpoints clients", "'client'"),
        ("volumes destroy volume-olt", "'volume-old'"),
        ("volumes destroy volume-olt --yes-destroy volume-olt", "'volume-old'"),
        ("volumes forget etcd-2", "'etcd-1'"),
        ("debug config show config-2", "'config-1'"),
        ("debug state property suppresed", "'suppressed'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    run: Run, source: Source, command: str, meant: str
) -> None:
    assert f"Did you mean {meant}?" in told(run(*command.split()), 4)
    assert source.commands == []


def test_what_is_too_long_to_send_is_refused(run: Run, source: Source) -> None:
    parameter = f"NAME={'x' * 70_000}"
    assert "limited to 65536 bytes" in told(run("plan", "start", "backup", "-p", parameter), 5)
    parameter = f"NAME={'x' * 140_000}"
    line = told(run("plan", "start", "backup", "-p", parameter), 5)
    assert "Nothing was changed" in line
    assert source.commands == []


def test_a_name_cannot_leave_its_place_in_the_path(run: Run) -> None:
    assert "no plan" in told(run("plan", "show", "x?y#z"), 4)


def test_a_refusal_is_passed_on(run: Run, source: Source) -> None:
    source.reply = answered(409, message="etcd-2 has not been launched yet")
    assert "etcd-2 has not been launched yet" in told(run("pod", "restart", "etcd-2"), 5)


def test_a_scheduler_that_stands_still(run: Run, source: Source) -> None:
    source.reply = lambda given: Future()
    line = told(run("pod", "restart", "etcd-0"), 6)
    assert "has not answered within 0.2 s" in line
    assert "before you ask again" in line


def test_a_fault_of_the_scheduler(run: Run, stranger: WebServer) -> None:
    stranger.status, stranger.body = 500, b'{"message": "it broke"}'
    assert "it broke" in told(run("plan", "list", at=stranger.url), 6)


def test_an_unknown_command_is_wrong_usage(run: Run) -> None:
    assert run("pods").exit_code == 2
    assert run("plan", "list", "--jsn").exit_code == 2
