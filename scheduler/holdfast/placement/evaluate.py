"""A pod instance matched with an agent's offer: what to reserve and create, or why not.

`place` finds room for a new instance; `resume` finds again what an instance already holds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from holdfast.mesos import operations
from holdfast.placement import resources
from holdfast.placement.constraints import Place, Refusal, first_refusal
from holdfast.placement.pool import FRAMEWORK_ID, POD, RESOURCE_ID, SERVICE, AgentPool
from holdfast.records import Port, Reservation, Volume
from holdfast.service.model import PodSpec, ServiceSpec

Json = dict[str, Any]

EXECUTOR_CPUS = 0.1
EXECUTOR_MEMORY_MB = 32.0
"""What the executor itself takes, once per pod instance, as in dcos-commons."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The reserved resources of a pod instance as messages, ready to be launched on."""

    cpus: Json
    mem: Json
    ports: Json | None
    volumes: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """A pod instance that fits: its reservation, and the messages to get there.

    `reserve` and `create` are the resources to RESERVE and the volumes to CREATE first.
    """

    reservation: Reservation
    holding: Holding
    reserve: tuple[Json, ...]
    create: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose reservations these are: they carry it as labels."""

    service: ServiceSpec
    framework_id: str

    def reserved(self, resource: Json, pod: str, resource_id: str) -> Json:
        """The resource with the reservation that says so pushed on its stack."""
        return operations.reserved(
            resource,
            role=self.service.role,
            principal=self.service.principal,
            labels={
                RESOURCE_ID: resource_id,
                FRAMEWORK_ID: self.framework_id,
                SERVICE: self.service.name,
                POD: pod,
            },
        )


def place(
    owner: Owner,
    pod: PodSpec,
    name: str,
    pool: AgentPool,
    peers: Iterable[Place],
    home_region: str | None,
    new_id: Callable[[], str],
) -> Placement | Refusal:
    """Room for a new instance on the agent, taken from the pool; or the first rule that forbids it.

    Without a constraint on @region an instance stays in `home_region`, the master's own: data
    does not leave its region unless the service says so.
    """
    refusal = first_refusal(pod.placement, pool, peers) or _other_region(pod, pool, home_region)
    if refusal:
        return refusal
    given = _ports(pod, pool)
    if isinstance(given, Refusal):
        return given
    wanted = Reservation(
        resource_id=new_id(),
        agent_id=pool.agent_id,
        hostname=pool.hostname,
        ip=pool.ip,
        region=pool.region,
        zone=pool.zone,
        attributes=pool.attributes,
        cpus=round(EXECUTOR_CPUS + sum(task.cpus for task in pod.tasks), 3),
        memory_mb=EXECUTOR_MEMORY_MB + sum(task.memory_mb for task in pod.tasks),
        ports=given,
        volumes=tuple(Volume(new_id(), new_id(), v.path, v.size_mb) for v in pod.volumes),
    )
    needs = {
        "cpus": wanted.cpus,
        "mem": wanted.memory_mb,
        "disk": float(sum(v.size_mb for v in wanted.volumes)),
    }
    for resource, amount in needs.items():
        if amount > pool.free[resource]:
            return Refusal(resource, f"needs {amount:g}, the agent offers {pool.free[resource]:g}")
    return _complete(owner, name, wanted, pool)


def resume(owner: Owner, name: str, held: Reservation, pool: AgentPool) -> Placement | Refusal:
    """What the instance holds, found again in the agent's offer.

    A confirmed reservation must be offered whole: its volumes may hold data, so a missing one is
    never replaced by an empty one. What an unconfirmed one lacks is reserved and created anew.
    """
    missing = missing_parts(held, pool)
    if missing and held.confirmed:
        return Refusal("reservation", f"waits for {', '.join(missing)} to be offered again")
    here = replace(
        held,
        agent_id=pool.agent_id,
        hostname=pool.hostname,
        ip=pool.ip,
        region=pool.region,
        zone=pool.zone,
        attributes=pool.attributes,
    )
    return _complete(owner, name, here, pool)


def missing_parts(held: Reservation, pool: AgentPool) -> list[str]:
    """Which parts of the reservation the agent does not offer, in words; empty when all are there.

    All being offered proves that no executor uses them: Mesos offers nothing that is in use.
    """
    missing = [
        what
        for what, name, amount in (
            (f"{held.cpus:g} cpus", "cpus", held.cpus),
            (f"{held.memory_mb:g} MB of memory", "mem", held.memory_mb),
        )
        if round(sum(r.amount for r in pool.ours(held.resource_id, name)), 3) < amount
    ]
    offered = {
        port
        for resource in pool.ours(held.resource_id, "ports")
        for begin, end in resource.ranges
        for port in range(begin, end + 1)
    }
    missing += [f"port {p.number}" for p in held.ports if p.number not in offered]
    present = {r.persistence_id for v in held.volumes for r in pool.ours(v.resource_id, "disk")}
    missing += [f"volume {v.id}" for v in held.volumes if v.id not in present]
    return missing


def present(held: Reservation, pool: AgentPool) -> bool:
    """Whether any part of the reservation is on offer."""
    return any(id_ in pool.reserved for id_ in held.resource_ids)


def _other_region(pod: PodSpec, pool: AgentPool, home: str | None) -> Refusal | None:
    if home is None or any(c.field == "@region" for c in pod.placement):
        return None
    if pool.region in (None, home):  # an agent without a domain counts as the master's own
        return None
    return Refusal("@region", f"the agent is in {pool.region}, the service stays in {home}")


def _ports(pod: PodSpec, pool: AgentPool) -> tuple[Port, ...] | Refusal:
    """Static ports first, then the lowest free ones; nothing is taken from the pool yet."""
    wanted = [(task.name, port) for task in pod.tasks for port in task.ports]
    static = {port.port for _, port in wanted if port.port}
    for static_port in sorted(static):
        if not pool.has_port(static_port):
            return Refusal("ports", f"port {static_port} is not on offer")
    taken = set(static)
    given: list[Port] = []
    for task, port in wanted:
        number = port.port or pool.lowest_port(taken)
        if number is None:
            return Refusal("ports", f"no port is left for {task}.{port.name}")
        taken.add(number)
        given.append(Port(task, port.name, number))
    return tuple(given)


def _complete(owner: Owner, name: str, wanted: Reservation, pool: AgentPool) -> Placement | Refusal:
    """Messages for `wanted`: what is on offer as it is, the rest reserved from the pool."""
    reserve: list[Json] = []
    create: list[Json] = []

    def of_scalar(resource: str, amount: float) -> Json | Refusal:
        offered = pool.ours(wanted.resource_id, resource)
        if offered:
            return resources.portion(offered[0].raw, amount)
        if amount > pool.free[resource]:
            return _short(resource, amount, pool)
        pool.take(resource, amount)
        message = owner.reserved(operations.scalar(resource, amount), name, wanted.resource_id)
        reserve.append(message)
        return message

    cpus, mem = of_scalar("cpus", wanted.cpus), of_scalar("mem", wanted.memory_mb)
    if isinstance(cpus, Refusal):
        return cpus
    if isinstance(mem, Refusal):
        return mem
    ports = _complete_ports(owner, name, wanted, pool, reserve)
    if isinstance(ports, Refusal):
        return ports
    volumes: list[Json] = []
    for volume in wanted.volumes:
        message = _complete_volume(owner, name, volume, pool, reserve, create)
        if isinstance(message, Refusal):
            return message
        volumes.append(message)
    # A volume that is already there may hold data from now on, whoever made it.
    confirmed = wanted.confirmed or len(create) < len(volumes)
    holding = Holding(cpus, mem, ports, tuple(volumes))
    return Placement(replace(wanted, confirmed=confirmed), holding, tuple(reserve), tuple(create))


def _complete_ports(
    owner: Owner, name: str, wanted: Reservation, pool: AgentPool, out: list[Json]
) -> Json | Refusal | None:
    numbers = [port.number for port in wanted.ports]
    if not numbers:
        return None
    offered = pool.ours(wanted.resource_id, "ports")
    if offered:
        return resources.port_portion(offered[0].raw, numbers)
    for number in numbers:
        if not pool.has_port(number):
            return Refusal("ports", f"port {number} is not on offer")
        pool.take_port(number)
    unreserved = operations.port_ranges(resources.consecutive(numbers))
    message = owner.reserved(unreserved, name, wanted.resource_id)
    out.append(message)
    return message


def _complete_volume(
    owner: Owner,
    name: str,
    volume: Volume,
    pool: AgentPool,
    reserve: list[Json],
    create: list[Json],
) -> Json | Refusal:
    offered = pool.ours(volume.resource_id, "disk")
    for resource in offered:
        if resource.persistence_id == volume.id:
            return resource.raw
    if offered:
        disk = offered[0].raw
    else:
        if volume.size_mb > pool.free["disk"]:
            return _short("disk", volume.size_mb, pool)
        pool.take("disk", volume.size_mb)
        disk = owner.reserved(operations.scalar("disk", volume.size_mb), name, volume.resource_id)
        reserve.append(disk)
    message = operations.volume(
        disk,
        persistence_id=volume.id,
        container_path=volume.path,
        principal=owner.service.principal,
    )
    create.append(message)
    return message


def _short(resource: str, amount: float, pool: AgentPool) -> Refusal:
    return Refusal(resource, f"needs {amount:g}, the agent offers {pool.free[resource]:g}")
