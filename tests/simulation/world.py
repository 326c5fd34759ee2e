"""One simulated cluster with its schedulers and operator, from the first offer to quiescence."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from holdfast.core import events as ev
from holdfast.core.core import SWEEP_PERIOD
from holdfast.plans.plan import Status
from holdfast.service.model import Goal, ServiceSpec
from tests.simulation import resources
from tests.simulation.agent import Agent, Task
from tests.simulation.clock import Clock
from tests.simulation.judge import Judge
from tests.simulation.mesos import Master
from tests.simulation.scheduler import Records, Scheduler
from tests.simulation.services import updated

CONVERGE_SECONDS = 2400.0
"""Virtual seconds a service may take to be whole again once nothing goes wrong any more."""


class World:
    """The cluster. `trace` holds what happened, one line each."""

    def __init__(self, seed: int, spec: ServiceSpec, machines: int = 6) -> None:
        self.clock = Clock(seed)
        self.trace: list[str] = []
        self.records = Records()
        self.judge = Judge(self.clock, self.records, self.log)
        self.spec = spec
        self.master = Master(self.clock, self.judge, self.log, spec.role)
        self.agents = [
            Agent(number, self.clock, self.judge, self.log, f"zone-{number % 3}")
            for number in range(1, machines + 1)
        ]
        self.schedulers: list[Scheduler] = []
        self._updates = 0
        self._orders = 0
        self._starting = False
        self._target = spec
        self.judge.agents = self.agents
        self.judge.schedulers = self.schedulers
        self.judge.target(spec)
        self.clock.after_step = self.judge.after_step
        for agent in self.agents:
            agent.master = self.master
            agent.register_soon()
        self.start_scheduler()

    def log(self, text: str) -> None:
        self.trace.append(f"{self.clock.now:9.2f}  {text}")

    # -- schedulers ---------------------------------------------------------------------------

    @property
    def newest(self) -> Scheduler:
        return self.schedulers[-1]

    def start_scheduler(self) -> None:
        """Another scheduler process takes the epoch, whether or not the last one still runs."""
        name = f"scheduler {len(self.schedulers) + 1}"
        self.schedulers.append(
            Scheduler(
                name, self.clock, self.master, self.records, self._target, self.log, self._exited
            )
        )

    def _exited(self, scheduler: Scheduler, reason: str) -> None:
        # Whoever led before the newest cannot be elected: its session has ended, unknown to it.
        if not self.newest.alive and not self._starting:
            self._starting = True
            self.clock.after(self.clock.between(0.5, 15.0), self._start_again)

    def _start_again(self) -> None:
        self._starting = False
        if not self.newest.alive:
            self.start_scheduler()

    def fail_over(self, seconds: float) -> None:
        if not self.master.up:
            return
        agents = [known.agent for known in self.master.agents.values()]
        self.master.fail_over(seconds)
        for agent in agents:
            agent.register_soon(seconds + 0.2, seconds + 40.0)
        for scheduler in self.schedulers:
            scheduler.master_gone()

    # -- the operator -------------------------------------------------------------------------

    def pod_names(self) -> list[str]:
        return [f"{spec.type}-{index}" for spec, index in self._target.instances()]

    def order(self, verb: ev.Verb, target: str) -> None:
        """A command reaches the newest scheduler, if that runs."""
        if not self.newest.alive:
            return
        self._orders += 1
        self.log(f"operator: {verb} {target}")
        if verb is ev.Verb.POD_REPLACE:
            self.judge.replaced[target] = self.clock.now
        elif verb is ev.Verb.VOLUMES_DESTROY:
            self.judge.ordered.add(target)
        self.newest.post(ev.Command(f"order-{self._orders}", verb, target))

    def update(self, pick: int) -> None:
        """The operator starts the scheduler with a changed environment."""
        self._updates += 1
        types = [None, *(pod.type for pod in self.spec.pods)]
        self._target = updated(self._target, self._updates, types[pick % len(types)])
        self.judge.target(self._target)
        self.log(f"operator: update to version {self._updates}")
        self.newest.die()

    # -- the end of a run ---------------------------------------------------------------------

    def heal(self) -> None:
        """Nothing goes wrong from now on, and all machines that are not removed come back."""
        self.log("-- all faults end --")
        self.records.away_until = 0.0
        for scheduler in self.schedulers:
            scheduler.faults.crash_in = None
            scheduler.faults.calls.clear()
        for agent in self.agents:
            agent.fail_launches = 0
            agent.join(reset=False)
            agent.power_on(new_id=False)
            agent.start_process()

    def settle(self) -> None:
        """Run until the service is whole and silent, and judge what that leaves."""
        deadline = self.clock.now + CONVERGE_SECONDS
        next_help = self.clock.now + 240.0
        while not self._whole() and not self.judge.violations:
            if self.clock.now > deadline:
                self.judge.violate("LIVENESS", "not whole: " + "; ".join(self._missing()))
                return
            if self.clock.now > next_help:
                next_help = self.clock.now + 400.0
                self._replace_the_lost()
            self.clock.run_until(self.clock.now + 5.0)
        if self.judge.violations:
            return
        self.log("-- whole --")
        self._become_silent()
        if self.judge.violations:
            return
        running = self._running()
        self.log("-- the scheduler restarts --")
        self.newest.die()
        self.clock.run_until(self.clock.now + 90.0)
        self._become_silent()
        if self._running() != running:
            self.judge.violate("I9", "a restart of the scheduler restarted tasks")
        for text in self._unexplained():
            self.judge.violate("I4", text)
        if self._open_books():
            self.clock.run_until(self.clock.now + 2 * SWEEP_PERIOD + 60.0)
        for id_ in self._open_books():
            self.judge.violate("I4", f"retired reservation {id_} is gone, and still on record")

    def _become_silent(self) -> None:
        self.clock.run_until(self.clock.now + 120.0)
        deadline = self.clock.now + 1300.0  # agents wait up to ten minutes between repetitions
        while self._unacknowledged() and self.clock.now < deadline:
            self.clock.run_until(self.clock.now + 10.0)
        self.clock.run_until(self.clock.now + 60.0, done=lambda: self.master.suppressed)
        if not self.master.suppressed:
            self.judge.violate("I10", "there is nothing to do, and offers still come")
        for pod in self.newest.engine.view.pods.values():
            for task in pod.tasks:
                truth = self._task(task.id)
                if not task.dead and (truth is None or truth.state != task.state):
                    state = truth.state if truth else "no such task"
                    self.judge.violate("I5", f"{task.id} is {task.state} on record: {state}")
        for task_id in self._unacknowledged():
            self.judge.violate("I5", f"an update of {task_id} is not acknowledged")

    def _replace_the_lost(self) -> None:
        """The operator gives up the pod instances whose data is on a removed machine.

        And those launched on an agent that came back under a new id without ever having answered:
        nothing but the operator's word can say that they never ran.
        """
        here = {agent.id for agent in self.agents if not agent.removed}
        for name, pod in self.newest.engine.view.pods.items():
            held = pod.reservation
            if held is None or held.agent_id in here:
                continue
            if not held.confirmed or self._is_removed(held.hostname):
                self.order(ev.Verb.POD_REPLACE, name)

    def _is_removed(self, hostname: str) -> bool:
        return any(agent.removed for agent in self.agents if agent.hostname == hostname)

    # -- what is there ------------------------------------------------------------------------

    def _whole(self) -> bool:
        view = self.newest.engine.view
        if not self.newest.alive or view.target_id != self.newest.core.ledger.target_id:
            return False
        if any(plan.status is not Status.COMPLETE for plan in view.plans):
            return False
        return not self._missing()

    def _missing(self) -> list[str]:
        """What keeps the service from being as it was asked for, as the agents know it."""
        missing = [
            f"{plan.name} is {plan.status}"
            for plan in self.newest.engine.view.plans
            if plan.status is not Status.COMPLETE
        ]
        for spec, index in self._target.instances():
            name = f"{spec.type}-{index}"
            executors = [e for a in self.agents for e in a.executors.values() if e.pod == name]
            if len(executors) != 1:
                missing.append(f"{name} has {len(executors)} executors")
                continue
            running = {
                task.info["name"].removeprefix(f"{name}-")
                for task in executors[0].tasks.values()
                if task.alive and task.state == "TASK_RUNNING" and task.ready is not False
            }
            wanted = {task.name for task in spec.tasks if task.goal is Goal.RUNNING}
            if running != wanted:
                missing.append(f"{name} runs {sorted(running)}")
        return missing

    def _running(self) -> set[str]:
        return {task.id for a in self.agents for task in a.tasks.values() if task.alive}

    def _unacknowledged(self) -> list[str]:
        return [task.id for a in self.agents for task in a.tasks.values() if task.updates]

    def _task(self, task_id: str) -> Task | None:
        return next((a.tasks[task_id] for a in self.agents if task_id in a.tasks), None)

    def _open_books(self) -> list[str]:
        """Retired reservations destroyed on order, on a machine that can be seen."""
        there = {
            resources.labels(kind).get("resource_id")
            for agent in self.agents
            for kind in agent.total
        }
        view = self.newest.engine.view
        seen = {agent.id for agent in self.agents if agent.reachable}
        return [
            left.id
            for left in view.retired.values()
            if left.reservation.agent_id in seen
            and all(volume.id in view.intents for volume in left.reservation.volumes)
            and not there & left.reservation.resource_ids
        ]

    def _unexplained(self) -> Iterator[str]:
        """Reservations on machines that no record explains and no quarantine lists."""
        view = self.newest.engine.view
        held = {
            (pod.reservation.hostname, id_)
            for pod in view.pods.values()
            if pod.reservation is not None
            for id_ in pod.reservation.resource_ids
        }
        retired = {
            (left.reservation.hostname, id_)
            for left in view.retired.values()
            for id_ in left.reservation.resource_ids
        }
        for agent in self.agents:
            if not agent.reachable:
                continue
            for kind in agent.total:
                id_ = resources.labels(kind).get("resource_id", "")
                volume = resources.persistence_id(kind)
                where = (agent.hostname, id_)
                listed = volume or f"{id_}/{kind[0]}@{agent.id}"
                if not resources.is_reserved(kind) or where in held or listed in view.quarantined:
                    continue
                if where not in retired:
                    yield f"{kind[0]} of {id_} on {agent.hostname} is neither known nor quarantined"
                elif volume is None:
                    yield f"{kind[0]} of the retired {id_} on {agent.hostname} is not freed"


@contextmanager
def quiet() -> Iterator[None]:
    """Without the engine's log lines: there would be millions."""
    before = structlog.get_config()
    critical = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=critical)
    try:
        yield
    finally:
        structlog.configure(**before)
