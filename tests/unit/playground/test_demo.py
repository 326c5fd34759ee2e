"""The demo's own measures: that they tell what is so, and above all what is not."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console

from holdfast_playground.demo import load as load_module
from holdfast_playground.demo.checks import CheckFailed, NotYet, require, until
from holdfast_playground.demo.load import Load, outages
from holdfast_playground.demo.narration import Narrator


@dataclass
class FakeEtcd:
    """The two paths of etcd's JSON gateway the load uses, over a dictionary."""

    keys: dict[str, str] = field(default_factory=dict)
    forgets: bool = False
    broken: bool = False

    def answer(self, path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        if self.broken:
            return 503, {}
        key = base64.b64decode(body["key"]).decode()
        if path == "/v3/kv/put":
            if not self.forgets:
                self.keys[key] = body["value"]
            return 200, {}
        value = self.keys.get(key)
        return 200, {"kvs": [{"key": body["key"], "value": value}]} if value else {}


@pytest.fixture
def etcd(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEtcd]:
    fake = FakeEtcd()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = fake.answer(self.path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    monkeypatch.setattr(load_module, "CLIENT_PORT", server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


def at_least(load: Load, writes: int, reads: int) -> None:
    def look() -> None:
        report = load.report()
        if report.acknowledged < writes or report.reads < reads:
            raise NotYet(f"{report}")

    until(look, "the load runs", 20)


@pytest.fixture
def load() -> Iterator[Load]:
    load = Load(["127.0.0.1"])
    yield load
    load.stop()


def test_a_load_without_faults_finds_none(etcd: FakeEtcd, load: Load) -> None:
    load.start()
    at_least(load, 5, 5)
    load.stop()
    assert load.wrong == {}
    assert load.report().failed_attempts == 0
    assert set(load.written) == set(etcd.keys)


def test_an_acknowledged_write_that_was_lost_is_found(etcd: FakeEtcd, load: Load) -> None:
    etcd.forgets = True
    load.start()
    at_least(load, 1, 1)
    load.stop()
    assert load.wrong


def test_a_changed_value_is_found(etcd: FakeEtcd, load: Load) -> None:
    load.start()
    at_least(load, 3, 1)
    for key in list(etcd.keys):
        etcd.keys[key] = base64.b64encode(b"another").decode()

    def look() -> None:
        if "another" not in load.wrong.values():
            raise NotYet("the reader has not met one")

    until(look, "the reader finds it", 20)


def test_refused_writes_are_not_acknowledged_but_tried_again(etcd: FakeEtcd, load: Load) -> None:
    etcd.broken = True
    load.start()

    def look() -> None:
        if load.report().failed_attempts < 3:
            raise NotYet(f"{load.report()}")

    until(look, "attempts fail", 20)
    assert load.acknowledged == 0
    etcd.broken = False
    at_least(load, 1, 1)
    load.stop()
    assert "load/000000" in etcd.keys
    assert load.wrong == {}


def test_outages_are_the_gaps_a_client_notices() -> None:
    assert outages([0.5, 1.0, 4.0, 4.5], began=0.0, ended=7.0) == [3.0, 2.5]


def test_no_write_at_all_is_one_outage() -> None:
    assert outages([], began=10.0, ended=15.0) == [5.0]


def test_waiting_ends_with_the_last_reason_and_the_member() -> None:
    def look() -> None:
        raise NotYet("etcd-1 is STAGING")

    with pytest.raises(
        CheckFailed, match=r"etcd-1 is back: not within 0 s \(etcd-1 is STAGING\)"
    ) as e:
        until(look, "etcd-1 is back", 0, "etcd-1")
    assert e.value.member == "etcd-1"


def test_a_claim_that_does_not_hold_fails() -> None:
    with pytest.raises(CheckFailed, match=r"no process is left: it is not so \(\[7\]\)"):
        require(False, "no process is left", "[7]")


def test_a_failed_step_is_named_and_has_no_time() -> None:
    narrator = Narrator(Console(quiet=True))
    with narrator.step("the first"):
        pass
    with pytest.raises(CheckFailed), narrator.step("the second"):
        require(False, "it holds", "it does not")
    assert [title for title, _ in narrator.times] == ["the first"]
    assert narrator.current == "step 2, the second"
