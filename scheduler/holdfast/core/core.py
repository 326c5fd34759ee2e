"""The transition function of a service: events in, effects out.

Holds the records and what was learnt since start-up; does no I/O and reads no clock. The engine
stores all records of a step before it sends any of its calls.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from holdfast.core import events as ev
from holdfast.core.after_replace import owe_restarts
from holdfast.core.agenda import Agenda
from holdfast.core.allocation import Allocation, launched_tasks
from holdfast.core.conduct import USUAL, Conduct
from holdfast.core.demand import Demand, Wish
from holdfast.core.dispatch import Dispatch
from holdfast.core.disruption import Disruptions
from holdfast.core.effects import (
    Accept,
    Acknowledge,
    Decision,
    Decline,
    Effect,
    Journalled,
    Kill,
    Reconcile,
    Revive,
    Suppress,
    Write,
)
from holdfast.core.endings import Endings
from holdfast.core.failures import Failures
from holdfast.core.future import not_from_the_future
from holdfast.core.inspections import Inspections
from holdfast.core.kills import Kills
from holdfast.core.launch import LaunchSettings
from holdfast.core.ledger import Ledger
from holdfast.core.reconcile import Reconciliation
from holdfast.core.renewal import Renewal
from holdfast.core.returned import Returned
from holdfast.core.rooms import Rooms
from holdfast.core.silence import Silence
from holdfast.core.statuses import operation_acknowledged, pod_after, retired_after, runs
from holdfast.core.tally import tally
from holdfast.core.uninstall import Uninstall
from holdfast.core.view import Upkeep, View
from holdfast.core.waiting import LazyPlans, Reasons, Waits
from holdfast.core.windows import Windows
from holdfast.core.withdrawal import Withdrawals
from holdfast.mesos.messages import Offer, TaskState, TaskStatus
from holdfast.plans.single import has_taken_over
from holdfast.records import Pod

SWEEP_SECONDS = 10.0
SWEEP_PERIOD = 900.0
"""How long, and how often, offers are let in to look for what is left behind."""


class Core:
    """One service's decisions. `step` is the only way in."""

    def __init__(
        self,
        ledger: Ledger,
        settings: LaunchSettings,
        new_id: Callable[[], str],
        errors: Sequence[str] = (),
        shared: bool = False,
        conduct: Conduct = USUAL,
    ) -> None:
        """`errors` say why a changed svc.yml was refused; the plan shows them.

        `shared` when other services have the same framework: no call is about all of it then.
        """
        self.ledger = ledger
        self._domains = settings.domains
        self._backoff = conduct.backoff
        self._new_id = new_id
        self._errors = tuple(errors)
        self._connected = False
        self._home_region: str | None = None
        self._offers: dict[str, Offer] = {}
        self._reconciliation = Reconciliation(conduct.reconciliation)
        self._withdrawals = Withdrawals()
        self._demand = Demand(conduct.suppress)
        self._kills = Kills()
        self._sweep_until = 0.0
        self._next_sweep = 0.0
        self._subscribed_at: float | None = None
        self._waits = Waits(ledger, self._demand)
        self._silence = Silence(ledger)
        self._disruptions = Disruptions(ledger, settings.domains, new_id)
        self._rooms = Rooms(ledger, settings.executor)
        self._endings = Endings(ledger, new_id, self._disruptions)
        self._returned = Returned(ledger, self._reconciliation)
        self._agenda = Agenda(ledger, self._rooms, self._disruptions, self._endings, self._returned)
        self._failures = Failures(
            ledger, self._agenda.down, new_id, self._disruptions, self._returned
        )
        self._windows = Windows(ledger, self._agenda.down_of, self._disruptions)
        self._inspections = Inspections()
        self._allocation = Allocation(ledger, settings, new_id, self._inspections, self._rooms)
        self._uninstall = Uninstall(ledger, shared)
        self._renewal = Renewal(ledger, self._agenda, self._disruptions, conduct.renew_before)
        self._dispatch = Dispatch(
            ledger,
            self._agenda,
            self._failures,
            self._disruptions,
            self._allocation.leftovers,
            self._uninstall,
            new_id,
            self._kill,
            self._sweep,
            self._errors,
        )
        self._counters: dict[str, int] = {}
        self._out: list[Effect] = []

    # -- the way in ---------------------------------------------------------------------------

    def step(self, events: Iterable[ev.Event], now: float) -> list[Effect]:
        """Take in the events, decide once, and return what is to be done, writes first.

        `now` is seconds since the epoch and never goes back.
        """
        self._out = []
        # Orders come last: they are judged by all that is known by then.
        taken = [*self._dispatch.take_deferred(), *events]
        for event in sorted(taken, key=lambda event: isinstance(event, ev.Command)):
            self._take(event, now)
        self._take_back(now)
        for pod, text in self._returned.vacated(self._offers.values(), now):
            self.ledger.put_pod(pod)
            self._decide(text)
        if self._connected:
            self._out.extend(self._renewal.step(now))
        self._agenda.set_going(self._windows.going(now))
        self._decide_moves(now)
        if not self._uninstall.begun:
            self._out.extend(self._windows.answer(now))
        self._use_offers(now)
        if self._connected:
            self._ask_again(now)
            self._want_offers(now)
        self._out.extend(self._uninstall.step(self._allocation.leftovers.quarantined, now))
        self._out.extend(self._disruptions.take_questions())
        for text in self._disruptions.take_decisions():
            self._decide(text)
        for name, number in tally(self._out):
            self._count(name, number)
        changes = self.ledger.take_writes()
        if self._uninstall.done:  # nothing is stored any more, not even an order that is refused
            return self._out
        writes: list[Effect] = [Write(path, data) for path, data in changes]
        return writes + self._out

    def view(self, now: float) -> View:
        """An immutable picture of the state, for the API.

        What takes a look at every pod instance is left to whoever reads it.
        """
        ledger = self.ledger
        explanations = self._waits.explanations(self._agenda.first_down(), now)
        situation = self._agenda.situation(now, Reasons(explanations), self._errors)
        return View(
            service=ledger.service,
            target_id=ledger.target_id,
            configs=dict(ledger.configs),
            framework_id=ledger.framework_id,
            connected=self._connected,
            suppressed=self._demand.suppressed,
            pods=ledger.snapshot(),
            retired=dict(ledger.retired),
            intents=dict(ledger.intents),
            quarantined=dict(self._allocation.leftovers.quarantined),
            plans=(self._uninstall.plan(now),) if self._uninstall.begun else LazyPlans(situation),
            orders=situation.orders,
            explanations=explanations,
            counters=dict(self._counters),
            files=dict(ledger.files),
            deployed=ledger.deployed,
            updating=ledger.updating,
            uninstalling=ledger.uninstalling,
            verdicts={} if self._uninstall.begun else self._failures.verdicts,
            disaster=None if self._uninstall.begun else self._failures.disaster,
            paused=dict(ledger.paused),
            domains=self._domains,
            signer=self._agenda.shortage.signer,
            upkeep=Upkeep(
                dict(ledger.cordons),
                dict(self._windows.answers),
                self._agenda.down_names,
                tuple(self._agenda.going()),
            ),
        )

    @property
    def suppressed(self) -> bool:
        """Whether a new subscription is to begin without offers; safe from any thread."""
        return self._demand.suppressed

    def journalled(self) -> Iterator[Journalled]:
        """The commands of former times, the oldest first."""
        for entry in self.ledger.journal.entries:
            yield Journalled(entry.at, entry.by, entry.what, entry.status, entry.text)

    @property
    def withdrawing(self) -> bool:
        """Whether a launch may still arrive that was given up."""
        return self._withdrawals.open

    def give_up(self, now: float) -> list[str]:
        """While it is uninstalled: forget what is still held, and say of each host what that is.

        It is stored with the next step.
        """
        return self._uninstall.give_up(now)

    @property
    def deregisters(self) -> bool:
        """Whether the framework is being torn down; safe from any thread."""
        record = self.ledger.uninstalling
        return record is not None and record.deregistering

    # -- events -------------------------------------------------------------------------------

    def _take(self, event: ev.Event, now: float) -> None:
        match event:
            case ev.Subscribed():
                self._subscribed(event, now)
            case ev.Disconnected(reason):
                self._connected = False
                self._subscribed_at = None
                self._offers.clear()
                self._windows.disconnected()
                self._withdrawals.clear()
                self._uninstall.disconnected()
                self._decide(f"disconnected: {reason}; tasks run on")
            case ev.OffersReceived(offers):
                self._count("offers.received", len(offers))
                self._offers.update((offer.id, offer) for offer in offers)
                self._windows.seen(offers, now)
            case ev.OfferRescinded(offer_id):
                self._offers.pop(offer_id, None)
            case ev.InverseOffersReceived(offers):
                self._windows.asked(offers, now)
            case ev.InverseOfferRescinded(offer_id):
                self._windows.rescinded(offer_id)
            case ev.StatusReceived(status):
                self._status(status, now)
            case ev.OperationStatusReceived(status):
                self._out.extend(operation_acknowledged(status))
            case ev.AgentFailed(agent_id, executor_id):
                concerned = self.ledger.live_tasks_on
                if executor_id is None:
                    self._inspections.forget(agent_id)
                    concerned = self.ledger.unsettled_on
                    self._returned.failed(agent_id)
                self._uninstall.agent_failed(agent_id)
                for task_id in concerned(agent_id):
                    self._reconciliation.ask(task_id, now)
            case ev.CallFailed():
                self._call_failed(event, now)
            case ev.AgentInspected():
                self._inspections.answered(event, now)
            case ev.FrameworkRemoved():
                self._connected = False
                self._offers.clear()
                self._out.extend(self._uninstall.removed())
            case ev.Command():
                self._out.extend(self._dispatch.carry_out(event, now))
            case ev.DisruptionAnswered():
                self._disruptions.answered(event, now)
            case ev.ShortageChanged(shortage):
                self._agenda.set_shortage(shortage)
                self._allocation.signer = shortage.signer
            case ev.Tick():
                pass
            case ev.HostService():
                raise AssertionError("a single service hosts no others")

    def _subscribed(self, event: ev.Subscribed, now: float) -> None:
        self._connected = True
        self._subscribed_at = now
        self._offers.clear()
        self._windows.disconnected()
        self._withdrawals.clear()
        self._home_region = event.master.region
        self._demand.subscribed(self._demand.suppressed)
        if event.framework_id != self.ledger.framework_id:
            self.ledger.set_framework_id(event.framework_id)
        self._mend_times(now)
        self._reconciliation.start(self.ledger.unsettled_tasks(), now)
        self._out.append(Reconcile(()))
        self._sweep(now)
        self._uninstall.subscribed(now)
        self._decide(f"subscribed to {event.master.url} as {event.framework_id}; reconciling")

    def _mend_times(self, now: float) -> None:
        for name, pod in list(self.ledger.pods.items()):
            mended = not_from_the_future(pod, now, self._backoff.most)
            if mended is not pod:
                self.ledger.put_pod(mended)
                self._decide(f"{name}: its record was from the future, as a clock was ahead")

    def _status(self, status: TaskStatus, now: float) -> None:
        self._count(f"task_status.{status.state.lower()}")
        if (
            status.state is TaskState.GONE
            and status.uuid is None
            and self._withdrawals.doubts(status.task_id)
        ):
            return  # the master does not know it yet; its launch may still arrive
        self._reconciliation.answered(status.task_id)
        if status.uuid and status.agent_id:
            self._out.append(Acknowledge(status.task_id, status.agent_id, status.uuid))
        self._uninstall.heard(status, now)
        owner = self.ledger.owner_of(status.task_id)
        if owner is None:
            self._stray(status, now)
        elif owner in self.ledger.pods:
            self._pod_status(self.ledger.pods[owner], status, now)
        else:
            old = self.ledger.retired[owner]
            new = retired_after(old, status, now)
            if new != old:
                self.ledger.put_retired(new)
            if runs(status):
                self._kill(status.task_id, status.agent_id, now)

    def _stray(self, status: TaskStatus, now: float) -> None:
        """A task of our framework that no record knows: a second owner of some data, perhaps."""
        if not runs(status):
            return
        if self._kill(status.task_id, status.agent_id, now):
            # The write makes sure that no newer scheduler's record knows it either: a scheduler
            # that was fenced without noticing is stopped here, before its kill is sent.
            self.ledger.touch()
            self._decide(f"killing {status.task_id}: no record knows it")

    def _pod_status(self, old: Pod, status: TaskStatus, now: float) -> None:
        new = pod_after(old, status, self.ledger.spec_of, now, self._backoff)
        task = next(task for task in new.tasks if task.id == status.task_id)
        # Its place may be taken by now: it must not live beside its successor.
        if task.dead and runs(status) and self._kill(task.id, status.agent_id, now):
            self._decide(f"killing {task.id}: it runs, though taken for dead")
        if new == old:
            return
        reached = next(t.reached for t in new.tasks if t.id == status.task_id)
        if reached and new.deployed != reached and self.ledger.is_deployed(new, reached):
            new = replace(new, deployed=reached)
        # One replaced before it was ever deployed is made anew by the deploy plan, and by no other.
        begun = replace(new, deployed=old.deployed)
        taken_over = new.replaced is not None and has_taken_over(self.ledger.service, begun)
        if taken_over:
            new = replace(new, replaced=None)
        self.ledger.put_pod(new)
        if taken_over:
            for name in owe_restarts(self.ledger, new):
                self._decide(f"{name} is to be restarted, since {new.name} was replaced")
        before = next(task for task in old.tasks if task.id == status.task_id)
        if task.state is not before.state:
            detail = f" ({status.message})" if status.message and not task.live else ""
            self._decide(f"{new.name}: task {task.name} is {task.state}{detail}")
        if task.failures > before.failures and task.not_before > now:
            wait = task.not_before - now
            self._decide(f"{new.name}: failed {task.failures} times; next try in {wait:.0f} s")

    def _call_failed(self, event: ev.CallFailed, now: float) -> None:
        """A launch that never left is undone; one that may have arrived, or still may, is asked
        about once its offers are taken back."""
        self._count("calls.failed")
        self._decide(f"{type(event.call).__name__.upper()} failed: {event.reason}")
        tasks = launched_tasks(event.call)
        if not event.sent:
            for task_id in tasks:
                reason = f"the launch was not sent: {event.reason}"
                self._status(TaskStatus(task_id, TaskState.DROPPED, message=reason), now)
            tasks = []
        if isinstance(event.call, Accept | Decline):
            self._withdrawals.failed(event.call, tuple(tasks), now)
        self._windows.failed(event.call)
        if isinstance(event.call, Reconcile):
            self._reconciliation.unsent()
        if isinstance(event.call, Suppress | Revive):
            self._demand.subscribed(isinstance(event.call, Revive))

    def _take_back(self, now: float) -> None:
        if not self._connected:
            return
        declines, settled = self._withdrawals.step(now)
        self._out.extend(declines)
        for task_id in settled:
            self._reconciliation.ask(task_id, now)

    # -- decisions ----------------------------------------------------------------------------

    def _decide_moves(self, now: float) -> None:
        """Make every move that needs no offer."""
        if self._uninstall.begun:
            self._waits.nobody_waits()
            return
        self._agenda.renew_orders(now)
        if self._agenda.update(now):
            self._sweep(now)
        if self._failures.act(self._subscribed_at, self._reconciliation.awaits, now):
            self._agenda.update(now)
            self._sweep(now)
        self._out += self._failures.take_decisions()
        if self._agenda.note_progress(self._errors):
            self._decide("the service is deployed")
        looked_at = self._agenda.moves(now)
        for text in self._endings.take_decisions():
            self._decide(text)
        for name in looked_at:
            self._waits.note(name, self._agenda.outcome(name))

    def _use_offers(self, now: float) -> None:
        if not self._offers:
            return
        self._demand.offered(now)
        self._count("offers.processed", len(self._offers))
        wanted = tuple(self._agenda.wanted.values())
        offers = tuple(self._offers.values())
        closing: set[str] = set()
        if self._uninstall.begun:
            self._uninstall.offered(offers, now)
            wanted = ()
            closing = self._uninstall.closing_agents()
        result = self._allocation.use(offers, wanted, self._home_region, now, closing)
        self._offers.clear()
        self._returned.seen(offers, self._agenda.down_names)
        for name, agents in result.refusals.items():
            self._waits.refused(name, agents)
        for name in result.started:
            self._waits.goes_on(name)
        for task_id in result.ask:
            self._reconciliation.ask(task_id, now)
        self._count("declines", result.declined)
        self._count("launches", len(result.started))
        self._out.extend(result.calls)
        self._out.extend(self._inspections.take_questions())
        for text in result.decisions:
            self._decide(text)

    def _ask_again(self, now: float) -> None:
        """Everything that is repeated until it is answered: kills and questions."""
        for id_ in self.ledger.index.alive():
            retired = self.ledger.retired[id_]
            for task in retired.tasks:
                if task.live:
                    self._kill(task.id, retired.reservation.agent_id, now)
        if self._reconciliation.round_due(now):
            self._reconciliation.start(self.ledger.unsettled_tasks(), now)
            self._out.append(Reconcile(()))
        for name in self.ledger.index.stopping():
            for task in self.ledger.pods[name].tasks:
                if task.live and task.stopping:
                    self._kill(task.id, self.ledger.agent_of(task.id), now)
        for task_id in self._silence.overdue(now):
            self._reconciliation.ask(task_id, now)
        due = self._reconciliation.due(now)
        if due:
            self._count("reconciles")
            self._out.append(Reconcile(tuple((id_, self.ledger.agent_of(id_)) for id_ in due)))

    def _want_offers(self, now: float) -> None:
        """Ask for offers while something waits for one. Each new need is worth a REVIVE."""
        needs = set()
        if self._demand.instances_wait and self._inspections.answers:
            needs.add(f"agents told {self._inspections.answers} times what they can do")
        needs |= self._rooms.needs()
        needs |= self._returned.needs()
        needs |= self._uninstall.needs()
        if (self.ledger.retired or self.ledger.intents) and now >= self._next_sweep:
            self._sweep(now)
        if now < self._sweep_until:
            needs.add(f"sweep {self._sweep_until}")
        if self._allocation.leftovers.looks_again(now):
            needs.add("a second look at what is left behind")
        match self._demand.update(frozenset(needs), now):
            case Wish.REVIVE:
                self._count("revives")
                self._out.append(Revive())
            case Wish.SUPPRESS:
                self._count("suppresses")
                self._out.append(Suppress())
            case Wish.THROTTLED:
                self._count("revives.throttles")
            case Wish.NOTHING:
                pass

    def _sweep(self, now: float) -> None:
        self._sweep_until = now + SWEEP_SECONDS
        self._next_sweep = now + SWEEP_PERIOD

    def _kill(self, task_id: str, agent_id: str | None, now: float) -> bool:
        """Have the task killed; False when it is too early to repeat that."""
        if not self._connected or not self._kills.begin(task_id, now):
            return False
        self._count("kills")
        self._out.append(Kill(task_id, agent_id))
        return True

    def _decide(self, text: str) -> None:
        self._out.append(Decision(text))

    def _count(self, name: str, number: int = 1) -> None:
        self._counters[name] = self._counters.get(name, 0) + number
