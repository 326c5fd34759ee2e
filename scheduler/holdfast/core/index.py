"""Finds pod instances and what they left behind without looking at all of them."""

import itertools
from collections.abc import Iterable

from holdfast.records import Pod, Retired


class Index:
    """What belongs to whom, kept up to date with every change of a record by the ledger.

    A task moves from a pod instance to the reservation that it leaves behind: the last one to name
    it has it.
    """

    def __init__(self) -> None:
        self.owners: dict[str, str] = {}
        """By task id the name of the pod instance or the id of the retired reservation."""
        self.holders: dict[str, str] = {}
        """By resource id the pod instance."""
        self.volumes: dict[str, str] = {}
        """By persistence id the pod instance."""
        self.left: dict[str, str] = {}
        """By resource id the retired reservation."""
        self._on_agent: dict[str, dict[str, None]] = {}
        self._stopping: dict[str, int] = {}
        self._alive: dict[str, int] = {}
        self._left_by: dict[str, dict[str, int]] = {}
        self._numbers: dict[str, int] = {}
        self._next_number = itertools.count()

    def add_pod(self, pod: Pod) -> None:
        name = pod.name
        self._numbers.setdefault(name, next(self._next_number))
        self.owners.update((task.id, name) for task in pod.tasks)
        if pod.stopping:
            self._stopping[name] = self._numbers[name]
        if pod.reservation is not None:
            self.holders.update((id_, name) for id_ in pod.reservation.resource_ids)
            self.volumes.update((volume.id, name) for volume in pod.reservation.volumes)
            self._on_agent.setdefault(pod.reservation.agent_id, {})[name] = None

    def remove_pod(self, pod: Pod, for_good: bool = False) -> None:
        name = pod.name
        _forget(self.owners, (task.id for task in pod.tasks), name)
        self._stopping.pop(name, None)
        if pod.reservation is not None:
            _forget(self.holders, pod.reservation.resource_ids, name)
            _forget(self.volumes, (volume.id for volume in pod.reservation.volumes), name)
            there = self._on_agent[pod.reservation.agent_id]
            del there[name]
            if not there:
                del self._on_agent[pod.reservation.agent_id]
        if for_good:
            del self._numbers[name]

    def add_retired(self, retired: Retired) -> None:
        number = self._numbers.setdefault(retired.id, next(self._next_number))
        self._left_by.setdefault(retired.pod, {})[retired.id] = number
        self.owners.update((task.id, retired.id) for task in retired.tasks)
        self.left.update((id_, retired.id) for id_ in retired.reservation.resource_ids)
        if any(task.live for task in retired.tasks):
            self._alive[retired.id] = number

    def remove_retired(self, retired: Retired, for_good: bool = False) -> None:
        _forget(self.owners, (task.id for task in retired.tasks), retired.id)
        _forget(self.left, retired.reservation.resource_ids, retired.id)
        self._alive.pop(retired.id, None)
        others = self._left_by[retired.pod]
        del others[retired.id]
        if not others:
            del self._left_by[retired.pod]
        if for_good:
            del self._numbers[retired.id]

    def on_agent(self, agent_id: str) -> tuple[str, ...]:
        """The pod instances that hold a reservation there."""
        return tuple(self._on_agent.get(agent_id, ()))

    def stopping(self) -> list[str]:
        """The pod instances with a live task that is being stopped, in the order they came."""
        return sorted(self._stopping, key=self._stopping.__getitem__)

    def alive(self) -> list[str]:
        """The retired reservations on which a task is live, in the order they came."""
        return sorted(self._alive, key=self._alive.__getitem__)

    def alive_of(self, name: str) -> list[str]:
        """Those of them that the pod instance left behind."""
        left = self._left_by.get(name, {})
        return sorted(left.keys() & self._alive.keys(), key=left.__getitem__)


def _forget(owners: dict[str, str], keys: Iterable[str], owner: str) -> None:
    """Drop the keys that are the owner's; some may have passed to another."""
    for key in list(keys):
        if owners.get(key) == owner:
            del owners[key]
