"""A pod instance matched with an agent's offer: what to reserve and create, or why not.

`place` finds room for a new instance, `resume` finds again what an instance already holds and
makes it what it shall be now, `join` finds what single tasks of a running instance need.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from holdfast.mesos import operations
from holdfast.placement import resources
from holdfast.placement.constraints import Place, Refusal, first_refusal
from holdfast.placement.difference import Holding, Placement, new_volumes, placement
from holdfast.placement.owner import ExecutorShare, Json, Owner
from holdfast.placement.pool import AgentPool
from holdfast.placement.ports import assign
from holdfast.records import Reservation
from holdfast.service.model import PodSpec, ResourceSetSpec, TaskSpec

__all__ = [
    "Holding",
    "Owner",
    "Placement",
    "amounts",
    "join",
    "missing_parts",
    "place",
    "present",
    "resume",
]


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
    wrong = _wrong_role(owner, pod.pre_reserved_role, pool)
    refusal = (
        wrong or first_refusal(pod.placement, pool, peers) or _other_region(pod, pool, home_region)
    )
    if refusal:
        return refusal
    ports = assign(pod, pool.free(pod.pre_reserved_role))
    if isinstance(ports, Refusal):
        return ports
    cpus, memory_mb, gpus = amounts(pod, owner.executor)
    wanted = Reservation(
        resource_id=new_id(),
        agent_id=pool.agent_id,
        hostname=pool.hostname,
        ip=pool.ip,
        region=pool.region,
        zone=pool.zone,
        attributes=pool.attributes,
        cpus=cpus,
        memory_mb=memory_mb,
        ports=ports,
        volumes=new_volumes(pod.volumes, new_id),
        gpus=gpus,
        pre_reserved_role=pod.pre_reserved_role,
    )
    return placement(owner, name, pod, wanted, pool)


def resume(
    owner: Owner,
    pod: PodSpec,
    name: str,
    held: Reservation,
    pool: AgentPool,
    new_id: Callable[[], str],
) -> Placement | Refusal:
    """What the instance holds, found again in the agent's offer and made what `pod` asks for now.

    What is certain of a confirmed reservation must be offered whole: its volumes may hold data, so
    a missing one is never replaced by an empty one, and nothing is resized while it may be in use.
    Cpus, memory, gpus and ports follow the pod, volumes are added; those that are there stay as
    they are, even when the pod does not ask for them any more.
    """
    missing = missing_parts(held, pool)
    if missing and held.confirmed:
        return Refusal("reservation", f"waits for {', '.join(missing)} to be offered again")
    free = pool.free(held.pre_reserved_role)
    offered = pool.ports(held.resource_id)
    kept = [
        port
        for port in held.ports
        if not port.on_host or port.number in offered or free.has_port(port.number)
    ]
    ports = assign(pod, free, kept)
    if isinstance(ports, Refusal):
        return ports
    there = {volume.path for volume in held.volumes}
    added = [volume for volume in pod.volumes if volume.path not in there]
    cpus, memory_mb, gpus = amounts(pod, owner.executor)
    wanted = replace(
        held,
        agent_id=pool.agent_id,
        hostname=pool.hostname,
        ip=pool.ip,
        region=pool.region,
        zone=pool.zone,
        attributes=pool.attributes,
        cpus=cpus,
        memory_mb=memory_mb,
        gpus=gpus,
        ports=ports,
        volumes=(*held.volumes, *new_volumes(added, new_id)),
    )
    return placement(owner, name, pod, wanted, pool)


def join(
    owner: Owner,
    pod: PodSpec,
    name: str,
    held: Reservation,
    tasks: Sequence[TaskSpec],
    pool: AgentPool,
) -> Placement | Refusal:
    """What `tasks` need of the reservation of a pod instance whose executor runs.

    The executor itself uses its own share and the volumes, so these are not on offer; they are
    told as the executor has them, since Mesos wants the same ExecutorInfo again. What is not
    certain of the reservation, and not on offer, is reserved.
    """
    sets = {of.id: of for of in map(pod.resources, tasks)}.values()
    needs = {
        "cpus": ("cpus", _total(of.cpus for of in sets)),
        "mem": ("MB of memory", _total(of.memory_mb for of in sets)),
        "gpus": ("gpus", _total(of.gpus for of in sets)),
    }
    lacks = {
        resource: round(amount - pool.amount(held.resource_id, resource), 3)
        for resource, (_, amount) in needs.items()
    }
    allowed = doubtful(held, pool)
    missing = [
        f"{needs[resource][1]:g} {needs[resource][0]}"
        for resource, lack in lacks.items()
        if lack > 0 and lack > allowed[resource]
    ]
    names = {task.name for task in tasks}
    numbers = {port.number for port in held.ports if port.on_host and port.task in names}
    offered = pool.ports(held.resource_id)
    missing += [f"port {number}" for number in sorted(numbers - offered)]
    if missing:
        return Refusal("reservation", f"waits for {', '.join(missing)} to be offered again")

    def reserved(resource: Json) -> Json:
        return owner.reserved(resource, name, held.resource_id, held.pre_reserved_role)

    volumes = tuple(
        owner.volume(owner.disk(volume, name, held.pre_reserved_role), volume)
        for volume in held.volumes
    )
    ranges = resources.consecutive(numbers)
    free = pool.free(held.pre_reserved_role)
    reserve = []
    for resource, lack in lacks.items():
        if lack > 0:
            free.take(resource, lack)
            reserve.append(reserved(operations.scalar(resource, lack)))
    pool.leave(free, held.pre_reserved_role)
    holding = Holding(
        cpus=reserved(operations.scalar("cpus", needs["cpus"][1])),
        mem=reserved(operations.scalar("mem", needs["mem"][1])),
        gpus=reserved(operations.scalar("gpus", needs["gpus"][1])) if needs["gpus"][1] else None,
        ports=reserved(operations.port_ranges(ranges)) if ranges else None,
        volumes=volumes,
    )
    return Placement(pool.key, held, holding, tuple(reserve), ())


def doubtful(held: Reservation, pool: AgentPool) -> dict[str, float]:
    """How much of each scalar may never have been reserved, and could be now."""
    certain, free = held.certain, pool.free(held.pre_reserved_role).amounts
    differences = {
        "cpus": held.cpus - certain.cpus,
        "mem": held.memory_mb - certain.memory_mb,
        "gpus": held.gpus - certain.gpus,
    }
    return {name: round(min(more, free[name]), 3) for name, more in differences.items()}


def missing_parts(held: Reservation, pool: AgentPool) -> list[str]:
    """What is certain of the reservation but not offered, in words; empty when all is there.

    All being offered proves that no executor uses it: Mesos offers nothing that is in use.
    """
    certain = held.certain
    missing = [
        what
        for what, name, amount in (
            (f"{certain.cpus:g} cpus", "cpus", certain.cpus),
            (f"{certain.memory_mb:g} MB of memory", "mem", certain.memory_mb),
            (f"{certain.gpus:g} gpus", "gpus", certain.gpus),
        )
        if pool.amount(held.resource_id, name) < amount
    ]
    offered = pool.ports(held.resource_id)
    missing += [f"port {number}" for number in sorted(certain.ports - offered)]
    there = {r.persistence_id for v in held.volumes for r in pool.ours(v.resource_id, "disk")}
    missing += [
        f"volume {v.id}" for v in held.volumes if v.id in certain.volumes and v.id not in there
    ]
    return missing


def present(held: Reservation, pool: AgentPool) -> bool:
    """Whether any part of the reservation is on offer."""
    return any(id_ in pool.reserved for id_ in held.resource_ids)


def amounts(pod: PodSpec, executor: ExecutorShare) -> tuple[float, float, float]:
    """The cpus, memory (MB) and gpus of a whole instance, its executor included."""
    sets: tuple[ResourceSetSpec, ...] = pod.reserved_sets
    return (
        _total((executor.cpus, *(of.cpus for of in sets))),
        executor.memory_mb + sum(of.memory_mb for of in sets),
        _total(of.gpus for of in sets),
    )


def _total(amounts: Iterable[float]) -> float:
    return round(sum(amounts), 3)


def _wrong_role(owner: Owner, pre_reserved_role: str, pool: AgentPool) -> Refusal | None:
    role = owner.role(pre_reserved_role)
    if pool.role == role:
        return None
    return Refusal("role", f"these resources are offered to {pool.role}, the pod is of {role}")


def _other_region(pod: PodSpec, pool: AgentPool, home: str | None) -> Refusal | None:
    if home is None or any(c.field == "@region" for c in pod.placement):
        return None
    if pool.region in (None, home):  # an agent without a domain counts as the master's own
        return None
    return Refusal("@region", f"the agent is in {pool.region}, the service stays in {home}")
