"""One simulated cluster with its schedulers and operator, from the first offer to quiescence."""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager

import structlog

from holdfast.core import events as ev
from holdfast.core.core import SWEEP_PERIOD
from holdfast.engine import Answer
from holdfast.plans.derive import DECOMMISSION, custom_specs
from holdfast.plans.goals import planned_tasks
from holdfast.plans.orders import OK, Orders
from holdfast.plans.plan import Plan, Status
from holdfast.records import Reservation
from holdfast.service.model import Goal, ServiceSpec
from tests.simulation import resources
from tests.simulation.agent import ABROAD, Agent
from tests.simulation.clock import Clock
from tests.simulation.disruption_judge import Coordinator
from tests.simulation.judge import Judge
from tests.simulation.machine import Task, Updates
from tests.simulation.mesos import Master
from tests.simulation.scheduler import Records, Scheduler
from tests.simulation.services import updated
from tests.simulation.uninstall import settle_uninstall

CONVERGE_SECONDS = 2400.0
"""Virtual seconds a service may take to be whole again once nothing goes wrong any more."""


class World:
    """The cluster. `trace` holds what happened, one line each."""

    scheduler_type: type[Scheduler] = Scheduler

    def __init__(
        self, seed: int, spec: ServiceSpec, machines: int = 6, abroad: bool = False
    ) -> None:
        """`abroad` when there is one more machine, in another region."""
        self.clock = Clock(seed)
        self.trace: list[str] = []
        self.records = Records()
        self.coordinator = Coordinator(self.clock)
        self.judge = Judge(self.clock, self.records, self.log, self.coordinator)
        self.master = Master(self.clock, self.judge, self.log, (spec.role,))
        self.agents = [
            Agent(number, self.clock, self.judge, self.log, f"zone-{number % 3}")
            for number in range(1, machines + 1)
        ]
        if abroad:
            stranger = Agent(machines + 1, self.clock, self.judge, self.log, "zone-far", ABROAD)
            self.agents.append(stranger)
        self.schedulers: list[Scheduler] = []
        self._starting = False
        self._begin(spec)
        self.clock.after_step = self.judge.after_step
        for agent in self.agents:
            agent.master = self.master
            agent.register_soon()
        self.start_scheduler()

    def _begin(self, spec: ServiceSpec) -> None:
        """With this service, of which nothing has been ordered yet."""
        self.spec = self.target = spec
        self._updates = self._orders = self._runs = 0
        self._promises = Promises()
        self.uninstalling = False
        self.uninstalled_at = 0.0
        self._paused_at = -1e9
        self.judge.agents = self.agents
        self.judge.registered = self.master.agents
        self.judge.recovery.gone = self.master.gone
        self.judge.schedulers = self.schedulers
        self.judge.target(spec)

    def log(self, text: str) -> None:
        self.trace.append(f"{self.clock.now:9.2f}  {text}")

    # -- schedulers ---------------------------------------------------------------------------

    @property
    def newest(self) -> Scheduler:
        return self.schedulers[-1]

    def start_scheduler(self) -> None:
        """Another scheduler process takes the epoch, whether or not the last one still runs.

        While ZooKeeper is away it waits: it can neither be elected nor read the records.
        """
        if self.clock.now < self.records.away_until:
            self.log("a scheduler waits for ZooKeeper")
            self.clock.at(self.records.away_until, self.start_scheduler)
            return
        self.schedulers.append(self._new_scheduler(f"scheduler {len(self.schedulers) + 1}"))
        self._look_for_promises()

    def _new_scheduler(self, name: str) -> Scheduler:
        return self.scheduler_type(
            name,
            self.clock,
            self.master,
            self.records,
            self.target,
            self.log,
            self._exited,
            self.coordinator,
            self.uninstalling,
        )

    def _look_for_promises(self) -> None:
        if not self.uninstalling:
            for text in self._promises.broken(self.newest.core.ledger.orders):
                self.judge.violate("I9", text)

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
        return [f"{spec.type}-{index}" for spec, index in self.target.instances()]

    def own_plans(self) -> list[str]:
        """The plans that operators start."""
        return [plan.name for plan in custom_specs(self.target)]

    def next_run(self) -> str:
        """What tells one start of a plan from another: a parameter of it."""
        self._runs += 1
        return str(self._runs)

    def order(
        self,
        verb: ev.Verb,
        target: str,
        phase: str | None = None,
        step: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """A command reaches the newest scheduler, if that runs."""
        if not self.newest.alive:
            return
        self._orders += 1
        self.log(f"operator: {' '.join(filter(None, (verb, target, phase, step)))}")
        config = self.newest.core.ledger.target_id
        match verb:
            case ev.Verb.POD_PAUSE:
                self._paused_at = self.clock.now
            case ev.Verb.POD_REPLACE | ev.Verb.POD_RESTART:
                if verb is ev.Verb.POD_REPLACE:
                    self.judge.replaced[target] = self.clock.now
                if parameters:
                    self.judge.plans.overruled.add(target)
            case ev.Verb.VOLUMES_DESTROY:
                self.judge.ordered.add(target)
            case ev.Verb.PLAN_FORCE_COMPLETE if target == "deploy":
                self.judge.plans.forced.add(config)
            case ev.Verb.PLAN_RESTART if target == "deploy":
                self.judge.replacements.begun_anew = True
            case ev.Verb.PLAN_CONTINUE if target == "deploy" and phase is not None:
                released = self.judge.plans.released
                released[config, phase] = released.get((config, phase), 0) + 1
        command = ev.Command(f"order-{self._orders}", verb, target, phase, step, parameters or {})
        answer = self.newest.order(command)
        if verb is ev.Verb.POD_REPLACE:  # it may have waited for its disruption check
            answer.add_done_callback(lambda told: self._replaced(target, told))
        self._promises.given(command, answer)

    def _replaced(self, pod: str, told: "Future[Answer]") -> None:
        if told.result().status == OK:
            self.judge.replaced[pod] = self.clock.now

    def update(self, pick: int) -> None:
        """The operator starts the scheduler with a changed svc.yml."""
        self.update_to(updated(self.target, self._updates + 1, pick))

    def update_to(self, spec: ServiceSpec) -> None:
        """The operator starts the scheduler with that service."""
        self._updates += 1
        self.target = spec
        self.judge.target(spec)
        self.log(f"operator: update to version {self._updates}")
        self.newest.die()

    def uninstall(self, by_order: bool) -> None:
        """The operator wants the service gone, whichever scheduler runs or is started."""
        if not self.uninstalling:
            self.uninstalled_at = self.clock.now
        self.judge.uninstalling = self.uninstalling = True
        if by_order:
            self.order(ev.Verb.UNINSTALL, self.spec.name)
        else:
            self.log("operator: SDK_UNINSTALL from now on")
            self.newest.die()

    # -- the end of a run ---------------------------------------------------------------------

    def heal(self) -> None:
        """Nothing goes wrong from now on, and all machines that are not removed come back."""
        self.log("-- all faults end --")
        self.records.away_until = self.records.slow_until = 0.0
        self.master.drop_operations = 0
        self.coordinator.heal()
        for scheduler in self.schedulers:
            scheduler.faults.crash_in = None
            scheduler.faults.calls.clear()
        for hostname in list(self.master.schedule.windows):
            self.master.plan_maintenance(hostname, None)
        for agent_id in list(self.master.schedule.drained):
            self.master.reactivate(agent_id)
        for agent in self.agents:
            agent.fail_launches = 0
            agent.updates = Updates()
            agent.join(reset=False)
            agent.power_on(new_id=False)
            agent.start_process()

    def settle(self) -> None:
        """Run until the service is whole and silent, and judge what that leaves."""
        if self.uninstalling:
            settle_uninstall(self)
            return
        # An order that was given last is taken up first: a pause is none of what must be mended.
        self.clock.run_until(max(self.clock.now, self._paused_at + 40.0))
        deadline = self.clock.now + CONVERGE_SECONDS
        next_help = self.clock.now + 240.0
        next_word = self.clock.now
        while not self._whole() and not self.judge.violations:
            if self.clock.now > deadline:
                self.judge.violate("LIVENESS", "not whole: " + "; ".join(self._missing()))
                return
            if self.clock.now > next_help:
                next_help = self.clock.now + 400.0
                self._replace_the_lost()
            if self.clock.now >= next_word:
                next_word = self.clock.now + 20.0
                self._let_go()
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
        if self._running() - running:
            self.judge.violate("I9", "a restart of the scheduler restarted tasks")
        self._look_at_the_end()
        if self._open_books():
            self.clock.run_until(self.clock.now + 2 * SWEEP_PERIOD + 60.0)
        self._close_the_books()

    def _look_at_the_end(self) -> None:
        """Whatever must be so once all is whole, silent, and started anew."""
        for text in (*self._promises.broken(self.newest.core.ledger.orders), *self._missing()):
            self.judge.violate("I9", f"after a restart of the scheduler: {text}")
        self.judge.plans.ended(self.newest.engine.view)
        self.judge.replacements.ended(self.newest.engine.view)
        for text in self._unexplained():
            self.judge.violate("I4", text)

    def _close_the_books(self) -> None:
        for id_ in self._open_books():
            self.judge.violate("I4", f"retired reservation {id_} is gone, and still on record")

    def _become_silent(self) -> None:
        self.clock.run_until(self.clock.now + 120.0)
        deadline = self.clock.now + 1300.0  # agents wait up to ten minutes between repetitions
        while self._unacknowledged() and self.clock.now < deadline:
            self.clock.run_until(self.clock.now + 10.0)
        self.clock.run_until(self.clock.now + 60.0, done=lambda: self.master.allocator.suppressed)
        if not self.master.allocator.suppressed:
            self.judge.violate("I10", "there is nothing to do, and offers still come")
        for pod in self.newest.engine.view.pods.values():
            for task in pod.tasks:
                truth = self._task(task.id)
                if not task.dead and (truth is None or truth.state != task.state):
                    state = truth.state if truth else "no such task"
                    self.judge.violate("I5", f"{task.id} is {task.state} on record: {state}")
        for task_id in self._unacknowledged():
            self.judge.violate("I5", f"an update of {task_id} is not acknowledged")

    def _let_go(self) -> None:
        """The operator lets everything go on that was held back, and takes nothing for done.

        Plans of one's own that were interrupted stay so.
        """
        view = self.newest.engine.view
        for pod in view.paused:
            self.order(ev.Verb.POD_RESUME, pod)
        for host in view.upkeep.cordons:
            self.order(ev.Verb.MAINTENANCE_END, host)
        for plan in view.plans:
            own = plan.name in self.own_plans()
            if plan.interrupted and own:
                continue
            if plan.interrupted:
                self.order(ev.Verb.PLAN_CONTINUE, plan.name)
            for phase in plan.phases:
                if phase.interrupted or any(step.held for step in phase.steps):
                    self.order(ev.Verb.PLAN_CONTINUE, plan.name, phase.name)
            orders = view.orders.get(plan.name)
            if orders is not None and not own and orders.about == view.target_id:
                for forced, step in sorted(orders.forced):
                    self.order(ev.Verb.PLAN_RESTART, plan.name, forced, step)

    def _replace_the_lost(self) -> None:
        """The operator gives up the pod instances whose data is on a machine that is lost or wiped.

        And those launched on an agent that came back under a new id without anything of them:
        nothing but the operator's word can say that they never ran. Marking an agent gone was such
        a word already.
        """
        here = {agent.id for agent in self.agents if not agent.removed}
        for name, pod in self.newest.engine.view.pods.items():
            held = pod.reservation
            if held is None or held.agent_id in here:
                continue
            if held.agent_id in self.master.gone:
                self._skip_last_steps(name)
            elif not self._is_there(held):
                self.order(ev.Verb.POD_REPLACE, name)

    def _skip_last_steps(self, name: str) -> None:
        """What an instance that leaves should do before, and cannot any more."""
        for plan in self.newest.engine.view.plans:
            for step in plan.steps() if plan.name == DECOMMISSION else ():
                if step.pod == name and step.tasks and step.status is not Status.COMPLETE:
                    self.judge.replacements.skips(name)
                    self.order(ev.Verb.PLAN_FORCE_COMPLETE, plan.name, name, step.name)

    def _is_there(self, held: Reservation) -> bool:
        """Whether some machine has it, under whatever name."""
        return any(
            resources.labels(kind).get("resource_id") in held.resource_ids
            for agent in self.agents
            if not agent.removed
            for kind in agent.total
        )

    # -- what is there ------------------------------------------------------------------------

    def _whole(self) -> bool:
        view = self.newest.engine.view
        if not self.newest.alive or view.target_id != self.newest.core.ledger.target_id:
            return False
        return not self._missing()

    def _missing(self) -> list[str]:
        """What keeps the service from being as it was asked for, as the agents know it."""
        missing = [
            f"{plan.name} is {plan.status}"
            for plan in self.newest.engine.view.plans
            if plan.status is not Status.COMPLETE and not self._rests(plan)
        ]
        view = self.newest.engine.view
        missing += [f"{pod} is paused" for pod in view.paused]
        missing += [f"{host} is closed" for host in view.upkeep.cordons]
        orders = view.orders.get("deploy")
        if orders is not None and orders.about == view.target_id and orders.forced:
            missing.append(f"{sorted(orders.forced)} only count as complete")
        names = self.pod_names()
        missing += [
            f"{executor.pod} runs, though nobody asks for it"
            for agent in self.agents
            for executor in agent.executors.values()
            if executor.pod not in names and self._is_ours(executor.id)
        ]
        for spec, index in self.target.instances():
            name = f"{spec.type}-{index}"
            executors = [e for a in self.agents for e in a.executors.values() if e.pod == name]
            if len(executors) != 1:
                missing.append(f"{name} has {len(executors)} executors")
                continue
            pod = view.pods.get(name)
            if pod is None or pod.executor_id != executors[0].id:
                missing.append(f"{name} runs in another executor than is on record")
            running = {
                task.info["name"].removeprefix(f"{name}-")
                for task in executors[0].tasks.values()
                if task.alive and task.state == "TASK_RUNNING" and task.ready is not False
            }
            planned = planned_tasks(self.target, spec.type, index)
            wanted = {name for name in planned if spec.task(name).goal is Goal.RUNNING}
            if not wanted <= running:
                missing.append(f"{name} runs {sorted(running)}")
        return missing

    def _is_ours(self, id_: str) -> bool:
        """Whether the executor or task is of the service."""
        return True

    def _rests(self, plan: Plan) -> bool:
        """Whether it is a plan of one's own that nobody has started, or that was interrupted."""
        return plan.name in self.own_plans() and plan.interrupted

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
        yield from self._too_small()
        for agent in self.agents:
            if not agent.reachable:
                continue
            for kind in agent.total:
                id_ = resources.labels(kind).get("resource_id", "")
                volume = resources.persistence_id(kind)
                where = (agent.hostname, id_)
                listed = volume or f"{id_}/{kind[0]}@{agent.id}"
                if resources.role(kind) != self.target.role or where in held:
                    continue
                if listed in view.quarantined:
                    continue
                if where not in retired:
                    yield f"{kind[0]} of {id_} on {agent.hostname} is neither known nor quarantined"
                elif volume is None:
                    yield f"{kind[0]} of the retired {id_} on {agent.hostname} is not freed"

    def _too_small(self) -> Iterator[str]:
        """Pod instances for which less is reserved than the records say."""
        for name, pod in self.newest.engine.view.pods.items():
            held = pod.reservation
            agent = next((a for a in self.agents if held and a.id == held.agent_id), None)
            if held is None or agent is None:
                continue
            there = {"cpus": 0, "mem": 0}
            for kind, amount in agent.total.items():
                if kind[0] in there and resources.labels(kind).get("resource_id") == (
                    held.resource_id
                ):
                    assert isinstance(amount, int)
                    there[kind[0]] += amount
            sure = held.certain
            wanted = {"cpus": round(sure.cpus * 1000), "mem": round(sure.memory_mb * 1000)}
            if any(there[what] < wanted[what] for what in wanted):
                yield f"{name} has {there} reserved, and {wanted} for sure on record"
            missing = {volume.id for volume in held.volumes} - agent.volumes.keys()
            if missing:
                yield f"{name} has volumes on record that do not exist: {sorted(missing)}"


class Promises:
    """What operators were told about plans: an answer is given only once it is stored."""

    def __init__(self) -> None:
        self._open: list[tuple[ev.Command, Future[Answer]]] = []
        self._interrupted: dict[str, bool | None] = {}

    def given(self, command: ev.Command, answer: "Future[Answer]") -> None:
        self._open.append((command, answer))

    def broken(self, orders: Mapping[str, Orders]) -> Iterator[str]:
        """What the records of a new scheduler know nothing of."""
        for command, answer in self._open:
            self._keep(command, answer.result().status if answer.done() else None)
        self._open.clear()
        for plan, interrupted in self._interrupted.items():
            known = orders.get(plan)
            if interrupted is not None and (known is None or known.interrupted != interrupted):
                yield f"{plan} was interrupted: {interrupted}, and that is forgotten"

    def _keep(self, command: ev.Command, status: int | None) -> None:
        effect = {
            ev.Verb.PLAN_START: False,
            ev.Verb.PLAN_STOP: True,
            ev.Verb.PLAN_INTERRUPT: True,
            ev.Verb.PLAN_CONTINUE: False,
            ev.Verb.PLAN_RESTART: False,
        }.get(command.verb)
        if effect is None or (command.phase is not None and status is not None):
            if command.verb is ev.Verb.PLAN_RESTART:
                self._interrupted[command.target] = None  # a restarted phase may go on, too
        elif status is None:  # nobody knows whether it was stored
            self._interrupted[command.target] = None
        elif status == OK:
            self._interrupted[command.target] = effect


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
