"""A real ZooKeeper that knows users, and speaks TLS with those whose certificate it knows."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import make_digest_acl

from holdfast.state.ownership import AccessDenied
from holdfast.state.zookeeper import ZooKeeperStore, service_root
from holdfast.zk_client import ZkTls, connect_problem
from tests.cluster.test_store import Schedulers, ZooKeeperServer, until

TLS_PORT = 2281
OWNER = "db:a secret"
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


class TlsServer(ZooKeeperServer):
    """Also listens with TLS; asks for certificates that its own one signed."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.certificate, self.key = _certificate(directory, self.ip)
        both = directory / "both.pem"
        both.write_bytes(self.key.read_bytes() + self.certificate.read_bytes())
        self.tls_hosts = f"{self.ip}:{TLS_PORT}"
        self.settings = {
            "secureClientPortAddress": self.ip,
            "secureClientPort": str(TLS_PORT),
            "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
            "ssl.keyStore.location": str(both),
            "ssl.keyStore.type": "PEM",
            "ssl.trustStore.location": str(self.certificate),
            "ssl.trustStore.type": "PEM",
            "ssl.clientAuth": "need",
        }


def _certificate(folder: Path, ip: str) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    make += ["-subj", f"/CN={ip}", "-addext", f"subjectAltName=IP:{ip}"]
    make += ["-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    running = TlsServer(tmp_path_factory.mktemp("zookeeper"))
    running.start()
    yield running
    running.kill()


@pytest.fixture
def schedulers(server: TlsServer) -> Iterator[Schedulers]:
    opened = Schedulers(server.hosts)
    yield opened
    opened.close()


@pytest.fixture
def stranger(server: TlsServer) -> Iterator[KazooClient]:
    client = KazooClient(server.hosts)
    client.start()
    yield client
    client.stop()
    client.close()


def tree(client: KazooClient, path: str) -> list[str]:
    below = client.get_children(path)
    return [path] + [one for name in below for one in tree(client, f"{path}/{name}")]


def test_the_records_are_their_users_alone(schedulers: Schedulers, stranger: KazooClient) -> None:
    leader = schedulers.leader("kept", auth=OWNER)
    leader.commit([("framework", {"id": "f-1"}), ("pods/a-0", {"n": 1})])
    root = service_root("kept")
    paths = tree(leader._client, root)
    assert {f"{root}/{part}" for part in ("epoch", "schema", "election", "pods/a-0")} < set(paths)
    for path in paths:
        with pytest.raises(NoAuthError):
            stranger.get(path)
        with pytest.raises(NoAuthError):
            stranger.set(path, b"x")
    with pytest.raises(NoAuthError):
        stranger.create(f"{root}/framework2", b"x")


@pytest.mark.parametrize("auth", [None, "db:wrong", "other:a secret"])
def test_a_scheduler_that_is_not_the_user(schedulers: Schedulers, auth: str | None) -> None:
    schedulers.leader("guarded", auth=OWNER).commit([("framework", {"id": "f-1"})])
    other = schedulers.open("guarded", auth=auth)
    with pytest.raises(AccessDenied) as refused:
        other.elect(schedulers.stop, schedulers.told.append)
    assert "--zookeeper-auth-file" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "wrong" not in str(refused.value)


def test_another_service_of_another_user(schedulers: Schedulers) -> None:
    schedulers.leader("first", auth=OWNER).commit([("framework", {"id": "f-1"})])
    second = schedulers.leader("second", auth="queue:its own")
    second.commit([("framework", {"id": "f-2"})])
    assert second.load() == {"framework": {"id": "f-2"}}


def test_records_of_a_time_without_users(schedulers: Schedulers, stranger: KazooClient) -> None:
    before = schedulers.leader("grown")
    before.commit([("pods/a-0", {"n": 1})])
    before.close()
    path = f"{service_root('grown')}/pods/a-0"
    assert stranger.get(path)
    after = schedulers.leader("grown", auth=OWNER)
    assert after.load() == {"pods/a-0": {"n": 1}}
    with pytest.raises(NoAuthError):
        stranger.get(path)
    after.commit([("pods/a-0", {"n": 2})])


def test_records_taken_away_from_a_leader(schedulers: Schedulers, server: TlsServer) -> None:
    leader = schedulers.leader("robbed")
    leader.commit([("pods/a-0", {"n": 1})])
    thief = KazooClient(server.hosts, auth_data=[("digest", "thief:x")])
    thief.start()
    try:
        acl = [make_digest_acl("thief", "x", all=True)]
        thief.set_acls(f"{service_root('robbed')}/pods/a-0", acl)
    finally:
        thief.stop()
        thief.close()
    with pytest.raises(AccessDenied):
        leader.load()


def test_tls(schedulers: Schedulers, server: TlsServer) -> None:
    tls = ZkTls(str(server.certificate), str(server.certificate), str(server.key))
    leader = schedulers.leader("sealed", hosts=server.tls_hosts, tls=tls, auth=OWNER)
    records = {f"pods/a-{n}": {"text": "x" * 300} for n in range(1500)}
    leader.commit(list(records.items()))
    assert leader.load() == records


def test_what_is_wrong_with_tls(server: TlsServer, tmp_path: Path) -> None:
    certificate, key = (str(path) for path in _certificate(tmp_path / "other", "127.0.0.1"))
    ours = str(server.certificate)
    problems = [
        connect_problem(server.tls_hosts, tls=ZkTls(ours)),
        connect_problem(server.tls_hosts, tls=ZkTls(ours, certificate, key)),
        connect_problem(server.tls_hosts, tls=ZkTls(certificate)),
    ]
    assert all("do not agree on TLS" in problem for problem in problems), problems
    assert "verify failed" in problems[2]


def test_an_untrusted_server_is_told_and_waited_for(server: TlsServer, tmp_path: Path) -> None:
    certificate, _ = _certificate(tmp_path / "other", "127.0.0.1")
    told: list[str] = []
    stop = threading.Event()
    tls = ZkTls(str(certificate))
    store = ZooKeeperStore(server.tls_hosts, "never", address="a:1", tls=tls)
    waiting = threading.Thread(target=store.start, args=(stop, told.append), daemon=True)
    waiting.start()
    try:
        until(lambda: told)
        assert "do not agree on TLS" in told[0]
    finally:
        stop.set()
        waiting.join(10)
        store.close()
    assert not store.connected
