"""Who a scheduler is: a service account whose tokens end, are taken back, or are not given."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from holdfast.agents import inspect
from holdfast.core.effects import InspectAgent
from holdfast.mesos import calls
from holdfast.mesos.access import Access
from holdfast.mesos.channel import CallChannel, Outcome
from holdfast.mesos.connection import SchedulerConnection
from holdfast.mesos.detector import detector_for
from holdfast.mesos.service_account import (
    CredentialError,
    LoginFailed,
    LoginRefused,
    ServiceAccount,
    parse_credential,
)
from holdfast.mesos.settings import MesosSettings, MesosSettingsError
from tests.unit.mesos.fake_master import Exchange, FakeMaster
from tests.unit.mesos.login_server import UID, LoginServer, login_server, new_key, pem
from tests.unit.mesos.recorder import Recorder, until

INFO = calls.framework_info("db", roles=["db-role"], user="root", principal=UID)


@pytest.fixture(scope="module")
def running() -> Iterator[LoginServer]:
    with login_server() as server:
        yield server


@pytest.fixture
def login(running: LoginServer) -> LoginServer:
    running.token_seconds, running.refuses, running.fails = 3600.0, False, False
    running.tokens.clear()
    running.attempts = 0
    return running


@pytest.fixture
def master(login: LoginServer) -> Iterator[FakeMaster]:
    """Asks each request for a token that the login server gave."""
    fake = FakeMaster()

    def ask(exchange: Exchange) -> None:
        kind, _, token = exchange.headers.get("authorization", "").partition("=")
        good = kind == "token" and login.accepts(token)
        exchange.answer(202 if good else 401)

    fake.call = ask
    yield fake
    fake.close()


def account(login: LoginServer, **options: float) -> ServiceAccount:
    return ServiceAccount(parse_credential(login.credential()), **options)  # type: ignore[arg-type]


def send(channel: CallChannel, master: FakeMaster) -> Outcome:
    return channel.send(f"{master.url}/api/v1/scheduler", "s", calls.revive()).outcome


def test_one_login_for_many_calls(login: LoginServer, master: FakeMaster) -> None:
    channel = CallChannel(Access(account=account(login)))
    assert [send(channel, master) for _ in range(3)] == [Outcome.SENT] * 3
    assert login.attempts == 1


def test_a_token_is_renewed_before_it_ends(login: LoginServer, master: FakeMaster) -> None:
    login.token_seconds = 30.9
    channel = CallChannel(Access(account=account(login)))
    assert send(channel, master) is Outcome.SENT
    assert login.attempts == 1
    until(lambda: send(channel, master) is Outcome.SENT and login.attempts > 1)
    used = [request.headers["authorization"] for request in master.requests]
    assert used[-1] == f"token={login.tokens[-1]}"
    assert all(login.accepts(token) for token in login.tokens)


def test_a_token_taken_back(login: LoginServer, master: FakeMaster) -> None:
    channel = CallChannel(Access(account=account(login)))
    assert send(channel, master) is Outcome.SENT
    login._signer = new_key()
    assert send(channel, master) is Outcome.SENT
    assert login.attempts == 2
    assert len(master.requests) == 3


def test_a_master_that_takes_no_token(login: LoginServer, master: FakeMaster) -> None:
    master.call = lambda exchange: exchange.answer(401, b"not you")
    channel = CallChannel(Access(account=account(login)))
    result = channel.send(f"{master.url}/api/v1/scheduler", "s", calls.revive())
    assert result.outcome is Outcome.REJECTED
    assert "401" in result.reason
    assert len(master.requests) == 2


def test_no_login_for_the_moment(login: LoginServer, master: FakeMaster) -> None:
    login.fails = True
    channel = CallChannel(Access(account=account(login)))
    result = channel.send(f"{master.url}/api/v1/scheduler", "s", calls.revive())
    assert result.outcome is Outcome.REJECTED
    assert "not sent: no login" in result.reason
    assert not master.requests


def test_a_token_that_is_still_good_serves_while_no_new_one_is_given(
    login: LoginServer, master: FakeMaster
) -> None:
    login.token_seconds = 20
    channel = CallChannel(Access(account=account(login)))
    assert send(channel, master) is Outcome.SENT
    login.fails = True
    assert send(channel, master) is Outcome.SENT
    assert login.attempts == 2


def test_an_ended_token_is_not_used(login: LoginServer) -> None:
    time = [0.0]
    ours = ServiceAccount(parse_credential(login.credential()), now=lambda: time[0])
    # With its clock at 1970 what it signs has ended long ago.
    with pytest.raises(LoginRefused):
        ours(requests.Request("GET", "http://m").prepare())


def test_a_refused_account_ends_the_connection(login: LoginServer, master: FakeMaster) -> None:
    login.refuses = True
    told = run(Access(account=account(login)), master)
    (message,) = told.of("fatal")
    assert f"the login of service account {UID!r} is refused" in message
    assert "tasks run on" in message
    assert "\n" not in message
    assert not master.subscriptions


def test_another_key_ends_the_connection(login: LoginServer, master: FakeMaster) -> None:
    other = parse_credential(login.credential(private_key=pem(new_key())))
    (message,) = run(Access(account=ServiceAccount(other)), master).of("fatal")
    assert "is refused" in message


@pytest.mark.parametrize("credentials", [Access(), Access("db", "wrong")])
def test_401_ends_the_connection(master: FakeMaster, credentials: Access) -> None:
    master.subscribe = lambda exchange: exchange.answer(401, b"")
    (message,) = run(credentials, master).of("fatal")
    assert "does not accept our credentials" in message
    assert "wrong" not in message


def run(access: Access, master: FakeMaster) -> Recorder:
    heard = Recorder()
    detector = detector_for(master.url, access)
    connection = SchedulerConnection(lambda: INFO, detector, heard, access=access)
    connection.start()
    try:
        until(lambda: heard.of("fatal"))
    finally:
        connection.stop()
    return heard


def test_subscription_and_agents_get_the_token(login: LoginServer, master: FakeMaster) -> None:
    access = Access(account=account(login))
    heard = Recorder()
    connection = SchedulerConnection(lambda: INFO, detector_for(master.url), heard, access=access)
    connection.start()
    try:
        until(lambda: heard.of("subscribed"))
    finally:
        connection.stop()
    inspect(access, InspectAgent("a-1", master.url))
    tokens = {r.headers.get("authorization") for r in master.requests if r.method == "POST"}
    assert tokens == {f"token={login.tokens[0]}"}


def test_answers_that_are_no_token(login: LoginServer) -> None:
    credential = parse_credential(login.credential(login_endpoint="http://127.0.0.1:1/x"))
    with pytest.raises(LoginFailed, match="does not answer"):
        ServiceAccount(credential)(requests.Request("GET", "http://m").prepare())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hunter2", "expected the JSON"),
        ('["hunter2"]', "expected a JSON object"),
        ('{"uid": "a"}', "'private_key'"),
        ('{"private_key": "hunter2"}', "'uid'"),
        ('{"uid": "a", "private_key": "hunter2"}', "expected an RSA key in PEM form"),
        ('{"uid": "a", "private_key": "hunter2", "scheme": "HS256"}', "the scheme RS256"),
        ('{"uid": "a", "private_key": "hunter2", "login_endpoint": "x"}', "'login_endpoint'"),
    ],
)
def test_what_is_no_credential(text: str, problem: str) -> None:
    with pytest.raises(CredentialError, match=problem) as refused:
        parse_credential(text)
    assert "hunter2" not in str(refused.value)


class TestSettings:
    def test_nothing(self) -> None:
        assert MesosSettings(None, None).access("p", {}) == Access()

    def test_a_secret(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text("hunter2\n")
        access = MesosSettings(file, None).access("p", {})
        assert (access.principal, access.secret) == ("p", "hunter2")
        assert "hunter2" not in repr(access)

    def test_an_empty_secret(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text("\n")
        with pytest.raises(MesosSettingsError, match="is empty"):
            MesosSettings(file, None).access("p", {})

    @pytest.mark.parametrize("as_file", [True, False])
    def test_an_account(self, login: LoginServer, tmp_path: Path, as_file: bool) -> None:
        text = login.credential()
        if as_file:
            (tmp_path / "sa.json").write_text(text)
            text = str(tmp_path / "sa.json")
        access = MesosSettings(None, None).access(UID, {"DCOS_SERVICE_ACCOUNT_CREDENTIAL": text})
        assert isinstance(access.account, ServiceAccount)
        assert json.loads(login.credential())["private_key"] not in repr(access.account)

    def test_an_account_of_another_principal(self, login: LoginServer) -> None:
        variables = {"DCOS_SERVICE_ACCOUNT_CREDENTIAL": login.credential()}
        with pytest.raises(MesosSettingsError, match=r"scheduler\.principal is 'other'"):
            MesosSettings(None, None).access("other", variables)

    def test_both(self, login: LoginServer, tmp_path: Path) -> None:
        variables = {"DCOS_SERVICE_ACCOUNT_CREDENTIAL": login.credential()}
        with pytest.raises(MesosSettingsError, match="not both"):
            MesosSettings(tmp_path / "secret", None).access(UID, variables)

    def test_a_file_that_is_not_there(self) -> None:
        with pytest.raises(MesosSettingsError, match="nowhere"):
            MesosSettings(None, None).access(UID, {"DCOS_SERVICE_ACCOUNT_CREDENTIAL": "nowhere"})

    def test_a_threshold_that_is_no_number(self, login: LoginServer) -> None:
        variables = {
            "DCOS_SERVICE_ACCOUNT_CREDENTIAL": login.credential(),
            "AUTH_TOKEN_REFRESH_THRESHOLD_S": "soon",
        }
        with pytest.raises(MesosSettingsError, match="expected whole seconds"):
            MesosSettings(None, None).access(UID, variables)

    def test_an_authority_that_is_not_pem(self, tmp_path: Path) -> None:
        file = tmp_path / "ca.pem"
        file.write_text("not PEM")
        with pytest.raises(MesosSettingsError, match="expected PEM"):
            MesosSettings(None, file).access("p", {})
