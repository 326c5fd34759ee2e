"""Which ports the tasks of a pod instance get."""

from collections.abc import Iterable

from holdfast.placement.constraints import Refusal
from holdfast.placement.free import Free, allowed, lowest
from holdfast.records import Port
from holdfast.service.model import PodSpec, PortSpec

OWN_ADDRESS_PORTS = (1025, 2025)
"""Where dynamic ports come from when the pod has an address of its own (dcos-commons)."""


def assign(pod: PodSpec, free: Free, kept: Iterable[Port] = ()) -> tuple[Port, ...] | Refusal:
    """The ports of every task; nothing is taken from `free` yet.

    Static ports first; a dynamic one stays where it is in `kept` if it may, or else is the lowest
    that is free. Tasks of one resource set share its ports.
    """
    host = pod.uses_host_ports
    before = [port for port in kept if port.on_host == host]
    ours = {port.number for port in before}
    users: dict[str, list[str]] = {}
    for task in pod.tasks:
        users.setdefault(pod.resources(task).id, []).append(task.name)
    wanted = [(of.id, port) for of in pod.reserved_sets for port in of.ports]
    static = {port.port for _, port in wanted if port.port}
    for number in sorted(static):
        if host and number not in ours and not free.has_port(number):
            return Refusal("ports", f"port {number} is not on offer")
    taken = set(static)
    numbers: dict[tuple[str, str], int] = {}
    for set_id, port in wanted:
        number = port.port or _kept(before, users[set_id], port, taken)
        if number:
            numbers[set_id, port.name] = number
            taken.add(number)
    for set_id, port in wanted:
        if (set_id, port.name) in numbers:
            continue
        if host:
            found = free.lowest_port(taken, port.ranges)
        else:
            found = lowest([OWN_ADDRESS_PORTS], taken, port.ranges)
        if found is None:
            within = ", ".join(f"{r.begin}-{r.end}" for r in port.ranges)
            where = f" in {within}" if within else ""
            name = f"{users[set_id][0]}.{port.name}"
            return Refusal("ports", f"no port is left{where} for {name}")
        numbers[set_id, port.name] = found
        taken.add(found)
    return tuple(
        Port(task.name, port.name, numbers[pod.resources(task).id, port.name], host)
        for task in pod.tasks
        for port in pod.resources(task).ports
    )


def _kept(before: Iterable[Port], tasks: list[str], port: PortSpec, taken: set[int]) -> int:
    """The number the port has, 0 when it has none that may be kept."""
    for held in before:
        if (
            held.task in tasks
            and held.name == port.name
            and held.number not in taken
            and allowed(held.number, port.ranges)
        ):
            return held.number
    return 0
