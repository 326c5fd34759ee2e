"""The executor's side of the v1 executor API: subscription, calls, and what to do when it breaks.

Calls go out one at a time, so updates keep their order, each on a connection of its own, so an
agent needs no HEARTBEAT calls from here (executor.proto: on persistent connections only).
"""

from __future__ import annotations

import json
import random
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Dict, Protocol

from holdfast_executor.connection import Post, json_request
from holdfast_executor.reactor import Reactor, Timer
from holdfast_executor.settings import Settings
from holdfast_executor.stream import RecordParser, StreamError
from holdfast_executor.updates import UpdateLog

if TYPE_CHECKING:
    from holdfast_executor.tls import Tls

Message = Dict[str, Any]

ANSWER_TIMEOUT = 30.0
FIRST_BACKOFF = 0.25
RETRYABLE = (404, 408, 429)
"""4xx answers to SUBSCRIBE that an agent gives while starting; others mean it does not know us."""


class Listener(Protocol):
    """Who acts on what the agent says."""

    def on_event(self, event: Message) -> None:
        """An event other than SUBSCRIBED and HEARTBEAT."""

    def on_subscribed(self, subscribed: Message) -> None:
        """A subscription begins or begins again."""

    def on_abandoned(self, reason: str) -> None:
        """The agent will not come back for this executor: stop everything."""


class AgentLink:
    """Keeps one subscription alive and delivers status updates until acknowledged."""

    def __init__(
        self,
        reactor: Reactor,
        settings: Settings,
        tls: Tls | None,
        updates: UpdateLog,
        listener: Listener,
        log: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._tls = tls
        self._updates = updates
        self._listener = listener
        self._log = log
        self._subscription: Post | None = None
        self._records = RecordParser()
        self._refusal = b""
        self._subscribed = False
        self._failures = 0
        self._retry: Timer | None = None
        self._recovery: Timer | None = None
        self._resend: Timer | None = None
        self._calls: deque[Message] = deque()
        self._call: Post | None = None
        self._in_subscribe: list[Message] = []
        self._closed = False

    def start(self) -> None:
        """Subscribe; from the first failure on, the recovery timeout runs until it succeeds."""
        self._subscribe()

    def close(self) -> None:
        """Drop all connections; nothing is called back afterwards."""
        self._closed = True
        self._subscribed = False
        for timer in (self._retry, self._recovery, self._resend):
            if timer is not None:
                timer.cancel()
        for post in (self._subscription, self._call):
            if post is not None:
                post.close()

    def send_update(self, status: Message) -> None:
        """Record a TaskStatus and send it now if subscribed, else with the next SUBSCRIBE."""
        self._updates.add(status, self._reactor.now())
        if self._subscribed:
            self._queue_update(status)
        self._schedule_resend()

    def acknowledged(self, task_id: str, uuid: str) -> None:
        """The agent has an update for good."""
        self._updates.acknowledged(task_id, uuid)
        self._schedule_resend()

    # Subscription

    def _subscribe(self) -> None:
        self._records = RecordParser()
        self._refusal = b""
        call = self._message("SUBSCRIBE")
        self._in_subscribe = self._updates.unacknowledged_updates()
        call["subscribe"] = {
            "unacknowledged_tasks": self._updates.unacknowledged_tasks(),
            "unacknowledged_updates": [{"status": status} for status in self._in_subscribe],
        }
        self._updates.subscribed(self._reactor.now())
        self._subscription = Post(
            self._reactor,
            (self._settings.host, self._settings.port),
            self._request(call),
            self._on_stream,
            self._on_stream_end,
            ANSWER_TIMEOUT,
            whole=False,
            tls=self._tls,
        )

    def _on_stream(self, status: int, body: bytes) -> None:
        if status != 200:
            self._refusal = (self._refusal + body)[:300]
            return
        try:
            records = self._records.feed(body)
        except StreamError as error:
            self._resubscribe(f"the event stream is broken: {error}")
            return
        for record in records:
            if not self._closed:
                self._on_record(json.loads(record))

    def _on_record(self, event: Message) -> None:
        kind = event.get("type")
        if kind == "SUBSCRIBED":
            self._subscribed = True
            self._failures = 0
            if self._recovery is not None:
                self._recovery.cancel()
                self._recovery = None
            for status in self._updates.unacknowledged_updates():
                if status not in self._in_subscribe:
                    self._queue_update(status)
            self._schedule_resend()
            self._listener.on_subscribed(event.get("subscribed", {}))
        elif kind != "HEARTBEAT":
            self._listener.on_event(event)

    def _on_stream_end(self, status: int | None, error: str | None) -> None:
        self._subscription = None
        if status is None or status == 200:
            self._lost(error or "the agent ended the subscription")
            return
        text = self._refusal.decode("utf-8", "replace").strip()
        reason = f"the agent answered SUBSCRIBE with {status}: {text}"
        if 400 <= status < 500 and status not in RETRYABLE:
            self._listener.on_abandoned(reason)
        else:
            self._lost(reason)

    def _resubscribe(self, reason: str) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
            self._lost(reason)

    def _lost(self, reason: str) -> None:
        """Without checkpointing the agent that comes back knows nothing of us: stop at once."""
        if self._failures == 0:
            self._log(f"lost the agent: {reason}")
        self._subscribed = False
        self._calls.clear()
        if not self._settings.checkpoint:
            self._listener.on_abandoned(f"{reason}; the framework does not checkpoint")
            return
        if self._recovery is None:
            self._recovery = self._reactor.call_later(
                self._settings.recovery_timeout, self._recovery_timed_out
            )
        self._retry = self._reactor.call_later(self._backoff(), self._subscribe)
        self._failures += 1

    def _backoff(self) -> float:
        """A quarter of the agent's limit at most: a started agent waits for us that long, then
        takes the executor for dead and kills it, so several attempts must fit in."""
        longest = min(FIRST_BACKOFF * 2.0 ** min(self._failures, 8), self._settings.backoff_max / 4)
        return longest * random.uniform(0.2, 1.0)

    def _recovery_timed_out(self) -> None:
        seconds = self._settings.recovery_timeout
        self._listener.on_abandoned(f"no agent within the recovery timeout of {seconds:g} s")

    # Calls

    def _queue_update(self, status: Message) -> None:
        call = self._message("UPDATE")
        call["update"] = {"status": status}
        self._calls.append(call)
        self._next_call()

    def _next_call(self) -> None:
        if self._call is None and self._calls and self._subscribed:
            self._call = Post(
                self._reactor,
                (self._settings.host, self._settings.port),
                self._request(self._calls.popleft()),
                lambda status, body: None,
                self._on_call_end,
                ANSWER_TIMEOUT,
                whole=True,
                tls=self._tls,
            )

    def _on_call_end(self, status: int | None, error: str | None) -> None:
        """A call that failed is not repeated here: the update log sends it again."""
        self._call = None
        if status == 403:
            self._resubscribe("the agent says this executor is not subscribed")
        elif status != 202:
            self._log(f"UPDATE not taken, will be sent again: {error or status}")
        self._next_call()

    def _schedule_resend(self) -> None:
        if self._resend is not None:
            self._resend.cancel()
            self._resend = None
        due = self._updates.next_due()
        if due is not None and self._subscribed:
            self._resend = self._reactor.call_later(due - self._reactor.now(), self._send_due)

    def _send_due(self) -> None:
        for status in self._updates.due(self._reactor.now()):
            self._queue_update(status)
        self._schedule_resend()

    # Wire format

    def _message(self, kind: str) -> Message:
        return {
            "type": kind,
            "framework_id": {"value": self._settings.framework_id},
            "executor_id": {"value": self._settings.executor_id},
        }

    def _request(self, call: Message) -> bytes:
        headers = ["Accept: application/json"]
        if call["type"] != "SUBSCRIBE":
            headers.append("Connection: close")
        return json_request(self._settings, self._settings.path, call, headers)
