"""What is reserved for us and not used by any pod: explained and freed, or quarantined.

Cpus, memory and ports of a retired reservation go back to the cluster. A volume is destroyed only
when an operator named it. What no record explains is kept and reported.
"""

from dataclasses import replace
from typing import Any

from holdfast.core.ledger import Ledger
from holdfast.core.view import Quarantined
from holdfast.mesos import operations
from holdfast.mesos.messages import Resource
from holdfast.placement.evaluate import present
from holdfast.placement.owner import role_for
from holdfast.placement.pool import SERVICE, AgentPool
from holdfast.placement.resources import by_provider, without_volume
from holdfast.records import Retired

GONE_SECONDS = 5.0
UNSEEN_SECONDS = 60.0
LOOK_SECONDS = 10.0
"""How long something must be missing from its agent's offers to be taken for gone: what was ordered
gone; a place whose volumes an executor that is ending may still hold, since nobody saw them go. And
for how long after that an offer is asked for to see it."""


class Leftovers:
    """Remembers what is quarantined: offers show it, no record does."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.quarantined: dict[str, Quarantined] = {}
        self._absent: dict[str, tuple[float, float]] = {}
        self._destroyed: set[str] = set()
        self._seen: set[str] = set()

    def clean(self, pool: AgentPool, decisions: list[str], now: float) -> list[dict[str, Any]]:
        """The operations that free what may be freed on this agent."""
        index = self._ledger.index
        destroy: list[dict[str, Any]] = []
        unreserve: list[dict[str, Any]] = []
        self._seen = set()
        for id_, resources in pool.reserved.items():
            if id_ in index.holders:
                continue
            left = index.left.get(id_)
            if left is not None:
                self._follow(self._ledger.retired[left], pool)
            for resource in resources:
                ordered = self._ordered(resource)
                if ordered:
                    self._destroyed.add(ordered)
                    destroy.append(resource.raw)
                    unreserve.append(without_volume(resource.raw))
                    decisions.append(
                        f"destroying volume {ordered} on {pool.hostname} as the operator ordered"
                    )
                elif left is not None and resource.persistence_id is None:
                    unreserve.append(resource.raw)
                elif left is None and (name := _name(pool, id_, resource)) in self._ledger.intents:
                    self._quarantine(pool, id_, resource, [], now)
                    self._absent[name] = (now, GONE_SECONDS)  # to look then whether it is gone
                    unreserve.append(resource.raw)
                    decisions.append(
                        f"giving back {name} on {pool.hostname} as the operator ordered"
                    )
                elif left is None and not self._is_anothers(resource):
                    self._seen.add(self._quarantine(pool, id_, resource, decisions, now))
        self._forget(pool, now)
        return [
            *map(operations.destroy, by_provider(destroy)),
            *map(operations.unreserve, by_provider(unreserve)),
        ]

    def _is_anothers(self, resource: Resource) -> bool:
        """Whether it belongs to another service, or framework, that shares the role."""
        service = self._ledger.service
        return service.group_role is not None and resource.labels.get(SERVICE) != service.name

    def _follow(self, left: Retired, pool: AgentPool) -> None:
        """Note where a retired reservation is now: its machine may have a new agent id."""
        known = self._ledger.retired[left.id]
        if known.reservation.agent_id != pool.agent_id:
            here = replace(
                known.reservation, agent_id=pool.agent_id, hostname=pool.hostname, ip=pool.ip
            )
            self._ledger.put_retired(replace(known, reservation=here))

    def contradicted(self, pool: AgentPool) -> list[str]:
        """Tasks the records say run, although their volume is on offer and so not in use."""
        holders = self._ledger.index.holders
        names = dict.fromkeys(holders[id_] for id_ in pool.reserved if id_ in holders)
        pods = [self._ledger.pods[name] for name in names]
        return [
            task.id
            for pod in pods
            if pod.reservation is not None
            and any(
                resource.persistence_id == volume.id
                for volume in pod.reservation.volumes
                for resource in pool.ours(volume.resource_id, "disk")
            )
            for task in pod.tasks
            if task.live
        ]

    def _ordered(self, resource: Resource) -> str | None:
        """The volume's name when an operator ordered it destroyed."""
        volume_id = resource.persistence_id
        return volume_id if volume_id in self._ledger.intents else None

    def _quarantine(
        self, pool: AgentPool, id_: str, resource: Resource, decisions: list[str], now: float
    ) -> str:
        name = _name(pool, id_, resource)
        if name not in self.quarantined:
            size = resource.amount or sum(end - begin + 1 for begin, end in resource.ranges)
            self.quarantined[name] = Quarantined(
                id=name,
                kind="volume" if resource.persistence_id else resource.name,
                size=size,
                agent_id=pool.agent_id,
                hostname=pool.hostname,
                labels=dict(resource.labels),
                since=now,
                role=pool.role,
                principal=resource.principal,
            )
            decisions.append(
                f"quarantined {name} on {pool.hostname}: reserved for {pool.role},"
                " but no record knows it; it is kept"
            )
        return name

    def _forget(self, pool: AgentPool, now: float) -> None:
        """Close the books on what this agent no longer has of what it offers to the pool's role.

        One offer may lack what another outstanding one holds, so a thing is gone only once it has
        been missing for a while.
        """
        for name, item in list(self.quarantined.items()):
            here = (item.agent_id, item.role) == pool.key
            if here and self._missing(name, name in self._seen, now):
                del self.quarantined[name]
                if name in self._ledger.intents:
                    self._ledger.drop_intent(name)
        for left in list(self._ledger.retired.values()):
            volumes = left.reservation.volumes
            role = role_for(self._ledger.service, left.reservation.pre_reserved_role)
            if (
                (left.reservation.agent_id, role) == pool.key
                and all(volume.id in self._ledger.intents for volume in volumes)
                and all(task.dead for task in left.tasks)
                and self._missing(
                    left.id, present(left.reservation, pool), now, self._patience(left)
                )
            ):
                self._destroyed -= {volume.id for volume in volumes}
                self._ledger.drop_retired(left.id)
                for volume in volumes:
                    self._ledger.drop_intent(volume.id)

    def _patience(self, left: Retired) -> float:
        seen_to_go = all(volume.id in self._destroyed for volume in left.reservation.volumes)
        return GONE_SECONDS if seen_to_go else UNSEEN_SECONDS

    def _missing(self, name: str, seen: bool, now: float, patience: float = GONE_SECONDS) -> bool:
        if seen:
            self._absent.pop(name, None)
            return False
        since, _ = self._absent.setdefault(name, (now, patience))
        if now - since < patience:
            return False
        del self._absent[name]
        return True

    def looks_again(self, now: float) -> bool:
        """Whether an offer is wanted now, to see that what was missing once is still missing."""
        return any(
            patience <= now - since < patience + LOOK_SECONDS
            for since, patience in self._absent.values()
        )


def _name(pool: AgentPool, id_: str, resource: Resource) -> str:
    """What operators call something that no record explains."""
    return resource.persistence_id or reservation_name(id_, resource.name, pool.agent_id)


def reservation_name(resource_id: str, kind: str, agent_id: str) -> str:
    """What operators call a reservation without a volume that no record explains."""
    return f"{resource_id or 'unlabelled'}/{kind}@{agent_id}"
