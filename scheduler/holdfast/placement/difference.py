"""From what an agent offers of a reservation to what it shall be: the operations in between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.mesos import operations
from holdfast.mesos.messages import Resource
from holdfast.placement import resources
from holdfast.placement.constraints import Refusal
from holdfast.placement.disks import choose
from holdfast.placement.free import Free
from holdfast.placement.owner import Owner
from holdfast.placement.pool import AgentPool, PoolKey
from holdfast.records import Reservation, Seen, Volume
from holdfast.service.model import ANY_ROLE, PodSpec, VolumeSpec

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Holding:
    """The reserved resources of a pod instance as messages, ready to be launched on."""

    cpus: Json
    mem: Json
    gpus: Json | None
    ports: Json | None
    volumes: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """A pod instance that fits: its reservation, and the messages to get there.

    `unreserve` are the resources to UNRESERVE, `reserve` those to RESERVE and `create` the volumes
    to CREATE, in this order and before the launch. `pool` tells which offers to accept for it.
    """

    pool: PoolKey
    reservation: Reservation
    holding: Holding
    reserve: tuple[Json, ...]
    create: tuple[Json, ...]
    unreserve: tuple[Json, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything of the reservation is to be changed before the launch."""
        return bool(self.reserve or self.create or self.unreserve)


@dataclass(slots=True)
class _Difference:
    """One reservation of one pod instance, brought from what is offered to what is wanted."""

    owner: Owner
    name: str
    pool: AgentPool
    free: Free
    wanted: Reservation
    reserve: list[Json] = field(default_factory=list)
    create: list[Json] = field(default_factory=list)
    unreserve: list[Json] = field(default_factory=list)

    def reserved(self, free: Json) -> Json:
        held = self.wanted
        return self.owner.reserved(free, self.name, held.resource_id, held.pre_reserved_role)

    def scalar(self, resource: str, amount: float) -> Json | Refusal:
        """A message for all of an amount, what is missing reserved and what is too much not."""
        offered = self.pool.ours(self.wanted.resource_id, resource)
        have = self.pool.amount(self.wanted.resource_id, resource)
        lack = round(amount - have, 3)
        if lack > 0:
            if lack > self.free.amounts[resource]:
                return self.short(resource, lack, more=bool(offered))
            self.free.take(resource, lack)
            self.reserve.append(self.reserved(operations.scalar(resource, lack)))
        elif lack < 0:
            self.unreserve.append(resources.portion(offered[0].raw, -lack))
        if offered:
            return resources.portion(offered[0].raw, amount)
        return self.reserved(operations.scalar(resource, amount))

    def short(self, resource: str, amount: float, *, more: bool) -> Refusal:
        offers = self.free.amounts[resource]
        how_much = f"{offers:g}" if offers or resource != "gpus" else "none"
        role = self.wanted.pre_reserved_role
        pre_reserved = f" reserved for {role}" if role != ANY_ROLE else ""
        needs = f"needs {amount:g} more" if more else f"needs {amount:g}"
        return Refusal(resource, f"{needs}, the agent offers {how_much}{pre_reserved}")

    def ports(self) -> Json | Refusal | None:
        numbers = self.wanted.host_ports
        offered = self.pool.ours(self.wanted.resource_id, "ports")
        have = self.pool.ports(self.wanted.resource_id)
        for number in sorted(numbers - have):
            if not self.free.has_port(number):
                return Refusal("ports", f"port {number} is not on offer")
            self.free.take_port(number)
        if numbers - have:
            ranges = resources.consecutive(numbers - have)
            self.reserve.append(self.reserved(operations.port_ranges(ranges)))
        if have - numbers:
            self.unreserve.append(resources.port_portion(offered[0].raw, have - numbers))
        if not numbers:
            return None
        if offered:
            return resources.port_portion(offered[0].raw, numbers)
        return self.reserved(operations.port_ranges(resources.consecutive(numbers)))

    def volumes(self, needs: Sequence[VolumeSpec]) -> list[tuple[Volume, Json]] | Refusal:
        """Every volume with its message; those on offer as they are, the others created."""
        lacking = [
            place
            for place, volume in enumerate(self.wanted.volumes)
            if not self.pool.ours(volume.resource_id, "disk")
        ]
        chosen = choose([needs[place] for place in lacking], self.free)
        if isinstance(chosen, Refusal):
            return chosen
        disks = dict(zip(lacking, chosen, strict=True))
        found: list[tuple[Volume, Json]] = []
        for place, volume in enumerate(self.wanted.volumes):
            if place in disks:
                found.append(self.new_volume(volume, needs[place], disks[place]))
                continue
            made = self.reserved_volume(volume)
            if isinstance(made, Refusal):
                return made
            found.append(made)
        return found

    def new_volume(
        self, volume: Volume, need: VolumeSpec, disk: Resource | None
    ) -> tuple[Volume, Json]:
        volume = replace(volume, size_mb=need.size_mb, source=None, provider_id=None)
        if disk is not None:
            volume = _on(volume, disk)
        reserved = self.owner.disk(volume, self.name, self.wanted.pre_reserved_role)
        self.reserve.append(reserved)
        return volume, self.created(reserved, volume)

    def reserved_volume(self, volume: Volume) -> tuple[Volume, Json] | Refusal:
        """The volume on the disk reserved for it: as it is, or made there now.

        A disk beside it is left of an attempt that was made twice, and given back.
        """
        offered = self.pool.ours(volume.resource_id, "disk")
        there = [r for r in offered if r.persistence_id == volume.id]
        bare = [r for r in offered if r.persistence_id is None]
        if there:
            self.unreserve += [r.raw for r in bare]
            return _on(volume, there[0]), there[0].raw
        if not bare:
            others = ", ".join(str(r.persistence_id) for r in offered)
            return Refusal("disk", f"volume {others} is where volume {volume.id} belongs")
        disk = bare[0]
        volume = _on(volume, disk)
        self.unreserve += [r.raw for r in bare if r.source != disk.source]
        have = sum(r.amount for r in bare if r.source == disk.source)
        lack = round(volume.size_mb - have, 3)
        if lack > 0:
            if volume.source is not None or lack > self.free.amounts["disk"]:
                return self.short("disk", lack, more=True)
            self.free.take("disk", lack)
            more = replace(volume, size_mb=lack)
            self.reserve.append(self.owner.disk(more, self.name, self.wanted.pre_reserved_role))
        elif lack < 0:
            self.unreserve.append(resources.portion(disk.raw, -lack))
        return volume, self.created(resources.portion(disk.raw, volume.size_mb), volume)

    def created(self, disk: Json, volume: Volume) -> Json:
        message = self.owner.volume(disk, volume)
        self.create.append(message)
        return message


def _on(volume: Volume, disk: Resource) -> Volume:
    """The volume with what the offer tells of its disk; a whole disk has the size it has."""
    if disk.source is None:
        return volume
    whole = disk.source.kind == "MOUNT"
    size = int(disk.amount) if disk.amount == int(disk.amount) else disk.amount
    return replace(
        volume,
        size_mb=size if whole else volume.size_mb,
        source=disk.source.raw,
        provider_id=disk.provider_id,
    )


def placement(
    owner: Owner, name: str, spec: PodSpec, wanted: Reservation, pool: AgentPool
) -> Placement | Refusal:
    """The way to `wanted`, with what is missing taken from the pool; a refusal takes nothing."""
    role = wanted.pre_reserved_role
    difference = _Difference(owner, name, pool, pool.free(role), wanted)
    ports = difference.ports()
    if isinstance(ports, Refusal):
        return ports
    cpus = difference.scalar("cpus", wanted.cpus)
    if isinstance(cpus, Refusal):
        return cpus
    mem = difference.scalar("mem", wanted.memory_mb)
    if isinstance(mem, Refusal):
        return mem
    gpus = difference.scalar("gpus", wanted.gpus)
    if isinstance(gpus, Refusal):
        return gpus
    volumes = difference.volumes([_need(volume, spec) for volume in wanted.volumes])
    if isinstance(volumes, Refusal):
        return volumes
    pool.leave(difference.free, role)
    result = Placement(
        pool=pool.key,
        reservation=replace(wanted, volumes=tuple(volume for volume, _ in volumes), seen=None),
        holding=Holding(
            cpus=cpus,
            mem=mem,
            gpus=gpus if wanted.gpus else None,
            ports=ports,
            volumes=tuple(message for _, message in volumes),
        ),
        reserve=tuple(difference.reserve),
        create=tuple(difference.create),
        unreserve=tuple(difference.unreserve),
    )
    return replace(result, reservation=_recorded(result, pool))


def _recorded(result: Placement, pool: AgentPool) -> Reservation:
    """The reservation with what is known of it before its operations are carried out."""
    held = result.reservation
    present = frozenset(
        volume.id
        for volume in held.volumes
        for resource in pool.ours(volume.resource_id, "disk")
        if resource.persistence_id == volume.id
    )
    # A volume that is already there may hold data from now on, whoever made it.
    confirmed = held.confirmed or bool(present)
    seen = Seen(
        cpus=min(held.cpus, pool.amount(held.resource_id, "cpus")),
        memory_mb=min(held.memory_mb, pool.amount(held.resource_id, "mem")),
        gpus=min(held.gpus, pool.amount(held.resource_id, "gpus")),
        ports=held.host_ports & pool.ports(held.resource_id),
        volumes=present,
    )
    changing = confirmed and seen != held.certain
    return replace(held, confirmed=confirmed, seen=seen if changing else None)


def _need(volume: Volume, spec: PodSpec) -> VolumeSpec:
    """What a volume that must be made needs: what the pod asks for now, or what it had."""
    for wanted in spec.volumes:
        if wanted.path == volume.path:
            return wanted
    profiles = (volume.profile,) if volume.profile else ()
    return VolumeSpec(volume.path, int(volume.size_mb), volume.kind, profiles)


def new_volumes(specs: Sequence[VolumeSpec], new_id: Callable[[], str]) -> tuple[Volume, ...]:
    """Records of volumes that do not exist yet; their disks are chosen later."""
    return tuple(Volume(new_id(), new_id(), spec.path, spec.size_mb) for spec in specs)
