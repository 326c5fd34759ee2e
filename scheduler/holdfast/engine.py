"""The loop: take what happened, decide, store, then send.

One thread, one queue, one order. A crash between any two of these steps is harmless: what was
stored but not sent is found and asked about at the next start.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol

import structlog
from typing_extensions import TypeVar

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.confidential import AUTHORITY_PATH, Shortage, needs
from holdfast.core.view import View
from holdfast.eventlog import EventLog, Kind
from holdfast.mesos import calls
from holdfast.mesos.backoff import Backoff
from holdfast.mesos.channel import CallResult, Outcome
from holdfast.secrets.delivery import Delivery
from holdfast.secrets.store import Unavailable
from holdfast.service.model import ServiceSpec
from holdfast.state.store import Store, StoreUnavailable, Writes
from holdfast.timing import Timer

TICK_SECONDS = 1.0
RETRY_SECONDS = 0.2
MOST_RETRY_SECONDS = 5.0

log = structlog.get_logger("holdfast.engine")


class Pictured(Protocol):
    """What of a picture the engine itself looks at."""

    @property
    def configs(self) -> Mapping[Any, ServiceSpec]: ...


V = TypeVar("V", bound=Pictured, default=View)
V_co = TypeVar("V_co", bound=Pictured, covariant=True)


class Decides(Protocol[V_co]):
    """Who decides: a service's core, or that of many services."""

    def step(self, events: Iterable[ev.Event], now: float) -> list[ef.Effect]: ...

    def view(self, now: float) -> V_co: ...

    def journalled(self) -> Iterable[ef.Journalled]: ...


class Calls(Protocol):
    """How calls reach the master."""

    def call(self, message: Mapping[str, Any]) -> CallResult: ...

    def teardown(self) -> CallResult:
        """End the framework; once that is SENT, nothing more is heard of the master."""
        ...

    def update_framework(self) -> CallResult:
        """Tell the master the roles there are now."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a command: an HTTP status and a JSON body."""

    status: int
    body: dict[str, Any]


class Engine(Generic[V]):
    """Runs one core against a store and a master."""

    def __init__(
        self,
        core: Decides[V],
        store: Store,
        link: Calls,
        new_id: Callable[[], str],
        ask: Callable[[ef.Question], None],
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
        steady: Callable[[], float] = time.monotonic,
        delivery: Delivery | None = None,
    ) -> None:
        """`ask` has somebody asked without waiting; what is answered is posted.

        `clock` may be set, `steady` only ever goes on; both are in seconds. The core's time is that
        of the clock when it began, and goes on steadily: a clock that is set back would hold up all
        that waits until it has caught up, one that is set ahead would end time-outs early.
        """
        self._core = core
        self._store = store
        self._link = link
        self._new_id = new_id
        self._ask = ask
        self._delivery = delivery or Delivery(None, None)
        self._shortage = Shortage()
        self._steady = steady
        self._began = clock() - steady()
        self._pause = pause
        self._queue: queue.SimpleQueue[ev.Event | None] = queue.SimpleQueue()
        self._failed: list[ev.Event] = []
        self._patience = Backoff(RETRY_SECONDS, MOST_RETRY_SECONDS)
        self._answers: dict[str, Future[Answer]] = {}
        self._stepping: set[str] = set()
        self._deferred: set[str] = set()
        self._stopping = threading.Event()
        self._now = clock()
        self.offers_timer = Timer()
        self.events = EventLog()
        self._events_of: dict[str, EventLog] = {}
        for entry in core.journalled():
            self._publish(entry)
        self.view: V = core.view(self._now)

    # -- from other threads -------------------------------------------------------------------

    def post(self, event: ev.Event) -> None:
        """Queue an event; safe from any thread."""
        self._queue.put(event)

    def command(
        self,
        verb: ev.Verb,
        target: str,
        phase: str | None = None,
        step: str | None = None,
        parameters: Mapping[str, str] | None = None,
        by: str = "",
        service: str = "",
    ) -> "Future[Answer]":
        """Queue an operator's command; the future holds its answer once it is stored."""
        return self.order(
            lambda id_: ev.Command(
                id_, verb, target, phase, step, parameters or {}, by, service=service
            )
        )

    def order(self, make: Callable[[str], ev.Command | ev.HostService]) -> "Future[Answer]":
        """Queue what `make` makes of an id; the future holds its answer once it is stored."""
        id_ = self._new_id()
        future: Future[Answer] = Future()
        self._answers[id_] = future
        self.post(make(id_))
        return future

    def events_of(self, service: str) -> EventLog:
        """What happened lately to one service of many. Safe from any thread."""
        return self._events_of.setdefault(service, EventLog())

    def stop(self) -> None:
        """Have `run` return after the cycle under way; tasks run on."""
        self._stopping.set()
        self._queue.put(None)

    # -- the loop -----------------------------------------------------------------------------

    def run(self) -> None:
        """Cycle until stopped. Whatever the store raises ends it: it must not act any more."""
        try:
            while True:
                batch = self._batch()
                if batch is None:
                    return
                self.cycle(batch)
        finally:
            for id_, future in self._answers.items():
                if id_ not in self._stepping:  # it was not taken up, and nobody will any more
                    future.cancel()

    def _batch(self) -> list[ev.Event] | None:
        """Everything that happened since; after a second without anything, a tick.

        What failed is taken up after a while, a longer one as long as nothing else is sent: a
        master that takes no calls is not asked without a pause, until its silence is noticed.
        """
        batch: list[ev.Event] = []
        try:
            wait = self._patience.next() if self._failed else TICK_SECONDS
            first = self._queue.get(timeout=wait)
            while first is not None:
                batch.append(first)
                first = self._queue.get_nowait()
            return None
        except queue.Empty:
            return batch or [ev.Tick()]

    def cycle(self, events: Iterable[ev.Event]) -> None:
        """One step of the core, its records stored, then its calls and acknowledgements sent."""
        taken = [*self._failed, *self._look_for_secrets(), *events]
        self._failed = []
        orders = (ev.Command, ev.HostService)
        self._stepping = {event.id for event in taken if isinstance(event, orders)}
        self._stepping |= self._deferred  # each step may carry them out
        self._now = self._time()
        started = time.perf_counter()
        effects = self._core.step(taken, self._now)
        writes = [(e.path, e.data) for e in effects if isinstance(e, ef.Write)]
        if writes:
            self._commit(writes)
        if any(isinstance(effect, ef.Wipe) for effect in effects):
            self._patiently(self._store.wipe)
        self.view = self._core.view(self._now)
        for effect in effects:
            self._publish(effect)
        sent = self._send(effects)
        seconds = time.perf_counter() - started
        if any(isinstance(event, ev.OffersReceived) for event in taken):
            self.offers_timer.note(seconds, self._now)
        self._deferred = {id_ for id_ in self._stepping if id_ in self._answers}
        self._stepping = set()
        self._tell(taken, effects, len(writes), sent, seconds)

    def _time(self) -> float:
        return self._began + self._steady()

    def _look_for_secrets(self) -> Iterable[ev.Event]:
        """Tell the core when other secrets are missing than before."""
        shortage = self._delivery.shortage(needs(self.view.configs.values()))
        if shortage != self._shortage:
            self._shortage = shortage
            yield ev.ShortageChanged(shortage)

    def _commit(self, writes: Writes) -> None:
        """Store before anything is sent."""
        self._patiently(lambda: self._store.commit(writes))

    def _patiently(self, change: Callable[[], None]) -> None:
        """Change the store. While that is away the scheduler stands still."""
        told = False
        while True:
            try:
                change()
            except StoreUnavailable as error:
                if self._stopping.is_set():
                    raise  # nothing of this cycle was stored, nothing is sent
                if not told:
                    log.warning("standing still, tasks run on", reason=str(error))
                    told = True
                self._pause(RETRY_SECONDS)
            else:
                if told:
                    log.info("the store is back; going on")
                return

    def _publish(self, effect: ef.Effect) -> None:
        match effect:
            case ef.Decision(text, service):
                self.events.append(Kind.DECISION, self._now, _told_of(service, text))
                if service:
                    self.events_of(service).append(Kind.DECISION, self._now, text)
            case ef.Journalled(at, by, what, status, text, service):
                told = partial(
                    EventLog.append, kind=Kind.COMMAND, at=at, by=by, what=what, status=status
                )
                told(self.events, text=_told_of(service, text))
                if service:
                    told(self.events_of(service), text=text)
            case _:
                pass

    def _send(self, effects: Sequence[ef.Effect]) -> int:
        sent = 0
        acks: list[ef.Ack] = []
        for effect in effects:
            match effect:
                case ef.Write() | ef.Wipe() | ef.Decision() | ef.Journalled():
                    pass
                case ef.Acknowledge() | ef.AcknowledgeOperation():
                    acks.append(effect)
                case ef.RotateAuthority(signer):
                    self._delivery.rotate(
                        signer, lambda record: self._commit([(AUTHORITY_PATH, record)])
                    )
                case ef.Reply():
                    future = self._answers.pop(effect.id, None)
                    if future is not None:
                        future.set_result(Answer(effect.status, dict(effect.body)))
                case ef.InspectAgent() | ef.AskDisruption():
                    self._ask(effect)
                case _:
                    self._call(effect)
                    sent += 1
        for ack in acks:
            # A lost acknowledgement needs no care: the agent sends the status again.
            self._link.call(message_of(ack))
        return sent

    def _call(self, call: ef.Call) -> None:
        if isinstance(call, ef.Accept):
            try:
                # From here on there are secrets in it: it is sent, and never kept or shown.
                operations = self._delivery.filled(call.operations)
            except Unavailable as error:
                self._failed.append(ev.CallFailed(call, str(error), sent=False))
                return
            message = calls.accept(call.offer_ids, operations, call.refuse_seconds)
            result = self._link.call(message)
        elif isinstance(call, ef.Teardown):
            result = self._link.teardown()
            if result.outcome is Outcome.SENT:
                self._failed.append(ev.FrameworkRemoved())
        elif isinstance(call, ef.UpdateFramework):
            result = self._link.update_framework()
        else:
            result = self._link.call(message_of(call))
        if result.outcome is Outcome.SENT:
            self._patience.reset()
        else:
            unknown = result.outcome is Outcome.UNKNOWN
            self._failed.append(ev.CallFailed(call, result.reason, sent=unknown))

    def _tell(
        self,
        events: Sequence[ev.Event],
        effects: Sequence[ef.Effect],
        writes: int,
        sent: int,
        seconds: float,
    ) -> None:
        """One line per cycle: what was decided, or what was done without deciding anything.

        What an operator must hear of has a line of its own, as a warning.
        """
        made = [effect for effect in effects if isinstance(effect, ef.Decision)]
        for warning in (each for each in made if each.warning):
            log.warning(_told_of(warning.service, warning.text))
        decisions = [_told_of(each.service, each.text) for each in made if not each.warning]
        calls_made = [type(e).__name__.lower() for e in effects if isinstance(e, ef.CALL_TYPES)]
        if not decisions and not writes and not sent:
            return
        log.info(
            "; ".join(decisions or calls_made) or "noted",
            events=len(events),
            writes=writes,
            calls=sent,
            ms=round(seconds * 1000, 1),
        )


def _told_of(service: str, text: str) -> str:
    return f"{service}: {text}" if service else text


def message_of(effect: ef.Worded | ef.Ack) -> dict[str, Any]:
    """The v1 call of an effect."""
    match effect:
        case ef.Accept(offer_ids, operations, refuse_seconds):
            return calls.accept(offer_ids, operations, refuse_seconds)
        case ef.Decline(offer_ids, refuse_seconds):
            return calls.decline(offer_ids, refuse_seconds)
        case ef.AcceptInverse(offer_ids, refuse_seconds):
            return calls.accept_inverse_offers(offer_ids, refuse_seconds)
        case ef.DeclineInverse(offer_ids, refuse_seconds):
            return calls.decline_inverse_offers(offer_ids, refuse_seconds)
        case ef.Suppress(roles):
            return calls.suppress(roles)
        case ef.Revive(roles):
            return calls.revive(roles)
        case ef.Kill(task_id, agent_id):
            return calls.kill(task_id, agent_id)
        case ef.Teardown():
            return calls.teardown()
        case ef.Reconcile(tasks):
            return calls.reconcile(tasks)
        case ef.Acknowledge(task_id, agent_id, uuid):
            return calls.acknowledge(task_id, agent_id, uuid)
        case ef.AcknowledgeOperation(operation_id, uuid, agent_id, provider):
            return calls.acknowledge_operation(operation_id, uuid, agent_id, provider)
