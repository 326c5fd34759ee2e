"""A check's command inside a task's container: a debug container, as Mesos' own checker starts it.

Source: `src/checks/checker_process.cpp` of Mesos 1.11. LAUNCH_NESTED_CONTAINER_SESSION, its output
until it ends, WAIT_NESTED_CONTAINER for its exit status, REMOVE_NESTED_CONTAINER. An agent that
does not answer is no result: neither the check nor its task has failed.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Callable, Mapping

from holdfast_executor.checks import CommandCheck
from holdfast_executor.connection import Post
from holdfast_executor.nested import exit_of
from holdfast_executor.operator_api import AGENT_BUSY, Answer, Message, OperatorApi
from holdfast_executor.output import TAIL_SIZE, last_line
from holdfast_executor.runner import CheckResult
from holdfast_executor.stream import RecordParser, StreamError

Done = Callable[["CheckResult | None"], None]


class ContainerCheck:
    """One run at a time; `parent` is the id of the task's container."""

    def __init__(
        self,
        api: OperatorApi,
        parent: Message,
        check: CommandCheck,
        environment: Mapping[str, str],
    ) -> None:
        self._api = api
        self._parent = parent
        self._command = command_info(check.command, environment, check.arguments)
        self._id: Message = {}
        self._session: Post | None = None
        self._records = RecordParser()
        self._tail = b""
        self._refusal = b""
        self._on_done: Done = lambda result: None

    def start(self, on_done: Done) -> None:
        self._on_done = on_done
        self._id = {"value": f"check-{os.urandom(8).hex()}", "parent": self._parent}
        self._records = RecordParser()
        self._tail = self._refusal = b""
        launch = {"container_id": self._id, "command": self._command}
        self._session = self._api.stream(
            {
                "type": "LAUNCH_NESTED_CONTAINER_SESSION",
                "launch_nested_container_session": launch,
            },
            self._on_body,
            self._on_end,
        )

    def kill(self) -> None:
        """The agent destroys a debug container whose session is closed."""
        if self._session is not None:
            self._session.close()
            self._session = None
            self._wait()

    def _on_body(self, status: int, body: bytes) -> None:
        if status != 200:
            self._refusal = (self._refusal + body)[:300]
            return
        try:
            for record in self._records.feed(body):
                data = json.loads(record).get("data", {}).get("data", "")
                self._tail = (self._tail + base64.b64decode(data))[-TAIL_SIZE:]
        except (StreamError, ValueError) as error:
            self._tail = f"its output cannot be read: {error}".encode()

    def _on_end(self, status: int | None, error: str | None) -> None:
        self._session = None
        if status == 200:
            self._wait()
        elif status in AGENT_BUSY:
            self._on_done(None)
        else:
            text = self._refusal.decode("utf-8", "replace").strip()
            self._on_done(CheckResult(None, f"the agent refused the session ({status}): {text}"))

    def _wait(self) -> None:
        wait = {"container_id": self._id}
        call = {"type": "WAIT_NESTED_CONTAINER", "wait_nested_container": wait}
        self._api.call(call, self._on_exit)

    def _on_exit(self, answer: Answer) -> None:
        if answer.status != 200:
            self._on_done(None)
            return
        code = exit_of(answer.message.get("wait_nested_container", {})).code
        remove = {"container_id": self._id}
        call = {"type": "REMOVE_NESTED_CONTAINER", "remove_nested_container": remove}
        self._api.call(call, lambda answer: None)
        self._on_done(None if code is None else CheckResult(code, last_line(self._tail)))


def command_info(
    command: str, environment: Mapping[str, str], arguments: tuple[str, ...] = ()
) -> Message:
    """The CommandInfo of a shell command, or of an argument vector."""
    variables = [
        {"name": name, "type": "VALUE", "value": value}
        for name, value in sorted(environment.items())
    ]
    info: Message = {"shell": not arguments, "value": command}
    if arguments:
        info["value"], info["arguments"] = arguments[0], list(arguments)
    info["environment"] = {"variables": variables}
    return info
