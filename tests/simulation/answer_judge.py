"""Judges that whoever runs is asked about until that is answered. I5."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holdfast.records import Pod
from tests.simulation.registry import Known
from tests.simulation.scheduler import Records, Scheduler

LONGEST_SECONDS = 120.0
"""For how long a question that can be answered may be open: a few repetitions may be lost."""
LOOK_SECONDS = 5.0


@dataclass(slots=True)
class AnswerJudge:
    """Looks at the tasks on record now and then. `agents` are those registered at the master.

    A subscription is a question about all tasks on record, and each RECONCILE one about those it
    names. It can be answered while the task's agent is registered and the scheduler listens.
    """

    records: Records
    pods: Mapping[str, Pod]
    agents: Callable[[], Mapping[str, Known]]
    newest: Callable[[], Scheduler]
    violate: Callable[[str, str], None]
    _next_look: float = 0.0
    _deaf_at: float = 0.0

    def look(self, now: float) -> None:
        scheduler = self.newest()
        if not (scheduler.alive and scheduler.listens) or now < self.records.away_until:
            self._deaf_at = now
        elif now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            for pod in self.pods.values():
                self._look_at(pod, scheduler, now)

    def _look_at(self, pod: Pod, scheduler: Scheduler, now: float) -> None:
        known = self.agents().get(pod.reservation.agent_id) if pod.reservation else None
        for task in pod.tasks if known else ():
            asked = scheduler.questions.get(task.id)
            if asked is None and task.id not in scheduler.heard:
                recorded = self.records.recorded_tasks[task.id]
                asked = scheduler.subscribed_at if recorded < scheduler.subscribed_at else None
            if asked is None or task.dead:
                continue
            assert known is not None
            since = max(asked, self._deaf_at, known.agent.last_registered)
            if now - since > LONGEST_SECONDS:
                self.violate("I5", f"{task.id} is not heard of, and not asked about any more")
