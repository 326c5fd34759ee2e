"""A framework that decides nothing: it sends what a test says, and keeps what Mesos answers."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from holdfast.mesos import calls, operations
from holdfast.mesos.messages import Json, Offer, TaskStatus
from holdfast_executor.contract import ARCHIVE_NAME, EXECUTOR_COMMAND, TaskLaunch
from tests.cluster.test_wire import SECONDS, Framework
from tests.unit.mesos.recorder import until

QUIET_SECONDS = 1.0
"""Ten allocation intervals of the playground: what was not offered by then is not offered."""


class RawFramework(Framework):
    """Its statuses are acknowledged as they are looked for, unless `silent`.

    `archive` is the executor's.
    """

    def __init__(self, address: str, role: str, archive: Path, **options: Any) -> None:
        super().__init__(address, role, **options)
        self.archive = archive
        self.silent = False
        self._acknowledged: Counter[str] = Counter()

    @property
    def id(self) -> str:
        assert self.connection.framework_id is not None
        return self.connection.framework_id

    # What comes ---------------------------------------------------------------------------------

    def statuses(self, task_id: str) -> list[TaskStatus]:
        """All that was heard of a task."""
        found = [status for status in self.heard.of("status") if status.task_id == task_id]
        if not self.silent:
            for status in found[self._acknowledged[task_id] :]:
                self.acknowledge(status)
            self._acknowledged[task_id] = len(found)
        return found

    def states(self, task_id: str) -> list[str]:
        return [status.state.removeprefix("TASK_") for status in self.statuses(task_id)]

    def acknowledge(self, status: TaskStatus) -> None:
        """If it asks for it, each time it comes: an agent that dies may not have heard."""
        if status.uuid and status.agent_id:
            self.send(calls.acknowledge(status.task_id, status.agent_id, status.uuid))

    def told(self, task_id: str, state: str, after: int = 0) -> TaskStatus:
        """The first status of a task in that state, of those that follow the first `after`."""
        found: list[TaskStatus] = []

        def look() -> bool:
            heard = self.statuses(task_id)[after:]
            found[:] = [status for status in heard if status.state == f"TASK_{state}"]
            return bool(found)

        try:
            until(look, SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.statuses(task_id)}") from None
        return found[0]

    def answer(self, task_id: str, agent_id: str | None) -> TaskStatus:
        """What the master says of a task when asked."""
        before = len(self.statuses(task_id))
        self.send(calls.reconcile([(task_id, agent_id)]))
        until(lambda: len(self.statuses(task_id)) > before, SECONDS)
        return self.statuses(task_id)[before]

    def hears(self, kind: str, details: object) -> None:
        """Wait for that."""
        until(lambda: details in self.heard.of(kind), SECONDS)

    def nothing_offered(self, wanted: Callable[[Offer], bool] = lambda offer: True) -> None:
        """Fails when an offer that is wanted comes within some allocation intervals."""
        begin = len(self.heard.told)
        end = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < end:
            for kind, offers in self.heard.told[begin:]:
                found = [offer for offer in offers if wanted(offer)] if kind == "offers" else []
                assert not found, found
            time.sleep(0.05)

    # What is sent -------------------------------------------------------------------------------

    def accept(self, offer: Offer, *what: Json, refuse_seconds: float = 0.0) -> None:
        self.send(calls.accept([offer.id], what, refuse_seconds))

    def volume(self, name: str, megabytes: float = 32.0) -> Json:
        """A persistent volume of that name on reserved root disk."""
        return operations.volume(
            self.reserved("disk", megabytes),
            persistence_id=name,
            container_path="data",
            principal=self.role,
        )

    def executor(self, name: str, volumes: Sequence[Json] = (), **command: Any) -> Json:
        """An ExecutorInfo."""
        return {
            "type": "CUSTOM",
            "executor_id": {"value": name},
            "framework_id": {"value": self.id},
            "command": {
                "value": EXECUTOR_COMMAND,
                "uris": [
                    {"value": str(self.archive), "output_file": ARCHIVE_NAME, "extract": False}
                ],
                **command,
            },
            "resources": [self.plain("cpus", 0.1), self.plain("mem", 32), *volumes],
        }

    def task(self, name: str, agent_id: str, executor: Json, **fields: Any) -> Json:
        """A TaskInfo whose task runs for ever."""
        return {
            "name": name,
            "task_id": {"value": name},
            "agent_id": {"value": agent_id},
            "resources": [self.plain("cpus", 0.1), self.plain("mem", 32)],
            "executor": executor,
            "data": TaskLaunch("exec sleep 100000", {}).encode(),
            "kill_policy": {"grace_period": {"nanoseconds": 1_000_000_000}},
            **fields,
        }

    def run(self, name: str, offer: Offer | None = None) -> Offer:
        """Launch a task in an executor of its own; returns the offer once the task runs."""
        where = offer or self.offer()
        info = self.task(name, where.agent_id, self.executor(f"{name}-executor"))
        self.accept(where, operations.launch([info]))
        self.told(name, "RUNNING")
        return where

    def plain(self, name: str, amount: float) -> Json:
        """An unreserved scalar, as this framework uses it."""
        return operations.scalar(name, amount) | {"allocation_info": {"role": self.role}}


def amount(offer: Offer, name: str, reserved: bool | None = None) -> float:
    """How much of a scalar is offered in all; only what is reserved, or not, if told so."""
    return sum(
        resource.amount
        for resource in offer.resources
        if resource.name == name and reserved in (None, resource.role is not None)
    )


def volumes(offer: Offer) -> list[str]:
    """The persistence ids of the offered volumes."""
    return sorted(r.persistence_id for r in offer.resources if r.persistence_id)
