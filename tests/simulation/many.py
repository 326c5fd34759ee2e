"""Many services in one framework: each is ordered about, and judged, as if it were alone."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from holdfast.core import events as ev
from holdfast.core.ledger import Ledger
from holdfast.core.view import View
from holdfast.engine import Answer
from holdfast.plans.orders import OK
from holdfast.service.encode import config_id
from tests.simulation import resources
from tests.simulation.agent import Agent
from tests.simulation.clock import Clock
from tests.simulation.disruption_judge import Coordinator
from tests.simulation.judge import Judge
from tests.simulation.machine import Executor, Task, Volume
from tests.simulation.many_scheduler import (
    DEFINITIONS,
    PRINCIPAL,
    ManyRecords,
    ManyScheduler,
    hosted,
    prefix,
)
from tests.simulation.mesos import Master
from tests.simulation.resources import Json
from tests.simulation.schedule import Planned
from tests.simulation.scheduler import Scheduler
from tests.simulation.uninstall import forget_the_lost
from tests.simulation.world import CONVERGE_SECONDS, World

if TYPE_CHECKING:
    from holdfast.core.multi_view import MultiView


@dataclass
class Judges:
    """Hands what happens to the judge of the service concerned; `violations` are those of all."""

    world: "ManyWorld"
    violations: list[str] = field(default_factory=list)
    plans: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(gone=set()))

    def violate(self, invariant: str, text: str) -> None:
        self.world.log(f"VIOLATION {invariant}: {text}")
        self.violations.append(f"{invariant}: {text}")

    def _of(self, id_: str) -> Judge:
        return next(
            part.judge for part in self.world.parts if prefix(part.name) == id_.partition("__")[0]
        )

    def after_step(self) -> None:
        if self.world.records.stale_writes:
            self.violate("I1", f"a fenced scheduler wrote {self.world.records.stale_writes.pop()}")
        for part in self.world.parts:
            part.judge.look()
            part.note_what_stays()

    def launched(self, info: Json, agent: Agent) -> None:
        id_ = info["task_id"]["value"]
        owners = {
            resources.labels(kind).get("service", "")
            for holder in (info, info["executor"])
            for kind in resources.bag(holder["resources"])
        }
        if {prefix(owner) for owner in owners} != {id_.partition("__")[0]}:
            self.violate("I2", f"{id_} is launched on what is reserved for {sorted(owners)}")
        self._of(id_).launched(info, agent)

    def refused(self, task_id: str, why: str) -> None:
        self._of(task_id).refused(task_id, why)

    def may_go(self, agent_id: str, window: Planned, others: Mapping[str, Planned]) -> None:
        for part in self.world.parts:
            if part.newest.alive:
                part.judge.may_go(agent_id, window, others)

    def destroying(self, volume_id: str) -> None:
        for part in self.world.parts:
            if volume_id in part.records.recorded_volumes:
                part.judge.destroying(volume_id)
                return
        self.violate("I3", f"DESTROY of {volume_id}, which was no service's")

    def tearing_down(self) -> None:
        self.violate("UNINSTALL", "the framework of all services is torn down")

    def executor_started(self, agent: Agent, executor: Executor) -> None:
        self._of(executor.id).executor_started(agent, executor)

    def tasks_running(self, agent: Agent, executor: Executor) -> None:
        self._of(executor.id).tasks_running(agent, executor)

    def task_at_goal(self, task: Task) -> None:
        self._of(task.id).task_at_goal(task)

    def volume_destroyed(self, agent: Agent, volume: Volume) -> None:
        for part in self.world.parts:
            if volume.id in part.records.recorded_volumes:
                part.judge.volume_destroyed(agent, volume)


class Share:
    """What one service sees of the scheduler of all: `alive` once it is hosted there."""

    def __init__(self, scheduler: ManyScheduler, name: str) -> None:
        self._scheduler = scheduler
        self._name = name
        self.engine = self.core = self

    @property
    def alive(self) -> bool:
        return self._scheduler.alive and self._name in self.everything.services

    @property
    def everything(self) -> "MultiView":
        view: Any = self._scheduler.engine.view
        return view  # type: ignore[no-any-return]

    @property
    def view(self) -> View:
        return self.everything.services[self._name]

    @property
    def ledger(self) -> Ledger:
        return self._scheduler.many._parts[self._name].ledger

    def order(self, order: ev.Command | ev.HostService) -> "Future[Answer]":
        if isinstance(order, ev.Command):
            order = replace(order, id=f"{self._name} {order.id}", service=self._name)
        return self._scheduler.order(order)


class Part(World):
    """One of the services, with whatever operators have in mind for it."""

    def __init__(self, world: "ManyWorld", name: str) -> None:
        self.name = name
        self.clock, self.trace, self.coordinator = world.clock, world.trace, world.coordinator
        self.master, self.agents, self.schedulers = world.master, world.agents, world.schedulers
        self.records = world.records.part(name)
        self.judge = Judge(self.clock, self.records, self.log, self.coordinator)
        self.judge.violations = world.judge.violations
        self.judge.plans.gone = world.judge.plans.gone
        self._hosted = hosted(name)
        self._answered: list[Future[Answer]] = []
        self._was_quarantined: set[str] = set()
        self._forgotten: set[str] = set()
        self._begin(self._hosted.spec(PRINCIPAL))

    @property
    def newest(self) -> Any:
        return Share(self._scheduler, self.name)

    @property
    def _scheduler(self) -> ManyScheduler:
        scheduler = self.schedulers[-1]
        assert isinstance(scheduler, ManyScheduler)
        return scheduler

    def _is_ours(self, id_: str) -> bool:
        return id_.startswith(f"{prefix(self.name)}__")

    def host(self) -> None:
        """The operator adds the service, or changes it, whatever came of that before."""
        if self._scheduler.alive and not self.uninstalling:
            self._orders += 1
            self.log(f"operator: host {self.name} as version {self._updates}")
            order = ev.HostService(f"{self.name} host-{self._orders}", self._hosted, self.target)
            self._answered.append(self._scheduler.order(order))

    def update(self, pick: int) -> None:
        self._updates += 1
        self._hosted = hosted(self.name, self._updates, pick)
        self.target = self._hosted.spec(PRINCIPAL)
        self.judge.target(self.target)
        self.host()

    def uninstall(self, by_order: bool) -> None:
        if self.newest.alive:
            if not self.uninstalling:
                self.uninstalled_at = self.clock.now
            self.judge.uninstalling = self.uninstalling = True
            self.order(ev.Verb.UNINSTALL, self.name)

    @property
    def _was_hosted(self) -> bool:
        """Whether that was confirmed to the operator."""
        return any(answer.done() and answer.result().status == OK for answer in self._answered)

    def _look_for_promises(self) -> None:
        if self.uninstalling:
            return
        if self.name in self._scheduler.many._parts:
            super()._look_for_promises()
        elif self._was_hosted:
            self.judge.violate("I9", f"{self.name} was hosted, and that is forgotten")

    def missing(self) -> list[str]:
        """What keeps it from being as it was asked for, or from being gone."""
        if self.uninstalling:
            return [f"{self.name} is not uninstalled"] if self.newest.alive else []
        if not self.newest.alive:
            return [f"{self.name} is not hosted"]
        if self.newest.view.target_id != config_id(self.target):
            return [f"{self.name} is another version"]
        return [f"{self.name}: {text}" for text in self._missing()]

    def help(self, patience_is_over: bool) -> None:
        """Whatever an operator does who wants it to be as it was asked for."""
        if self.uninstalling:
            if self.newest.alive and self.newest.view.uninstalling is None:
                self.uninstall(by_order=True)
            elif self.newest.alive and patience_is_over:
                forget_the_lost(self)
        elif not self.newest.alive or self.newest.view.target_id != config_id(self.target):
            self.host()
        else:
            self._let_go()
            if patience_is_over:
                self._replace_the_lost()

    def note_what_stays(self) -> None:
        """What is quarantined, and the hosts an operator gave up, may have something in the end."""
        if self.uninstalling and self.newest.alive:
            view = self.newest.view
            self._was_quarantined |= view.quarantined.keys()
            if view.uninstalling is not None:
                self._forgotten |= {lost.hostname for lost in view.uninstalling.forgotten}

    def look_at_the_end(self) -> None:
        """Judge what is left once all is whole, silent, and started anew."""
        if not self.uninstalling:
            self._look_at_the_end()
            return
        for agent in self.agents:
            away = agent.was_away_since(self.uninstalled_at)
            unknown = away or agent.removed or agent.hostname in self._forgotten
            for kind in agent.total if not unknown else ():
                id_ = resources.labels(kind).get("resource_id", "")
                listed = resources.persistence_id(kind) or f"{id_}/{kind[0]}@{agent.id}"
                if resources.role(kind) == self.spec.role and listed not in self._was_quarantined:
                    self.judge.violate("UNINSTALL", f"{listed} is left on {agent.hostname}")

    def become_silent(self) -> None:
        if not self.uninstalling:
            self._become_silent()

    def close_the_books(self) -> None:
        if not self.uninstalling:
            self._close_the_books()


class ManyWorld(World):
    """The cluster with a scheduler of many services. Faults and orders are for all, or one."""

    judge: Any
    records: ManyRecords

    def __init__(self, seed: int, machines: int = 6) -> None:
        self.clock = Clock(seed)
        self.trace = []
        self.records = ManyRecords()
        self.coordinator = Coordinator(self.clock)
        self.judge = Judges(self)
        self.master = Master(self.clock, self.judge, self.log, ())
        self.agents = [
            Agent(number, self.clock, self.judge, self.log, f"zone-{number % 3}")
            for number in range(1, machines + 1)
        ]
        self.schedulers = []
        self._starting = False
        self.uninstalling = False
        self.parts = [Part(self, name) for name in DEFINITIONS]
        self.clock.after_step = self.judge.after_step
        for agent in self.agents:
            agent.master = self.master
            agent.register_soon()
        self.start_scheduler()
        for part in self.parts:
            self.clock.after(self.clock.between(0.5, 30.0), part.host)

    def part(self, pick: int) -> Part | None:
        """One of the services that are hosted."""
        here = [part for part in self.parts if part.newest.alive]
        return here[pick % len(here)] if here else None

    def _new_scheduler(self, name: str) -> Scheduler:
        spec = self.parts[0].spec
        return ManyScheduler(
            *(name, self.clock, self.master, self.records, spec, self.log, self._exited),
            self.coordinator,
        )

    def _look_for_promises(self) -> None:
        for part in self.parts:
            part._look_for_promises()

    def settle(self) -> None:
        """Run until all services are whole and silent, or gone, and judge what that leaves."""
        began = next_help = self.clock.now
        self.clock.run_until(max(began, *(part._paused_at + 40.0 for part in self.parts)))
        deadline, patience = began + CONVERGE_SECONDS, began + 240.0
        while (missing := self._what_is_missing()) and not self.judge.violations:
            if self.clock.now > deadline:
                self.judge.violate("LIVENESS", "not whole: " + "; ".join(missing))
                return
            if self.clock.now >= next_help:
                next_help = self.clock.now + 20.0
                over = self.clock.now > patience
                patience = self.clock.now + 400.0 if over else patience
                for part in self.parts:
                    part.help(over)
            self.clock.run_until(self.clock.now + 5.0)
        self.log("-- whole --")
        self._all_become_silent()
        running = self._running()
        self.log("-- the scheduler restarts --")
        if not self.judge.violations:
            self.newest.die()
            self.clock.run_until(self.clock.now + 90.0)
            self._all_become_silent()
        if self.judge.violations:
            return
        if self._running() - running:
            self.judge.violate("I9", "a restart of the scheduler restarted tasks")
        for part in self.parts:
            part.look_at_the_end()
        if any(not part.uninstalling and part._open_books() for part in self.parts):
            self.clock.run_until(self.clock.now + 2000.0)
        for part in self.parts:
            part.close_the_books()

    def _what_is_missing(self) -> list[str]:
        if not self.newest.alive:
            return ["no scheduler runs"]
        return [text for part in self.parts for text in part.missing()]

    def _all_become_silent(self) -> None:
        for part in self.parts:
            if not self.judge.violations:
                part.become_silent()
