"""The framework's connection to the leading master: one subscription, kept up for ever.

https://mesos.apache.org/documentation/latest/scheduler-http-api/
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

import orjson

from holdfast.mesos import calls
from holdfast.mesos.access import Access
from holdfast.mesos.backoff import Backoff
from holdfast.mesos.channel import SENT, CallChannel, CallResult, Outcome, rejected
from holdfast.mesos.leader import LeaderDetector, MasterAddressError
from holdfast.mesos.messages import (
    InverseOffer,
    Json,
    MasterInfo,
    Offer,
    OperationStatus,
    TaskStatus,
)
from holdfast.mesos.parse import (
    ParseError,
    parse_inverse_offers,
    parse_master,
    parse_offers,
    parse_operation_status,
    parse_task_status,
)
from holdfast.mesos.service_account import LoginRefused
from holdfast.mesos.stream import Answer, EventStream, StreamEnded

SCHEDULER_PATH = "/api/v1/scheduler"
MISSED_HEARTBEATS = 5
MASTER_HEARTBEAT_SECONDS = 15.0
"""What every Mesos master uses; assumed until SUBSCRIBED tells the interval."""

_LEADER_WAIT_SECONDS = 5.0
_MOST_REDIRECTS = 3
_log = logging.getLogger(__name__)


class SchedulerListener(Protocol):
    """Takes what the master tells, from the subscription's thread; it should return at once."""

    def subscribed(self, framework_id: str, master: MasterInfo) -> None:
        """First contact, or again after `disconnected`."""
        ...

    def disconnected(self, reason: str) -> None:
        """The subscription ended and will be renewed; outstanding offers are void."""
        ...

    def waiting(self, reason: str) -> None:
        """An attempt to subscribe failed; the next one follows by itself."""
        ...

    def offers(self, offers: tuple[Offer, ...]) -> None: ...

    def rescinded(self, offer_id: str) -> None: ...

    def inverse_offers(self, offers: tuple[InverseOffer, ...]) -> None: ...

    def inverse_rescinded(self, offer_id: str) -> None: ...

    def status(self, status: TaskStatus) -> None: ...

    def operation_status(self, status: OperationStatus) -> None: ...

    def agent_failed(self, agent_id: str, executor_id: str | None) -> None: ...

    def failed_over(self, message: str) -> None:
        """Final: another scheduler subscribed with our framework id. The process should exit."""
        ...

    def removed(self, message: str) -> None:
        """Final: the master knows that this framework was torn down, or given up."""
        ...

    def fatal(self, message: str) -> None:
        """Final: the master refuses this framework. The process should exit; tasks run on."""
        ...


@dataclass(frozen=True, slots=True)
class _Subscription:
    url: str
    stream_id: str
    framework_id: str


class SchedulerConnection:
    """Keeps one subscription to the leading master and sends calls to it.

    `info`, which makes the FrameworkInfo, and `suppressed_roles` are asked at each subscription.
    The connection owns the detector. Only `teardown` ever ends the framework: losing or stopping
    the connection leaves all tasks running.
    """

    def __init__(
        self,
        info: Callable[[], Mapping[str, Any]],
        detector: LeaderDetector,
        listener: SchedulerListener,
        *,
        framework_id: str | None = None,
        suppressed_roles: Callable[[], Sequence[str]] = tuple,
        access: Access | None = None,
        backoff: Backoff | None = None,
        steady_after: float = 15.0,
    ) -> None:
        self._info = info
        self._detector = detector
        self._listener = listener
        self._framework_id = framework_id
        self._suppressed_roles = suppressed_roles
        self._access = access or Access()
        self._backoff = backoff or Backoff()
        self._steady_after = steady_after
        self._channel = CallChannel(self._access)
        self._subscription: _Subscription | None = None
        self._stream: EventStream | None = None
        self._target: str | None = None
        self._stopped = threading.Event()
        self._final: str | None = None
        self._told: Mapping[str, Any] = {}
        self._thread = threading.Thread(target=self._run, name="mesos-events", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the master currently knows us; never blocks."""
        return self._subscription is not None

    @property
    def master_url(self) -> str | None:
        """The base of the API of the master that knows us; None without a subscription."""
        subscription = self._subscription
        return subscription.url.removesuffix(SCHEDULER_PATH) if subscription else None

    @property
    def framework_id(self) -> str | None:
        return self._framework_id

    def start(self) -> None:
        """Begin subscribing, in a thread of its own."""
        self._detector.watch(self._leader_changed)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End the subscription without ending the framework; waits up to `timeout` seconds."""
        self._stopped.set()
        self._detector.close()
        self._interrupt("the scheduler stops")
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self._channel.close()

    def call(self, message: Mapping[str, Any]) -> CallResult:
        """Send one call of `holdfast.mesos.calls`; safe from any thread.

        Without a subscription the answer is REJECTED and nothing is sent.
        """
        subscription = self._subscription
        if subscription is None:
            return rejected(self._final or "not subscribed to a master")
        result = self._channel.send(
            subscription.url,
            subscription.stream_id,
            {**message, "framework_id": {"value": subscription.framework_id}},
        )
        if result.stale and self._subscription is subscription:
            self._interrupt(f"the master no longer knows the subscription ({result.reason})")
        return result

    def teardown(self) -> CallResult:
        """End the framework: the master kills every task of it. Uninstall's last step only.

        When the call was SENT, the connection ends for good.
        """
        result = self.call(calls.teardown())
        if result.outcome is Outcome.SENT:
            self._final = "the framework was torn down"
            self.stop()
        return result

    def update_framework(self) -> CallResult:
        """Tell the master the FrameworkInfo and the suppressed roles of now, if it has another.

        A master that does not take that, as before Mesos 1.9, is subscribed to anew.
        """
        subscription, info = self._subscription, self._info()
        if subscription is None or info == self._told:
            return SENT if subscription else rejected("not subscribed to a master")
        message = calls.update_framework(info, subscription.framework_id, self._suppressed_roles())
        result = self._channel.send(
            subscription.url,
            subscription.stream_id,
            {**message, "framework_id": {"value": subscription.framework_id}},
        )
        if result.outcome is Outcome.SENT:
            self._told = info
        elif "authoriz" in result.reason.lower():
            pass  # to subscribe with a role that is not allowed would end the framework's scheduler
        elif result.outcome is Outcome.REJECTED and self._subscription is subscription:
            self._interrupt(f"the roles of the framework changed ({result.reason})")
        return result

    def _run(self) -> None:
        try:
            self._subscribe_for_ever()
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine must hear of it
            _log.exception("the connection to the Mesos master failed")
            self._end(f"The connection to the Mesos master failed: {error!r}", None)

    def _subscribe_for_ever(self) -> None:
        tried: MasterInfo | None = None
        wait = _LEADER_WAIT_SECONDS
        while not self._stopped.is_set():
            try:
                master = self._detector.detect(tried, wait)
            except LoginRefused as error:
                self._deny(str(error))
                return
            except MasterAddressError as error:
                self._listener.waiting(str(error))
                tried, wait = None, _LEADER_WAIT_SECONDS
                continue
            if master is None:
                return
            if tried is not None and master != tried:
                self._backoff.reset()
            tried = master
            reason, lived = self._attempt(master)
            if self._stopped.is_set():
                return
            if lived >= self._steady_after:
                self._backoff.reset()
            wait = self._backoff.next()
            _log.info("not subscribed to %s: %s; again in %.1f s", master.url, reason, wait)

    def _attempt(self, master: MasterInfo) -> tuple[str, float]:
        """One subscription from its beginning to its end: why it ended, seconds it lasted."""
        began = None
        self._target = master.url
        try:
            url, answer = self._open(master.url)
            began = time.monotonic()
            self._read(url, answer)
        except StreamEnded as end:
            reason = str(end)
        except LoginRefused as error:
            reason = str(error)
            self._deny(reason)
        finally:
            stream, self._stream = self._stream, None
            if stream is not None:
                stream.close()
        lived = time.monotonic() - began if began is not None else 0.0
        subscribed, self._subscription = self._subscription, None
        if self._stopped.is_set():
            return reason, lived
        if subscribed is not None:
            self._listener.disconnected(reason)
        else:
            self._listener.waiting(f"Not subscribed to the Mesos master {master.url}: {reason}.")
        return reason, lived

    def _open(self, url: str) -> tuple[str, Answer]:
        """Subscribe at the master `url` or where it redirects to: that master's URL, its answer."""
        self._told = self._info()
        message = calls.subscribe(self._told, self._framework_id, self._suppressed_roles())
        for _ in range(_MOST_REDIRECTS + 1):
            stream = self._stream = EventStream(self._access)
            if self._stopped.is_set():
                raise StreamEnded("the scheduler stops")
            answer = stream.open(
                url + SCHEDULER_PATH, message, MISSED_HEARTBEATS * MASTER_HEARTBEAT_SECONDS
            )
            if answer.status == 200:
                return url, answer
            if answer.status == 401:
                self._deny(f"it does not accept our credentials (HTTP 401: {answer.reason})")
            if answer.status != 307:
                raise StreamEnded(f"HTTP {answer.status}: {answer.reason}")
            target = urlsplit(answer.location)
            if not target.netloc:
                raise StreamEnded(f"redirected to {answer.location!r}, which names no master")
            url = f"{target.scheme or urlsplit(url).scheme}://{target.netloc}"
            stream.close()
        raise StreamEnded(f"redirected more than {_MOST_REDIRECTS} times, at last to {url}")

    def _read(self, url: str, answer: Answer) -> NoReturn:
        """Deliver events until the stream ends."""
        assert self._stream is not None
        for record in self._stream.records():
            try:
                event = orjson.loads(record)
                deliver = self._understand(event, url, answer)
            except (ParseError, KeyError, TypeError, ValueError) as error:
                if self._subscription is None:
                    raise StreamEnded(f"no SUBSCRIBED event but {record[:200]!r}") from error
                _log.error("skipped an event of the master: %s: %.2000r", error, record)
                continue
            deliver()
            if self._stopped.is_set():
                raise StreamEnded("the scheduler stops")
        raise AssertionError("records() ends with StreamEnded only")

    def _understand(self, event: Json, url: str, answer: Answer) -> Callable[[], None]:
        """Parse an event; the result delivers it. Errors of the two must not be confused."""
        listener = self._listener
        kind = event["type"]
        if kind == "HEARTBEAT":
            return _nothing
        if kind == "OFFERS":
            return partial(listener.offers, parse_offers(event))
        if kind == "UPDATE":
            return partial(listener.status, parse_task_status(event["update"]["status"]))
        if kind == "UPDATE_OPERATION_STATUS":
            status = parse_operation_status(event["update_operation_status"]["status"])
            return partial(listener.operation_status, status)
        if kind == "RESCIND":
            return partial(listener.rescinded, event["rescind"]["offer_id"]["value"])
        if kind == "INVERSE_OFFERS":
            return partial(listener.inverse_offers, parse_inverse_offers(event))
        if kind == "RESCIND_INVERSE_OFFER":
            rescinded = event["rescind_inverse_offer"]["inverse_offer_id"]["value"]
            return partial(listener.inverse_rescinded, rescinded)
        if kind == "FAILURE":
            return self._failure(event["failure"])
        if kind == "ERROR":
            return partial(self._refused, event["error"].get("message", ""))
        if kind == "SUBSCRIBED":
            body = event["subscribed"]
            master = parse_master(body.get("master_info", {}), url=url)
            interval = float(body.get("heartbeat_interval_seconds", MASTER_HEARTBEAT_SECONDS))
            subscription = _Subscription(
                url + SCHEDULER_PATH, answer.stream_id, body["framework_id"]["value"]
            )
            return partial(self._subscribed, subscription, master, interval)
        _log.debug("event of type %s not used", kind)
        return _nothing

    def _subscribed(self, subscription: _Subscription, master: MasterInfo, beat: float) -> None:
        if self._stream is not None:
            self._stream.limit_silence(MISSED_HEARTBEATS * beat)
        self._framework_id = subscription.framework_id
        self._subscription = subscription
        self._listener.subscribed(subscription.framework_id, master)

    def _failure(self, body: Json) -> Callable[[], None]:
        executor = body.get("executor_id")
        return partial(
            self._listener.agent_failed,
            body["agent_id"]["value"],
            executor["value"] if executor else None,
        )

    def _refused(self, message: str) -> NoReturn:
        """An ERROR event is final: to subscribe again would evict the scheduler that took over."""
        lowered = message.lower()
        if "failed over" in lowered:
            self._end(
                f"Another scheduler took over framework {self._framework_id} (the master says: "
                f"{message}). This one stops; tasks run on under the other.",
                self._listener.failed_over,
            )
        elif "removed" in lowered or "torn down" in lowered:
            self._end(
                f"The Mesos master no longer accepts framework {self._framework_id} ({message}): "
                "it was torn down, or no scheduler was connected for longer than its failover "
                "timeout. Its tasks have been killed; reservations and volumes, with their data, "
                "are still on the agents. Nothing is started under a new id by itself.",
                self._listener.removed,
            )
        else:
            self._end(f"The Mesos master refuses this framework: {message}", None)
        raise StreamEnded(message)

    def _deny(self, why: str) -> None:
        """Wrong credentials do not become right by repetition, and may lock an account."""
        self._end(
            f"The Mesos master {self._target or ''} refuses this scheduler: {why}. Nothing is "
            "launched or changed until it is started with credentials that are accepted; tasks "
            "run on. They are scheduler.principal with --principal-secret-file, or a service "
            "account.",
            None,
        )

    def _end(self, message: str, tell: Callable[[str], None] | None) -> None:
        self._final = message
        self._subscription = None
        self._stopped.set()
        self._detector.close()
        (tell or self._listener.fatal)(message)

    def _leader_changed(self, leader: MasterInfo | None) -> None:
        """News from the detector: do not wait for the old leader's connection to time out."""
        if leader is not None and leader.url != self._target:
            self._interrupt(f"{leader.url} leads now")

    def _interrupt(self, reason: str) -> None:
        stream = self._stream
        if stream is not None:
            stream.interrupt(reason)


def _nothing() -> None:
    """How an event without consequences is delivered."""
