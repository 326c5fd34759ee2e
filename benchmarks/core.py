"""What a step of the core costs, in memory: no store, no master, no waiting.

python -m benchmarks.core
"""

import dataclasses
import itertools
import time
from collections.abc import Callable
from typing import Any

import click

from benchmarks import workload
from benchmarks.report import machine, shown, table
from holdfast.core import events as ev
from holdfast.core.core import Core
from holdfast.core.effects import Accept
from holdfast.core.launch import LaunchSettings
from holdfast.core.ledger import Ledger
from holdfast.core.startup import open_ledger
from holdfast.mesos.messages import MasterInfo, Offer, TaskState, TaskStatus
from holdfast.mesos.parse import parse_offers
from holdfast.service.model import ServiceSpec
from holdfast.state.memory import MemoryStore

NOW = 1_000_000.0
SIZES = (100, 1_000, 10_000)
PODS_PER_AGENT = 5
OFFERS = 20
MOST_AT_ONCE = 1_000
"""A deployment of more pods in one step takes minutes, and is not measured."""

TRIES = 5
SECONDS_PER_TRY = 0.5
HEADINGS = ("pods", "status update", "updates per second", f"{OFFERS} offers, idle", "deploy all")


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
    return parse_offers({"offers": {"offers": [_offer(number, role) for number in range(count)]}})


def status_update(spec: ServiceSpec) -> float:
    """Seconds for one task that comes up: step and view, as the engine does after each event."""
    core = connected(launched(spec))
    tasks = iter([pod.tasks[0].id for pod in core.ledger.pods.values()])
    count = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < SECONDS_PER_TRY:
        task = next(tasks, None)
        if task is None:
            break
        status = TaskStatus(task, TaskState.RUNNING, agent_id="agent", uuid="uuid")
        core.step([ev.StatusReceived(status)], NOW)
        core.view(NOW)
        count += 1
    return elapsed / count


def idle_offers(spec: ServiceSpec) -> float:
    """Seconds for an event of offers when nothing is to be placed."""
    core = connected(launched(spec))
    event = ev.OffersReceived(offers(OFFERS, spec.role))
    count = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < SECONDS_PER_TRY:
        core.step([event], NOW)
        core.view(NOW)
        count += 1
    return elapsed / count


def deploy(spec: ServiceSpec) -> float:
    """Seconds for the step that places every pod of the service on offers of its agents."""
    core = connected(empty(spec))
    pods = spec.pods[0].count
    event = ev.OffersReceived(offers(-(-pods // PODS_PER_AGENT), spec.role))
    started = time.perf_counter()
    effects = core.step([event], NOW)
    core.view(NOW)
    elapsed = time.perf_counter() - started
    launches = [
        operation
        for effect in effects
        if isinstance(effect, Accept)
        for operation in effect.operations
        if operation["type"] == "LAUNCH"
    ]
    assert len(launches) == pods, f"{len(launches)} of {pods} were placed"
    return elapsed


def report() -> str:
    """Measure everything: a table as Markdown."""
    where = machine()
    rows = []
    for pods in SIZES:
        spec = workload.service(pods)
        update, idle = _best(status_update, spec), _best(idle_offers, spec)
        all_ = f"{shown(_best(deploy, spec) * 1000)} ms" if pods <= MOST_AT_ONCE else "-"
        rows.append(
            (f"{pods:,}", f"{shown(update * 1000)} ms", f"{1 / update:,.0f}",
             f"{shown(idle * 1000)} ms", all_)
        )  # fmt: skip
    return f"Best of {TRIES} tries; {where}.\n\n{table(HEADINGS, rows)}\n"


def _best(measure: Callable[[ServiceSpec], float], spec: ServiceSpec) -> float:
    """The lowest of several tries: what others on the machine add is always more."""
    return min(measure(spec) for _ in range(TRIES))


def _offer(number: int, role: str) -> dict[str, Any]:
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
    click.echo(report())


if __name__ == "__main__":
    main()
