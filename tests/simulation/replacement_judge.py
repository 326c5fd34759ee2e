"""Judges what becomes of instances that are replaced, of those around them, and of those that go.

I11: a replaced instance goes by the steps of `replace`, and others are restarted after it.
I12: an instance that leaves has run first what it should.
"""

from collections.abc import Callable, Mapping

from holdfast import records
from holdfast.core.view import View
from holdfast.records import Pod
from holdfast.service.model import Goal, ServiceSpec
from holdfast.state.store import Writes
from tests.simulation.machine import Task, label_of
from tests.simulation.resources import Json

DECOMMISSIONED = "the instance was decommissioned"
"""Why a place is retired that nobody asks for any more; in all other cases it is replaced."""


class ReplacementJudge:
    """`begun_anew` once an operator had a deploy plan begin anew, which launches all there is."""

    def __init__(
        self,
        configs: Mapping[str, ServiceSpec],
        violate: Callable[[str, str], None],
        now: Callable[[], float],
    ) -> None:
        self.begun_anew = False
        self.restarts = 0
        self.replacements = 0
        self.departures = 0
        self._configs = configs
        self._violate = violate
        self._now = now
        self._target: ServiceSpec | None = None
        self._pods: dict[str, Pod] = {}
        self._reached: dict[str, set[str]] = {}
        self._launched: dict[tuple[str, str], float] = {}
        self._owed: dict[str, tuple[str, float]] = {}
        self._forced: set[str] = set()

    def skips(self, name: str) -> None:
        """An operator wants the instance gone without its last steps."""
        self._forced.add(name)

    def stored(self, writes: Writes) -> None:
        """The scheduler has stored these records, and may act on them now."""
        for path, data in writes:
            if path == "target" and data is not None:
                self._target = self._configs[data["id"]]
            elif path == "plans/decommission" and data is not None:
                self._forced |= {phase for phase, _ in data["forced"]}
        replaced = {
            data["pod"]
            for path, data in writes
            if path.startswith("retired/") and data is not None and data["reason"] != DECOMMISSIONED
        }
        for path, data in writes:
            if not path.startswith("pods/"):
                continue
            name = path.removeprefix("pods/")
            if data is None:
                self._gone(name, ran=name not in replaced)
            else:
                self._changed(records.pod_from_json(data))

    def _changed(self, pod: Pod) -> None:
        before = self._pods.get(pod.name)
        self._pods[pod.name] = pod
        if pod.replaced is not None and pod.deployed is not None and not pod.tasks:
            self._reached[pod.name] = set()
            self._owed.pop(pod.name, None)
        elif before is not None and before.replaced is not None and pod.replaced is None:
            self._taken_over(pod)

    def _taken_over(self, pod: Pod) -> None:
        assert self._target is not None
        self._reached.pop(pod.name, None)
        spec = next((each for each in self._target.pods if each.type == pod.type), None)
        for rule in spec.after_replace if spec is not None else ():
            for other in self._pods.values():
                concerned = rule.concerns(pod.index) and other.type == rule.restart
                if concerned and other.tasks and other.name != pod.name:
                    self._owed[other.name] = (pod.name, self._now())

    def launched(self, info: Json) -> None:
        pod, config = label_of(info, "pod"), label_of(info, "target_configuration")
        name = str(info["name"]).removeprefix(f"{pod}-")
        self._launched[pod, name] = self._now()
        reached = self._reached.get(pod)
        type_, _, index = pod.rpartition("-")
        service = self._configs[config]
        steps = service.steps_in("replace", type_, int(index))
        if reached is None or not steps or self.begun_anew:
            return
        self.replacements += 1
        number = next((n for n, step in enumerate(steps) if name in step), len(steps))
        lacking = [other for step in steps[:number] for other in step if other not in reached]
        if lacking:
            self._violate("I11", f"{name} of {pod} starts on new volumes before {lacking}")
        if number == len(steps) and service.pod(type_).task(name).goal is not Goal.RUNNING:
            self._violate("I11", f"{name} of {pod} is not for the volumes of a replacement")

    def task_at_goal(self, task: Task) -> None:
        name = str(task.info["name"]).removeprefix(f"{task.pod}-")
        known = self._pods.get(task.pod)
        record = known.task(name) if known is not None else None
        if task.pod in self._reached and record is not None and record.id == task.id:
            self._reached[task.pod].add(name)

    def _gone(self, name: str, ran: bool) -> None:
        """An instance is given up: had it run what it should before?

        Not if what `ran` of it was replaced at the same moment: its successor has nothing to leave.
        """
        pod = self._pods.pop(name, None)
        self._reached.pop(name, None)
        self._owed.pop(name, None)
        assert self._target is not None
        if pod is None or not pod.tasks or not ran or name in self._forced:
            self._forced.discard(name)
            return
        for step in self._target.steps_in("decommission", pod.type, pod.index):
            for task_name in step:
                if self._target.pod(pod.type).task(task_name).goal is Goal.RUNNING:
                    continue
                self.departures += 1
                task = pod.task(task_name)
                if task is None or task.reached is None or task.run != "decommission":
                    self._violate("I12", f"{name} is given up without {task_name}")

    def ended(self, view: View) -> None:
        """Everything is whole: whoever owed a restart was launched after that."""
        for name, (replaced, at) in self._owed.items():
            pod = view.pods.get(name)
            if pod is None:
                continue
            for task in view.configs[pod.tasks[0].config_id].pod(pod.type).tasks:
                launched = self._launched.get((name, task.name))
                if task.goal is not Goal.RUNNING or launched is None:
                    continue
                self.restarts += 1
                if launched < at:
                    self._violate("I11", f"{name} was not restarted, though {replaced} is new")
