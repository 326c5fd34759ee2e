"""A scheduler process of the simulation: the real core and engine on a simulated wire and store."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.core import Core
from holdfast.core.launch import LaunchSettings
from holdfast.core.startup import Stored, open_ledger, open_uninstall
from holdfast.engine import Answer, Engine
from holdfast.mesos.channel import SENT, CallResult, Outcome, rejected, unknown
from holdfast.mesos.messages import MasterInfo
from holdfast.mesos.parse import parse_inverse_offers, parse_offer, parse_task_status
from holdfast.service.model import ServiceSpec
from holdfast.state.memory import MemoryStore
from holdfast.state.store import LAST_RECORD, Fenced, LeadershipLost, StoreUnavailable, Writes
from tests.simulation.agent import REGION
from tests.simulation.clock import START, Clock
from tests.simulation.disruption_judge import Coordinator
from tests.simulation.mesos import Master

SETTINGS = LaunchSettings("http://scheduler/executor.pyz", "scheduler", 8080)
SILENCE_SECONDS = 75.0
"""Five heartbeats: how long a scheduler believes in a silent stream."""

QUIET_SECONDS = 15.0
IDLE_TICK_SECONDS = 4.0


class Crash(BaseException):
    """The scheduler's process dies here. Not an Exception: no handler may survive it."""


class Records:
    """The records in ZooKeeper with their epoch, shared by all scheduler processes."""

    def __init__(self) -> None:
        self.raw: dict[str, bytes] = {}
        self.epoch = 0
        self.away_until = 0.0
        self.slow_until = 0.0
        self.stale_writes: list[str] = []
        self.recorded_tasks: dict[str, float] = {}
        self.recorded_intents: set[str] = set()
        self.recorded_volumes: set[str] = set()
        self.watch: Callable[[Writes], None] = lambda writes: None

    def note(self, writes: Writes, now: float) -> None:
        """Remember what was ever stored, and tasks since when, for whoever judges what is sent."""
        for path, data in writes:
            if data is not None and path.startswith(("pods/", "retired/")) and data["reservation"]:
                self.recorded_volumes |= {volume[0] for volume in data["reservation"]["volumes"]}
            if data is not None and path.startswith("pods/"):
                for task in data["tasks"]:
                    self.recorded_tasks.setdefault(task["id"], now)
            elif data is not None and path.startswith("intents/"):
                self.recorded_intents.add(data["volume_id"])
        self.watch(writes)


class FencedStore(MemoryStore):
    """One scheduler's hold on the records; only the newest may write."""

    fence = True

    def __init__(
        self,
        shared: Records,
        clock: Clock,
        boundary: Callable[[], None],
        pause: Callable[[float], None],
    ) -> None:
        super().__init__(shared.raw)
        shared.epoch += 1
        self.epoch = shared.epoch
        self._shared = shared
        self._clock = clock
        self._boundary = boundary
        self._pause = pause

    def commit(self, writes: Writes) -> None:
        self._boundary()
        if self._clock.now < self._shared.slow_until:
            self._pause(self._clock.between(0.1, 4.0))
        if self._clock.now < self._shared.away_until:
            self.fail_next(StoreUnavailable("the simulated ZooKeeper is away"))
        elif self.epoch != self._shared.epoch:
            if self.fence:
                raise Fenced("another scheduler leads")
            self._shared.stale_writes.append(str([path for path, _ in writes]))
        before = self.commits
        try:
            super().commit(writes)
        finally:
            if self.commits > before:  # it is applied, whether or not that is told
                self._shared.note(writes, self._clock.now)
        self._boundary()

    def wipe(self) -> None:
        self._boundary()
        if self._clock.now < self._shared.away_until:
            self.fail_next(StoreUnavailable("the simulated ZooKeeper is away"))
        elif self.epoch != self._shared.epoch and self.fence:
            raise Fenced("another scheduler leads")
        last = self.records.get(LAST_RECORD)
        super().wipe()
        if last is not None:  # it is deleted after all others
            self.records[LAST_RECORD] = last
            self._boundary()
            del self.records[LAST_RECORD]
        self._boundary()


class Stream:
    """A subscription: events arrive in order, until it breaks."""

    def __init__(self, owner: "Scheduler", clock: Clock, stream_id: str) -> None:
        self.open = True
        self.heard = True
        self.subscribed = False
        self.stream_id = stream_id
        self._owner = owner
        self._clock = clock
        self._last = 0.0
        self._slow_until = 0.0

    def deliver(self, kind: str, body: Any) -> None:
        delay = self._clock.between(0.001, 0.05)
        if self._clock.now < self._slow_until:
            delay = self._clock.between(0.5, 8.0)
        self._last = max(self._last, self._clock.now + delay)
        self._clock.at(self._last, lambda: self._arrive(kind, body))

    def slow_down(self, seconds: float) -> None:
        self._slow_until = self._clock.now + seconds

    def _arrive(self, kind: str, body: Any) -> None:
        if self.heard:
            self._owner.hear(self, kind, body)


class Faults:
    """What is to go wrong at the next boundary or call; set by the fault plan."""

    def __init__(self) -> None:
        self.crash_in: int | None = None
        self.calls: list[tuple[str, float]] = []


class TracedCore(Core):
    """The core, telling its decisions to the trace."""

    log: Callable[[str], None]

    @classmethod
    def start(cls, stored: Stored, spec: ServiceSpec, new_id: Callable[[], str]) -> "TracedCore":
        """The core of a process that starts with these records and this definition."""
        ledger, errors = open_ledger(stored, spec)
        return cls(ledger, SETTINGS, new_id, errors)

    @classmethod
    def start_uninstall(
        cls, stored: Stored, spec: ServiceSpec, new_id: Callable[[], str], now: float
    ) -> "TracedCore":
        """The same with SDK_UNINSTALL in its environment."""
        return cls(open_uninstall(stored, spec, now), SETTINGS, new_id)

    def step(self, events: Any, now: float) -> list[ef.Effect]:
        effects = super().step(events, now)
        for effect in effects:
            if isinstance(effect, ef.Decision):
                self.log(effect.text)
            elif isinstance(effect, ef.Reply):
                self.log(f"reply {effect.status}: {effect.body['message']}")
        return effects


class Scheduler:
    """A process from its start to its end; `alive` in between."""

    core_type = TracedCore
    core: TracedCore
    engine: Engine

    def __init__(
        self,
        name: str,
        clock: Clock,
        master: Master,
        records: Records,
        spec: ServiceSpec,
        log: Callable[[str], None],
        on_exit: Callable[["Scheduler", str], None],
        coordinator: Coordinator,
        uninstall: bool = False,
    ) -> None:
        self.name = name
        self.alive = True
        self.faults = Faults()
        self.subscribed_at = -1e9
        self.offered: dict[str, deque[tuple[float, float, float]]] = {}
        """By agent when, and how many cpus and MB nobody had, its core was offered lately."""
        self.heard: set[str] = set()
        self.questions: dict[str, float] = {}
        """The tasks heard of since it subscribed, and those it asks about, since when, or since
        it last did so in vain."""
        self._clock = clock
        self._master = master
        self._write = log
        self._on_exit = on_exit
        self._coordinator = coordinator
        self._skew = clock.between(-2.0, 2.0)
        self._inbox: list[ev.Event] = []
        self._busy = False
        self._scheduled = False
        self._dying = False
        self._stream: Stream | None = None
        self.decided_at = self._last_cycle = self._last_event = clock.now
        self.store = FencedStore(records, clock, self._boundary, self._pause)
        self._over = False
        self._open(self.store.load(), spec, uninstall)
        self._log("starts")
        self._connect_soon(0.1, 1.0)
        self._tick()

    def _open(self, stored: Stored, spec: ServiceSpec, uninstall: bool) -> None:
        """Go on from the records."""
        if uninstall:
            self.core = self.core_type.start_uninstall(stored, spec, self._new_id, self._time())
        else:
            self.core = self.core_type.start(stored, spec, self._new_id)
        self.core.log = self._log
        self.engine = self._engine_of(self.core)
        ledger = self.core.ledger
        self._over = ledger.uninstalling is not None and ledger.framework_id is None

    def _engine_of(self, core: Any) -> Any:
        return Engine(
            *(core, self.store, self, self._new_id, self._ask),
            clock=self._time,
            steady=lambda: self._clock.now,
            pause=self._pause,
        )

    def _log(self, text: str) -> None:
        self._write(f"{self.name}: {text}")

    # -- what the engine is given -------------------------------------------------------------

    def _new_id(self) -> str:
        return self._clock.new_id()

    def _time(self) -> float:
        return START + self._clock.now + self._skew

    @property
    def clock_is_right(self) -> bool:
        """By and large, as clocks are."""
        return abs(self._skew) < 60.0

    @property
    def listens(self) -> bool:
        """Whether it can ask the master, and would hear of an answer."""
        stream = self._stream
        return (
            not self._busy
            and stream is not None
            and stream.subscribed
            and stream.heard
            and self._master.subscriber is stream
        )

    def set_clock(self, seconds: float) -> None:
        """The clock of its machine goes forwards, or back, by so much."""
        self._log(f"its clock is set by {seconds:+.0f} s")
        self._skew += seconds

    def _pause(self, seconds: float) -> None:
        self._clock.run_until(self._clock.now + seconds)
        if self._dying:
            raise Crash

    def _inspect(self, question: ef.InspectAgent) -> None:
        """The agent answers, or the connection to it fails, some time later."""

        def answer() -> None:
            if self.alive:
                self._log(f"asked {question.agent_id} what it can do")
                features = self._master.features(question.agent_id)
                reason = "" if features else "connection refused"
                self.post(ev.AgentInspected(question.agent_id, features, reason))

        self._clock.after(self._clock.between(0.01, 3.0), answer)

    def _ask(self, question: ef.Question) -> None:
        if isinstance(question, ef.InspectAgent):
            self._inspect(question)
        else:
            self._log(f"asks whether {question.question['pod']} may be stopped")
            self._coordinator.ask(question, self._told)

    def _told(self, answer: ev.DisruptionAnswered) -> None:
        if self.alive:
            self.post(answer)

    def call(self, message: Mapping[str, Any]) -> CallResult:
        self._boundary()
        result = self._call(message)
        self._boundary()
        return result

    def teardown(self) -> CallResult:
        result = self.call({"type": "TEARDOWN"})
        if result.outcome is Outcome.SENT:
            self._end_stream()
        return result

    def update_framework(self) -> CallResult:
        raise AssertionError("there is one service only")

    def _end_stream(self) -> None:
        """The framework is over: nothing more is heard, and no subscription tried."""
        self._over = True
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.heard = False

    def _call(self, message: Mapping[str, Any]) -> CallResult:
        stream = self._stream
        if stream is None or not stream.subscribed:
            return rejected("not subscribed to a master")
        fault, seconds = self.faults.calls.pop(0) if self.faults.calls else ("", 0.0)
        if message["type"] == "RECONCILE":
            answered = {e.status.task_id for e in self._inbox if isinstance(e, ev.StatusReceived)}
            for asked in message["reconcile"]["tasks"]:
                task_id = asked["task_id"]["value"]
                if task_id in answered:
                    continue  # asked before it took up the answer
                # One that may not arrive leaves the answer open for as long again.
                since = None if fault else self.questions.get(task_id)
                self.questions[task_id] = self._clock.now if since is None else since
        if fault:
            self._log(f"{message['type']} meets: {fault}")
        if fault == "slow":
            self._clock.run_until(self._clock.now + seconds)
            if self._dying:
                raise Crash
        if fault == "rejected":
            return rejected("HTTP 503: the master is busy")
        if fault == "lost":
            return unknown("no answer")
        if fault == "late":
            self._clock.after(seconds, lambda: self._arrives_late(stream, message))
            return unknown("no answer")
        if not self._master.up:
            return rejected("connection refused")
        if self._master.subscriber is not stream:
            self._lose_stream(stream, "the master no longer knows the subscription")
            return rejected("HTTP 403: not subscribed", stale=True)
        self._master.call(message)
        return unknown("no answer") if fault == "answer lost" else SENT

    def _arrives_late(self, stream: Stream, message: Mapping[str, Any]) -> None:
        if self._master.up and self._master.subscriber is stream:
            self._log(f"{message['type']} arrives late")
            self._master.call(message)

    def _boundary(self) -> None:
        """A place between two steps where the process may die."""
        if self.faults.crash_in is not None:
            self.faults.crash_in -= 1
            if self.faults.crash_in <= 0:
                raise Crash

    # -- the loop -----------------------------------------------------------------------------

    def post(self, event: ev.Event) -> None:
        self._last_event = self._clock.now
        self._inbox.append(event)
        self._cycle_soon(0.001, 0.05)

    def order(self, command: ev.Command | ev.HostService) -> "Future[Answer]":
        """An operator's command; it is answered once what came of it is stored."""
        answer: Future[Answer] = Future()
        self.engine._answers[command.id] = answer
        self.post(command)
        return answer

    def _cycle_soon(self, low: float, high: float) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._clock.after(self._clock.between(low, high), self._cycle)

    def _tick(self) -> None:
        """As often as the engine when something went on lately, and else not: it costs the most."""
        if not self.alive:
            return
        if not self._busy and not self._scheduled and self._clock.now - self._last_cycle >= 1.0:
            self._inbox.append(ev.Tick())
            self._scheduled = True
            self._cycle()
        quiet = self._clock.now - self._last_event >= QUIET_SECONDS
        self._clock.after(IDLE_TICK_SECONDS if quiet else 1.0, self._tick)

    def _note_offers(self, batch: Iterable[ev.Event]) -> None:
        for event in batch:
            for offer in event.offers if isinstance(event, ev.OffersReceived) else ():
                free = {"cpus": 0.0, "mem": 0.0}
                for resource in offer.resources:
                    if resource.role is None and resource.name in free:
                        free[resource.name] += resource.amount
                lately = self.offered.setdefault(offer.agent_id, deque(maxlen=50))
                lately.append((self._clock.now, free["cpus"], free["mem"]))

    def _cycle(self) -> None:
        self._scheduled = False
        if not self.alive or self._busy:
            return
        batch, self._inbox = self._inbox, []
        self._note_offers(batch)
        self._busy = True
        self.decided_at = self._last_cycle = self._clock.now
        try:
            self.engine.cycle(batch)
        except Crash:
            self._busy = False
            self.exit("crashed")
            return
        except LeadershipLost as lost:
            self._busy = False
            self.exit("fenced" if isinstance(lost, Fenced) else f"{lost}")
            return
        self._busy = False
        if self._dying:
            self.exit("crashed")
        elif self._inbox or self.failed_calls:
            self._cycle_soon(0.0, 0.01)

    @property
    def failed_calls(self) -> Sequence[ev.Event]:
        return self.engine._failed

    def die(self) -> None:
        """Kill the process; when it is within a cycle, at its next wait."""
        if self._busy:
            self._dying = True
        elif self.alive:
            self.exit("killed")

    def exit(self, reason: str) -> None:
        if not self.alive:
            return
        self.alive = False
        self._log(f"{reason}: process ends")
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.heard = False
            self._clock.after(
                self._clock.between(0.0, 0.5), lambda: self._master.unsubscribe(stream)
            )
        self._on_exit(self, reason)

    # -- the subscription ---------------------------------------------------------------------

    def _connect_soon(self, low: float, high: float) -> None:
        self._clock.after(self._clock.between(low, high), self._connect)

    def _connect(self) -> None:
        if not self.alive or self._stream is not None or self._over:
            return
        if not self._master.up:
            self._connect_soon(1.0, 4.0)
            return
        self._stream = Stream(self, self._clock, f"stream-{self._clock.new_id()}")
        self._subscribe(self._stream)

    def _deregisters(self) -> bool:
        return self.core.deregisters

    def _subscribe(self, stream: Stream) -> None:
        ledger, roles = self.core.ledger, self._master.allocator.roles
        suppressed = roles if self.core.suppressed else ()
        self._master.subscribe(stream, ledger.framework_id, roles, suppressed)

    def break_stream(self, half_open: bool) -> None:
        """The event stream breaks; half open, the scheduler finds out by missed heartbeats only."""
        stream = self._stream
        if stream is None:
            return
        if half_open:
            self._log("the event stream falls silent")
            stream.heard = False
            self._clock.after(
                SILENCE_SECONDS, lambda: self._lose_stream(stream, "five heartbeats missed")
            )
        else:
            self._master.unsubscribe(stream)
            self._lose_stream(stream, "connection reset")

    def slow_stream(self, seconds: float) -> None:
        if self._stream is not None:
            self._log("the event stream is slow")
            self._stream.slow_down(seconds)

    def master_gone(self) -> None:
        if self._stream is not None:
            stream = self._stream
            self._clock.after(
                self._clock.between(0.0, 3.0), lambda: self._lose_stream(stream, "the master left")
            )

    def _lose_stream(self, stream: Stream, reason: str) -> None:
        if self._stream is not stream:
            return
        self._stream = None
        stream.heard = False
        self._clock.after(self._clock.between(0.0, 1.0), lambda: self._master.unsubscribe(stream))
        if self.alive:
            self.post(ev.Disconnected(reason))
            self._connect_soon(0.5, 8.0)

    def hear(self, stream: Stream, kind: str, body: Any) -> None:
        if not self.alive or stream is not self._stream:
            return
        match kind:
            case "SUBSCRIBED":
                stream.subscribed = True
                self.subscribed_at = self._clock.now
                self.heard.clear()
                self.questions.clear()
                master = MasterInfo(
                    f"master-{self._master.generation}",
                    "http://master:5050",
                    "1.11.0",
                    region=REGION,
                )
                self.post(ev.Subscribed(body, master))
            case "OFFERS":
                self.post(ev.OffersReceived(tuple(parse_offer(offer) for offer in body)))
            case "INVERSE_OFFERS":
                asked = {"inverse_offers": {"inverse_offers": body}}
                self.post(ev.InverseOffersReceived(parse_inverse_offers(asked)))
            case "RESCIND_INVERSE_OFFER":
                self.post(ev.InverseOfferRescinded(body))
            case "RESCIND":
                self.post(ev.OfferRescinded(body))
            case "UPDATE":
                status = parse_task_status(body)
                self.heard.add(status.task_id)
                self.questions.pop(status.task_id, None)
                self.post(ev.StatusReceived(status))
            case "FAILURE":
                self.post(ev.AgentFailed(*body))
            case "ERROR" if "removed" in body and self._deregisters():
                self._end_stream()
                self.post(ev.FrameworkRemoved())
            case "ERROR":
                if self._busy:
                    self._dying = True
                else:
                    self.exit(f"ERROR {body}")
            case _:
                raise AssertionError(kind)
