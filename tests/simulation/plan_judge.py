"""Judges plans by what is stored and launched: I6, I8, and who takes whom along."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from holdfast import records
from holdfast.core.view import View
from holdfast.mesos.messages import TaskState
from holdfast.plans.derive import deploy_spec
from holdfast.plans.goals import planned_tasks
from holdfast.plans.plan import Status
from holdfast.records import Pod, Retired
from holdfast.service.changes import pod_changed
from holdfast.service.model import Goal, PhaseSpec, PlanSpec, ServiceSpec, Strategy, TaskSpec
from holdfast.state.store import Writes
from tests.simulation.machine import Task, label_of
from tests.simulation.resources import Json

FOR_A_PLAN = (
    "the pod takes up a new configuration",
    "it is to be launched anew",
    "its resources",
)
VOLUNTARY = (*FOR_A_PLAN, "its agent ", "restarted since", "restarted by the operator")
"""How the reasons begin for which what runs well is stopped, unless the operator insisted."""

FOR_A_FELLOW = "its fellow "

SERIAL = frozenset({Strategy.SERIAL, Strategy.SERIAL_CANARY})
CANARY = frozenset({Strategy.SERIAL_CANARY, Strategy.PARALLEL_CANARY})
CANARIES = 2


class PlanJudge:
    """`forced` are configurations some step of which was declared complete, `released` how often
    a phase was told to go on under a configuration, `replaced` when pod instances were."""

    def __init__(
        self,
        configs: Mapping[str, ServiceSpec],
        replaced: Mapping[str, float],
        violate: Callable[[str, str], None],
        now: Callable[[], float],
    ) -> None:
        self.forced: set[str] = set()
        self.overruled: set[str] = set()
        self.gone: set[str] = set()
        """The ids of agents that an operator has marked gone."""
        self.released: dict[tuple[str, str], int] = {}
        self._configs = configs
        self._replaced = replaced
        self._violate = violate
        self._now = now
        self._target: ServiceSpec | None = None
        self._target_id = ""
        self._plan: dict[str, PlanSpec] = {}
        self.pods: dict[str, Pod] = {}
        self._deployed: set[str] = set()
        self._launched: dict[tuple[str, str], tuple[float, str]] = {}
        self._reached: dict[tuple[str, str], set[str]] = {}
        self._taken: dict[str, str] = {}
        self._tried: dict[str, set[str]] = {}
        self._canaries: dict[tuple[str, str], set[str]] = {}
        self._first_of_run: dict[tuple[str, int], int] = {}
        self._last_run: dict[tuple[str, str], int] = {}

    # -- what is stored -----------------------------------------------------------------------

    def stored(self, writes: Writes) -> None:
        """The scheduler has stored these records, and may act on them now."""
        before = dict(self.pods)
        changed = []
        for path, data in writes:
            if path == "target" and data is not None:
                self._target_id = data["id"]
                self._target = self._configs[data["id"]]
                self._plan[self._target_id] = deploy_spec(self._target, data["updating"])
            elif path.startswith("plans/") and data is not None and not data["interrupted"]:
                number = int(data["parameters"].get("RUN", 0))
                self._first_of_run.setdefault((data["plan"], data["run"]), number)
            elif path.startswith("pods/") and data is None:
                self.pods.pop(path.removeprefix("pods/"), None)
                self._deployed.discard(path.removeprefix("pods/"))
            elif path.startswith("pods/") and data is not None:
                pod = records.pod_from_json(data)
                self.pods[pod.name] = pod
                self._tried.setdefault(pod.name, set()).update(t.config_id for t in pod.tasks)
                changed.append(pod)
                if pod.deployed:
                    self._deployed.add(pod.name)
        left = _left(writes)
        for pod in changed:
            former = before.get(pod.name)
            if former is not None:
                self._stopped(former, pod, before, left)
                self._failed_since(former, pod)

    def _stopped(
        self,
        former: Pod,
        pod: Pod,
        at_once: Mapping[str, Pod],
        left: Mapping[str, Retired],
    ) -> None:
        known = {task.id: task for task in former.tasks}
        fresh = [t for t in pod.tasks if t.stopping and t.id in known and not known[t.id].stopping]
        for task in fresh:
            assert task.stopping is not None
            fellow = task.stopping.removeprefix(FOR_A_FELLOW).split(" ")[0]
            if task.stopping.startswith(FOR_A_FELLOW) and not self._task(pod, fellow).essential:
                self._violate(
                    "ESSENTIAL", f"{task.name} of {pod.name} is stopped for {fellow}, a mere helper"
                )
        if pod.name in self.overruled:
            return
        lost = former.reservation is not None and former.reservation.agent_id in self.gone
        if former.tasks and not pod.tasks and not lost:
            self._taken_down(_given_up(former, left), pod, at_once)  # it is replaced
        reasons = [task.stopping for task in fresh if task.stopping]
        if any(reason.startswith(VOLUNTARY) for reason in reasons):
            with_fellows = (*VOLUNTARY, FOR_A_FELLOW)  # what is paused is so by an operator
            names = {t.name for t in fresh if t.stopping and t.stopping.startswith(with_fellows)}
            else_well = replace(
                pod,
                tasks=tuple(replace(t, stopping=None) if t.name in names else t for t in pod.tasks),
            )
            self._taken_down(else_well, pod, at_once)
            if not any(reason.startswith(FOR_A_PLAN) for reason in reasons):
                self._taken.pop(pod.name, None)  # it starts again by recovery, not by a plan

    def _failed_since(self, former: Pod, pod: Pod) -> None:
        """What a plan has changed ends before the plan went on: all of it is recovery's now."""
        ended = {task.id for task in former.tasks if task.dead}
        config = self._taken.get(pod.name)
        if config is not None and any(
            task.dead and task.id not in ended
            for task in pod.tasks
            if self._same(pod.type, config, task.config_id)
        ):
            del self._taken[pod.name]

    def _taken_down(self, before: Pod, pod: Pod, at_once: Mapping[str, Pod]) -> None:
        """I6: a plan stops an instance that served; how many do not already?

        `at_once` are all records as they were before those stored together.
        """
        assert self._target is not None
        spec = next((s for s in self._target.pods if s.type == pod.type), None)
        if spec is None or not self._serves(before) or self._serves(pod):
            return
        self._taken[pod.name] = self._target_id
        down = [
            other.name
            for other in self.pods.values()
            if other.type == pod.type
            and other.name != pod.name
            and other.index < spec.count
            and other.name in self._deployed
            and not self._serves(other)
            and not self._ordered_at_once(other, at_once)
        ]
        if len(down) >= spec.max_unavailable:
            self._violate("I6", f"{pod.name} is taken down while {', '.join(sorted(down))} is down")

    def _ordered_at_once(self, other: Pod, at_once: Mapping[str, Pod]) -> bool:
        """Whether an operator took it down too, which no budget forbids, and that came later."""
        paused = any(task.stopping == "paused by the operator" for task in other.tasks)
        ordered = paused or other.name in self.overruled
        return ordered and self._serves(at_once.get(other.name, other))

    def may_go(self, agent_id: str, also: Collection[str]) -> None:
        """The agent may be taken down while those others are: at most so many serve there."""
        assert self._target is not None
        for spec in self._target.pods:
            there = [p for p in self.pods.values() if p.type == spec.type and p.index < spec.count]
            on = {p.name: p.reservation.agent_id for p in there if p.reservation}
            fresh = [p.name for p in there if on.get(p.name) == agent_id and self._serves(p)]
            others = [name for name, where in on.items() if where in also]
            if fresh and len(fresh) + len(others) > spec.max_unavailable:
                self._violate("I6", f"{fresh} may go while {others} may, too")

    def _serves(self, pod: Pod) -> bool:
        """Whether all that was launched of an instance, that was deployed once, runs."""
        assert self._target is not None
        planned = planned_tasks(self._target, pod.type, pod.index)
        wanted = [
            spec
            for name in planned
            if (spec := self._task(pod, name)).essential and spec.goal is Goal.RUNNING
        ]
        launched = [task for spec in wanted if (task := pod.task(spec.name)) is not None]
        return (
            pod.name in self._deployed
            and bool(launched)
            and all(
                task.state is TaskState.RUNNING and task.ready and task.stopping is None
                for task in launched
            )
        )

    def _task(self, pod: Pod, name: str) -> TaskSpec:
        assert self._target is not None
        return self._target.pod(pod.type).task(name)

    # -- what is launched ---------------------------------------------------------------------

    def launched(self, info: Json) -> None:
        """I8: what is launched for the first time, or changed, has all before it done.

        An instance that did not serve anyway, whatever came of it, may be changed before its turn.
        """
        pod, config = label_of(info, "pod"), label_of(info, "target_configuration")
        name = str(info["name"]).removeprefix(f"{pod}-")
        former = self._launched.get((pod, name))
        self._launched[pod, name] = (self._now(), config)
        if former is not None:
            at, old = former
            if self._same(_type(pod), config, old) or self._replaced.get(pod, -1.0) >= at:
                return  # a recovery, not a step of the plan
            if pod not in self._taken or not self._same(_type(pod), config, self._taken[pod]):
                return
        elif pod in self._replaced:
            return  # started anew because an operator ordered that, out of turn
        elif not all(self._same(_type(pod), config, other) for other in self._tried.get(pod, ())):
            return
        service = self._configs[config]
        if config in self.forced:
            return
        for phase in _phases(service, self._plan[config], pod, name):
            if phase.strategy in CANARY:
                self._canary(pod, config, phase)
        for before, task in _predecessors(service, self._plan[config], pod, name):
            if not self._is_done(before, service.pod(_type(before)).task(task), config):
                self._violate(
                    "I8", f"{name} of {pod} is launched before {task} of {before} reached its goal"
                )

    def _canary(self, pod: str, config: str, phase: PhaseSpec) -> None:
        begun = self._canaries.setdefault((config, phase.name), set())
        begun.add(pod)
        released = self.released.get((config, phase.name), 0)
        if released < CANARIES and len(begun) > released:
            self._violate("I8", f"{pod} is a canary of {phase.name} that nobody let go")

    def task_at_goal(self, task: Task) -> None:
        name = str(task.info["name"]).removeprefix(f"{task.pod}-")
        self._reached.setdefault((task.pod, name), set()).add(task.config_id)
        run = int(task.environment.get("RUN", 0))
        self._last_run[task.pod, name] = max(run, self._last_run.get((task.pod, name), 0))

    def _is_done(self, pod: str, spec: TaskSpec, config: str) -> bool:
        reached = self._reached.get((pod, spec.name), set())
        if spec.goal is Goal.ONCE:
            return bool(reached)
        return any(self._same(_type(pod), config, other) for other in reached)

    def _same(self, pod_type: str, one: str, other: str) -> bool:
        return one == other or not pod_changed(
            self._configs[one].pod(pod_type), self._configs[other].pod(pod_type)
        )

    # -- the end ------------------------------------------------------------------------------

    def ended(self, view: View) -> None:
        """A plan of one's own that says it is complete has done its work everywhere."""
        for plan in view.plans:
            orders = view.orders.get(plan.name)
            if plan.status is not Status.COMPLETE or orders is None or orders.forced:
                continue
            first = self._first_of_run.get((plan.name, orders.run))
            if first is None or plan.name not in {own.name for own in view.service.plans}:
                continue
            for step in plan.steps():
                for task in step.tasks:
                    if self._last_run.get((step.pod, task), -1) < first:
                        self._violate("I8", f"run {orders.run} of {plan.name} skipped {step.name}")


def _left(writes: Writes) -> dict[str, Retired]:
    """What is given up with these records, by the id of its reservation."""
    found = (
        records.retired_from_json(data)
        for path, data in writes
        if path.startswith("retired/") and data is not None
    )
    return {retired.reservation.resource_id: retired for retired in found}


def _given_up(former: Pod, left: Mapping[str, Retired]) -> Pod:
    """The instance when it was replaced: what it left tells what became of it in the same step.

    Of a task that is not left behind it was known by then that it had ended.
    """
    retired = left.get(former.reservation.resource_id) if former.reservation else None
    if retired is None:
        return former
    known = {task.id: task for task in retired.tasks}
    return replace(
        former,
        tasks=tuple(
            replace(task, state=known[task.id].state, ready=known[task.id].ready)
            if task.id in known
            else replace(task, ready=False)
            for task in former.tasks
        ),
    )


def _type(pod: str) -> str:
    return pod.rpartition("-")[0]


def _phases(service: ServiceSpec, plan: PlanSpec, pod: str, task: str) -> list[PhaseSpec]:
    """The phases of the plan that deploys, `deploy` or `update`, that launch that task."""
    type_, _, index = pod.rpartition("-")
    return [
        phase
        for phase in plan.phases
        if phase.pod == type_
        and any(task in step for step in phase.steps_of(service.pod(type_), int(index)))
    ]


def _predecessors(
    service: ServiceSpec, plan: PlanSpec, pod: str, task: str
) -> Iterator[tuple[str, str]]:
    """The tasks whose steps must be done before the one that launches `task` in `pod`."""
    if not _phases(service, plan, pod, task):
        return  # of a plan of one's own: its order is not that of the deployment
    for phase in plan.phases:
        spec = service.pod(phase.pod)
        earlier: list[tuple[str, str]] = []
        for index in phase.indexes(spec):
            name = f"{phase.pod}-{index}"
            for step in phase.steps_of(spec, index):
                if name == pod and task in step:
                    serial = phase.strategy in SERIAL
                    yield from (each for each in earlier if serial or each[0] == pod)
                    return
                earlier += [(name, other) for other in step]
        if plan.strategy in SERIAL:
            yield from earlier
