"""What is to be done next for every pod instance: the plans' work, turned into moves.

Reads and changes the ledger; everything it decides is a function of the records and the time. What
was decided of an instance stands until something that it depends on changes: only then is the
instance looked at again.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace

from immutables import Map
from sortedcontainers import SortedDict, SortedSet

from holdfast.core.confidential import Shortage
from holdfast.core.disruption import Action, Disruptions
from holdfast.core.down import is_broken, is_down
from holdfast.core.endings import Endings
from holdfast.core.jobs import Job, is_recoverys, jobs_of
from holdfast.core.ledger import Ledger
from holdfast.core.maintenance import rest_reason
from holdfast.core.moves import Move, Start, Stop, Wait, next_move
from holdfast.core.outcome import NOTHING, Outcome, Reason
from holdfast.core.returned import Returned
from holdfast.core.rooms import Rooms
from holdfast.core.turns import Alarms, Entry, HeldBack, Queue, Rank
from holdfast.core.wanted import Wanted
from holdfast.plans.derive import (
    DECOMMISSION,
    DEPLOY,
    Situation,
    all_plans,
    custom_specs,
    decommission_phase,
    deploy_spec,
)
from holdfast.plans.orders import Canary, Orders
from holdfast.plans.plan import Plan, Status, Step
from holdfast.plans.progress import Progress, Share
from holdfast.records import Pod
from holdfast.service.model import PodSpec, Strategy

CANARY_STRATEGIES = frozenset({Strategy.SERIAL_CANARY, Strategy.PARALLEL_CANARY})
CANARIES = 2
"""How many steps of a canary phase wait for an operator's word, as in dcos-commons."""

LAST: Rank = (sys.maxsize, 0)
"""The place of the instance that leaves next: after all that are wanted."""


class Agenda:
    """Derives plans from the ledger and makes the moves they call for."""

    def __init__(
        self,
        ledger: Ledger,
        rooms: Rooms,
        disruptions: Disruptions,
        endings: Endings,
        returned: Returned,
    ) -> None:
        self._ledger = ledger
        self._rooms = rooms
        self._disruptions = disruptions
        self._endings = endings
        self._returned = returned
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
        # What was noted is right for all that has not changed since.
        names = {*self.down_names, *self._changed, *self._changes.waiting()}
        return {
            name
            for name in names
            if ledger.instance(name)[0] == pod_type
            and ledger.rank(name) is not None
            and (pod := ledger.pods.get(name)) is not None
            and is_down(ledger, pod)
        }

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
        self._look_again(self._returned.due())
        self._look_again(self._changes.take())
        wanted = [name for _, name in sorted(self._ranked(self._changed))]
        gave_up = self._endings.end_unplanned(wanted, now)
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
        jobs = jobs_of(self._ledger, self._shares(name))
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
                    self._endings.stop(pod, move)
                    self._note_down(name)
                    return Outcome(Reason(f"it is being stopped: {reason}"))
                case Start(_, _, waits_for):
                    wanted = job.wanted(name, move)
                    if pod is not None and not move.join and self._rooms.grows(pod, wanted.spec):
                        otherwise = self._as_it_was(jobs[number + 1 :], name, pod, former, now)
                        wanted = replace(wanted, otherwise=otherwise)
                    waits_for = self._returned.waits_for(name) or waits_for
                    return Outcome(Reason(f"it waits until {waits_for}"), wanted)
        return Outcome(first or self._endings.held_up(name))

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
            self._endings.stop(pod, Stop(live, why))
            self._note_down(pod.name)
        return Outcome(Reason(f"it is being stopped: {why}"))

    def _note_down(self, name: str) -> None:
        pod_type, _ = self._ledger.instance(name)
        pod = self._ledger.pods.get(name)
        wanted = self._ledger.rank(name) is not None
        down = pod is not None and wanted and is_down(self._ledger, pod)
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

    def _shares(self, name: str) -> list[Share]:
        """What each plan has to do with the instance, and which steps of it have their turn."""
        pod_type, index = self._ledger.instance(name)
        pod = self._ledger.pods.get(name)
        if self._ledger.rank(name) is None:
            return [self._leaves(pod)] if pod is not None else []
        broken = pod is not None and is_broken(self._ledger, pod)
        return [
            (plan, [step for step in steps if not is_recoverys(self._ledger, plan, step)])
            for plan, steps in self._progress.shares(pod_type, index, broken)
        ]

    def _leaves(self, pod: Pod) -> Share:
        """What the instance runs before it leaves; `end_unplanned` does the rest."""
        phase = decommission_phase(self._situation, pod)
        orders = self._ledger.orders.get(DECOMMISSION, Orders(DECOMMISSION))
        plan = Plan(DECOMMISSION, Strategy.SERIAL, (phase,), (), orders.interrupted)
        return plan, launched_to_leave(plan)

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
        if others < most or is_down(self._ledger, pod):
            return None  # stopping what is down already costs nothing
        return Reason("", most=most, pod_type=pod.type)

    def _predecessor(self, name: str) -> Reason | None:
        """A task of an earlier incarnation that may not have stopped yet."""
        for id_ in self._ledger.index.alive_of(name):
            held = self._ledger.retired[id_].reservation
            former = f"its former instance on {held.hostname}"
            if held.agent_id not in self._returned.silent:
                return Reason(f"{former} is still being stopped")
            return Reason(
                f"{former} may still run: Mesos, which has another leading master, has not met that"
                " agent since and tells nothing of its tasks. It goes on when the agent is back, or"
                " Mesos has given it up, after ten minutes (agent_reregister_timeout)"
            )
        return None


def launched_to_leave(plan: Plan) -> list[Step]:
    """The candidates of the decommission plan that launch something."""
    return [s for s in plan.candidates() if s.tasks and s.status is not Status.IN_PROGRESS]
