"""Calls to the agent's v1 operator API, which launches, watches and kills nested containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable, Dict, NamedTuple

from holdfast_executor.connection import Post, json_request
from holdfast_executor.reactor import Reactor
from holdfast_executor.settings import Settings

if TYPE_CHECKING:
    from holdfast_executor.tls import Tls

Message = Dict[str, Any]

ANSWER_TIMEOUT = 30.0
AGENT_BUSY = (None, 408, 429, 503)
"""What an agent says while it starts; None is no answer at all."""


class Answer(NamedTuple):
    """`status` of HTTP, None without an answer; `text` is the body, or why there is none."""

    status: int | None
    text: str

    @property
    def agent_away(self) -> bool:
        """Whether the same call may be answered otherwise a little later."""
        return self.status in AGENT_BUSY

    @property
    def message(self) -> Message:
        """The body of a 200. ValueError when it is no JSON."""
        found: Message = json.loads(self.text)
        return found


class OperatorApi:
    """`abandoned` is set once no agent will answer any more."""

    def __init__(self, reactor: Reactor, settings: Settings, tls: Tls | None) -> None:
        self._reactor = reactor
        self._settings = settings
        self._tls = tls
        self.abandoned = False

    def call(
        self,
        message: Message,
        on_answer: Callable[[Answer], None],
        timeout: float | None = ANSWER_TIMEOUT,
    ) -> None:
        """One call; `timeout` None waits for its answer for ever."""
        body = bytearray()

        def on_end(status: int | None, error: str | None) -> None:
            if error is not None:
                on_answer(Answer(None, error))
            else:
                on_answer(Answer(status, body.decode("utf-8", "replace")))

        self._post(
            message,
            lambda status, data: body.extend(data),
            on_end,
            timeout,
            ["Accept: application/json", "Connection: close"],
            whole=True,
        )

    def stream(
        self,
        message: Message,
        on_body: Callable[[int, bytes], None],
        on_end: Callable[[int | None, str | None], None],
    ) -> Post:
        """A call answered by a stream of records; closing it ends what it started."""
        headers = ["Accept: application/recordio", "Message-Accept: application/json"]
        return self._post(message, on_body, on_end, ANSWER_TIMEOUT, headers, whole=False)

    def _post(
        self,
        message: Message,
        on_body: Callable[[int, bytes], None],
        on_end: Callable[[int | None, str | None], None],
        timeout: float | None,
        headers: list[str],
        whole: bool,
    ) -> Post:
        return Post(
            self._reactor,
            (self._settings.host, self._settings.port),
            json_request(self._settings, self._settings.operator_path, message, headers),
            on_body,
            on_end,
            timeout,
            whole=whole,
            tls=self._tls,
        )
