"""The status updates and tasks an agent has not acknowledged yet. No I/O, no clock.

The agent forgets an executor's updates when it restarts, so each one is kept until acknowledged,
sent again on re-subscription, and by a timer while connected.
"""

from __future__ import annotations

from typing import Any, Dict

Message = Dict[str, Any]

FIRST_RETRY = 10.0
"""Seconds until an unacknowledged update is sent again; doubled each time."""
LAST_RETRY = 600.0


class _Pending:
    __slots__ = ("due", "retry", "status")

    def __init__(self, status: Message, due: float) -> None:
        self.status = status
        self.due = due
        self.retry = FIRST_RETRY


class UpdateLog:
    """Updates in the order they were made, and tasks none of whose updates is acknowledged."""

    __slots__ = ("_pending", "_tasks")

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}
        self._tasks: dict[str, Message] = {}

    def launched(self, task: Message) -> None:
        """Remember a TaskInfo until one of its updates is acknowledged."""
        self._tasks[task["task_id"]["value"]] = task

    def add(self, status: Message, now: float) -> None:
        """Keep a TaskStatus that is being sent at `now`."""
        self._pending[status["uuid"]] = _Pending(status, now + FIRST_RETRY)

    def acknowledged(self, task_id: str, uuid: str) -> bool:
        """Forget an update; False when it was not waiting (a repeated acknowledgement)."""
        self._tasks.pop(task_id, None)
        return self._pending.pop(uuid, None) is not None

    def unacknowledged_tasks(self) -> list[Message]:
        """TaskInfos for a SUBSCRIBE call."""
        return list(self._tasks.values())

    def unacknowledged_updates(self) -> list[Message]:
        """TaskStatuses for a SUBSCRIBE call, oldest first."""
        return [pending.status for pending in self._pending.values()]

    def subscribed(self, now: float) -> None:
        """All updates went out with a SUBSCRIBE call at `now`: start their timers again."""
        for pending in self._pending.values():
            pending.retry = FIRST_RETRY
            pending.due = now + FIRST_RETRY

    def due(self, now: float) -> list[Message]:
        """The updates to send again at `now`; each then waits twice as long, at most 10 minutes."""
        statuses = []
        for pending in self._pending.values():
            if pending.due <= now:
                pending.retry = min(pending.retry * 2, LAST_RETRY)
                pending.due = now + pending.retry
                statuses.append(pending.status)
        return statuses

    def next_due(self) -> float | None:
        """When `due` next has something, None when everything is acknowledged."""
        return min((pending.due for pending in self._pending.values()), default=None)

    def __len__(self) -> int:
        return len(self._pending)
