"""Which disks the volumes of a pod instance go to."""

from collections.abc import Sequence

from holdfast.mesos.messages import Resource
from holdfast.placement.constraints import Refusal
from holdfast.placement.free import Free
from holdfast.service.model import VolumeKind, VolumeSpec


def choose(volumes: Sequence[VolumeSpec], free: Free) -> list[Resource | None] | Refusal:
    """A disk for each volume, taken from `free`; None is the root disk.

    A MOUNT volume takes a whole disk, the smallest that is large enough; a PATH volume goes to the
    disk with the most left. A disk with a profile is only for those who ask for that profile.
    """
    needed = sum(volume.size_mb for volume in volumes if volume.kind is VolumeKind.ROOT)
    if needed > free.amounts["disk"]:
        return Refusal("disk", f"needs {needed:g}, the agent offers {free.amounts['disk']:g}")
    free.take("disk", needed)
    found: list[Resource | None] = [None] * len(volumes)
    whole = [place for place, v in enumerate(volumes) if v.kind is VolumeKind.MOUNT]
    disks = _matched([volumes[place] for place in whole], _of_kind(VolumeKind.MOUNT, free))
    if isinstance(disks, VolumeSpec):
        return _none_fits(disks, free)
    for place, disk in zip(whole, disks, strict=True):
        found[place] = disk
        free.take_disk(disk, disk.amount)
    shares = [place for place, v in enumerate(volumes) if v.kind is VolumeKind.PATH]
    for place in sorted(shares, key=lambda place: -volumes[place].size_mb):
        volume = volumes[place]
        fitting = [disk for disk in _of_kind(VolumeKind.PATH, free) if _fits(volume, disk)]
        if not fitting:
            return _none_fits(volume, free)
        disk = max(fitting, key=lambda disk: disk.amount)
        found[place] = disk
        free.take_disk(disk, volume.size_mb)
    return found


def _of_kind(kind: VolumeKind, free: Free) -> list[Resource]:
    return [disk for disk in free.disks if disk.source and disk.source.kind == kind.value]


def _fits(volume: VolumeSpec, disk: Resource) -> bool:
    assert disk.source is not None
    profile = disk.source.profile
    suits = profile in volume.profiles if volume.profiles else profile is None
    return suits and disk.amount >= volume.size_mb


def _matched(
    volumes: Sequence[VolumeSpec], disks: Sequence[Resource]
) -> list[Resource] | VolumeSpec:
    """A disk of its own for each volume, or a volume for which there is none.

    A matching by augmenting paths (Kuhn): whoever comes later may move others to a larger disk.
    """
    by_size = sorted(range(len(disks)), key=lambda number: disks[number].amount)
    user: dict[int, int] = {}

    def give(volume: int, tried: set[int]) -> bool:
        for disk in by_size:
            if disk not in tried and _fits(volumes[volume], disks[disk]):
                tried.add(disk)
                if disk not in user or give(user[disk], tried):
                    user[disk] = volume
                    return True
        return False

    for volume in range(len(volumes)):
        if not give(volume, set()):
            return volumes[volume]
    disk_of = {volume: disk for disk, volume in user.items()}
    return [disks[disk_of[volume]] for volume in range(len(volumes))]


def _none_fits(volume: VolumeSpec, free: Free) -> Refusal:
    offered = [
        f"{disk.amount:g} at {disk.source.root or disk.source.id or 'an unnamed root'}"
        + (f" (profile {disk.source.profile})" if disk.source.profile else "")
        for disk in _of_kind(volume.kind, free)
        if disk.source
    ]
    profile = f" of profile {' or '.join(volume.profiles)}" if volume.profiles else ""
    what = "a disk" if volume.kind is VolumeKind.MOUNT else "a share of a disk"
    return Refusal(
        "disk",
        f"volume {volume.path} needs {what} of type {volume.kind}{profile} with {volume.size_mb:g},"
        f" the agent offers {', '.join(offered) or 'none'}",
    )
