"""Whom disruption checks ask in the simulation, and a judge of what is stopped: I13."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast import records
from holdfast.core.disruption import VALID_SECONDS
from holdfast.core.effects import AskDisruption
from holdfast.core.events import DisruptionAnswered
from holdfast.records import Pod
from holdfast.service.model import ServiceSpec
from holdfast.state.store import Writes
from tests.simulation.clock import Clock

ON_PURPOSE = (
    "the pod takes up a new configuration",
    "it is to be launched anew",
    "restarted since",
    "its agent ",
    "restarted by the operator",
    "paused by the operator",
    "no plan has it any more",
    "it is decommissioned",
)
"""How the reasons begin for which what runs is stopped without a failure."""

RETIRED = ("replaced by", "the instance was decommissioned")


@dataclass(frozen=True, slots=True)
class Yes:
    """What was allowed, to a question asked at that time."""

    pod: str
    tasks: frozenset[str]
    asked: float


class Coordinator:
    """Answers late, with a yes or a no, or not at all; after `heal` always with a yes."""

    def __init__(self, clock: Clock) -> None:
        self.healed = False
        self.given: list[Yes] = []
        self._clock = clock

    def heal(self) -> None:
        self.healed = True

    def ask(self, question: AskDisruption, tell: Callable[[DisruptionAnswered], None]) -> None:
        """Have it asked; what it says is told some time later."""
        asked, pod = self._clock.now, str(question.question["pod"])
        chance = self._clock.between(0.0, 1.0)
        allowed = self.healed or chance < 0.6

        def answer() -> None:
            if allowed:
                self.given.append(Yes(pod, frozenset(question.question["tasks"]), asked))
            tell(
                DisruptionAnswered(
                    question.id,
                    question.service,
                    allowed,
                    "" if allowed else ("no quorum" if chance < 0.8 else "nothing listens there"),
                )
            )

        if self.healed or chance < 0.95:  # else its answer is lost
            self._clock.after(self._clock.between(0.01, 5.0), answer)


class DisruptionJudge:
    """Reads the records as they are stored: what is stopped on purpose was allowed, lately."""

    def __init__(
        self,
        coordinator: Coordinator,
        overruled: Collection[str],
        violate: Callable[[str, str], None],
        decided: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """`decided` is when the scheduler decided what it stores."""
        self.target: ServiceSpec | None = None
        self._coordinator = coordinator
        self._overruled = overruled
        self._violate = violate
        self._decided = decided
        self._now = now
        self._pods: dict[str, Pod] = {}
        self._retired: set[str] = set()

    def stored(self, writes: Writes) -> None:
        """The scheduler has stored these records, and may act on them now."""
        for path, data in writes:
            if data is not None and path.startswith("retired/") and path not in self._retired:
                self._retired.add(path)
                self._left(data)
        for path, data in writes:
            if path.startswith("pods/"):
                former = self._pods.pop(path.removeprefix("pods/"), None)
                if data is not None:
                    pod = self._pods[path.removeprefix("pods/")] = records.pod_from_json(data)
                    self._stopped(former, pod)

    def _stopped(self, former: Pod | None, pod: Pod) -> None:
        known = {task.id: task for task in former.tasks} if former else {}
        fresh = {
            task.name
            for task in pod.tasks
            if task.id in known
            and known[task.id].live
            and not known[task.id].stopping
            and (task.stopping or "").startswith(ON_PURPOSE)
        }
        by_order = any(task.stopping == "restarted by the operator" for task in pod.tasks)
        if fresh and not (by_order and pod.name in self._overruled):
            self._must_be_allowed(pod.name, fresh, "is stopped")

    def _left(self, left: Mapping[str, Any]) -> None:
        pod, reason = left["pod"], left["reason"]
        former = self._pods.get(pod)
        still = {task["id"] for task in left["tasks"]}  # of the rest it is just known that it ended
        alive = {
            task.name
            for task in (former.tasks if former else ())
            if task.id in still and not task.dead and not task.stopping
        }
        by_order = reason == "replaced by the operator" and pod in self._overruled
        if alive and reason.startswith(RETIRED) and not by_order:
            self._must_be_allowed(pod, alive, "is given up")

    def _must_be_allowed(self, pod: str, tasks: set[str], what: str) -> None:
        assert self.target is not None
        specs = {spec.type: spec for spec in self.target.pods}
        pod_type = pod.rpartition("-")[0]
        if pod_type in specs and specs[pod_type].disruption_check is None:
            return
        if pod_type not in specs and not self._coordinator.given:
            return
        since = self._decided() - VALID_SECONDS
        given = self._coordinator.given
        used = [y for y in given if y.pod == pod and tasks <= y.tasks and y.asked >= since]
        if not used:
            self._violate("I13", f"{', '.join(sorted(tasks))} of {pod} {what} and nobody said yes")
        # What was said of others of its type before this is void.
        self._coordinator.given = [y for y in given if y.pod.rpartition("-")[0] != pod_type]

    def may_go(self, agent_id: str) -> None:
        """Mesos is told that the agent may be taken down; that may take a call's time."""
        for pod in self._pods.values():
            spec = next((s for s in self.target.pods if s.type == pod.type), None)  # type: ignore[union-attr]
            held = pod.reservation
            if spec is None or spec.disruption_check is None or held is None:
                continue
            live = {task.name for task in pod.tasks if task.live}
            if held.agent_id == agent_id and live and not self._told_lately(pod.name):
                self._violate("I13", f"{pod.name} may go down, and nobody said yes")

    def _told_lately(self, pod: str) -> bool:
        return any(
            yes.pod == pod and yes.asked >= self._now() - VALID_SECONDS - 60.0
            for yes in self._coordinator.given
        )
