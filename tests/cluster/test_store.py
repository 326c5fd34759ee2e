"""The store against a real ZooKeeper; its contract also against the store in memory."""

import itertools
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient

from holdfast.core.confidential import AUTHORITY_PATH as AUTHORITY
from holdfast.state.memory import MemoryStore
from holdfast.state.store import (
    LAST_RECORD,
    CorruptRecord,
    Fenced,
    LeadershipLost,
    RecordTooLarge,
    SchemaMismatch,
    SessionLost,
    Store,
    StoreError,
    StoreUnavailable,
    Uninstalled,
    Writes,
)
from holdfast.state.zookeeper import ZooKeeperStore, service_root
from holdfast_playground import zookeeper
from holdfast_playground.addresses import ZOOKEEPER_PORT

DEADLINE = 30.0


def until(condition: Callable[[], Any], seconds: float = DEADLINE) -> None:
    """Poll until the condition holds; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold in time"
        time.sleep(0.01)


class ZooKeeperServer:
    """One server on a loopback address of its own, ended by its process id."""

    def __init__(self, directory: Path) -> None:
        self.ip = _free_address()
        self.hosts = f"{self.ip}:{ZOOKEEPER_PORT}"
        self.settings: dict[str, str] = {}
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self._directory / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                zookeeper.command(self.ip, self._directory, self.settings), stdout=log, stderr=log
            )
        until(lambda: zookeeper.answers(self.ip))

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _free_address() -> str:
    for number in range(256):
        ip = f"127.66.{(os.getpid() + number) % 256}.1"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ip, ZOOKEEPER_PORT))
            except OSError:
                continue
            return ip
    raise AssertionError("no free loopback address for ZooKeeper")


class Relay:
    """A TCP relay to ZooKeeper that can lose answers: the request arrives, its answer does not."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server((target[0], 0))
        self.hosts = f"{target[0]}:{self._listener.getsockname()[1]}"
        self._lose_answers = threading.Event()
        self._refuse = threading.Event()
        self._swallow = threading.Event()
        self.swallowed: list[socket.socket] = []
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answer(self) -> None:
        """Cut the connection instead of passing on the next bytes from ZooKeeper."""
        self._lose_answers.set()

    def cut(self) -> None:
        """Cut all connections and refuse new ones until `mend`."""
        self._refuse.set()
        for pair in self._pairs:
            _shut(*pair)

    def swallow_next(self) -> None:
        """Accept the next connection and never answer on it."""
        self._swallow.set()

    def mend(self) -> None:
        self._refuse.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()
        _shut(*self.swallowed)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refuse.is_set():
                client.close()
                continue
            if self._swallow.is_set():
                self._swallow.clear()
                self.swallowed.append(client)
                continue
            try:
                server = socket.create_connection(self._target, 5.0)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._pairs.append((client, server))
            for source, sink, answers in ((client, server, False), (server, client, True)):
                threading.Thread(
                    target=self._pump, args=(source, sink, answers), daemon=True
                ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        while True:
            try:
                data = source.recv(65536)
                if not data or (answers and self._lose_answers.is_set()):
                    break
                sink.sendall(data)
            except OSError:
                break
        if answers:
            self._lose_answers.clear()
        _shut(source, sink)


def _shut(*connections: socket.socket) -> None:
    for connection in connections:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


class Schedulers:
    """Opens stores the way schedulers do, and closes them all."""

    def __init__(self, hosts: str) -> None:
        self.hosts = hosts
        self.stop = threading.Event()
        self.told: list[str] = []
        self._opened: list[ZooKeeperStore] = []

    def open(self, service: str, **options: Any) -> ZooKeeperStore:
        options.setdefault("address", "scheduler.example:8080")
        options.setdefault("session_timeout", 4.0)
        store = ZooKeeperStore(options.pop("hosts", self.hosts), service, **options)
        self._opened.append(store)
        assert store.start(self.stop, self.told.append)
        return store

    def leader(self, service: str, **options: Any) -> ZooKeeperStore:
        store = self.open(service, **options)
        assert store.elect(self.stop, self.told.append)
        return store

    def close(self) -> None:
        self.stop.set()
        for store in self._opened:
            store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeperServer]:
    running = ZooKeeperServer(tmp_path_factory.mktemp("zookeeper"))
    running.start()
    yield running
    running.kill()


@pytest.fixture
def schedulers(server: ZooKeeperServer) -> Iterator[Schedulers]:
    opened = Schedulers(server.hosts)
    yield opened
    opened.close()


@pytest.fixture
def relay(server: ZooKeeperServer) -> Iterator[Relay]:
    between = Relay((server.ip, ZOOKEEPER_PORT))
    yield between
    between.close()


@pytest.fixture
def operator(server: ZooKeeperServer) -> Iterator[KazooClient]:
    """Somebody with a ZooKeeper client."""
    client = KazooClient(server.hosts)
    client.start()
    yield client
    client.stop()
    client.close()


_numbers = itertools.count()


@pytest.fixture
def service() -> str:
    return f"/team/db-{next(_numbers)}"


@pytest.fixture(params=["memory", "zookeeper"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    leader: ZooKeeperStore = request.getfixturevalue("schedulers").leader(
        request.getfixturevalue("service")
    )
    return leader


class TestContract:
    def test_empty_at_first(self, store: Store) -> None:
        assert store.load() == {}

    def test_what_was_committed_is_loaded(self, store: Store) -> None:
        store.commit([("framework", {"id": "f-1"}), ("pods/hello-0", {"n": 1, "ä": [1.5, None]})])
        assert store.load() == {
            "framework": {"id": "f-1"},
            "pods/hello-0": {"n": 1, "ä": [1.5, None]},
        }

    def test_overwriting_and_deleting(self, store: Store) -> None:
        store.commit([("pods/a-0", {"v": 1}), ("pods/a-1", {"v": 1})])
        store.commit([("pods/a-0", {"v": 2}), ("pods/a-1", None)])
        assert store.load() == {"pods/a-0": {"v": 2}}
        store.commit([("pods/a-0", None)])
        assert store.load() == {}
        store.commit([("pods/a-2", {"v": 3})])
        assert store.load() == {"pods/a-2": {"v": 3}}

    def test_deleting_what_is_not_there(self, store: Store) -> None:
        store.commit([("pods/a-0", None), ("target", None)])
        assert store.load() == {}

    def test_the_last_write_to_a_path_counts(self, store: Store) -> None:
        store.commit([("a", {"v": 1}), ("b", {"v": 1}), ("a", None), ("b", None), ("b", {"v": 2})])
        assert store.load() == {"b": {"v": 2}}

    def test_nothing_to_write(self, store: Store) -> None:
        store.commit([])
        assert store.load() == {}

    @pytest.mark.parametrize(
        "path", ["", "/a", "a/", "a/b/c", "a//b", "..", "a/..", "epoch", "election/x"]
    )
    def test_paths_that_name_no_record(self, store: Store, path: str) -> None:
        with pytest.raises(ValueError, match="cannot name a record"):
            store.commit([("good", {}), (path, {})])
        assert store.load() == {}


def nodes(client: KazooClient, service: str, path: str) -> list[str]:
    return sorted(client.get_children(f"{service_root(service)}/{path}".rstrip("/")))


def expire(store: ZooKeeperStore, server: ZooKeeperServer) -> None:
    """Close the store's session from a second client, which for ZooKeeper ends it."""
    other = KazooClient(server.hosts, client_id=store._client.client_id)
    other.start()
    other.stop()
    other.close()


class TestElection:
    def test_the_second_waits_and_says_for_whom(self, schedulers: Schedulers, service: str) -> None:
        first = schedulers.leader(service, address="one.example:8080")
        second = schedulers.open(service, address="two.example:8080")
        elected = threading.Event()

        def stand() -> None:
            if second.elect(schedulers.stop, schedulers.told.append):
                elected.set()

        threading.Thread(target=stand, daemon=True).start()
        until(lambda: schedulers.told)
        assert schedulers.told == [
            f"Another scheduler of service '{service}' leads: one.example:8080; "
            "this one waits as standby."
        ]
        assert second.leader_hint() == "one.example:8080"
        assert not elected.is_set()
        first.commit([("framework", {"id": "f"})])
        first.close()
        until(elected.is_set)
        assert second.epoch == first.epoch + 1
        assert second.load() == {"framework": {"id": "f"}}

    def test_standby_stops_when_told(self, schedulers: Schedulers, service: str) -> None:
        schedulers.leader(service)
        stop = threading.Event()
        second = schedulers.open(service)
        threading.Timer(0.3, stop.set).start()
        assert not second.elect(stop, schedulers.told.append)

    def test_a_standby_whose_session_expired_queues_up_again(
        self, schedulers: Schedulers, operator: KazooClient, server: ZooKeeperServer, service: str
    ) -> None:
        leader = schedulers.leader(service)
        lost: list[str] = []
        standby = schedulers.open(service, on_lost=lost.append)
        elected = threading.Event()

        def stand() -> None:
            if standby.elect(schedulers.stop, schedulers.told.append):
                elected.set()

        threading.Thread(target=stand, daemon=True).start()
        until(lambda: len(nodes(operator, service, "election")) == 2)
        before = nodes(operator, service, "election")
        expire(standby, server)
        until(lambda: len(now := nodes(operator, service, "election")) == 2 and now != before)
        leader.close()
        until(elected.is_set)
        standby.commit([("a", {})])
        assert lost == []

    def test_nobody_leads(self, schedulers: Schedulers, service: str) -> None:
        assert schedulers.open(service).leader_hint() is None

    def test_services_do_not_disturb_each_other(self, schedulers: Schedulers, service: str) -> None:
        one = schedulers.leader(service)
        two = schedulers.leader(service + "-other")
        one.commit([("a", {"of": 1})])
        two.commit([("a", {"of": 2})])
        assert (one.load(), two.load()) == ({"a": {"of": 1}}, {"a": {"of": 2}})

    def test_commit_without_leadership(self, schedulers: Schedulers, service: str) -> None:
        store = schedulers.open(service)
        with pytest.raises(StoreError, match="before this scheduler was elected"):
            store.commit([("a", {})])

    def test_losing_the_answer_to_the_candidacy(
        self, schedulers: Schedulers, relay: Relay, operator: KazooClient, service: str
    ) -> None:
        store = schedulers.open(service, hosts=relay.hosts)
        operator.ensure_path(f"{service_root(service)}/election")
        create = store._client.create

        def create_and_lose(*args: Any, **kwargs: Any) -> Any:
            relay.lose_answer()
            store._client.create = create
            return create(*args, **kwargs)

        store._client.create = create_and_lose
        assert store.elect(schedulers.stop, schedulers.told.append)
        assert len(nodes(operator, service, "election")) == 1


class TestFencing:
    def test_a_stale_leader_cannot_write(
        self, schedulers: Schedulers, operator: KazooClient, service: str
    ) -> None:
        stale = schedulers.leader(service, address="stale.example:1")
        stale.commit([("a", {"by": "stale"})])
        for node in nodes(operator, service, "election"):
            operator.delete(f"{service_root(service)}/election/{node}")
        fresh = schedulers.leader(service, address="fresh.example:2")
        with pytest.raises(Fenced, match=r"fresh\.example:2"):
            stale.commit([("a", {"by": "the wrong one"}), ("b", {})])
        assert fresh.load() == {"a": {"by": "stale"}}
        fresh.commit([("a", {"by": "fresh"})])
        with pytest.raises(Fenced):
            stale.commit([("a", {"by": "the wrong one"})])
        with pytest.raises(LeadershipLost):
            stale.load()

    def test_records_removed_under_a_leader(
        self, schedulers: Schedulers, operator: KazooClient, service: str
    ) -> None:
        leader = schedulers.leader(service)
        operator.delete(f"{service_root(service)}/epoch")
        with pytest.raises(Fenced, match="its records were removed"):
            leader.commit([("a", {})])


class TestWiping:
    FULL: Writes = (
        ("framework", {"id": "f"}),
        ("pods/a-0", {}),
        ("pods/a-1", {}),
        (AUTHORITY, {"key": "encrypted"}),  # with it no certificate can be made any more
        (LAST_RECORD, {}),
    )

    def test_nothing_is_left(
        self, schedulers: Schedulers, operator: KazooClient, service: str
    ) -> None:
        leader = schedulers.leader(service)
        leader.commit(self.FULL)
        operator.create(f"{service_root(service)}/backup/old", b"x", makepath=True)
        leader.wipe()
        assert operator.exists(service_root(service)) is None
        assert leader.wiped
        with pytest.raises(LeadershipLost, match="uninstalled"):
            leader.commit([("a", {})])

    def test_what_another_scheduler_has_stored_goes_too(
        self, schedulers: Schedulers, operator: KazooClient, service: str
    ) -> None:
        first = schedulers.leader(service)
        first.commit(self.FULL)
        first.close()
        second = schedulers.leader(service)
        assert AUTHORITY in second.load()
        second.wipe()
        assert operator.exists(service_root(service)) is None

    def test_a_scheduler_started_later_finds_nothing(
        self, schedulers: Schedulers, operator: KazooClient, service: str
    ) -> None:
        first = schedulers.leader(service)
        first.commit(self.FULL)
        first.wipe()
        second = schedulers.leader(service)
        assert second.load() == {}
        second.wipe()
        assert operator.exists(service_root(service)) is None

    def test_the_last_record_goes_last(
        self, schedulers: Schedulers, service: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        leader = schedulers.leader(service)
        leader.commit(self.FULL)
        written: list[list[str]] = []
        commit = leader.commit

        def spied(writes: Writes) -> None:
            written.append([path for path, _ in writes])
            commit(writes)

        monkeypatch.setattr(leader, "commit", spied)
        leader.wipe()
        assert written[-1] == [LAST_RECORD]
        assert LAST_RECORD not in written[0]

    def test_a_stale_leader_wipes_nothing(
        self, schedulers: Schedulers, operator: KazooClient, service: str
    ) -> None:
        stale = schedulers.leader(service)
        stale.commit(self.FULL)
        _, stat = operator.get(f"{service_root(service)}/epoch")
        operator.set(f"{service_root(service)}/epoch", b'{"epoch": 9}', version=stat.version)
        with pytest.raises(Fenced):
            stale.wipe()
        assert operator.exists(f"{service_root(service)}/pods/a-0") is not None

    def test_lost_answers_do_not_stop_it(
        self, schedulers: Schedulers, relay: Relay, operator: KazooClient, service: str
    ) -> None:
        leader = schedulers.leader(service, hosts=relay.hosts)
        leader.commit(self.FULL)
        relay.lose_answer()
        leader.wipe()
        assert operator.exists(f"{service_root(service)}/epoch") is None
        assert operator.exists(f"{service_root(service)}/pods") is None

    def test_a_standby_does_not_install_it_anew(self, schedulers: Schedulers, service: str) -> None:
        leader = schedulers.leader(service)
        leader.commit(self.FULL)
        standby = schedulers.open(service, address="two.example:8080")
        ended: list[BaseException] = []

        def stand() -> None:
            try:
                standby.elect(schedulers.stop, schedulers.told.append)
            except Uninstalled as error:
                ended.append(error)

        threading.Thread(target=stand, daemon=True).start()
        until(lambda: schedulers.told)
        leader.wipe()
        until(lambda: ended)
        assert "was uninstalled" in str(ended[0])


def turn_deaf(relay: Relay, leader: ZooKeeperStore) -> None:
    """The connection breaks, and on the next one the server accepts nobody answers."""
    relay.cut()
    until(lambda: not leader.connected)
    relay.swallow_next()
    relay.mend()
    until(lambda: relay.swallowed)


class TestInterruptions:
    def test_a_lost_answer_is_found_out(
        self, schedulers: Schedulers, relay: Relay, service: str
    ) -> None:
        leader = schedulers.leader(service, hosts=relay.hosts)
        leader.commit([("counter", {"n": 0})])
        for n in range(1, 6):
            relay.lose_answer()
            leader.commit([("counter", {"n": n}), (f"log/{n}", {})])
        leader.commit([("counter", {"n": 6})])
        records = leader.load()
        assert records.pop("counter") == {"n": 6}
        assert sorted(records) == [f"log/{n}" for n in range(1, 6)]

    def test_each_commit_is_applied_once(
        self, schedulers: Schedulers, relay: Relay, operator: KazooClient, service: str
    ) -> None:
        leader = schedulers.leader(service, hosts=relay.hosts)
        root = service_root(service)
        leader.commit([("a", {})])
        before = operator.get(f"{root}/a")[1].version, operator.get(f"{root}/epoch")[1].version
        relay.lose_answer()
        leader.commit([("a", {"n": 1})])
        after = operator.get(f"{root}/a")[1].version, operator.get(f"{root}/epoch")[1].version
        assert after == (before[0] + 1, before[1] + 1)

    def test_while_disconnected_a_commit_fails_at_once(
        self, schedulers: Schedulers, relay: Relay, service: str
    ) -> None:
        leader = schedulers.leader(service, hosts=relay.hosts, session_timeout=20.0)
        relay.cut()
        until(lambda: not leader.connected)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="Nothing was written"):
            leader.commit([("a", {"n": 1})])
        with pytest.raises(StoreUnavailable):
            leader.leader_hint()
        assert time.monotonic() - began < 0.5
        relay.mend()
        assert leader.wait_connected(DEADLINE)
        assert leader.load() == {}
        leader.commit([("a", {"n": 1})])
        assert leader.load() == {"a": {"n": 1}}

    def test_a_server_that_accepts_and_never_answers_does_not_cost_the_session(
        self, schedulers: Schedulers, relay: Relay, service: str
    ) -> None:
        leader = schedulers.leader(service, hosts=relay.hosts, session_timeout=8.0)
        turn_deaf(relay, leader)
        assert leader.wait_connected(DEADLINE)
        leader.commit([("a", {"n": 1})])
        assert leader.load() == {"a": {"n": 1}}

    def test_an_expired_session_ends_leadership_for_good(
        self, schedulers: Schedulers, server: ZooKeeperServer, service: str
    ) -> None:
        lost: list[str] = []
        leader = schedulers.leader(service, on_lost=lost.append)
        leader.commit([("a", {"n": 1})])
        expire(leader, server)
        until(lambda: lost)
        until(lambda: leader.connected)  # kazoo has a new session by now; we do not lead with it
        with pytest.raises(SessionLost, match="must stop"):
            leader.commit([("a", {"n": 2})])
        assert len(lost) == 1
        assert schedulers.leader(service).load() == {"a": {"n": 1}}

    def test_giving_up_leadership_is_no_loss(self, schedulers: Schedulers, service: str) -> None:
        lost: list[str] = []
        leader = schedulers.leader(service, on_lost=lost.append)
        leader.close()
        with pytest.raises(LeadershipLost, match="gave up"):
            leader.commit([("a", {})])
        assert lost == []

    def test_two_threads_may_close_while_zookeeper_is_deaf(
        self, schedulers: Schedulers, relay: Relay, service: str
    ) -> None:
        leader = schedulers.leader(service, hosts=relay.hosts, session_timeout=8.0)
        turn_deaf(relay, leader)
        with ThreadPoolExecutor(2) as pool:
            for closing in [pool.submit(leader.close) for _ in range(2)]:
                closing.result(DEADLINE)


class TestServerOutage:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Iterator[ZooKeeperServer]:
        server = ZooKeeperServer(tmp_path)
        yield server
        server.kill()

    def test_killed_and_restarted_during_commits(self, own: ZooKeeperServer) -> None:
        own.start()
        schedulers = Schedulers(own.hosts)
        try:
            leader = schedulers.leader("db", session_timeout=30.0)
            written = 0
            done = threading.Event()

            def write() -> None:
                nonlocal written
                while not done.is_set():
                    n = written + 1
                    try:
                        leader.commit([("counter", {"n": n}), (f"log/{n:06}", {"n": n})])
                    except StoreUnavailable:
                        leader.wait_connected(1.0)
                        continue
                    written = n

            writer = threading.Thread(target=write)
            writer.start()

            def progress() -> None:
                seen = written
                until(lambda: written > seen + 20)

            for _ in range(2):
                progress()
                own.kill()
                own.start()
            progress()
            done.set()
            writer.join(DEADLINE)
            assert not writer.is_alive()
            records = leader.load()
            assert records.pop("counter") == {"n": written}
            assert sorted(records) == [f"log/{n:06}" for n in range(1, written + 1)]
        finally:
            schedulers.close()

    def test_down_at_the_start(self, own: ZooKeeperServer) -> None:
        told: list[str] = []
        store = ZooKeeperStore(own.hosts, "db", address="x:1")
        started = threading.Event()
        stop = threading.Event()

        def start() -> None:
            if store.start(stop, told.append):
                started.set()

        thread = threading.Thread(target=start)
        thread.start()
        try:
            until(lambda: told)
            assert told[0].startswith(f"Waiting for ZooKeeper at {own.hosts}: ")
            assert "connection refused" in told[0]
            own.start()
            until(started.is_set)
        finally:
            stop.set()
            thread.join(DEADLINE)
            store.close()

    def test_a_name_that_does_not_resolve(self) -> None:
        told: list[str] = []
        stop = threading.Event()

        def tell(text: str) -> None:
            told.append(text)
            stop.set()

        store = ZooKeeperStore("zookeeper.invalid:2181", "db", address="x:1")
        assert not store.start(stop, tell)
        store.close()
        assert "the name zookeeper.invalid does not resolve" in told[0]


class TestRecords:
    @pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b"\xff\x00"])
    def test_a_damaged_record_is_named_and_kept(
        self, schedulers: Schedulers, operator: KazooClient, service: str, raw: bytes
    ) -> None:
        leader = schedulers.leader(service)
        leader.commit([("framework", {"id": "f"}), ("pods/a-0", {})])
        path = f"{service_root(service)}/pods/a-0"
        operator.set(path, raw)
        with pytest.raises(CorruptRecord, match=path) as failure:
            leader.load()
        assert failure.value.raw == raw
        (copy,) = nodes(operator, service, "backup")
        assert operator.get(f"{service_root(service)}/backup/{copy}")[0] == raw
        assert operator.get(path)[0] == raw

    def test_an_emptied_top_record_is_no_folder(
        self, schedulers: Schedulers, operator: KazooClient, service: str
    ) -> None:
        leader = schedulers.leader(service)
        leader.commit([("framework", {"id": "f"})])
        operator.set(f"{service_root(service)}/framework", b"")
        with pytest.raises(CorruptRecord, match="framework"):
            leader.load()

    def test_another_schema_is_refused(
        self, schedulers: Schedulers, operator: KazooClient, service: str
    ) -> None:
        operator.create(f"{service_root(service)}/schema", b"7", makepath=True)
        store = schedulers.open(service)
        with pytest.raises(SchemaMismatch, match="have the form 7"):
            store.elect(schedulers.stop, schedulers.told.append)
        with pytest.raises(SchemaMismatch):
            store.load()

    def test_more_than_one_transaction_takes(
        self, schedulers: Schedulers, operator: KazooClient, service: str
    ) -> None:
        leader = schedulers.leader(service)
        text = "x" * 300_000
        writes = [(f"configs/{n}", {"text": text, "n": n}) for n in range(8)]
        leader.commit(writes)
        assert leader.load() == dict(writes)
        assert operator.get(f"{service_root(service)}/epoch")[1].version == 4  # 3 + 3 + 2, and 1

    def test_a_record_too_large_for_any_transaction(
        self, schedulers: Schedulers, service: str
    ) -> None:
        leader = schedulers.leader(service)
        with pytest.raises(RecordTooLarge, match="configs/x"):
            leader.commit([("a", {}), ("configs/x", {"text": "x" * 1_000_000})])
        assert leader.load() == {}

    def test_nodes_changed_by_hand_do_not_stop_the_leader(
        self, schedulers: Schedulers, operator: KazooClient, service: str
    ) -> None:
        leader = schedulers.leader(service)
        leader.commit([("pods/a-0", {}), ("pods/a-1", {})])
        operator.delete(f"{service_root(service)}/pods/a-0")
        operator.create(f"{service_root(service)}/target", b"{}")
        leader.commit([("pods/a-0", {"n": 1}), ("target", {"n": 2}), ("pods/a-1", None)])
        assert leader.load() == {"pods/a-0": {"n": 1}, "target": {"n": 2}}

    def test_thousands_of_records(self, schedulers: Schedulers, service: str) -> None:
        leader = schedulers.leader(service)
        writes = [(f"pods/p-{n}", {"state": "x" * 200, "n": n}) for n in range(3000)]
        leader.commit(writes)
        began = time.monotonic()
        assert leader.load() == dict(writes)
        assert time.monotonic() - began < DEADLINE
