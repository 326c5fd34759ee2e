"""What is to be done next for every pod instance: the plans' work, turned into moves.

Reads and changes the ledger; everything it decides is a function of the records and the time. What
was decided of an instance stands until something that it depends on changes: only then is the
instance looked at again.
"""

import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from immutables import Map
from sortedcontainers import SortedDict, SortedSet

from holdfast.core.commands import REPLACE
from holdfast.core.confidential import Shortage
from holdfast.core.disruption import Action, Disruptions
from holdfast.core.ledger import Ledger
from holdfast.core.maintenance import rest_reason
from holdfast.core.moves import Move, Start, Stop, Wait, Work, next_move
from holdfast.core.outcome import NOTHING, Outcome, Reason
from holdfast.core.rooms import Rooms
from holdfast.core.turns import Alarms, Entry, HeldBack, Queue, Rank
from holdfast.core.wanted import Wanted
from holdfast.plans.derive import (
    BUILT_IN,
    DECOMMISSION,
    DEPLOY,
    RECOVERY,
    Situation,
    all_plans,
    custom_specs,
    decommission_phase,
    deploy_spec,
    leaving_steps,
)
from holdfast.plans.goals import Aim, any_plan_tasks, planned_tasks, serves
from holdfast.plans.orders import Canary, Orders
from holdfast.plans.plan import Plan, Status, Step
from holdfast.plans.progress import Progress, Share
from holdfast.plans.single import LEAVE, replace_steps
from holdfast.records import Pod, Retired
from holdfast.service.model import Goal, PodSpec, Strategy

CANARY_STRATEGIES = frozenset({Strategy.SERIAL_CANARY, Strategy.PARALLEL_CANARY})
CANARIES = 2
"""How many steps of a canary phase wait for an operator's word, as in dcos-commons."""

AT_WORK = frozenset({Status.PREPARED, Status.STARTING, Status.STARTED})

LAST: Rank = (sys.maxsize, 0)
"""The place of the instance that leaves next: after all that are wanted."""

Need = tuple[str, str, str]
"""A pod instance, and the `task` or the resource `set` of it, by name."""


@dataclass(frozen=True, slots=True)
class Job:
    """The work a step of a plan has with a pod instance."""

    index: int
    config_id: str
    work: Work
    parameters: Mapping[str, str]
    leaves: bool = False
    """Whether it is what the instance runs before it goes for good."""

    def wanted(self, name: str, start: Start) -> Wanted:
        return Wanted(
            name,
            self.work.spec,
            self.index,
            self.config_id,
            start.tasks,
            start.join,
            None if self.work.recovers and not self.work.aim.run else self.work.aim.run,
            self.parameters,
        )


class Agenda:
    """Derives plans from the ledger and makes the moves they call for."""

    def __init__(
        self, ledger: Ledger, new_id: Callable[[], str], rooms: Rooms, disruptions: Disruptions
    ) -> None:
        self._ledger = ledger
        self._new_id = new_id
        self._rooms = rooms
        self._disruptions = disruptions
        self._held_up: dict[str, Reason] = {}
        """Why what nobody wants any more still runs, by instance."""
        self._decisions: list[str] = []
        self._progress = Progress()
        self._changes = ledger.follow()
        self._changed = ledger.instance_names()
        self._situation = self.situation(0.0)
        self._alarms = Alarms()
        self.down: dict[str, SortedSet[str]] = {}
        """By pod type, the instances that do not serve, or are about not to."""
        self.down_names: Map[str, None] = Map()
        """The instances that do not serve, by name; never changed once handed out."""
        self._going: frozenset[str] = frozenset()
        self._held = HeldBack()
        self._outcomes: dict[str, Outcome] = {}
        self.wanted: SortedDict[Rank, Wanted] = SortedDict()
        """The tasks to start, in the order of the service."""
        self.shortage = Shortage()
        """The secrets and certificates that cannot be had now; see `set_shortage`."""

    def set_shortage(self, shortage: Shortage) -> None:
        """From now on these cannot be had: whoever waits is looked at again."""
        if shortage != self.shortage:
            self.shortage = shortage
            self._look_again(name for name, known in self._outcomes.items() if known.reason)

    def set_going(self, agents: frozenset[str]) -> None:
        """From now on what is on these agents counts as down: they are being serviced."""
        changed = agents ^ self._going
        self._going = agents
        on_agent = self._ledger.index.on_agent
        self._look_again(name for agent_id in sorted(changed) for name in on_agent(agent_id))

    def going(self) -> list[str]:
        """What is on those agents."""
        return [name for id_ in sorted(self._going) for name in self._ledger.index.on_agent(id_)]

    def down_of(self, pod_type: str) -> set[str]:
        """The wanted instances of a type that are down at this moment, after all that happened."""
        ledger = self._ledger
        count = next((spec.count for spec in ledger.service.pods if spec.type == pod_type), 0)
        names = (f"{pod_type}-{index}" for index in range(count))
        return {n for n in names if (pod := ledger.pods.get(n)) is not None and self._is_down(pod)}

    def take_decisions(self) -> list[str]:
        """What was decided since the last call, in words."""
        decisions, self._decisions = self._decisions, []
        return decisions

    def situation(
        self,
        now: float,
        reasons: Mapping[str, str] | None = None,
        errors: tuple[str, ...] = (),
    ) -> Situation:
        """All that plans are derived from, as it is now; never changed afterwards.

        `reasons` say what the pod instances wait for.
        """
        ledger = self._ledger
        return Situation(
            service=ledger.service,
            target_id=ledger.target_id,
            pods=ledger.snapshot(),
            orders=dict(ledger.orders),
            target=ledger.asks_as_target,
            spec_of=ledger.spec_of,
            deployed_tasks=ledger.deployed_tasks,
            reasons=reasons or {},
            errors=errors,
            updating=ledger.updating,
            now=now,
        )

    def renew_orders(self, now: float) -> None:
        """With a new target, or a new run, canaries wait for a word again and forced is void."""
        ledger = self._ledger
        deploy = deploy_spec(ledger.service, ledger.updating)
        for spec in (deploy, *custom_specs(ledger.service)):
            name = DEPLOY if spec is deploy else spec.name
            known = ledger.orders.get(name, Orders(name))
            about = ledger.target_id if spec is deploy else known.run_id
            cautious = {p.name for p in spec.phases if p.strategy in CANARY_STRATEGIES}
            if spec is deploy:
                concerned = bool(cautious or known.forced or known.canaries)
            else:
                concerned = bool(cautious) and known.run > 0
            if not concerned or known.about == about:
                continue
            plan = next(plan for plan in all_plans(self.situation(now)) if plan.name == name)
            canaries = {
                phase.name: Canary(
                    tuple(s.name for s in phase.steps if s.status is not Status.COMPLETE)[:CANARIES]
                )
                for phase in plan.phases
                if phase.name in cautious
            }
            forced = frozenset() if spec is deploy else known.forced
            ledger.put_orders(replace(known, about=about, canaries=canaries, forced=forced))

    def update(self, now: float) -> bool:
        """Take in what changed, and end what no plan has any more; true if a place was given up."""
        self._look_again(self._alarms.due(now))
        self._look_again(self._rooms.due(now))
        self._look_again(self._disruptions.due(now))
        self._look_again(self._changes.take())
        gave_up = self.end_unplanned(self._changed, now)
        self._look_again(self._changes.take())
        self._situation = self.situation(now)
        self._look_again(self._progress.update(self._situation, self._changed))
        for name in self._changed:
            self._note_down(name)
        return gave_up

    def _look_again(self, names: Iterable[str]) -> None:
        self._changed = list(dict.fromkeys([*self._changed, *names]))

    def moves(self, now: float) -> list[str]:
        """Make every move that needs no offer; the rest are the tasks `wanted`.

        Returns the instances whose outcome is new.
        """
        queue = Queue(self._ranked(self._changed))
        leaving = self._ledger.leaving()
        if leaving is None:
            self.wanted.pop(LAST, None)
        gone = [name for name in self._changed if self._ledger.rank(name) is None]
        self._changed = []
        looked_at = []
        while (entry := queue.next(self._held.first_with_room(self.down))) is not None:
            self._look_at(*entry, now)
            looked_at.append(entry[1])
        for name in gone:
            self._outcomes.pop(name, None)
            self._rooms.forget(name)
        if leaving is not None:  # few things tell when it goes on, and it is but one
            self._look_at(LAST, leaving.name, now)
            looked_at.append(leaving.name)
        return [*gone, *looked_at]

    def _look_at(self, rank: Rank, name: str, now: float) -> None:
        self._held.discard(rank)
        outcome = self._decide(rank, name, now)
        self._outcomes[name] = outcome
        if outcome.wanted is not None:
            self.wanted[rank] = outcome.wanted
        else:
            self.wanted.pop(rank, None)

    def _ranked(self, names: Iterable[str]) -> list[Entry]:
        """Those of the instances that are wanted, with their place in the order of the service."""
        ranked = ((self._ledger.rank(name), name) for name in names)
        return [(rank, name) for rank, name in ranked if rank is not None]

    def outcome(self, name: str) -> Outcome:
        """What came of the instance's work when it was last looked at."""
        return self._outcomes.get(name, NOTHING)

    def first_down(self) -> dict[str, str]:
        """By pod type the first of the instances that are down, by name."""
        return {pod_type: names[0] for pod_type, names in self.down.items() if names}

    def _decide(self, rank: Rank, name: str, now: float) -> Outcome:
        """Make the move that is to be made for the instance."""
        pod = self._ledger.pods.get(name)
        self._alarms.set(name, pod, now)
        former = self._ledger.spec_of(pod) if pod and pod.tasks else None
        if rank != LAST and pod is not None and (rest := self._rest(rank, pod, now)) is not None:
            return rest
        self._rooms.forget(name)
        first: Reason | None = None
        jobs = self._jobs(name)
        for number, job in enumerate(jobs):
            move = next_move(job.work, pod, former, now)
            if move is None:
                continue
            refused = self._hold_back(job, name, pod, move, now)
            match move:
                case _ if refused is not None:
                    first = first or refused
                    if refused.most is not None:
                        self._held.add(rank, name, refused.pod_type, refused.most)
                case Wait(reason, until):
                    first = first or Reason(reason, until)
                case Stop(_, reason):
                    assert pod is not None
                    self._stop(pod, move)
                    self._note_down(name)
                    return Outcome(Reason(f"it is being stopped: {reason}"))
                case Start(_, _, waits_for):
                    wanted = job.wanted(name, move)
                    if pod is not None and not move.join and self._rooms.grows(pod, wanted.spec):
                        otherwise = self._as_it_was(jobs[number + 1 :], name, pod, former, now)
                        wanted = replace(wanted, otherwise=otherwise)
                    return Outcome(Reason(f"it waits until {waits_for}"), wanted)
        return Outcome(first or self._held_up.get(name))

    def _as_it_was(
        self, jobs: Iterable[Job], name: str, pod: Pod, former: PodSpec | None, now: float
    ) -> Wanted | None:
        """What recovery would start of an instance that is to grow, should there be no room."""
        for job in jobs:
            move = next_move(job.work, pod, former, now) if job.work.recovers else None
            if isinstance(move, Start) and not move.join:
                held_back = self._hold_back(job, name, pod, move, now)
                return None if held_back else job.wanted(name, move)
        return None

    def _rest(self, rank: Rank, pod: Pod, now: float) -> Outcome | None:
        """On a host in maintenance an instance is stopped, as the budget allows, and waits."""
        held = pod.reservation
        if held is None or held.hostname not in self._ledger.cordons:
            return None
        why = rest_reason(held.hostname)
        live = tuple(task.name for task in pod.tasks if task.live)
        if not live:
            return Outcome(Reason(f"{why}, and it waits there for the end of that"))
        if any(task.live and task.stopping is None for task in pod.tasks):
            most = self._ledger.service.pod(pod.type).max_unavailable
            refused = self._too_many_down(pod, most)
            if refused is not None:
                self._held.add(rank, pod.name, pod.type, most)
                return Outcome(refused)
            refused = self._disruptions.refusal(pod, Action.MAINTENANCE, live, why, now)
            if refused is not None:
                return Outcome(refused)
            self._stop(pod, Stop(live, why))
            self._note_down(pod.name)
        return Outcome(Reason(f"it is being stopped: {why}"))

    def _note_down(self, name: str) -> None:
        pod_type, _ = self._ledger.instance(name)
        pod = self._ledger.pods.get(name)
        wanted = self._ledger.rank(name) is not None
        down = pod is not None and wanted and self._is_down(pod)
        going = pod is not None and pod.reservation and pod.reservation.agent_id in self._going
        if down or (going and wanted):
            self.down.setdefault(pod_type, SortedSet()).add(name)
        elif pod_type in self.down:
            self.down[pod_type].discard(name)
        if down:
            self.down_names = self.down_names.set(name, None)
        elif name in self.down_names:
            self.down_names = self.down_names.delete(name)

    def note_progress(self, errors: tuple[str, ...]) -> bool:
        """Remember what plans have completed; true when the whole service is deployed now.

        The next change of a deployed service is an update.
        """
        ledger = self._ledger
        for orders, done in self._progress.fresh():
            ledger.put_orders(replace(orders, done=orders.done | done))
        if ledger.deployed == ledger.target_id or errors or not self._progress.deployed:
            return False
        ledger.set_deployed()
        return True

    def _jobs(self, name: str) -> list[Job]:
        """What the plans want of a pod instance, in the order of their claims.

        What one plan is starting or stopping is not touched by another, nor the resource set of
        a task that runs to its end. A plan of the operator's that needs what recovery needs, in
        order to launch it itself, goes first: otherwise they would undo each other's work.
        """
        shares = self._shares(name)
        open_ = [(plan, step) for plan, steps in shares for step in steps]
        if not open_:
            return []
        claimed = self._claims(shares)
        recovering = {
            key for plan, step in open_ if plan.name == RECOVERY for key in self._needs(step)
        }

        def rank(entry: tuple[Plan, Step]) -> int:
            plan, step = entry
            if plan.name in BUILT_IN:
                return 0 if plan.name == DEPLOY else 2
            return 1 if recovering & self._needs(step) else 3

        return [
            self._job(plan.name, step)
            for plan, step in sorted(open_, key=rank)
            if all(claimed.get(key, plan.name) == plan.name for key in self._needs(step))
        ]

    def _shares(self, name: str) -> list[Share]:
        """What each plan has to do with the instance, and which steps of it have their turn."""
        pod_type, index = self._ledger.instance(name)
        pod = self._ledger.pods.get(name)
        if self._ledger.rank(name) is None:
            return [self._leaves(pod)] if pod is not None else []
        broken = pod is not None and self._is_broken(pod)
        return [
            (plan, [step for step in steps if not self._is_recoverys(plan, step)])
            for plan, steps in self._progress.shares(pod_type, index, broken)
        ]

    def _leaves(self, pod: Pod) -> Share:
        """What the instance runs before it leaves; `end_unplanned` does the rest."""
        phase = decommission_phase(self._situation, pod)
        orders = self._ledger.orders.get(DECOMMISSION, Orders(DECOMMISSION))
        plan = Plan(DECOMMISSION, Strategy.SERIAL, (phase,), (), orders.interrupted)
        return plan, launched_to_leave(plan)

    def _is_recoverys(self, plan: Plan, step: Step) -> bool:
        """Whether recovery alone works on the instance: its new volumes are yet to be filled."""
        pod = self._ledger.pods.get(step.pod)
        return plan.name != RECOVERY and bool(replace_steps(self._ledger.service, pod))

    def _claims(self, plans: Sequence[tuple[Plan, Sequence[Step]]]) -> dict[Need, str]:
        """Which plan is at work on what of an instance, given its share in each."""
        claimed: dict[Need, str] = {}
        recovery_last = sorted(plans, key=lambda entry: entry[0].name == RECOVERY)
        for plan, steps in recovery_last:
            candidates = set(steps)
            if plan.name == DEPLOY:
                for step in _later(plan, candidates):
                    for task in step.tasks:
                        claimed.setdefault((step.pod, "task", task), plan.name)
            for step in plan.steps():
                if self._is_recoverys(plan, step):
                    continue
                if step.status is Status.STARTING or (
                    step.status is Status.PREPARED and step in candidates
                ):
                    for task in step.tasks:
                        claimed.setdefault((step.pod, "task", task), plan.name)
                if step.status in (Status.STARTING, Status.STARTED):
                    for set_id in self._ending_sets(step):
                        claimed.setdefault((step.pod, "set", set_id), plan.name)
        return claimed

    def _ending_sets(self, step: Step) -> set[str]:
        """The resource sets in use by tasks of the step that will end by themselves."""
        ledger = self._ledger
        pod = ledger.pods.get(step.pod)
        spec = ledger.service.pod(ledger.instance(step.pod)[0])
        return {
            spec.resources(spec.task(name)).id
            for name in step.tasks
            if spec.task(name).goal is not Goal.RUNNING
            and pod is not None
            and (task := pod.task(name)) is not None
            and task.live
        }

    def _needs(self, step: Step) -> set[Need]:
        """The tasks of the step, and the resource sets they run on."""
        spec = self._ledger.service.pod(self._ledger.instance(step.pod)[0])
        known = [task for task in spec.tasks if task.name in step.tasks]
        return {(step.pod, "task", name) for name in step.tasks} | {
            (step.pod, "set", spec.resources(task).id) for task in known
        }

    def _job(self, plan: str, step: Step) -> Job:
        ledger = self._ledger
        pod_type, index = ledger.instance(step.pod)
        pod = ledger.pods.get(step.pod)
        recovers = plan in (RECOVERY, DECOMMISSION)
        anew = bool(replace_steps(ledger.service, pod))
        config_id = ledger.config_for(pod, may_move=plan == DEPLOY or anew)
        orders = ledger.orders.get(plan, Orders(plan))
        is_run = plan not in BUILT_IN
        aim = Aim(
            ledger.asks_the_same(pod_type, config_id),
            LEAVE if plan == DECOMMISSION else orders.run_id if is_run else "",
            orders.run <= 1,
        )
        spec = ledger.configs[config_id].pod(pod_type)
        restart = pod.restart if pod is not None and plan == RECOVERY and not anew else ""
        work = Work(spec, step.tasks, aim, recovers, restart)
        parameters = orders.parameters if is_run else {}
        return Job(index, config_id, work, parameters, plan == DECOMMISSION)

    def _hold_back(
        self, job: Job, name: str, pod: Pod | None, move: Move, now: float
    ) -> Reason | None:
        """Why the move must not be made although the plan is ready for it."""
        if isinstance(move, Start):
            short = self.shortage.of(job.work.spec, move.tasks)
            if short:
                return Reason(short)
            return None if move.join else self._predecessor(name)
        if not isinstance(move, Stop) or pod is None:
            return None
        if job.leaves:
            return self._disruptions.refusal(pod, Action.DECOMMISSION, move.tasks, move.reason, now)
        if job.work.recovers and move.reason != job.work.restart:
            return None  # a failure does not ask
        short = self.shortage.of(job.work.spec, job.work.tasks)
        if short:
            return Reason(short)  # what runs is not stopped for what could not be started
        return (
            self._too_many_down(pod, job.work.spec.max_unavailable)
            or self._rooms.refusal(pod, job.work.spec, now)
            or self._disruptions.refusal(pod, Action.RESTART, move.tasks, move.reason, now)
        )

    def _too_many_down(self, pod: Pod, most: int) -> Reason | None:
        """Why the instance must not be stopped, as others are down; None when it may be."""
        down = self.down.get(pod.type, ())
        others = len(down) - (pod.name in down)  # it may only be about to go down
        if others < most or self._is_down(pod):
            return None  # stopping what is down already costs nothing
        return Reason("", most=most, pod_type=pod.type)

    def _is_down(self, pod: Pod) -> bool:
        """Whether an instance that was launched does not serve now."""
        if not pod.tasks:
            return pod.deployed is not None or pod.hook == REPLACE
        if replace_steps(self._ledger.service, pod) or self._has_yet_to_take_over(pod):
            return True
        planned = any_plan_tasks(self._ledger.service, pod.type, pod.index)
        return not serves(self._ledger.spec_of(pod), pod, planned)

    def _has_yet_to_take_over(self, pod: Pod) -> bool:
        """Whether a replaced instance lacks what its predecessor ran, whoever is to launch it."""
        service = self._ledger.service
        if pod.replaced is None:
            return False
        spec = service.pod(pod.type)
        return any(
            spec.task(name).goal is Goal.RUNNING and pod.task(name) is None
            for name in planned_tasks(service, pod.type, pod.index)
        )

    def _is_broken(self, pod: Pod) -> bool:
        """Whether an instance never came up as it was launched, so that recovery is no help."""
        if not self._is_down(pod):
            return False
        if not pod.tasks:  # replaced before it was deployed again
            return pod.deployed is None
        if pod.deployed is None and self._has_yet_to_take_over(pod):
            return True
        return any(
            task.reached is None
            or not self._ledger.asks_the_same(pod.type, task.config_id)(task.reached)
            for task in pod.tasks
            if not task.running
        )

    def end_unplanned(self, names: Iterable[str], now: float) -> bool:
        """Stop running tasks that no plan has any more, and whole instances beyond the count.

        Tasks are looked for in the instances of these names. True when a place was given up.
        """
        ledger = self._ledger
        for _, name in sorted(self._ranked(names)):
            self._held_up.pop(name, None)
            pod = ledger.pods.get(name)
            if pod is None or not pod.tasks:
                continue
            if any(task.run == LEAVE for task in pod.tasks):
                pod = self._stays(pod)
            if not ledger.asks_as_target(pod.type)(ledger.launched_with(pod)):
                continue
            planned = any_plan_tasks(ledger.service, pod.type, pod.index)
            extra = {t.name for t in pod.tasks if t.name not in planned}
            if any(t.name in extra and (t.live or t.reached) for t in pod.tasks):
                self._end(pod, extra, now)
        orders = ledger.orders.get(DECOMMISSION, Orders(DECOMMISSION))
        leaving = ledger.leaving()
        if leaving is None or orders.interrupted or leaving.name in orders.phases:
            return False
        steps = leaving_steps(ledger.service, ledger.spec_of, leaving, orders, now)
        if any(step.status is not Status.COMPLETE for step in steps):
            return False
        return self._decommission(leaving, now)

    def _stays(self, pod: Pod) -> Pod:
        """It is wanted again after all: what it ran in order to leave is not done for next time."""
        tasks = tuple(replace(t, run="") if t.run == LEAVE else t for t in pod.tasks)
        stays = replace(pod, tasks=tasks)
        self._ledger.put_pod(stays)
        return stays

    def _end(self, pod: Pod, names: Container[str], now: float) -> None:
        """Stop tasks for good; should a plan have them again, they are deployed anew."""
        live = tuple(t.name for t in pod.tasks if t.live and t.name in names)
        if self._must_stay(pod, Action.RESTART, Stop(live, "no plan has it any more"), now):
            return
        tasks = tuple(replace(t, reached=None) if t.name in names else t for t in pod.tasks)
        ended = replace(pod, tasks=tasks, deployed=None)
        if self._ledger.is_deployed(ended, self._ledger.target_id):
            ended = replace(ended, deployed=self._ledger.target_id)
        if ended != pod:
            self._ledger.put_pod(ended)
        self._stop(ended, Stop(live, "no plan has it any more"))

    def _must_stay(self, pod: Pod, action: Action, stop: Stop, now: float) -> bool:
        """Whether nobody wants it any more, and its disruption check does not let it be stopped."""
        fresh = [t.name for t in pod.tasks if t.name in stop.tasks and t.stopping is None]
        refusal = self._disruptions.refusal(pod, action, fresh, stop.reason, now)
        if refusal is not None:
            self._held_up[pod.name] = refusal
        return refusal is not None

    def _decommission(self, pod: Pod, now: float) -> bool:
        """Kill its tasks, then give its place back; its volumes stay until destroyed by name."""
        self._held_up.pop(pod.name, None)
        stop = Stop(tuple(t.name for t in pod.tasks if not t.dead), "it is decommissioned")
        if self._must_stay(pod, Action.DECOMMISSION, stop, now):
            return False
        if pod.has_live_tasks:
            self._stop(pod, stop)
            return False
        self._disruptions.done(pod.name)
        if pod.reservation is not None:
            uncertain = tuple(task for task in pod.tasks if not task.dead)
            reason = "the instance was decommissioned"
            self._ledger.put_retired(
                Retired(self._new_id(), pod.name, pod.reservation, uncertain, reason, now)
            )
        self._ledger.drop_pod(pod.name)
        orders = self._ledger.orders.get(DECOMMISSION, Orders(DECOMMISSION))
        forced = frozenset(each for each in orders.forced if each[0] != pod.name)
        if forced != orders.forced:
            self._ledger.put_orders(replace(orders, forced=forced))
        self._decisions.append(f"{pod.name} is decommissioned; its volumes are kept")
        return True

    def _predecessor(self, name: str) -> Reason | None:
        """A task of an earlier incarnation that may not have stopped yet."""
        for id_ in self._ledger.index.alive_of(name):
            where = self._ledger.retired[id_].reservation.hostname
            return Reason(f"its former instance on {where} is still being stopped")
        return None

    def _stop(self, pod: Pod, stop: Stop) -> None:
        fresh = [t.name for t in pod.tasks if t.name in stop.tasks and t.live and not t.stopping]
        if fresh:
            what = f"{', '.join(fresh)} of {pod.name}"
            self._decisions.append(f"stopping {what}: {stop.reason}")
            tasks = tuple(
                replace(t, stopping=stop.reason) if t.name in fresh else t for t in pod.tasks
            )
            self._disruptions.done(pod.name)
            restart = "" if stop.reason == pod.restart else pod.restart
            self._ledger.put_pod(replace(pod, tasks=tasks, restart=restart))


def launched_to_leave(plan: Plan) -> list[Step]:
    """The candidates of the decommission plan that launch something."""
    return [s for s in plan.candidates() if s.tasks and s.status is not Status.IN_PROGRESS]


def _later(plan: Plan, candidates: Container[Step]) -> list[Step]:
    """The steps whose turn comes after one of their instance that is at work.

    Recovery must not be before them.
    """
    later = []
    for phase in plan.phases:
        at_work: set[str] = set()
        for step in phase.steps:
            if step.pod in at_work and step.status is not Status.COMPLETE:
                later.append(step)
            if step in candidates and step.status in AT_WORK:
                at_work.add(step.pod)
    return later
