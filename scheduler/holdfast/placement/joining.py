"""Resources for tasks that join a running executor."""

from collections.abc import Collection

from holdfast.placement.constraints import Refusal
from holdfast.placement.evaluate import Holding
from holdfast.placement.pool import AgentPool
from holdfast.records import Reservation
from holdfast.service.model import PodSpec


def join(
    held: Reservation, spec: PodSpec, tasks: Collection[str], pool: AgentPool
) -> Holding | Refusal:
    """The reserved resources the tasks run on, when the agent offers enough of them."""
    cpus = sum(task.cpus for task in spec.tasks if task.name in tasks)
    mem = float(sum(task.memory_mb for task in spec.tasks if task.name in tasks))
    raw = {}
    for name, amount in (("cpus", cpus), ("mem", mem)):
        offered = pool.ours(held.resource_id, name)
        if amount and (not offered or round(sum(r.amount for r in offered), 3) < amount):
            return Refusal(name, f"waits for {amount:g} of its reservation to be offered again")
        raw[name] = offered[0].raw if offered else {}
    ports = pool.ours(held.resource_id, "ports")
    return Holding(raw["cpus"], raw["mem"], ports[0].raw if ports else None, ())
