"""A ZooKeeper that lost its ensemble and serves on read-only (`readonlymode.enabled`)."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.state.store import StoreUnavailable
from holdfast.state.zookeeper import ZooKeeperStore
from holdfast_playground import zookeeper
from holdfast_playground.addresses import ZOOKEEPER_PORT

DEADLINE = 60.0
SERVERS = (1, 2, 3)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold in time"
        time.sleep(0.1)


class Ensemble:
    """Three servers on loopback addresses of their own, ended by their process ids."""

    def __init__(self, folder: Path) -> None:
        network = _free_network()
        self._folder = folder
        self._ips = {number: f"{network}.{number}" for number in SERVERS}
        self.address = f"{self._ips[1]}:{ZOOKEEPER_PORT}"
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, *numbers: int) -> None:
        members = {f"server.{n}": f"{ip}:2888:3888" for n, ip in self._ips.items()}
        for number in numbers:
            home = self._folder / str(number)
            settings = {**members, "initLimit": "20", "syncLimit": "10"}
            command = zookeeper.command(self._ips[number], home, settings)
            (home / "data" / "myid").write_text(str(number))
            main = command.index(zookeeper.MAIN_CLASS)
            command[main : main + 1] = [
                "-Dreadonlymode.enabled=true",
                "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            ]
            with (home / "log").open("ab") as log:
                self._processes[number] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, *numbers: int) -> None:
        for number in numbers:
            process = self._processes.pop(number)
            process.kill()
            process.wait()

    def close(self) -> None:
        self.kill(*self._processes)

    def reads_only(self) -> bool:
        """Whether the first says that it lets clients read, and no more."""
        try:
            with socket.create_connection((self._ips[1], ZOOKEEPER_PORT), 1.0) as connection:
                connection.sendall(b"srvr")
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
        except OSError:
            return False
        return b"Mode: read-only" in answer


def _free_network() -> str:
    for number in range(256):
        network = f"127.69.{(os.getpid() + number) % 256}"
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((f"{network}.1", ZOOKEEPER_PORT))
            return network
    raise AssertionError("no loopback address is free for ZooKeeper")


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[Ensemble]:
    servers = Ensemble(tmp_path)
    servers.start(*SERVERS)
    yield servers
    servers.close()


def test_a_scheduler_neither_reads_nor_writes_there(ensemble: Ensemble) -> None:
    never = threading.Event()
    # Of all servers it knows the one alone that will be left.
    leader = ZooKeeperStore(ensemble.address, "db", address="one:1", session_timeout=60.0)
    try:
        assert leader.start(never, print)
        assert leader.elect(never, print)
        assert leader.load() == {}
        leader.commit([("pods/db-0", {"v": 1})])

        ensemble.kill(2, 3)
        until(ensemble.reads_only)
        assert not leader.connected
        with pytest.raises(StoreUnavailable):
            leader.commit([("pods/db-0", {"v": 2})])
        newcomer = ZooKeeperStore(ensemble.address, "db", address="two:1")
        stop = threading.Event()
        threading.Timer(5.0, stop.set).start()
        try:
            assert not newcomer.start(stop, print)
        finally:
            newcomer.close()
        assert not leader.connected

        ensemble.start(2, 3)
        until(lambda: leader.connected)
        leader.commit([("pods/db-0", {"v": 3})])
        assert leader.load() == {"pods/db-0": {"v": 3}}
    finally:
        leader.close()
