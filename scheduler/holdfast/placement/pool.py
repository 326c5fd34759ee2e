"""What one agent offers, counted down while pods are placed on it."""

from collections.abc import Iterable, Mapping, Sequence

from holdfast.mesos.messages import Offer, Resource

RESOURCE_ID = "resource_id"
FRAMEWORK_ID = "framework_id"
SERVICE = "service"
POD = "pod"
"""The labels every reservation of ours carries."""


class AgentPool:
    """The offers of one agent taken together: unreserved amounts, and reservations by id.

    Mutable on purpose and short-lived: one is made for each evaluation of a set of offers.
    """

    def __init__(self, offers: Sequence[Offer]) -> None:
        first = offers[0]
        self.agent_id = first.agent_id
        self.hostname = first.hostname
        self.ip = first.ip
        self.role = first.role
        self.region = first.region
        self.zone = first.zone
        self.attributes: Mapping[str, str] = first.attributes
        self.offer_ids = tuple(offer.id for offer in offers)
        self.free = {"cpus": 0.0, "mem": 0.0, "disk": 0.0}
        self.free_ports: list[tuple[int, int]] = []
        self.reserved: dict[str, list[Resource]] = {}
        for offer in offers:
            for resource in offer.resources:
                self._count(resource)

    def _count(self, resource: Resource) -> None:
        if resource.role is not None:
            id_ = resource.labels.get(RESOURCE_ID, "")
            self.reserved.setdefault(id_, []).append(resource)
        elif resource.name == "ports":
            self.free_ports.extend(resource.ranges)
        elif resource.name in self.free and (resource.name != "disk" or resource.is_root_disk):
            self.free[resource.name] += resource.amount

    def take(self, name: str, amount: float) -> None:
        """Count down an unreserved scalar; Mesos keeps three decimals."""
        self.free[name] = round(self.free[name] - amount, 3)

    def has_port(self, port: int) -> bool:
        return any(begin <= port <= end for begin, end in self.free_ports)

    def lowest_port(self, avoid: Iterable[int]) -> int | None:
        """The lowest free port that is not to be avoided; None when there is none."""
        taken = set(avoid)
        for begin, end in sorted(self.free_ports):
            for port in range(begin, end + 1):
                if port not in taken:
                    return port
        return None

    def take_port(self, port: int) -> None:
        left: list[tuple[int, int]] = []
        for begin, end in self.free_ports:
            if begin <= port <= end:
                left += [r for r in ((begin, port - 1), (port + 1, end)) if r[0] <= r[1]]
            else:
                left.append((begin, end))
        self.free_ports = left

    def ours(self, resource_id: str, name: str) -> list[Resource]:
        """The offered resources of that reservation and name (`cpus`, `mem`, `disk`, `ports`)."""
        return [r for r in self.reserved.get(resource_id, ()) if r.name == name]


def pools(offers: Iterable[Offer]) -> dict[str, AgentPool]:
    """One pool per agent, in the order the agents first appear."""
    by_agent: dict[str, list[Offer]] = {}
    for offer in offers:
        by_agent.setdefault(offer.agent_id, []).append(offer)
    return {agent_id: AgentPool(of_agent) for agent_id, of_agent in by_agent.items()}
