"""The checker on a real Redis and a real etcd: it finds what they lose, and nothing else."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from holdfast_playground.checker.etcd import CLIENT_PORT, EtcdStore
from holdfast_playground.checker.load import PREFIX, Load
from tests.cluster.running_service import wait_until
from tests.cluster.soak.redis_store import PORT, RedisStore
from tests.cluster.test_etcd_scripts import PEER_PORT, free_network

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("etcd") is None,
    reason="redis-server or etcd is not installed",
)


@dataclass
class Server:
    """A server that is killed and started again on its data."""

    command: Sequence[str]
    data: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        self.data.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def started(ends: ExitStack, command: Sequence[str], data: Path) -> Server:
    server = Server(command, data)
    ends.callback(server.kill)
    server.start()
    return server


def under_load(ends: ExitStack, load: Load) -> Callable[[int], None]:
    """Start the load; the result waits for that many more acknowledged writes, and readings."""
    ends.callback(load.stop)
    load.start()

    def more(count: int) -> None:
        goal, read = load.acknowledged + count, load.report().reads + count
        wait_until(
            "writes go on", lambda: load.acknowledged >= goal and load.report().reads >= read
        )

    return more


@pytest.fixture
def redis(ends: ExitStack, tmp_path: Path) -> tuple[Server, str]:
    ip = f"{free_network()}.1"
    data = tmp_path / "redis"
    command = ["redis-server", "--bind", ip, "--port", str(PORT), "--dir", str(data)]
    command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
    return started(ends, command, data), ip


@pytest.fixture
def etcd(ends: ExitStack, tmp_path: Path) -> tuple[Server, str]:
    ip = f"{free_network()}.1"
    data = tmp_path / "etcd"
    client, peer = f"http://{ip}:{CLIENT_PORT}", f"http://{ip}:{PEER_PORT}"
    command = ["etcd", "--name", "one", "--data-dir", str(data), "--initial-cluster", f"one={peer}"]
    command += ["--listen-client-urls", client, "--advertise-client-urls", client]
    command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    # Another cluster for each life of the data directory, as a new cluster of a service has.
    command += ["--initial-cluster-token", "first"]
    return started(ends, command, data), ip


def test_killed_servers_lose_nothing(
    redis: tuple[Server, str], etcd: tuple[Server, str], ends: ExitStack
) -> None:
    loads = [Load(lambda: RedisStore([redis[1]])), Load(lambda: EtcdStore([etcd[1]]))]
    for (server, _), load in zip((redis, etcd), loads, strict=True):
        more = under_load(ends, load)
        more(20)
        server.kill()
        wait_until("writes fail", partial(_fails, load))
        server.start()
        more(20)
        load.stop()
        load.verify(load.store().read_all(PREFIX))
        assert load.wrong == []


def _fails(load: Load) -> bool:
    return load.report().unanswered > 0


def test_a_redis_that_forgot_its_last_writes_is_found(
    redis: tuple[Server, str], ends: ExitStack
) -> None:
    server, ip = redis
    load = Load(lambda: RedisStore([ip]))
    more = under_load(ends, load)
    more(20)
    server.kill()
    (file,) = (server.data / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(file.read_bytes()[: -file.stat().st_size // 2])
    server.start()
    wait_until("it is found while writing", lambda: any("went back" in w for w in load.wrong))
    load.stop()
    load.wrong.clear()
    load.verify(load.store().read_all(PREFIX))
    assert any("reads None, acknowledged was" in fault for fault in load.wrong)


def test_an_etcd_that_began_anew_is_found(etcd: tuple[Server, str], ends: ExitStack) -> None:
    server, ip = etcd
    load = Load(lambda: EtcdStore([ip]))
    more = under_load(ends, load)
    more(20)
    server.kill()
    shutil.rmtree(server.data)
    server.command = ["second" if word == "first" else word for word in server.command]
    server.start()
    wait_until("it is found while writing", lambda: any("from store" in w for w in load.wrong))
