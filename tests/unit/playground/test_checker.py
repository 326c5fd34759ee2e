"""The checker: that it finds nothing wrong where nothing is, and whatever else there is."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from holdfast_playground.checker import etcd as etcd_module
from holdfast_playground.checker.etcd import EtcdStore
from holdfast_playground.checker.history import (
    Outage,
    Write,
    outages,
    wrong_content,
    wrong_order,
    wrong_reading,
)
from holdfast_playground.checker.load import Load
from holdfast_playground.checker.store import Found, Moment, Unanswered
from holdfast_playground.demo.checks import NotYet, until
from tests.unit.playground.memory_store import Memory


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def load(memory: Memory) -> Iterator[Load]:
    load = Load(lambda: memory, pause=0.002)
    yield load
    load.stop()


def wait(what: str, true: Callable[[], object]) -> None:
    def look() -> None:
        if not true():
            raise NotYet(what)

    until(look, what, 20)


def test_without_faults_nothing_is_wrong(memory: Memory, load: Load) -> None:
    load.start()
    wait("it runs", lambda: load.acknowledged >= 5 and load.report().reads >= 5)
    load.stop()
    assert load.verify(memory.read_all("load/")) == 0
    assert load.wrong == []
    assert load.report().unanswered == 0
    assert load.written() == memory.keys


def test_an_acknowledged_write_that_was_lost_is_found(memory: Memory, load: Load) -> None:
    memory.forgets = True
    load.start()
    wait("it is found", lambda: load.wrong)
    assert "reads None, acknowledged was 'value-" in load.wrong[0]


def test_a_store_that_began_anew_is_found(memory: Memory, load: Load) -> None:
    load.start()
    wait("it runs", lambda: load.acknowledged >= 5)
    memory.position = 0
    wait("it is found", lambda: any("went back" in fault for fault in load.wrong))


def test_writes_without_an_answer_may_have_taken_effect_or_not(memory: Memory, load: Load) -> None:
    memory.broken = True
    load.start()
    wait("some fail", lambda: load.report().unanswered >= 4)
    assert load.acknowledged == 0
    memory.broken = False
    wait("one works", lambda: load.acknowledged >= 1)
    load.stop()
    assert load.verify(memory.read_all("load/")) == load.report().unanswered // 2
    assert load.wrong == []


def test_a_checker_that_fails_is_no_success(load: Load) -> None:
    def broken() -> Memory:
        raise RuntimeError("no client")

    load.store = broken
    threading.excepthook, hook = (lambda _: None), threading.excepthook
    try:
        load.start()
        load.stop()
    finally:
        threading.excepthook = hook
    assert load.wrong == ["the checker itself failed: RuntimeError('no client')"] * 2


def written(number: int, position: int, store: str = "s") -> Write:
    return Write(f"load/{number}", f"v{number}", 0.0, 1.0, Moment(position, store))


def test_order_of_writes() -> None:
    first, second = written(1, 7), written(2, 9)
    assert wrong_order(None, first) is None
    assert wrong_order(first, second) is None
    assert wrong_order(second, first) == (
        "load/1 was acknowledged at 7, but load/2 was acknowledged before, at 9:"
        " the store went back"
    )
    other = written(3, 50, "t")
    assert wrong_order(second, other) == (
        "load/3 was acknowledged from store t, load/2 was acknowledged before by s"
    )


def test_readings() -> None:
    one, newest = written(1, 7), written(2, 9)
    assert wrong_reading(one, newest, Found("v1", Moment(9, "s"), 7)) is None
    assert "went back" in (wrong_reading(one, newest, Found("v1", Moment(8, "s"), 7)) or "")
    assert "reads None" in (wrong_reading(one, newest, Found(None, Moment(9, "s"))) or "")
    assert "written at 8, acknowledged was 7" in (
        wrong_reading(one, newest, Found("v1", Moment(9, "s"), 8)) or ""
    )


def test_content() -> None:
    acknowledged, attempted = {"a": "1", "b": "2"}, {"c": "3", "d": "4"}
    assert wrong_content(acknowledged, attempted, {"a": "1", "b": "2", "c": "3"}) == []
    assert wrong_content(acknowledged, attempted, {"a": "0", "d": "5", "e": "6"}) == [
        "a reads '0', acknowledged was '1'",
        "b reads None, acknowledged was '2'",
        "d reads '5', which nobody wrote",
        "e reads '6', which nobody wrote",
    ]


def test_outages_are_the_gaps_a_client_notices() -> None:
    found = outages([0.5, 1.0, 4.0, 4.5], began=0.0, ended=7.0)
    assert found == [Outage(1.0, 4.0), Outage(4.5, 7.0)]
    assert [outage.seconds for outage in found] == [3.0, 2.5]


def test_no_write_at_all_is_one_outage() -> None:
    assert outages([], began=10.0, ended=15.0) == [Outage(10.0, 15.0)]


@dataclass
class Gateway:
    """Answers of etcd's JSON gateway, by path, and the requests there were."""

    answers: dict[str, tuple[int, object]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    fake = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.asked.append((self.path, body))
            status, answer = fake.answers[self.path]
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    monkeypatch.setattr(etcd_module, "CLIENT_PORT", server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


HEADER = {"header": {"cluster_id": "12", "revision": "34"}}


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_etcd_tells_revisions_and_its_cluster(gateway: Gateway) -> None:
    pair = {"key": coded("load/1"), "value": coded("v"), "mod_revision": "30"}
    gateway.answers = {
        "/v3/kv/put": (200, HEADER),
        "/v3/kv/range": (200, {**HEADER, "kvs": [pair]}),
    }
    store = EtcdStore(["127.0.0.1"])
    assert store.write("load/1", "v") == Moment(34, "12")
    assert store.read("load/1") == Found("v", Moment(34, "12"), 30)
    assert store.read_all("load/") == {"load/1": "v"}
    assert gateway.asked[-1][1] == {"key": coded("load/"), "range_end": coded("load0")}
    gateway.answers["/v3/kv/range"] = (200, HEADER)
    assert store.read("load/2") == Found(None, Moment(34, "12"))
    store.close()


def test_an_error_and_silence_are_no_answers(gateway: Gateway) -> None:
    gateway.answers = {"/v3/kv/put": (503, {"error": "etcdserver: request timed out"})}
    store = EtcdStore(["127.0.0.1", "127.0.0.2"])
    with pytest.raises(Unanswered, match=r"127\.0\.0\.1: 503 .*timed out"):
        store.write("load/1", "v")
    with pytest.raises(Unanswered, match=r"127\.0\.0\.2: ConnectionRefusedError"):
        store.write("load/2", "v")
