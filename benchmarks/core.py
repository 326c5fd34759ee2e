"""What a step of the core costs, in memory: no store, no master, no waiting.

python -m benchmarks.core
"""

import dataclasses
import itertools
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
import orjson

from benchmarks import workload
from benchmarks.report import HEADINGS, Row, machine, shown, table
from holdfast.core import events as ev
from holdfast.core.core import Core
from holdfast.core.effects import Accept
from holdfast.core.launch import LaunchSettings
from holdfast.core.ledger import Ledger
from holdfast.core.startup import open_ledger
from holdfast.mesos.messages import MasterInfo, Offer, TaskState, TaskStatus
from holdfast.mesos.parse import parse_offers
from holdfast.records import Pod
from holdfast.service.encode import from_json
from holdfast.service.model import ServiceSpec
from holdfast.state.memory import MemoryStore

NOW = 1_000_000.0
SIZES = (100, 1_000, 10_000)
PODS_PER_AGENT = 5
OFFERS = 20
MOST_AT_ONCE = 1_000
"""A deployment of more pods in one step takes minutes, and is not measured."""

TRIES = 5
SECONDS_PER_TRY = 0.1
MOST_RATIO = 2.0
"""How many times as much an event may cost with the most pods as with the fewest."""

LEAST_PER_SECOND = 2_000
"""Steps with a status update, at the smallest size."""

RESTART_SECONDS = 5.0
RESTART_MB = 250.0
"""For a scheduler that starts with the records of the most pods, to the end of its first step."""


def connected(ledger: Ledger) -> Core:
    """A core that has subscribed."""
    ids = itertools.count()
    settings = LaunchSettings("http://scheduler/executor.pyz", "scheduler", 8080)
    core = Core(ledger, settings, lambda: f"id-{next(ids)}")
    master = MasterInfo("master", "http://master:5050", "1.11.0", region="here")
    core.step([ev.Subscribed("framework", master)], NOW)
    return core


def empty(spec: ServiceSpec) -> Ledger:
    """The records of a service that was never deployed."""
    ledger, _ = open_ledger(MemoryStore().load(), spec)
    return ledger


def launched(spec: ServiceSpec) -> Ledger:
    """The records once every pod instance is launched and none is heard of."""
    ledger = empty(spec)
    core = connected(ledger)
    core.step([ev.OffersReceived(offers(1, spec.role))], NOW)
    first = next(iter(ledger.pods.values()))
    assert first.reservation is not None
    for number in range(spec.pods[0].count):
        task = dataclasses.replace(first.tasks[0], id=f"task-{number}")
        agent = f"agent-{number // PODS_PER_AGENT}"
        place = dataclasses.replace(first.reservation, agent_id=agent, resource_id=f"own-{number}")
        ledger.put_pod(dataclasses.replace(first, index=number, tasks=(task,), reservation=place))
    ledger.take_writes()
    return ledger


def offers(count: int, role: str) -> tuple[Offer, ...]:
    """Offers of as many agents, each with room for its share of the pods, and not much more."""
    return parse_offers(
        {"offers": {"offers": [raw_offer(number, role) for number in range(count)]}}
    )


def running(spec: ServiceSpec) -> Ledger:
    """The records once every pod instance runs and the service is deployed."""
    ledger = launched(spec)
    core = connected(ledger)
    core.step([_status(pod.tasks[0].id) for pod in _pods(ledger)], NOW)
    ledger.take_writes()
    assert ledger.deployed == ledger.target_id
    return ledger


def status_in_deployment(spec: ServiceSpec) -> float:
    """Seconds for one task that comes up while all others are still starting."""
    core = connected(launched(spec))
    return _seconds(core, ([_status(pod.tasks[0].id)] for pod in _pods(core.ledger)))


def status_update(spec: ServiceSpec) -> float:
    """Seconds for news of one task of a service that runs: it is lost from sight, and back."""
    core = connected(running(spec))
    return _seconds(core, _blinking(core.ledger))


def status_in_update(spec: ServiceSpec) -> float:
    """The same while a new configuration is rolled out, and all but one wait for their turn."""
    stored = records_of(running(spec))
    task = dataclasses.replace(spec.pods[0].tasks[0], cmd="exec sleep 2000000")
    pod = dataclasses.replace(spec.pods[0], tasks=(task,))
    ledger, errors = open_ledger(stored, dataclasses.replace(spec, pods=(pod,)))
    assert not errors
    core = connected(ledger)
    assert len(ledger.index.stopping()) == 1
    return _seconds(core, _blinking(ledger))


def _blinking(ledger: Ledger) -> Iterator[list[ev.Event]]:
    for pod in itertools.cycle(_pods(ledger)[1:]):
        for state in (TaskState.UNREACHABLE, TaskState.RUNNING):
            yield [_status(pod.tasks[0].id, state)]


def command(spec: ServiceSpec) -> float:
    """Seconds for an operator's order to restart a pod instance."""
    core = connected(running(spec))
    names = [pod.name for pod in _pods(core.ledger)]
    orders = ([ev.Command("id", ev.Verb.POD_RESTART, name)] for name in names)
    # Few, since each takes an instance down.
    return min(_seconds(core, itertools.islice(orders, 10)) for _ in range(TRIES))


def idle_offers(spec: ServiceSpec) -> float:
    """Seconds for an event of offers when nothing is to be placed."""
    core = connected(running(spec))
    return _seconds(core, itertools.repeat([ev.OffersReceived(offers(OFFERS, spec.role))]))


EVENTS = {
    "status, all runs": status_update,
    "status, deploying": status_in_deployment,
    "status, rolling update": status_in_update,
    "pod restart": command,
    f"{OFFERS} offers, idle": idle_offers,
}


def _seconds(core: Core, events: Iterable[Sequence[ev.Event]]) -> float:
    """CPU seconds of a step and a picture, as the engine makes for each batch of events.

    The lowest of several tries: what others on the machine add is always more.
    """
    tries: list[float] = []
    count, started = 0, time.process_time()
    for batch in events:
        core.step(batch, NOW)
        core.view(NOW)
        count += 1
        elapsed = time.process_time() - started
        if elapsed > SECONDS_PER_TRY:
            tries.append(elapsed / count)
            if len(tries) == TRIES:
                return min(tries)
            count, started = 0, time.process_time()
    return min(tries, default=(time.process_time() - started) / max(count, 1))


def _pods(ledger: Ledger) -> list[Pod]:
    return list(ledger.pods.values())


def _status(task_id: str, state: TaskState = TaskState.RUNNING) -> ev.StatusReceived:
    return ev.StatusReceived(TaskStatus(task_id, state, agent_id="agent", uuid="uuid"))


def records_of(ledger: Ledger, framework_id: str = "framework") -> dict[str, dict[str, Any]]:
    """The records as the store has them."""
    ledger.store_target()
    ledger.set_deployed()
    ledger.set_framework_id(framework_id)
    for pod in _pods(ledger):
        ledger.put_pod(pod)
    return {path: data for path, data in ledger.take_writes() if data is not None}


def restart(pods: int) -> tuple[float, float]:
    """CPU seconds and MB of a process that reads so many pod records and makes its first step."""
    code = "from benchmarks.core import start; start()"
    stored = records_of(running(workload.service(pods)))
    records = b"".join(
        b"%s %s\n" % (path.encode(), orjson.dumps(data)) for path, data in stored.items()
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=records, stdout=subprocess.PIPE, check=True
    )
    seconds, memory = done.stdout.split()
    return float(seconds), float(memory)


def start() -> None:
    """The process that is measured: records from standard input, what it took to standard output.

    The service stays the one that is stored, as after a crash.
    """
    raw = {path.decode(): data for path, _, data in (s.partition(b" ") for s in sys.stdin.buffer)}
    target = from_json(orjson.loads(raw[f"configs/{orjson.loads(raw['target'])['id']}"]))
    started = time.process_time()
    ledger, _ = open_ledger(MemoryStore(raw).load(), target)
    core = connected(ledger)
    core.view(NOW)
    took = time.process_time() - started
    print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def deploy(spec: ServiceSpec) -> float:
    """Seconds for the step that places every pod of the service on offers of its agents."""
    core = connected(empty(spec))
    pods = spec.pods[0].count
    event = ev.OffersReceived(offers(-(-pods // PODS_PER_AGENT), spec.role))
    started = time.process_time()
    effects = core.step([event], NOW)
    core.view(NOW)
    elapsed = time.process_time() - started
    launches = [
        operation
        for effect in effects
        if isinstance(effect, Accept)
        for operation in effect.operations
        if operation["type"] == "LAUNCH"
    ]
    assert len(launches) == pods, f"{len(launches)} of {pods} were placed"
    return elapsed


def report() -> tuple[str, bool]:
    """Measure everything: tables as Markdown, and whether all limits were kept."""
    where = machine()
    costs = {
        name: [measure(workload.service(pods)) for pods in SIZES]
        for name, measure in EVENTS.items()
    }
    lines = [
        (name, *(f"{shown(cost * 1000)} ms" for cost in row), shown(max(row) / row[0]))
        for name, row in costs.items()
    ]
    seconds, memory = restart(SIZES[-1])
    placed = [
        Row(f"placing {pods:,} pods in one step", deploy(workload.service(pods)), "s")
        for pods in SIZES
        if pods <= MOST_AT_ONCE
    ]
    rows = [
        *(Row(f"{name}: ratio", max(row) / row[0], "", MOST_RATIO) for name, row in costs.items()),
        Row(f"CPU of a step at {SIZES[0]} pods", costs["status, all runs"][0] * 1000, "ms",
            1000 / LEAST_PER_SECOND),
        Row("the same in steps a second", 1 / costs["status, all runs"][0]),
        Row(f"start with {SIZES[-1]:,} records, CPU", seconds, "s", RESTART_SECONDS),
        Row(f"start with {SIZES[-1]:,} records, memory", memory, "MB", RESTART_MB),
        *placed,
    ]  # fmt: skip
    headings = ("CPU of one event", *(f"{pods:,} pods" for pods in SIZES), "most / first")
    text = (
        f"Best of {TRIES} tries; {where}.\n\n{table(headings, lines)}\n\n"
        f"{table(HEADINGS, [row.cells() for row in rows])}\n"
    )
    return text, not any(row.missed for row in rows)


def raw_offer(number: int, role: str) -> dict[str, Any]:
    amounts = {"cpus": 1.1, "mem": 4096, "disk": 10240}
    return {
        "id": {"value": f"offer-{number}"},
        "agent_id": {"value": f"agent-{number}"},
        "hostname": f"host-{number}",
        "allocation_info": {"role": role},
        "domain": {"fault_domain": {"region": {"name": "here"}, "zone": {"name": "a"}}},
        "resources": [
            {"name": name, "type": "SCALAR", "scalar": {"value": amount}}
            for name, amount in amounts.items()
        ],
    }


@click.command()
def main() -> None:
    """Measure what a step of the core costs at several sizes of service."""
    text, kept = report()
    click.echo(text)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
