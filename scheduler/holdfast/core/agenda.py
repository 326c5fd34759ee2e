"""What is to be done next for every pod instance: the plans' work, turned into moves.

Reads and changes the ledger; everything it decides is a function of the records and the time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from holdfast.core.allocation import Wanted
from holdfast.core.ledger import Ledger
from holdfast.core.moves import Move, Start, Stop, Wait, Work, next_move
from holdfast.plans.derive import (
    DECOMMISSION,
    DEPLOY,
    RECOVERY,
    Situation,
    all_plans,
    deploy_spec,
    surplus,
)
from holdfast.plans.goals import Aim, any_plan_tasks, unwell
from holdfast.plans.orders import Canary, Orders
from holdfast.plans.plan import Plan, Status, Step
from holdfast.records import Pod, Retired
from holdfast.service.model import Strategy

CANARY_STRATEGIES = frozenset({Strategy.SERIAL_CANARY, Strategy.PARALLEL_CANARY})
CANARIES = 2
"""How many steps of a canary phase wait for an operator's word, as in dcos-commons."""


@dataclass(frozen=True, slots=True)
class Job:
    """The work a step of a plan has with a pod instance."""

    index: int
    config_id: str
    work: Work
    parameters: Mapping[str, str]

    def wanted(self, name: str, start: Start) -> Wanted:
        return Wanted(
            name,
            self.work.spec,
            self.index,
            self.config_id,
            start.tasks,
            start.join,
            self.work.aim.run,
            self.parameters,
        )


@dataclass(slots=True)
class Moves:
    """The tasks to start, and for every instance that is not well why it waits."""

    wanted: list[Wanted] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)


class Agenda:
    """Derives plans from the ledger and makes the moves they call for."""

    def __init__(self, ledger: Ledger, new_id: Callable[[], str]) -> None:
        self._ledger = ledger
        self._new_id = new_id
        self._decisions: list[str] = []

    def take_decisions(self) -> list[str]:
        """What was decided since the last call, in words."""
        decisions, self._decisions = self._decisions, []
        return decisions

    def plans(
        self, reasons: Mapping[str, str], errors: tuple[str, ...], now: float
    ) -> tuple[Plan, ...]:
        """Every plan as it stands; `reasons` say what the pod instances wait for."""
        ledger = self._ledger
        return all_plans(
            Situation(
                service=ledger.service,
                target_id=ledger.target_id,
                pods=ledger.pods,
                orders=ledger.orders,
                target=ledger.asks_as_target,
                spec_of=ledger.spec_of,
                reasons=reasons,
                errors=errors,
                updating=ledger.updating,
                now=now,
            )
        )

    def renew_orders(self, plans: Callable[[float], tuple[Plan, ...]], now: float) -> None:
        """A new target makes what was forced void, and its canaries wait for a word again."""
        ledger = self._ledger
        known = ledger.orders.get(DEPLOY, Orders(DEPLOY))
        spec = deploy_spec(ledger.service, ledger.updating)
        cautious = {p.name for p in spec.phases if p.strategy in CANARY_STRATEGIES}
        if known.about == ledger.target_id or not (cautious or known.forced or known.canaries):
            return
        canaries = {
            phase.name: Canary(
                tuple(s.name for s in phase.steps if s.status is not Status.COMPLETE)[:CANARIES]
            )
            for phase in plans(now)[0].phases
            if phase.name in cautious
        }
        ledger.put_orders(
            replace(known, about=ledger.target_id, canaries=canaries, forced=frozenset())
        )

    def moves(self, plans: Sequence[Plan], now: float) -> Moves:
        """Make every move that needs no offer; the rest is for whoever has offers."""
        result = Moves()
        for name, jobs in self._jobs(plans).items():
            pod = self._ledger.pods.get(name)
            former = self._ledger.spec_of(pod) if pod and pod.tasks else None
            for job in jobs:
                move = next_move(job.work, pod, former, now)
                if move is not None and self._make(name, pod, job, move, result, now):
                    break
        return result

    def _make(
        self, name: str, pod: Pod | None, job: Job, move: Move, result: Moves, now: float
    ) -> bool:
        """Make the move; false when another job of the instance may still make its own."""
        refused = self._hold_back(job, name, pod, move)
        if refused:
            result.reasons.setdefault(name, refused)
            return False
        match move:
            case Wait(reason, until):
                seconds = f" (in {until - now:.0f} s)" if until else ""
                result.reasons.setdefault(name, reason + seconds)
                return False
            case Stop(_, reason):
                assert pod is not None
                self._stop(pod, move)
                result.reasons[name] = f"it is being stopped: {reason}"
            case Start(_, _, waits_for):
                result.reasons[name] = f"it waits until {waits_for}"
                result.wanted.append(job.wanted(name, move))
        return True

    def note_progress(self, deploy: Plan) -> bool:
        """Remember that the whole service is deployed: the next change of it is an update."""
        ledger = self._ledger
        if ledger.deployed == ledger.target_id or deploy.status is not Status.COMPLETE:
            return False
        ledger.set_deployed()
        return True

    def _jobs(self, plans: Sequence[Plan]) -> dict[str, list[Job]]:
        """What the plans want of each pod instance, in the order of their claims.

        Tasks that one plan is starting or stopping are not touched by another.
        """
        ledger = self._ledger
        claimed: dict[tuple[str, str], str] = {}
        for plan in plans:
            for step in plan.steps():
                if step.status in (Status.PREPARED, Status.STARTING):
                    for task in step.tasks:
                        claimed.setdefault((step.pod, task), plan.name)
        jobs: dict[str, list[Job]] = {}
        for plan in plans:
            if plan.name == DECOMMISSION:
                continue
            for step in plan.candidates():
                if all(claimed.get((step.pod, t), plan.name) == plan.name for t in step.tasks):
                    jobs.setdefault(step.pod, []).append(self._job(plan.name, step))
        return {name: jobs[name] for name in ledger.instance_names() if name in jobs}

    def _job(self, plan: str, step: Step) -> Job:
        ledger = self._ledger
        pod_type, index = ledger.instance(step.pod)
        pod = ledger.pods.get(step.pod)
        recovers = plan == RECOVERY
        config_id = ledger.config_for(pod, may_move=not recovers)
        orders = ledger.orders.get(plan, Orders(plan))
        is_run = plan not in (DEPLOY, RECOVERY)
        aim = Aim(
            ledger.asks_the_same(pod_type, config_id),
            orders.run_id if is_run else "",
            orders.run <= 1,
        )
        spec = ledger.configs[config_id].pod(pod_type)
        work = Work(spec, step.tasks, aim, recovers)
        return Job(index, config_id, work, orders.parameters if is_run else {})

    def _hold_back(self, job: Job, name: str, pod: Pod | None, move: Move) -> str | None:
        """Why the move must not be made although the plan is ready for it."""
        if isinstance(move, Start):
            return None if move.join else self._predecessor(name)
        if not isinstance(move, Stop) or job.work.recovers or pod is None or self._is_down(pod):
            return None  # stopping what is down already costs nothing
        down = [
            other.name
            for other in self._ledger.pods.values()
            if other.type == pod.type and other.name != name and self._is_down(other)
        ]
        most = job.work.spec.max_unavailable
        if len(down) < most:
            return None
        return f"at most {most} may be down at a time (max-unavailable), and {down[0]} is"

    def _is_down(self, pod: Pod) -> bool:
        """Whether an instance that was deployed does not serve now."""
        return pod.deployed is not None and (
            not pod.tasks or bool(unwell(self._ledger.spec_of(pod), pod))
        )

    def end_unplanned(self, now: float) -> bool:
        """Stop running tasks that no plan has any more, and whole instances beyond the count.

        True when a place was given up.
        """
        ledger = self._ledger
        for spec, index in ledger.service.instances():
            pod = ledger.pods.get(f"{spec.type}-{index}")
            if pod is None or not pod.tasks:
                continue
            if not ledger.asks_as_target(spec.type)(ledger.launched_with(pod)):
                continue
            planned = any_plan_tasks(ledger.service, spec.type, index)
            extra = tuple(t.name for t in pod.tasks if t.live and t.name not in planned)
            if extra:
                self._stop(pod, Stop(extra, "no plan has it any more"))
        leaving = surplus(ledger.service, ledger.pods)
        return bool(leaving) and self._decommission(leaving[0], now)

    def _decommission(self, pod: Pod, now: float) -> bool:
        """Kill its tasks, then give its place back; its volumes stay until destroyed by name."""
        live = tuple(task.name for task in pod.tasks if task.live)
        if live:
            self._stop(pod, Stop(live, "it is decommissioned"))
            return False
        if pod.reservation is not None:
            uncertain = tuple(task for task in pod.tasks if not task.dead)
            reason = "the instance was decommissioned"
            self._ledger.put_retired(
                Retired(self._new_id(), pod.name, pod.reservation, uncertain, reason, now)
            )
        self._ledger.drop_pod(pod.name)
        self._decisions.append(f"{pod.name} is decommissioned; its volumes are kept")
        return True

    def _predecessor(self, name: str) -> str | None:
        """A task of an earlier incarnation that may not have stopped yet."""
        for retired in self._ledger.retired.values():
            if retired.pod == name and any(task.live for task in retired.tasks):
                where = retired.reservation.hostname
                return f"its former instance on {where} is still being stopped"
        return None

    def _stop(self, pod: Pod, stop: Stop) -> None:
        fresh = [t.name for t in pod.tasks if t.name in stop.tasks and t.live and not t.stopping]
        if fresh:
            what = f"{', '.join(fresh)} of {pod.name}"
            self._decisions.append(f"stopping {what}: {stop.reason}")
            tasks = tuple(
                replace(t, stopping=stop.reason) if t.name in fresh else t for t in pod.tasks
            )
            self._ledger.put_pod(replace(pod, tasks=tasks))
