"""What an agent offers that nobody has yet, counted down while pods are placed on it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from holdfast.mesos.messages import Resource
from holdfast.service.model import PortRange

SCALARS = ("cpus", "mem", "gpus", "disk")
"""The amounts that are counted; `disk` is the agent's root disk."""


class Free:
    """Unreserved resources, or those the agent's own settings reserve for one role.

    Mutable on purpose and short-lived. What is tried is tried on a `copy`.
    """

    def __init__(self) -> None:
        self.amounts = dict.fromkeys(SCALARS, 0.0)
        self.ports: list[tuple[int, int]] = []
        self.disks: list[Resource] = []

    def copy(self) -> "Free":
        other = Free()
        other.amounts = dict(self.amounts)
        other.ports = list(self.ports)
        other.disks = list(self.disks)
        return other

    def add(self, resource: Resource) -> None:
        """Count a resource of an offer; what pods cannot use is passed over."""
        if resource.name == "ports":
            self.ports.extend(resource.ranges)
        elif resource.name != "disk" or resource.is_root_disk:
            if resource.name in self.amounts:
                self.amounts[resource.name] += resource.amount
        elif resource.source is not None and not resource.is_shared:
            self.disks.append(resource)

    def take(self, name: str, amount: float) -> None:
        """Count down an amount; Mesos keeps three decimals."""
        self.amounts[name] = round(self.amounts[name] - amount, 3)

    def take_disk(self, disk: Resource, amount: float) -> None:
        """Count down a disk other than the root disk; taking all of it removes it."""
        place = self.disks.index(disk)
        left = round(disk.amount - amount, 3)
        self.disks[place : place + 1] = [replace(disk, amount=left)] if left > 0 else []

    def has_port(self, port: int) -> bool:
        return any(begin <= port <= end for begin, end in self.ports)

    def lowest_port(self, avoid: Collection[int], within: Sequence[PortRange] = ()) -> int | None:
        """The lowest free port not to be avoided, in one of the ranges if there are any."""
        return lowest(self.ports, avoid, within)

    def take_port(self, port: int) -> None:
        left: list[tuple[int, int]] = []
        for begin, end in self.ports:
            if begin <= port <= end:
                left += [r for r in ((begin, port - 1), (port + 1, end)) if r[0] <= r[1]]
            else:
                left.append((begin, end))
        self.ports = left


def lowest(
    ranges: Iterable[tuple[int, int]], avoid: Collection[int], within: Sequence[PortRange] = ()
) -> int | None:
    """The lowest port of the ranges that is not to be avoided; None when there is none."""
    for begin, end in sorted(ranges):
        for port in range(begin, end + 1):
            if port not in avoid and allowed(port, within):
                return port
    return None


def allowed(port: int, within: Sequence[PortRange]) -> bool:
    """Whether the port is in one of the ranges; it is when there are none."""
    return not within or any(r.begin <= port <= r.end for r in within)
