"""Decisions about failed pod instances: made when something changes, and carried out when due."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from holdfast.core.commands import replace_pod
from holdfast.core.disruption import Action, Disruptions
from holdfast.core.effects import Decision
from holdfast.core.ledger import Ledger
from holdfast.core.outcome import Reason
from holdfast.core.returned import Returned
from holdfast.core.serviced import serviced, stage
from holdfast.plans.derive import RECOVERY
from holdfast.plans.orders import Orders
from holdfast.plans.single import REPLACE
from holdfast.recovery.decide import Choice, Situation, Verdict, verdict
from holdfast.recovery.disaster import disaster
from holdfast.recovery.failure import Cause, Failure, failure_of
from holdfast.recovery.history import History
from holdfast.service.instance_names import type_of

SETTLE_SECONDS = 60.0
"""After a subscription, how long agents may take to offer what they have: an instance that is down
on record may only wait for that."""

BY_POLICY = "replaced by policy"


class Failures:
    """Follows the records of a ledger, and replaces what is due."""

    def __init__(
        self,
        ledger: Ledger,
        down: Mapping[str, Collection[str]],
        new_id: Callable[[], str],
        disruptions: Disruptions,
        returned: Returned,
    ) -> None:
        """`down` are, by pod type, the instances that do not serve; it is kept up to date."""
        self._ledger = ledger
        self._down = down
        self._new_id = new_id
        self._disruptions = disruptions
        self._returned = returned
        self._changes = ledger.follow()
        self._basis: object = None
        self._failures: dict[str, Failure] = {}
        self._replacing: dict[str, set[str]] = {}
        self._decisions: list[Decision] = []
        self._verdicts: Mapping[str, Verdict] = {}
        self._held_up: dict[str, Reason] = {}
        """Why those are not replaced whose time has come."""
        self.disaster: str | None = None

    def take_decisions(self) -> list[Decision]:
        """What was decided since the last call; a warning where an operator must act."""
        decisions, self._decisions = self._decisions, []
        return decisions

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """By pod instance."""
        if not self._held_up:
            return self._verdicts
        return {
            name: replace(each, reason=f"{each.reason}; but {self._held_up[name].text}")
            if name in self._held_up
            else each
            for name, each in self._verdicts.items()
        }

    def act(
        self, subscribed: float | None, unanswered: Callable[[str], bool], now: float
    ) -> list[str]:
        """Decide, replace what is due, and return whom.

        `subscribed` is since when Mesos is heard, None when it is not; `unanswered` tells whether
        Mesos still owes an answer about a task. What is not known is not acted on.
        """
        replaced: list[str] = []
        self._held_up = {}
        self.renew(now)
        while subscribed is not None:
            due = next(
                (
                    each
                    for each in self._verdicts.values()
                    if each.choice is Choice.REPLACE
                    and self._earliest(each, subscribed) <= now
                    and not any(unanswered(task.id) for task in self._ledger.pods[each.pod].tasks)
                    and self._may_go(each, now)
                ),
                None,
            )
            if due is None:
                break
            self._replace(due, now)
            self.renew(now)
            replaced.append(due.pod)
        return replaced

    def _earliest(self, due: Verdict, subscribed: float) -> float:
        deadline = due.deadline or 0.0
        if self._failures[due.pod].cause is Cause.MARKED_GONE:
            return deadline
        policy = self._ledger.service.pod(type_of(due.pod)).replacement
        settle = SETTLE_SECONDS if policy is None else min(SETTLE_SECONDS, policy.timeout)
        return max(deadline, subscribed + settle)

    def _may_go(self, due: Verdict, now: float) -> bool:
        """Whether its disruption check lets it be replaced, if any of it may still run."""
        pod = self._ledger.pods[due.pod]
        tasks = [task.name for task in pod.tasks if not task.dead]
        refusal = self._disruptions.refusal(pod, Action.REPLACE, tasks, BY_POLICY, now)
        if refusal is not None:
            self._held_up[due.pod] = refusal
        return refusal is None

    def _replace(self, due: Verdict, now: float) -> None:
        self._disruptions.done(due.pod)
        marked = self._failures[due.pod].cause is Cause.MARKED_GONE
        reason = due.reason if marked else f"{BY_POLICY}: {due.reason}"
        text = replace_pod(self._ledger, due.pod, self._new_id, now, reason)
        if not marked:
            self._ledger.put_history(self._ledger.history.with_replacement(now))
        if marked:
            text = f"{due.pod} is being replaced; what is known of its volumes stays on record"
        self._decisions.append(Decision(f"{text}. {due.reason}"))

    def renew(self, now: float) -> None:
        """Decide anew if something has changed that a decision depends on."""
        changed = self._changes.take()
        for name in changed:
            self._note(name)
        orders = self._ledger.orders.get(RECOVERY, Orders(RECOVERY))
        windows = stage(self._ledger.windows.values(), now)
        basis = orders, self._ledger.history, self._returned.back, windows
        if not changed and basis == self._basis:
            return
        failures = serviced(self._failures, self._ledger.windows, now)
        if failures or self.disaster:
            self._note_disaster(failures, now)
        self._basis = orders, self._ledger.history, self._returned.back, windows
        if not failures and not self._verdicts:
            return
        situation = Situation(
            failures,
            self._down,
            self._replacing,
            self._ledger.history,
            self.disaster,
            self._paused(orders),
            self._returned.back,
        )
        before = self._verdicts
        self._verdicts = {
            name: verdict(name, self._ledger.service.pod(type_of(name)), situation)
            for name in failures
        }
        for name, each in self._verdicts.items():
            if each != before.get(name):
                left = max(0.0, (each.deadline or now) - now)
                text = f"{each} (in {left:.0f} s)" if each.deadline else str(each)
                self._decisions.append(Decision(text, warning=self._is_for_operator(each)))

    def _is_for_operator(self, each: Verdict) -> bool:
        """Whether nothing goes on until one acts: he is asked, or it is out of reach and has no
        policy."""
        if each.choice is Choice.ASK:
            return True
        waits = each.choice is Choice.WAIT and each.cause is not Cause.DOWN
        return waits and self._ledger.service.pod(type_of(each.pod)).replacement is None

    def _note(self, name: str) -> None:
        """Whether the instance has failed, and whether it takes over from another."""
        pod = self._ledger.pods.get(name)
        wanted = pod is not None and self._ledger.rank(name) is not None
        failure = None
        if pod is not None and wanted and pod.tasks and not pod.has_live_tasks:
            failure = failure_of(pod, self._ledger.spec_of(pod))
        if failure is not None:
            self._failures[name] = failure
        else:
            self._failures.pop(name, None)
        if pod is not None and wanted and pod.replaced is not None:
            self._replacing.setdefault(pod.type, set()).add(name)
        else:
            self._replacing.get(type_of(name), set()).discard(name)

    def _note_disaster(self, failures: Mapping[str, Failure], now: float) -> None:
        """Whether the failures are a disaster; its begin and its end are stored."""
        ledger = self._ledger
        instances = sum(spec.count for spec in ledger.service.pods)
        self.disaster = disaster(ledger.service.disaster, failures, instances)
        before = ledger.history
        if self.disaster and before.disaster is None:
            ledger.put_history(History(before.replacements, now, before.ended))
            text = f"disaster: {self.disaster}; nothing is replaced by policy until it is over"
            self._decisions.append(Decision(text, warning=True))
        elif not self.disaster and before.disaster is not None:
            ledger.put_history(History(before.replacements, None, now))
            self._decisions.append(Decision("the disaster is over; replacement by policy goes on"))

    def _paused(self, orders: Orders) -> set[str]:
        """The failed instances whose recovery an operator has interrupted."""
        return {
            name
            for name in self._failures
            if orders.interrupted
            or any(p.startswith(f"{name}:") or p == f"{REPLACE} {name}" for p in orders.phases)
        }
