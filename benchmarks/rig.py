"""What a benchmark on real parts stands on: clusters, processes, ZooKeeper, waiting."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import psutil
from kazoo.client import KazooClient

from benchmarks.cpu import wait_for_calm
from holdfast_playground import zookeeper
from holdfast_playground.addresses import ZOOKEEPER_PORT
from holdfast_playground.cluster import Cluster, ClusterSpec, running

SCHEDULER_COMMAND: Sequence[str] = (sys.executable, "-m", "holdfast.main")
"""What `holdfast-scheduler` starts."""

PORT = 8080
DEADLINE_SECONDS = 120.0
POLL_SECONDS = 0.02

T = TypeVar("T")


class Failed(click.ClickException):
    """Something did not come to its end, so there is nothing to measure."""


def end_with_signals() -> None:
    """Ended in whatever way, a benchmark takes its clusters with it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def cluster_of(folder: Path, spec: ClusterSpec) -> Iterator[Cluster]:
    """A cluster that is up, on a machine as calm as it gets."""
    with running(folder / "cluster", spec) as cluster:
        wait_for_calm()
        yield cluster


@contextlib.contextmanager
def process_of(command: Sequence[str], log: Path) -> Iterator[psutil.Popen]:
    """A process that is ended with SIGTERM; its output goes to `log`."""
    with log.open("ab") as output:
        process = psutil.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def zookeeper_alone(folder: Path) -> Iterator[str]:
    """The "ip:port" of a ZooKeeper on a loopback address of its own, without Mesos."""
    ip = _free_address()
    log = folder / "zookeeper.log"
    with process_of(zookeeper.command(ip, folder / "zookeeper"), log) as process:
        wait(lambda: zookeeper.answers(ip), "ZooKeeper answers", partial(check_alive, process, log))
        yield f"{ip}:{ZOOKEEPER_PORT}"


def _free_address() -> str:
    for number in range(1, 255):
        ip = f"127.67.{number}.1"
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((ip, ZOOKEEPER_PORT))
            return ip
    raise Failed("no loopback address is free for ZooKeeper")


@contextlib.contextmanager
def zookeeper_client(address: str) -> Iterator[Any]:
    client = KazooClient(address)
    client.start()
    try:
        yield client
    finally:
        client.stop()
        client.close()


def last_transaction(zookeeper: str) -> int:
    """The number of ZooKeeper's last transaction, which reads and heartbeats do not raise."""
    host, _, port = zookeeper.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"srvr")
        text = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    (number,) = (line.split()[1] for line in text.splitlines() if line.startswith("Zxid:"))
    return int(number, 16)


def cpu_of(process: psutil.Process) -> float:
    """Seconds so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def peak_mb(process: psutil.Process) -> float:
    """The most memory the process ever had at once."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Failed(f"process {process.pid} has ended")


def check_alive(process: psutil.Popen, log: Path) -> None:
    """Raises Failed, with the end of its log, when the process has ended."""
    if process.poll() is not None:
        raise Failed(f"{log.stem} ended\n{tail(log)}")


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def wait(found: Callable[[], T | None], what: str, alive: Callable[[], None]) -> T:
    """The first truthy result of `found`. Raises Failed when there is none, or `alive` does."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (result := found()):
        alive()
        if time.monotonic() > deadline:
            raise Failed(f"not within {DEADLINE_SECONDS:g} s: {what}")
        time.sleep(POLL_SECONDS)
    return result
