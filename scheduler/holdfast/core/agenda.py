"""What is to be done next for every pod instance: the plans' work, turned into moves.

Reads and changes the ledger; everything it decides is a function of the records and the time.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

from holdfast.core.allocation import Wanted
from holdfast.core.commands import REPLACE
from holdfast.core.confidential import Shortage
from holdfast.core.ledger import Ledger
from holdfast.core.moves import Move, Start, Stop, Wait, Work, next_move
from holdfast.plans.derive import (
    BUILT_IN,
    DECOMMISSION,
    DEPLOY,
    RECOVERY,
    Situation,
    all_plans,
    custom_specs,
    deploy_spec,
    leaving_steps,
    surplus,
)
from holdfast.plans.goals import Aim, any_plan_tasks, serves
from holdfast.plans.orders import Canary, Orders
from holdfast.plans.plan import Plan, Status, Step
from holdfast.plans.single import LEAVE, replace_steps
from holdfast.records import Pod, Retired
from holdfast.service.model import Goal, Strategy

CANARY_STRATEGIES = frozenset({Strategy.SERIAL_CANARY, Strategy.PARALLEL_CANARY})
CANARIES = 2
"""How many steps of a canary phase wait for an operator's word, as in dcos-commons."""

AT_WORK = frozenset({Status.PREPARED, Status.STARTING, Status.STARTED})

Need = tuple[str, str, str]
"""A pod instance, and the `task` or the resource `set` of it, by name."""


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
            None if self.work.recovers and not self.work.aim.run else self.work.aim.run,
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
        self._down: dict[str, set[str]] = {}
        self.shortage = Shortage()
        """The secrets and certificates that cannot be had now."""

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
                deployed_tasks=ledger.deployed_tasks,
                reasons=reasons,
                errors=errors,
                updating=ledger.updating,
                now=now,
            )
        )

    def renew_orders(self, plans: Callable[[float], tuple[Plan, ...]], now: float) -> None:
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
            plan = next(plan for plan in plans(now) if plan.name == name)
            canaries = {
                phase.name: Canary(
                    tuple(s.name for s in phase.steps if s.status is not Status.COMPLETE)[:CANARIES]
                )
                for phase in plan.phases
                if phase.name in cautious
            }
            forced = frozenset() if spec is deploy else known.forced
            ledger.put_orders(replace(known, about=about, canaries=canaries, forced=forced))

    def moves(self, plans: Sequence[Plan], now: float) -> Moves:
        """Make every move that needs no offer; the rest is for whoever has offers."""
        result = Moves()
        self._down = {}
        for name in self._ledger.instance_names():
            if name in self._ledger.pods:
                self._note_down(self._ledger.pods[name])
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
                self._note_down(self._ledger.pods[name])
                result.reasons[name] = f"it is being stopped: {reason}"
            case Start(_, _, waits_for):
                result.reasons[name] = f"it waits until {waits_for}"
                result.wanted.append(job.wanted(name, move))
        return True

    def _note_down(self, pod: Pod) -> None:
        if self._is_down(pod):
            self._down.setdefault(pod.type, set()).add(pod.name)

    def note_progress(self, plans: Sequence[Plan]) -> bool:
        """Remember what plans have completed; true when the whole service is deployed now.

        The next change of a deployed service is an update.
        """
        ledger = self._ledger
        for plan in plans:
            orders = ledger.orders.get(plan.name)
            if plan.name in BUILT_IN or orders is None or orders.run == 0:
                continue
            done = {
                (phase.name, step.name)
                for phase in plan.phases
                for step in phase.steps
                if step.status is Status.COMPLETE
            }
            if not done <= orders.done:
                ledger.put_orders(replace(orders, done=orders.done | done))
        if ledger.deployed == ledger.target_id or plans[0].status is not Status.COMPLETE:
            return False
        ledger.set_deployed()
        return True

    def _jobs(self, plans: Sequence[Plan]) -> dict[str, list[Job]]:
        """What the plans want of each pod instance, in the order of their claims.

        What one plan is starting or stopping is not touched by another, nor the resource set of
        a task that runs to its end. A plan of the operator's that needs what recovery needs, in
        order to launch it itself, goes first: otherwise they would undo each other's work.
        """
        ledger = self._ledger
        candidates = [(plan, self._candidates(plan)) for plan in plans]
        open_ = [(plan, step) for plan, steps in candidates for step in steps]
        claimed = self._claims(candidates)
        recovering = {
            key for plan, step in open_ if plan.name == RECOVERY for key in self._needs(step)
        }

        def rank(entry: tuple[Plan, Step]) -> int:
            plan, step = entry
            if plan.name in BUILT_IN:
                return 0 if plan.name == DEPLOY else 2
            return 1 if recovering & self._needs(step) else 3

        jobs: dict[str, list[Job]] = {}
        for plan, step in sorted(open_, key=rank):
            if all(claimed.get(key, plan.name) == plan.name for key in self._needs(step)):
                jobs.setdefault(step.pod, []).append(self._job(plan.name, step))
        leaving = (step.pod for plan, step in open_ if plan.name == DECOMMISSION)
        names = dict.fromkeys([*ledger.instance_names(), *leaving])
        return {name: jobs[name] for name in names if name in jobs}

    def _candidates(self, plan: Plan) -> list[Step]:
        """The plan's candidates, and what its phases at work have for broken instances.

        Those hold up all others (max-unavailable), so they must not have to wait for them.
        """
        if plan.name == DECOMMISSION:
            return [s for s in plan.candidates() if s.tasks and s.status is not Status.IN_PROGRESS]
        steps = [step for step in plan.candidates() if not self._is_recoverys(plan, step)]
        if plan.name != DEPLOY:
            return steps
        taken = {step.pod for step in steps}
        for phase in plan.candidate_phases():
            for step in phase.released():
                pod = self._ledger.pods.get(step.pod)
                if self._is_recoverys(plan, step):
                    continue
                if pod is not None and step.pod not in taken and self._is_broken(pod):
                    steps.append(step)
                    taken.add(step.pod)
        return steps

    def _is_recoverys(self, plan: Plan, step: Step) -> bool:
        """Whether recovery alone works on the instance: its new volumes are yet to be filled."""
        pod = self._ledger.pods.get(step.pod)
        return plan.name != RECOVERY and bool(replace_steps(self._ledger.service, pod))

    def _claims(self, plans: Sequence[tuple[Plan, Sequence[Step]]]) -> dict[Need, str]:
        """Which plan is at work on what, given the plans and their candidates."""
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
        return Job(index, config_id, work, orders.parameters if is_run else {})

    def _hold_back(self, job: Job, name: str, pod: Pod | None, move: Move) -> str | None:
        """Why the move must not be made although the plan is ready for it."""
        if isinstance(move, Start):
            short = self.shortage.of(job.work.spec, move.tasks)
            return short or (None if move.join else self._predecessor(name))
        if not isinstance(move, Stop) or pod is None:
            return None
        if job.work.recovers and move.reason != job.work.restart:
            return None
        short = self.shortage.of(job.work.spec, job.work.tasks)
        if short:
            return short  # what runs is not stopped for what could not be started
        if name in self._down.get(pod.type, ()):
            return None  # stopping what is down already costs nothing
        down = self._down.get(pod.type, set())
        most = job.work.spec.max_unavailable
        if len(down) < most:
            return None
        return f"at most {most} may be down at a time (max-unavailable), and {min(down)} is"

    def _is_down(self, pod: Pod) -> bool:
        """Whether an instance that was launched does not serve now."""
        if not pod.tasks:
            return pod.deployed is not None or pod.hook == REPLACE
        if replace_steps(self._ledger.service, pod):
            return True
        planned = any_plan_tasks(self._ledger.service, pod.type, pod.index)
        return not serves(self._ledger.spec_of(pod), pod, planned)

    def _is_broken(self, pod: Pod) -> bool:
        """Whether an instance never came up as it was launched, so that recovery is no help."""
        if not self._is_down(pod):
            return False
        if not pod.tasks:  # replaced before it was deployed again
            return pod.deployed is None
        return any(
            task.reached is None
            or not self._ledger.asks_the_same(pod.type, task.config_id)(task.reached)
            for task in pod.tasks
            if not task.running
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
            if any(task.run == LEAVE for task in pod.tasks):
                pod = self._stays(pod)
            if not ledger.asks_as_target(spec.type)(ledger.launched_with(pod)):
                continue
            planned = any_plan_tasks(ledger.service, spec.type, index)
            extra = {t.name for t in pod.tasks if t.name not in planned}
            if any(t.name in extra and (t.live or t.reached) for t in pod.tasks):
                self._end(pod, extra)
        orders = ledger.orders.get(DECOMMISSION, Orders(DECOMMISSION))
        leaving = surplus(ledger.service, ledger.pods)
        if not leaving or orders.interrupted or leaving[0].name in orders.phases:
            return False
        steps = leaving_steps(ledger.service, ledger.spec_of, leaving[0], orders, now)
        if any(step.status is not Status.COMPLETE for step in steps):
            return False
        return self._decommission(leaving[0], now)

    def _stays(self, pod: Pod) -> Pod:
        """It is wanted again after all: what it ran in order to leave is not done for next time."""
        tasks = tuple(replace(t, run="") if t.run == LEAVE else t for t in pod.tasks)
        stays = replace(pod, tasks=tasks)
        self._ledger.put_pod(stays)
        return stays

    def _end(self, pod: Pod, names: Container[str]) -> None:
        """Stop tasks for good; should a plan have them again, they are deployed anew."""
        tasks = tuple(replace(t, reached=None) if t.name in names else t for t in pod.tasks)
        ended = replace(pod, tasks=tasks, deployed=None)
        if self._ledger.is_deployed(ended, self._ledger.target_id):
            ended = replace(ended, deployed=self._ledger.target_id)
        self._ledger.put_pod(ended)
        live = tuple(t.name for t in ended.tasks if t.live and t.name in names)
        self._stop(ended, Stop(live, "no plan has it any more"))

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
        orders = self._ledger.orders.get(DECOMMISSION, Orders(DECOMMISSION))
        forced = frozenset(each for each in orders.forced if each[0] != pod.name)
        if forced != orders.forced:
            self._ledger.put_orders(replace(orders, forced=forced))
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
            restart = "" if stop.reason == pod.restart else pod.restart
            self._ledger.put_pod(replace(pod, tasks=tasks, restart=restart))


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
