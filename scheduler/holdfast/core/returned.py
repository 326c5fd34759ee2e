"""Agents that came back under another id, whatever Mesos says of the former one.

A master that has just taken over says nothing of an agent that it knows from the registry alone,
for ten minutes (master.cpp, reconcileTasks and markUnreachableAfterFailover), and an agent that has
lost its id never registers under that again. But nothing is offered that is in use: the volumes of
an instance on offer under another id of its agent tell that the former one is not there any more.
Nothing of this is stored.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from immutables import Map

from holdfast.core.ledger import Ledger
from holdfast.core.reconcile import Reconciliation
from holdfast.mesos.messages import Offer, TaskState
from holdfast.placement.pool import RESOURCE_ID, AgentPool, pools
from holdfast.records import BACK_AS_ANOTHER, Pod, Reservation, Retired


def vacant(held: Reservation, pool: AgentPool) -> bool:
    """Whether the agent is another id of the one on record, and nothing uses what is held there.

    All volumes must be on offer: an executor uses all of them, and its locks keep the next one off
    each as long as it lives. What has no volumes has no lock either, and proves nothing. Nor does
    another host, which may have a copy, or a volume that may be offered while it is in use.
    """
    return (
        bool(held.volumes)
        and pool.agent_id != held.agent_id
        and pool.hostname == held.hostname
        and all(
            any(
                resource.persistence_id == volume.id and not resource.is_shared
                for resource in pool.ours(volume.resource_id, "disk")
            )
            for volume in held.volumes
        )
    )


class Returned:
    """Remembers whom Mesos is silent about, and whose agent has another id by now.

    `silent` are the agents, by id, of whose tasks on record Mesos tells nothing. `back` are the
    instances out of sight whose agent makes offers under the id given, without what they hold.
    """

    def __init__(self, ledger: Ledger, reconciliation: Reconciliation) -> None:
        self._ledger = ledger
        self._reconciliation = reconciliation
        self.silent: frozenset[str] = frozenset()
        self.back: Map[str, str] = Map()
        self._look_at: list[str] = []

    def vacated(self, offers: Collection[Offer], now: float) -> Iterator[tuple[Pod, str]]:
        """The pod instances that the offers prove not to run where they are on record, while Mesos
        is silent; each as it is to be from now on, and the decision in words."""
        self._listen(now)
        if not self.silent or not offers:
            return
        found: dict[str, list[str]] = {}
        holders = self._ledger.index.holders
        for pool in pools(offers).values():
            for name in dict.fromkeys(holders[id_] for id_ in pool.reserved if id_ in holders):
                pod = self._ledger.pods[name]
                if pod.reservation is None or not self._is_silent_about(pod, now):
                    continue
                if vacant(pod.reservation, pool):
                    found.setdefault(name, []).append(pool.agent_id)
        for name, agent_ids in found.items():
            if len(agent_ids) == 1:  # of two that offer the same, one has a copy
                yield _lost(self._ledger.pods[name], agent_ids[0], now)

    def seen(self, offers: Iterable[Offer], down: Iterable[str]) -> None:
        """Note which of the instances that are down have an agent that is another one by now."""
        hidden = {
            name: pod.reservation
            for name in down
            if (pod := self._ledger.pods.get(name)) is not None
            and pod.reservation is not None
            and _is_out_of_sight(pod)
        }
        by_host: dict[str, list[Offer]] = {}
        for offer in offers if hidden else ():
            by_host.setdefault(offer.hostname, []).append(offer)
        for name, held in hidden.items():
            here = by_host.get(held.hostname)
            if not here:
                continue
            offered = any(
                resource.labels.get(RESOURCE_ID) in held.resource_ids
                for offer in here
                for resource in offer.resources
            )
            others = {offer.agent_id for offer in here} - {held.agent_id}
            self._note(name, min(others) if others and not offered else None)

    def failed(self, agent_id: str) -> None:
        """The agent is lost."""
        for name in [name for name, other in self.back.items() if other == agent_id]:
            self._note(name, None)

    def waits_for(self, name: str) -> str | None:
        """What the instance waits for if its agent is back without what it holds."""
        agent_id, pod = self.back.get(name), self._ledger.pods.get(name)
        if agent_id is None or pod is None or pod.reservation is None:
            return None
        what, but = "what it holds", ""
        if pod.reservation.volumes:
            what, but = "its volumes", ", without its data"
        return (
            f"agent {pod.reservation.hostname}, which is back under another id ({agent_id}) without"
            f" {what}, offers {what} again; if that agent's records are lost, it never will, and"
            f" `holdfast pod replace {name}` starts it elsewhere{but}"
        )

    def due(self) -> list[str]:
        """The instances to look at again."""
        names, self._look_at = self._look_at, []
        return names

    def needs(self) -> set[str]:
        """What offers are wanted for, by a key each."""
        return {f"who has what was on {agent_id}" for agent_id in self.silent}

    def _listen(self, now: float) -> None:
        silent = frozenset(self._silent_agents(now))
        if silent != self.silent:
            self.silent = silent
            self._look_at += [self._ledger.retired[i].pod for i in self._ledger.index.alive()]
        for name in list(self.back):
            pod = self._ledger.pods.get(name)
            if pod is None or not _is_out_of_sight(pod):
                self._note(name, None)

    def _silent_agents(self, now: float) -> Iterator[str]:
        for task_id in self._reconciliation.silent(now):
            owner = self._ledger.owner_of(task_id) or ""
            holder: Pod | Retired | None = self._ledger.pods.get(owner)
            holder = holder or self._ledger.retired.get(owner)
            if holder is None or holder.reservation is None:
                continue
            if any(task.id == task_id and task.live for task in holder.tasks):
                yield holder.reservation.agent_id

    def _is_silent_about(self, pod: Pod, now: float) -> bool:
        live = [task.id for task in pod.tasks if task.live]
        return bool(live) and all(self._reconciliation.is_silent(id_, now) for id_ in live)

    def _note(self, name: str, agent_id: str | None) -> None:
        if self.back.get(name) == agent_id:
            return
        self.back = self.back.delete(name) if agent_id is None else self.back.set(name, agent_id)
        self._look_at.append(name)


def _is_out_of_sight(pod: Pod) -> bool:
    return not pod.has_live_tasks and any(task.uncertain for task in pod.tasks)


def _lost(pod: Pod, agent_id: str, now: float) -> tuple[Pod, str]:
    """The instance with all that was live lost: as Mesos says of an agent that it saw return so."""
    assert pod.reservation is not None
    tasks = tuple(
        replace(task, state=TaskState.LOST, ready=False, since=now, message=BACK_AS_ANOTHER)
        if task.live
        else task
        for task in pod.tasks
    )
    there = pod.reservation.proven()  # its volumes exist, so that none is ever made anew
    return replace(pod, tasks=tasks, reservation=there), (
        f"{pod.name}: agent {pod.reservation.hostname} is back under another id ({agent_id}) and"
        " offers all its volumes, so nothing uses them; Mesos tells nothing of the former id"
        f" ({pod.reservation.agent_id})"
    )
