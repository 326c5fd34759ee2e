"""One nested container: launched, waited for and killed, whatever becomes of the agent meanwhile.

LAUNCH_CONTAINER may be repeated: an agent that has the container already says so. What ended while
the agent was away it still knows afterwards.
"""

from __future__ import annotations

from typing import Callable

from holdfast_executor.operator_api import Answer, Message, OperatorApi
from holdfast_executor.process import describe_exit, exit_code
from holdfast_executor.reactor import Reactor
from holdfast_executor.runner import Exit

RETRY = 0.5
"""Seconds until a call that an agent did not answer is made again."""
KILL_AGAIN = 1.0
LOOK_AGAIN = 0.1


class NestedContainer:
    """Calls `on_launched` and then `on_exit`, or `on_failure` when there was nothing to run.

    `is_alive` tells from outside whether one of its processes lives: what counts once there is no
    agent to ask.
    """

    def __init__(
        self,
        reactor: Reactor,
        api: OperatorApi,
        container_id: Message,
        launch: Message,
        on_launched: Callable[[], None],
        on_exit: Callable[[Exit], None],
        on_failure: Callable[[str], None],
        is_alive: Callable[[], bool],
    ) -> None:
        self._reactor = reactor
        self._api = api
        self.id = container_id
        self._call = launch
        self._on_launched = on_launched
        self._on_exit = on_exit
        self._on_failure = on_failure
        self._is_alive = is_alive
        self._refusal: str | None = None
        self._killing = False
        self.launched = False
        self.ended = False
        self._launch()

    def signal(self, number: int) -> None:
        """Send a signal to its first process."""
        kill = {"container_id": self.id, "signal": number}
        self._api.call({"type": "KILL_CONTAINER", "kill_container": kill}, lambda answer: None)

    def kill(self) -> None:
        """SIGKILL to all of it, again and again until it has ended."""
        if not self._killing:
            self._killing = True
            self._kill()

    def _kill(self) -> None:
        if self.ended or self._api.abandoned:
            return
        self.signal(9)
        self._reactor.call_later(KILL_AGAIN, self._kill)

    def _launch(self) -> None:
        launch = {**self._call, "container_id": self.id}
        self._api.call(
            {"type": "LAUNCH_CONTAINER", "launch_container": launch},
            self._on_launch_answer,
            # As long as the agent needs to fetch the image.
            timeout=None,
        )

    def _on_launch_answer(self, answer: Answer) -> None:
        if answer.agent_away:
            self._later(self._launch)
        elif answer.status in (200, 202):
            self.launched = True
            self._wait()
            self._on_launched()
        elif answer.status is not None and answer.status < 500:
            self._end(lambda: self._on_failure(_refused(answer)))
        else:
            # What is left of it, the agent destroys: it has ended only then.
            self._refusal = _refused(answer)
            self._wait()

    def _wait(self) -> None:
        wait = {"container_id": self.id}
        call = {"type": "WAIT_CONTAINER", "wait_container": wait}
        self._api.call(call, self._on_wait_answer, timeout=None)

    def _on_wait_answer(self, answer: Answer) -> None:
        refusal = self._refusal
        if answer.status not in (200, 404):
            self._later(self._wait)
        elif refusal is not None:
            self._end(lambda: self._on_failure(refusal))
        elif answer.status == 404:
            lost = Exit(None, "the agent does not know its container any more")
            self._end(lambda: self._on_exit(lost))
        else:
            exited = exit_of(answer.message.get("wait_container", {}))
            self._end(lambda: self._on_exit(exited))

    def _later(self, again: Callable[[], None]) -> None:
        if self._api.abandoned:
            self._until_gone()
        else:
            self._reactor.call_later(RETRY, again)

    def _until_gone(self) -> None:
        """Without an agent, nobody tells how it ended, only that it has."""
        if self._is_alive():
            self._reactor.call_later(LOOK_AGAIN, self._until_gone)
        else:
            lost = Exit(None, "ended without an agent")
            self._end(lambda: self._on_exit(lost))

    def _end(self, tell: Callable[[], None]) -> None:
        self.ended = True
        tell()
        remove = {"container_id": self.id}
        call = {"type": "REMOVE_CONTAINER", "remove_container": remove}
        self._api.call(call, lambda answer: None)


def exit_of(waited: Message) -> Exit:
    """How the container ended, as WAIT_CONTAINER tells it."""
    reason, message = waited.get("reason"), waited.get("message")
    if "exit_status" not in waited:
        return Exit(None, message or "the agent does not know how it ended", reason)
    code = exit_code(waited["exit_status"])
    description = describe_exit(code)
    return Exit(code, f"{description}: {message}" if reason and message else description, reason)


def _refused(answer: Answer) -> str:
    return f"the agent answered LAUNCH_CONTAINER with {answer.status}: {answer.text.strip()[:1000]}"
