"""What one agent offers to one role, counted down while pods are placed on it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from holdfast.mesos.messages import Offer, Resource
from holdfast.placement.free import Free
from holdfast.service.model import ANY_ROLE

RESOURCE_ID = "resource_id"
FRAMEWORK_ID = "framework_id"
SERVICE = "service"
POD = "pod"
"""The labels every reservation of ours carries."""


class PoolKey(NamedTuple):
    """Which offers can be used together: Mesos accepts those of one agent to one role at a time."""

    agent_id: str
    role: str


class AgentPool:
    """The offers of one agent to one role taken together: free resources, reservations by id.

    Mutable on purpose and short-lived: one is made for each evaluation of a set of offers.
    """

    def __init__(self, offers: Sequence[Offer]) -> None:
        first = offers[0]
        self.agent_id = first.agent_id
        self.hostname = first.hostname
        self.ip = first.ip
        self.agent_url = first.agent_url
        self.unavailability = first.unavailability
        self.role = first.role
        self.region = first.region
        self.zone = first.zone
        self.attributes: Mapping[str, str] = first.attributes
        self.offer_ids = tuple(offer.id for offer in offers)
        self.reserved: dict[str, list[Resource]] = {}
        self._free: dict[str, Free] = {}
        for offer in offers:
            for resource in offer.resources:
                self._count(resource)

    @property
    def key(self) -> PoolKey:
        return PoolKey(self.agent_id, self.role)

    def _count(self, resource: Resource) -> None:
        if resource.role == self.role:
            id_ = resource.labels.get(RESOURCE_ID, "")
            self.reserved.setdefault(id_, []).append(resource)
        elif resource.role is None or resource.is_static:
            self._free.setdefault(resource.role or ANY_ROLE, Free()).add(resource)
        # What is reserved dynamically for a role above ours is another framework's.

    def free(self, pre_reserved_role: str = ANY_ROLE) -> Free:
        """A copy of what is unreserved, or reserved by the agent's settings for that role."""
        return self._free[pre_reserved_role].copy() if pre_reserved_role in self._free else Free()

    def leave(self, free: Free, pre_reserved_role: str = ANY_ROLE) -> None:
        """Have only that free from now on: the rest of the copy is taken."""
        self._free[pre_reserved_role] = free

    def ours(self, resource_id: str, name: str) -> list[Resource]:
        """The offered resources of that reservation and name: `cpus`, `mem`, `disk`, `ports`..."""
        return [r for r in self.reserved.get(resource_id, ()) if r.name == name]

    def amount(self, resource_id: str, name: str) -> float:
        """How much of a scalar is offered of that reservation."""
        return round(sum(r.amount for r in self.ours(resource_id, name)), 3)

    def ports(self, resource_id: str) -> frozenset[int]:
        """The offered ports of that reservation."""
        return frozenset(
            port
            for resource in self.ours(resource_id, "ports")
            for begin, end in resource.ranges
            for port in range(begin, end + 1)
        )


def pools(offers: Iterable[Offer]) -> dict[PoolKey, AgentPool]:
    """One pool per agent and role, in the order they first appear."""
    together: dict[PoolKey, list[Offer]] = {}
    for offer in offers:
        together.setdefault(PoolKey(offer.agent_id, offer.role), []).append(offer)
    return {key: AgentPool(of_key) for key, of_key in together.items()}
