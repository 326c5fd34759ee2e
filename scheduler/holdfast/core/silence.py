"""Launches that nothing was heard of for too long, so that they are asked about."""

import heapq
from collections.abc import Iterator

from holdfast.core.ledger import Ledger
from holdfast.mesos.messages import TaskState

STAGING_SECONDS = 30.0
"""A launch that has not been heard of for so long is asked about, and again after as long."""


class Silence:
    """The staging tasks of the ledger, by when they were launched or last asked about."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._changes = ledger.follow()
        self._heap: list[tuple[float, str]] = []
        self._noted: set[str] = set()

    def overdue(self, now: float) -> Iterator[str]:
        """The tasks that are to be asked about now."""
        for name in self._changes.take():
            pod = self._ledger.pods.get(name)
            for task in pod.tasks if pod else ():
                if task.state is TaskState.STAGING and task.id not in self._noted:
                    self._noted.add(task.id)
                    heapq.heappush(self._heap, (task.since, task.id))
        while self._heap and now - self._heap[0][0] > STAGING_SECONDS:
            _, task_id = heapq.heappop(self._heap)
            if self._is_staging(task_id):
                heapq.heappush(self._heap, (now, task_id))
                yield task_id
            else:
                self._noted.discard(task_id)

    def _is_staging(self, task_id: str) -> bool:
        pod = self._ledger.pods.get(self._ledger.owner_of(task_id) or "")
        tasks = pod.tasks if pod else ()
        return any(task.id == task_id and task.state is TaskState.STAGING for task in tasks)
