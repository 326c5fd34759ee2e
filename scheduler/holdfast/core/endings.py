"""What is stopped in pod instances: for a move, or for good since nobody asks for it any more."""

from collections.abc import Callable, Container, Iterable
from dataclasses import replace

from holdfast.core.disruption import Action, Disruptions
from holdfast.core.ledger import Ledger
from holdfast.core.moves import Stop
from holdfast.core.outcome import Reason
from holdfast.plans.derive import DECOMMISSION, leaving_steps
from holdfast.plans.goals import any_plan_tasks
from holdfast.plans.orders import Orders
from holdfast.plans.plan import Status
from holdfast.plans.single import LEAVE
from holdfast.records import Pod, Retired


class Endings:
    """Stops tasks of the ledger's pod instances, and gives up the places of those that leave."""

    def __init__(self, ledger: Ledger, new_id: Callable[[], str], disruptions: Disruptions) -> None:
        self._ledger = ledger
        self._new_id = new_id
        self._disruptions = disruptions
        self._held_up: dict[str, Reason] = {}
        self._decisions: list[str] = []

    def take_decisions(self) -> list[str]:
        """What was stopped since the last call, in words."""
        decisions, self._decisions = self._decisions, []
        return decisions

    def held_up(self, name: str) -> Reason | None:
        """Why something of the instance still runs that nobody wants any more."""
        return self._held_up.get(name)

    def stop(self, pod: Pod, stop: Stop) -> None:
        """Have those of its tasks killed that run and are not being stopped yet."""
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

    def end_unplanned(self, names: Iterable[str], now: float) -> bool:
        """Stop running tasks that no plan has any more, and whole instances beyond the count.

        Tasks are looked for in the instances of these names. True when a place was given up.
        """
        ledger = self._ledger
        for name in names:
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
        stop = Stop(live, "no plan has it any more")
        if self._must_stay(pod, Action.RESTART, stop, now):
            return
        tasks = tuple(replace(t, reached=None) if t.name in names else t for t in pod.tasks)
        ended = replace(pod, tasks=tasks, deployed=None)
        if self._ledger.is_deployed(ended, self._ledger.target_id):
            ended = replace(ended, deployed=self._ledger.target_id)
        if ended != pod:
            self._ledger.put_pod(ended)
        self.stop(ended, stop)

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
            self.stop(pod, stop)
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
