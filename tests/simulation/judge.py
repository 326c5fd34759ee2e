"""Judges what really happens against the invariants I1-I3 and I7-I9 of the design."""

from collections.abc import Callable

from holdfast.service.changes import pod_changed
from holdfast.service.encode import config_id
from holdfast.service.model import Goal, ServiceSpec, Strategy
from tests.simulation.agent import Agent, Executor, Task, Volume, label_of
from tests.simulation.clock import Clock
from tests.simulation.resources import Json
from tests.simulation.scheduler import Records, Scheduler

GRACE_SECONDS = 60.0
"""For how long after an agent returned, or a scheduler subscribed, the scheduler may not yet know
what runs there."""


class Judge:
    """Collects violations; it only looks, and never changes what happens."""

    def __init__(self, clock: Clock, records: Records, log: Callable[[str], None]) -> None:
        self.violations: list[str] = []
        self.agents: list[Agent] = []
        self.schedulers: list[Scheduler] = []
        self.replaced: dict[str, float] = {}
        self.ordered: set[str] = set()
        self._clock = clock
        self._records = records
        self._log = log
        self._configs: dict[str, ServiceSpec] = {}
        self._target: ServiceSpec | None = None
        self._executors: set[str] = set()
        self._launched: dict[str, tuple[float, str]] = {}
        self._owned: dict[str, tuple[frozenset[str], float]] = {}
        self._reached: dict[str, set[tuple[str, str]]] = {}

    def target(self, spec: ServiceSpec) -> None:
        """The operator wants this service from now on."""
        self._configs[config_id(spec)] = spec
        self._target = spec

    def violate(self, invariant: str, text: str) -> None:
        self._log(f"VIOLATION {invariant}: {text}")
        self.violations.append(f"{invariant}: {text}")

    def after_step(self) -> None:
        if self._records.stale_writes:
            self.violate("I1", f"a fenced scheduler wrote {self._records.stale_writes.pop()}")

    # -- what the framework orders ------------------------------------------------------------

    def launched(self, info: Json, agent: Agent) -> None:
        task_id = info["task_id"]["value"]
        pod = label_of(info, "pod")
        if task_id not in self._records.recorded_tasks:
            self.violate("I9", f"{task_id} is launched before it is stored")
        executor_id = info["executor"]["executor_id"]["value"]
        if executor_id not in self._executors:
            self._executors.add(executor_id)
            config = label_of(info, "target_configuration")
            self._in_turn(pod, config)
            self._launched[pod] = (self._clock.now, config)

    def destroying(self, volume_id: str) -> None:
        if volume_id not in self.ordered or volume_id not in self._records.recorded_intents:
            self.violate("I3", f"DESTROY of {volume_id}, which no operator named")

    # -- what agents do -----------------------------------------------------------------------

    def executor_started(self, agent: Agent, executor: Executor) -> None:
        for volume in executor.volumes:
            for other in agent.executors.values():
                if other is not executor and volume in other.volumes:
                    self.violate("I2", f"{executor.id} and {other.id} both have volume {volume}")
        for elsewhere in self.agents:
            for other in elsewhere.executors.values():
                if other is not executor and other.pod == executor.pod:
                    self._second_incarnation(executor, agent, other, elsewhere)
        self._place(executor, agent)

    def _place(self, executor: Executor, agent: Agent) -> None:
        assert self._target is not None
        type_ = _type(executor.pod)
        if not any(c.field == "hostname" for c in self._target.pod(type_).placement):
            return
        for other in agent.executors.values():
            if other.pod == executor.pod or _type(other.pod) != type_:
                continue
            if self.replaced.get(other.pod, -1.0) < self._decided(
                other
            ):  # else it is on its way out
                self.violate("I7", f"{executor.pod} and {other.pod} share {agent.hostname}")

    def _second_incarnation(
        self, new: Executor, agent: Agent, old: Executor, elsewhere: Agent
    ) -> None:
        if not any(task.alive or not task.terminal for task in old.tasks.values()):
            return  # its container is only being cleaned up
        where = f"{new.id} starts on {agent.hostname} while {old.id} runs on {elsewhere.hostname}"
        if self.replaced.get(new.pod, -1.0) < self._decided(old):
            self.violate("I2", f"{where}, and no operator replaced it")
            return
        launched, _ = self._launched[new.pod]
        unsure = max(
            elsewhere.last_contact_lost,
            elsewhere.last_registered,
            *(s.subscribed_at for s in self.schedulers),
        )
        if elsewhere.reachable and launched - unsure > GRACE_SECONDS:
            self.violate("I2", f"{where}, which could be reached")

    def tasks_running(self, agent: Agent, executor: Executor) -> None:
        """The executor's tasks are about to write to its volumes."""
        volumes = frozenset(executor.volumes)
        before = self._owned.get(executor.pod)
        if before is not None and volumes == before[0]:
            return
        if before is not None and self.replaced.get(executor.pod, -1.0) < before[1]:
            self.violate(
                "I3",
                f"{executor.pod} runs on {sorted(volumes)}, but its data is on"
                f" {sorted(before[0])} and no operator replaced it",
            )
        self._owned[executor.pod] = (volumes, self._decided(executor))

    def _decided(self, executor: Executor) -> float:
        """When its launch was decided; sent it was afterwards, and what came then concerned it."""
        return min(self._records.recorded_tasks.get(id_, -1e9) for id_ in executor.tasks)

    def volume_destroyed(self, agent: Agent, volume: Volume) -> None:
        if volume.id not in self.ordered:
            self.violate("I3", f"volume {volume.id} of {volume.pod} is lost")

    def task_at_goal(self, task: Task) -> None:
        name = task.info["name"].removeprefix(f"{task.pod}-")
        self._reached.setdefault(task.pod, set()).add((name, task.config_id))

    # -- I8 -----------------------------------------------------------------------------------

    def _in_turn(self, pod: str, config: str) -> None:
        """A first launch, or one with a new configuration, comes after its predecessors' goals.

        Only an instance that never came up with the former one may take its turn before them.
        """
        assert self._target is not None
        first = pod not in self._launched
        if not first:
            at, former = self._launched[pod]
            same = self._same(_type(pod), config, former)
            if same or self.replaced.get(pod, -1.0) >= at:
                return  # a recovery, not a step of the plan
            if not self._came_up(pod, former):
                return  # it is broken and holds up the others, so it may be mended first
        for before in _predecessors(self._target, pod):
            type_ = _type(before)
            for task in self._target.pod(type_).tasks:
                reached = {c for name, c in self._reached.get(before, ()) if name == task.name}
                if task.goal is Goal.ONCE or first:
                    missing = not reached
                else:
                    missing = not any(self._same(type_, config, other) for other in reached)
                if missing:
                    self.violate(
                        "I8", f"{pod} is launched before {before} reached its goal ({task.name})"
                    )

    def _came_up(self, pod: str, config: str) -> bool:
        """Whether all that keeps running in the instance did so under the configuration."""
        wanted = {
            task.name
            for task in self._configs[config].pod(_type(pod)).tasks
            if task.goal is Goal.RUNNING
        }
        return wanted <= {name for name, other in self._reached.get(pod, ()) if other == config}

    def _same(self, pod_type: str, one: str, other: str) -> bool:
        return one == other or not pod_changed(
            self._configs[one].pod(pod_type), self._configs[other].pod(pod_type)
        )


def _type(pod: str) -> str:
    return pod.rpartition("-")[0]


def _predecessors(service: ServiceSpec, pod: str) -> list[str]:
    """The pod instances whose steps come before this one's in a serial order."""
    type_, _, index = pod.rpartition("-")
    earlier: list[str] = []
    for phase in service.deploy.phases:
        count = int(index) if phase.pod == type_ else service.pod(phase.pod).count
        names = [f"{phase.pod}-{number}" for number in range(count)]
        if phase.pod == type_:
            return earlier + (names if phase.strategy is Strategy.SERIAL else [])
        if service.deploy.strategy is Strategy.SERIAL:
            earlier += names
    return earlier
