"""How soon the API answers while the engine deploys: one process is the scheduler, one the load.

Another process is asked as often for as many bytes at the same times, and does nothing but send
them. How late its answers are is what this machine adds.

python -m benchmarks.reads
"""

import http.client
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import click
import structlog

from benchmarks import workload
from benchmarks.core import PODS_PER_AGENT, empty, offers
from benchmarks.cpu import Usage, usage
from benchmarks.report import HEADINGS, Row, machine, table
from holdfast import heap
from holdfast.api.app import create_app
from holdfast.api.server import ApiServer
from holdfast.core import events as ev
from holdfast.core.core import Core
from holdfast.core.effects import Question
from holdfast.core.launch import LaunchSettings
from holdfast.engine import Engine
from holdfast.mesos.channel import CallResult, Outcome
from holdfast.mesos.messages import MasterInfo, TaskState, TaskStatus
from holdfast.plans.plan import Status
from holdfast.state.memory import MemoryStore

PODS = 1_000
PODS_PER_SECOND = 50
"""Offered room, several times as fast as Mesos launches on two cores."""

AGENTS_AT_ONCE = 5
STARTING_SECONDS, RUNNING_SECONDS = 0.1, 0.4
"""From the launch of a task to news of it."""

PATH = "/v1/pod/status"
READS_PER_SECOND = 50
READERS = 10
BARE_BYTES = 560_000
"""About as many as an answer of the scheduler has at the end."""

LIMIT_MS = 20.0


# -- the scheduler ------------------------------------------------------------------------------


class Master:
    """Takes the calls of an engine, and tells of launched tasks a little later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._news: list[tuple[float, TaskStatus]] = []

    def update_framework(self) -> CallResult:
        raise AssertionError("there is one service only")

    def call(self, message: Mapping[str, Any]) -> CallResult:
        now = time.monotonic()
        infos = [
            info
            for operation in message.get("accept", {}).get("operations", ())
            for info in operation.get("launch", {}).get("task_infos", ())
        ]
        with self._lock:
            for info in infos:
                task, agent = info["task_id"]["value"], info["agent_id"]["value"]
                for after, state in (
                    (STARTING_SECONDS, TaskState.STARTING),
                    (RUNNING_SECONDS, TaskState.RUNNING),
                ):
                    status = TaskStatus(task, state, agent_id=agent, uuid=f"{task}/{state}")
                    self._news.append((now + after, status))
        return CallResult(Outcome.SENT)

    def teardown(self) -> CallResult:
        raise AssertionError("nobody uninstalls")

    def due(self) -> list[TaskStatus]:
        """What is to be told by now."""
        now = time.monotonic()
        with self._lock:
            told = [status for at, status in self._news if at <= now]
            self._news = [(at, status) for at, status in self._news if at > now]
        return told


def serve() -> None:
    """The scheduler's process: an engine that deploys, and its API.

    Writes its port, deploys once a line comes in, and writes seconds and CPU seconds that took.
    """
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    spec = workload.service(PODS)
    ids = itertools.count()
    master = Master()
    core = Core(
        empty(spec),
        LaunchSettings("http://scheduler/executor.pyz", "scheduler", 8080),
        lambda: f"id-{next(ids)}",
    )
    engine = Engine(core, MemoryStore(), master, lambda: f"call-{next(ids)}", _never_asked)
    server = ApiServer(create_app(engine, {}), "127.0.0.1", 0)
    server.start()
    threading.Thread(target=engine.run, daemon=True).start()
    engine.post(
        ev.Subscribed("framework", MasterInfo("master", "http://master:5050", "1.11.0", "here"))
    )
    heap.settle()
    print(server.port, flush=True)
    sys.stdin.readline()
    began, cpu = time.monotonic(), time.process_time()
    _deploy(engine, master, spec.role)
    print(time.monotonic() - began, time.process_time() - cpu, flush=True)
    sys.stdin.readline()
    engine.stop()
    server.stop()


def _never_asked(_question: Question) -> None:
    raise AssertionError("these pods need nobody asked")


def _deploy(engine: Engine, master: Master, role: str) -> None:
    """Offer agents in turn, and tell of tasks, each news as an event of its own, until all run."""
    waiting = list(offers(-(-PODS // PODS_PER_AGENT), role))
    pause = AGENTS_AT_ONCE * PODS_PER_AGENT / PODS_PER_SECOND
    next_offers = time.monotonic()
    running = 0
    while running < PODS:
        if waiting and time.monotonic() >= next_offers:
            next_offers += pause
            engine.post(ev.OffersReceived(tuple(waiting[:AGENTS_AT_ONCE])))
            del waiting[:AGENTS_AT_ONCE]
        for status in master.due():
            engine.post(ev.StatusReceived(status))
            running += status.state is TaskState.RUNNING
        time.sleep(0.005)
    while engine.view.plans[0].status is not Status.COMPLETE:
        time.sleep(0.1)


# -- the load -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deployed:
    """`latencies` are seconds, from when a request was due to when its answer was there in full.

    Those of `bare` are of the process that only sends.
    """

    seconds: float
    cpu: float
    latencies: tuple[float, ...]
    bare: tuple[float, ...]
    size: int
    total: Usage


class Readers:
    """So many threads with a connection each, which ask in turn, at fixed times."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._end = threading.Event()
        self.latencies: list[float] = []
        self.size = 0
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._read, args=(n,), daemon=True) for n in range(READERS)
        ]

    def start(self, began: float) -> None:
        """`began` is when the first request is due, of the monotonic clock."""
        self._began = began
        for thread in self._threads:
            thread.start()

    def ask_once(self) -> None:
        """The first answer of a process is slow, and not what is measured."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request("GET", PATH)
        connection.getresponse().read()
        connection.close()

    def stop(self) -> None:
        """Raises what a reader failed with."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _read(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            for turn in itertools.count():
                due = self._began + (turn * READERS + number) / READS_PER_SECOND
                if self._end.wait(max(0.0, due - time.monotonic())):
                    return
                connection.request("GET", PATH)
                answer = connection.getresponse()
                content = answer.read()
                self.latencies.append(time.monotonic() - due)
                if answer.status != 200:
                    raise AssertionError(f"{PATH} gave {answer.status}")
                self.size = max(self.size, len(content))
        except Exception as error:  # noqa: BLE001  # told by `stop`
            self._failure = error
        finally:
            connection.close()


@contextmanager
def process(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A Python of its own, that tells its port first."""
    started = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def deployment(*, read: bool) -> Deployed:
    """Deploy once, asking meanwhile or not."""
    with (
        process("-c", "from benchmarks.reads import serve; serve()") as scheduler,
        process("-m", "benchmarks.bare_server", str(BARE_BYTES)) as bare,
    ):
        assert scheduler.stdin is not None
        assert scheduler.stdout is not None
        assert bare.stdout is not None
        asked = [Readers(int(each.readline())) for each in (scheduler.stdout, bare.stdout)]
        for readers in asked:
            readers.ask_once()
        before = usage([scheduler.pid, bare.pid])
        print("go", file=scheduler.stdin, flush=True)
        if read:
            now = time.monotonic()
            for number, readers in enumerate(asked):
                readers.start(now + number / len(asked) / READS_PER_SECOND)
        seconds, cpu = map(float, scheduler.stdout.readline().split())
        if read:
            for readers in asked:
                readers.stop()
        total = usage([scheduler.pid, bare.pid]).since(before)
    ours, others = asked
    return Deployed(seconds, cpu, tuple(ours.latencies), tuple(others.latencies), ours.size, total)


def rows(quiet: Deployed, asked: Deployed) -> list[Row]:
    """The two deployments side by side."""
    parts, bare = quantiles(asked.latencies, n=100), quantiles(asked.bare, n=100)
    answers = len(asked.latencies)
    return [
        Row("half of the answers within (p50)", parts[49] * 1000, "ms"),
        Row("99 of 100 within (p99)", parts[98] * 1000, "ms", LIMIT_MS),
        Row("slowest of all", max(asked.latencies) * 1000, "ms"),
        Row("p50 of a process that only sends", bare[49] * 1000, "ms"),
        Row("p99 of a process that only sends", bare[98] * 1000, "ms"),
        Row("answers", answers),
        Row("size of an answer", asked.size / 1000, "kB"),
        Row("CPU of the scheduler, of one core", 100 * asked.cpu / asked.seconds, "%"),
        Row("the same when nobody asks", 100 * quiet.cpu / quiet.seconds, "%"),
        Row("CPU of one answer", 1000 * (asked.cpu - quiet.cpu) / answers, "ms"),
    ]


def report() -> tuple[str, bool]:
    """Measure: a table as Markdown, and whether the limit was kept."""
    where = machine()
    quiet, asked = deployment(read=False), deployment(read=True)
    measured = rows(quiet, asked)
    text = (
        f"`{PATH}` of {PODS:,} pods, asked for {READS_PER_SECOND} times a second over {READERS}"
        f" connections, during a deployment of {asked.seconds:.0f} s; {where}.\n\n"
        f"**Others used {asked.total.disturbance:.0%} of the CPU.** The more it is, the less the"
        " times say.\n\n"
        f"{table(HEADINGS, [row.cells() for row in measured])}\n"
    )
    return text, not any(row.missed for row in measured)


@click.command()
def main() -> None:
    """Measure how soon the API answers while the engine deploys."""
    text, kept = report()
    click.echo(text)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
