"""Judges what is stopped in order to grow: its agent has offered the room for that lately. I14."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holdfast import records
from holdfast.core.rooms import VALID_SECONDS
from holdfast.placement.evaluate import amounts
from holdfast.placement.owner import ExecutorShare
from holdfast.records import Pod
from holdfast.service.model import ServiceSpec
from holdfast.state.store import Writes
from tests.simulation.scheduler import Scheduler

TO_GROW = "the pod takes up a new configuration"
"""The reason for which an instance is stopped that needs more; others have that reason too."""


@dataclass(slots=True)
class RoomJudge:
    """Reads the records as they are stored. `newest` is the scheduler that stores."""

    configs: Mapping[str, ServiceSpec]
    newest: Callable[[], Scheduler]
    violate: Callable[[str, str], None]
    target: ServiceSpec | None = None

    def stored(self, before: Mapping[str, Pod], writes: Writes) -> None:
        """The scheduler has stored these records, and may act on them now."""
        told = dict(writes)
        if (target := told.get("target")) is not None:
            self.target = self.configs[target["id"]]
        for path, data in told.items():
            if path.startswith("pods/") and data is not None:
                pod = records.pod_from_json(data)
                self._stopped(before.get(pod.name), pod)

    def _stopped(self, former: Pod | None, pod: Pod) -> None:
        known = {task.id: task for task in former.tasks} if former else {}
        stopped = any(
            task.stopping == TO_GROW and task.id in known and not known[task.id].stopping
            for task in pod.tasks
        )
        specs = {spec.type: spec for spec in self.target.pods} if self.target else {}
        held = pod.reservation
        if not stopped or pod.type not in specs or held is None:
            return
        cpus, memory_mb, _ = amounts(specs[pod.type], ExecutorShare())
        more = round(cpus - held.cpus, 3), round(memory_mb - held.memory_mb, 3)
        if max(more) <= 0:
            return
        scheduler = self.newest()
        rooms = [
            room
            for at, *room in scheduler.offered.get(held.agent_id, ())
            if at >= scheduler.decided_at - VALID_SECONDS
        ]
        if not any(cpus >= more[0] and mem >= more[1] for cpus, mem in rooms):
            self.violate("I14", f"{pod.name} is stopped to grow by {more}, offered were {rooms}")
