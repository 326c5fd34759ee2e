"""Judges what really happens against the invariants of the design."""

from collections.abc import Callable, Mapping

from holdfast.service.encode import config_id
from holdfast.service.model import Operator, ServiceSpec
from holdfast.state.store import LAST_RECORD, Writes
from tests.simulation.agent import Agent
from tests.simulation.answer_judge import AnswerJudge
from tests.simulation.clock import Clock
from tests.simulation.disruption_judge import Coordinator, DisruptionJudge
from tests.simulation.machine import Executor, Task, Volume, label_of
from tests.simulation.placement_judge import PlacementJudge
from tests.simulation.plan_judge import PlanJudge
from tests.simulation.recovery_judge import RecoveryJudge
from tests.simulation.registry import Known
from tests.simulation.replacement_judge import ReplacementJudge
from tests.simulation.resources import Json
from tests.simulation.room_judge import RoomJudge
from tests.simulation.schedule import Planned
from tests.simulation.scheduler import Records, Scheduler

GRACE_SECONDS = 60.0
"""For how long after an agent returned, or a scheduler subscribed, the scheduler may not yet know
what runs there."""


class Judge:
    """Collects violations; it only looks, and never changes what happens."""

    def __init__(
        self,
        clock: Clock,
        records: Records,
        log: Callable[[str], None],
        coordinator: Coordinator,
    ) -> None:
        self.violations: list[str] = []
        self.agents: list[Agent] = []
        self.registered: Mapping[str, Known] = {}
        """The agents that the master knows, by id."""
        self.schedulers: list[Scheduler] = []
        self.replaced: dict[str, float] = {}
        self.ordered: set[str] = set()
        self.uninstalling = False
        self._clock = clock
        self._records = records
        self._log = log
        self._configs: dict[str, ServiceSpec] = {}
        self._target: ServiceSpec | None = None
        self._executors: set[str] = set()
        self._launched: dict[str, float] = {}
        self._data: dict[str, Volume] = {}
        self._owned: dict[str, tuple[frozenset[str], float]] = {}
        self.plans = PlanJudge(self._configs, self.replaced, self.violate, lambda: clock.now)
        self.replacements = ReplacementJudge(self._configs, self.violate, lambda: clock.now)
        self.recovery = RecoveryJudge(self.replaced, self.violate, lambda: clock.now)
        self.disruptions = DisruptionJudge(
            coordinator,
            self.plans.overruled,
            self.violate,
            lambda: self.schedulers[-1].decided_at,
            lambda: clock.now,
        )
        self.rooms = RoomJudge(self._configs, lambda: self.schedulers[-1], self.violate)
        self.placement = PlacementJudge(lambda: self.agents, self.violate)
        self.answers = AnswerJudge(
            records,
            self.plans.pods,
            lambda: self.registered,
            lambda: self.schedulers[-1],
            self.violate,
        )
        records.watch = self._stored

    def target(self, spec: ServiceSpec) -> None:
        """The operator wants this service from now on; instances beyond its counts may go."""
        self._configs[config_id(spec)] = spec
        wanted = {f"{pod.type}-{index}" for pod, index in spec.instances()}
        for pod in self._owned.keys() - wanted:
            self.replaced[pod] = self._clock.now
        self._target = self.recovery.target = self.disruptions.target = spec
        self.placement.target = spec

    def violate(self, invariant: str, text: str) -> None:
        self._log(f"VIOLATION {invariant}: {text}")
        self.violations.append(f"{invariant}: {text}")

    def _stored(self, writes: Writes) -> None:
        self.recovery.stored(writes)
        self.placement.stored(writes)
        self.rooms.stored(self.plans.pods, writes)
        self.plans.stored(writes)
        self.disruptions.stored(writes)
        if not self.uninstalling:  # there is nobody left to hand anything over to
            self.replacements.stored(writes)

    def after_step(self) -> None:
        if self._records.stale_writes:
            self.violate("I1", f"a fenced scheduler wrote {self._records.stale_writes.pop()}")
        self.look()

    def look(self) -> None:
        """At what is to be so at any time."""
        if self.schedulers:
            self.answers.look(self._clock.now)

    # -- what the framework orders ------------------------------------------------------------

    def launched(self, info: Json, agent: Agent) -> None:
        task_id = info["task_id"]["value"]
        pod = label_of(info, "pod")
        if task_id not in self._records.recorded_tasks:
            self.violate("I9", f"{task_id} is launched before it is stored")
        executor_id = info["executor"]["executor_id"]["value"]
        if executor_id not in self._executors:
            self._executors.add(executor_id)
            self._launched[pod] = self._clock.now
        self.plans.launched(info)
        self.replacements.launched(info)

    def refused(self, task_id: str, why: str) -> None:
        self.violate("REFUSED", f"{task_id} breaks a rule of Mesos: {why}")

    def may_go(self, agent_id: str, window: Planned, others: Mapping[str, Planned]) -> None:
        """I6: the operator takes down all machines that may go at that time.

        With a wrong clock a scheduler cannot know which of them go together.
        """
        if not self.schedulers[-1].clock_is_right:
            return
        also = {id_ for id_, other in others.items() if id_ != agent_id and window.overlaps(other)}
        self.plans.may_go(agent_id, also)
        self.disruptions.may_go(agent_id)

    def destroying(self, volume_id: str) -> None:
        if not self._may_go(volume_id) or volume_id not in self._records.recorded_intents:
            self.violate("I3", f"DESTROY of {volume_id}, which no operator named")

    def _may_go(self, volume_id: str) -> bool:
        """Whether an operator named the volume, or had all that is known uninstalled."""
        known = self._records.recorded_volumes
        return volume_id in self.ordered or (self.uninstalling and volume_id in known)

    def tearing_down(self) -> None:
        if b'"deregistering":true' not in self._records.raw.get(LAST_RECORD, b""):
            self.violate("I9", "the framework is torn down before that is stored")

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
            for orphan in elsewhere.orphans:
                # One without volumes has no data, and what has the same ones waits for their lock.
                data = orphan.volumes and executor.volumes
                apart = set(orphan.volumes).isdisjoint(executor.volumes)
                if orphan.pod == executor.pod and data and apart:
                    self._beside_an_orphan(executor, agent, orphan)
        self._place(executor, agent)
        linux_info = executor.info.get("container", {}).get("linux_info", {})
        if "seccomp" in linux_info and "linux/seccomp" not in agent.features.isolation:
            self.violate("I12", f"{executor.id} starts on {agent.hostname}, which cannot")

    def _place(self, executor: Executor, agent: Agent) -> None:
        assert self._target is not None
        type_ = _type(executor.pod)
        placement = self._target.pod(type_).placement
        if not any((c.field, c.operator) == ("hostname", Operator.UNIQUE) for c in placement):
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
        launched = self._launched[new.pod]
        unsure = max(
            elsewhere.last_contact_lost,
            elsewhere.last_registered,
            *(s.subscribed_at for s in self.schedulers),
        )
        if elsewhere.reachable and launched - unsure > GRACE_SECONDS:
            self.violate("I2", f"{where}, which could be reached")

    def _beside_an_orphan(self, new: Executor, agent: Agent, orphan: Executor) -> None:
        """Mesos knows nothing of it, and nobody can end it: that is for the operator to know."""
        if self.replaced.get(new.pod, -1.0) < self._decided(orphan):
            self.violate(
                "I2",
                f"{new.id} starts on {agent.hostname} beside the orphan {orphan.id}, and no"
                " operator replaced it",
            )

    def tasks_running(self, agent: Agent, executor: Executor) -> None:
        """The executor's tasks are about to write to its volumes."""
        volumes = frozenset(executor.volumes)
        for orphan in agent.orphans:
            if not volumes.isdisjoint(orphan.volumes):
                self.violate("I2", f"{executor.id} writes to the volumes of the orphan {orphan.id}")
        for id_ in volumes:
            there = agent.volumes[id_]
            if self._data.setdefault(id_, there) is not there:
                self.violate("I3", f"volume {id_} of {executor.pod} was made anew, and is empty")
        before = self._owned.get(executor.pod)
        if before is not None and volumes == before[0]:
            return
        if before is not None and before[0] < volumes:
            before = None  # an update has added some; what was there is there
        decided = self._decided(executor)
        if before is not None and decided < before[1]:
            return  # a former incarnation comes late; whether it may was asked at its launch
        if before is not None and self.replaced.get(executor.pod, -1.0) < before[1]:
            self.violate(
                "I3",
                f"{executor.pod} runs on {sorted(volumes)}, but its data is on"
                f" {sorted(before[0])} and no operator replaced it",
            )
        self._owned[executor.pod] = (volumes, decided)

    def _decided(self, executor: Executor) -> float:
        """When its launch was decided; sent it was afterwards, and what came then concerned it."""
        return min(self._records.recorded_tasks.get(id_, -1e9) for id_ in executor.tasks)

    def volume_destroyed(self, agent: Agent, volume: Volume) -> None:
        if not self._may_go(volume.id):
            self.violate("I3", f"volume {volume.id} of {volume.pod} is lost")

    def task_at_goal(self, task: Task) -> None:
        self.plans.task_at_goal(task)
        self.replacements.task_at_goal(task)


def _type(pod: str) -> str:
    return pod.rpartition("-")[0]
