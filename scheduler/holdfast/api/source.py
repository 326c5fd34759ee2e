"""Where the API gets its picture of the service, and whom it hands commands to."""

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from contextvars import ContextVar
from typing import Protocol

from holdfast.core.events import Verb
from holdfast.core.view import View
from holdfast.engine import Answer
from holdfast.eventlog import EventLog
from holdfast.timing import Timer

ANONYMOUS = "anonymous"

caller: ContextVar[str] = ContextVar("caller", default=ANONYMOUS)
"""Who sent the request under way, as far as is known."""


class ServiceSource(Protocol):
    """A running service; the engine is one."""

    @property
    def view(self) -> View:
        """The latest picture; never changed once handed out."""
        ...

    @property
    def events(self) -> EventLog:
        """What happened lately."""
        ...

    @property
    def offers_timer(self) -> Timer:
        """How long each batch of offers took, from its arrival to its answer."""
        ...

    def command(
        self,
        verb: Verb,
        target: str,
        phase: str | None = None,
        step: str | None = None,
        parameters: Mapping[str, str] | None = None,
        by: str = "",
    ) -> "Future[Answer]":
        """Hand in an order for a pod instance, a volume, a plan or the state, given by `by`.

        The future holds its answer.
        """
        ...


class Unanswered(Exception):
    """The engine gave no answer. The message says what that means for the order."""


async def ask(
    source: ServiceSource,
    verb: Verb,
    target: str,
    seconds: float,
    phase: str | None = None,
    step: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Answer:
    """The engine's answer to a command; raises Unanswered after `seconds` without one."""
    future = source.command(verb, target, phase, step, parameters, caller.get())
    order = " ".join(filter(None, (verb, target, phase, step)))
    return await answered(future, order, seconds)


async def answered(future: "Future[Answer]", order: str, seconds: float) -> Answer:
    """The answer to an order, told in words; raises Unanswered after `seconds` without one.

    The future is never cancelled: the engine may be about to answer it.
    """
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def tell(_future: "Future[Answer]") -> None:
        # Once the loop is closed nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(tell)
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        raise Unanswered(
            f"The scheduler took `{order}` but has not answered within {seconds:g} s. It"
            " stands still while ZooKeeper is away, and carries the order out when it goes on,"
            " unless it is restarted before that. Tasks run on. Look at the pod, volume or plan"
            " before you ask again."
        ) from None
    except asyncio.CancelledError:
        # The server has waited long enough for requests to end, and gives this one up.
        raise Unanswered(
            f"The scheduler is stopping, and it is not known whether `{order}` was stored. If it"
            " was, the next one carries it out. Tasks run on. Look at the pod, volume or plan"
            " before you ask again."
        ) from None
    try:
        return future.result(0)
    except CancelledError:
        raise Unanswered(
            f"The scheduler is stopping and did not carry out `{order}`. Nothing was"
            " changed; tasks run on. Ask again once it is back."
        ) from None
