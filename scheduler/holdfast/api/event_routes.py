"""What happened: the journal of commands, and decisions, as pages or a stream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from holdfast.api import shapes
from holdfast.api.answers import BAD_REQUEST, Responses, as_json, ok, ok_text, said
from holdfast.eventlog import Event, EventLog, Kind

LIMIT = 100
MOST = 1000
STREAMS = 20
PING_SECONDS = 15

KindName = Annotated[str | None, Query(description=f"Only events of this kind: {', '.join(Kind)}.")]
Limit = Annotated[str | None, Query(description=f"How many; {LIMIT} when not given.")]
Before = Annotated[str | None, Query(description="Only events older than the one of this id.")]

TOO_MANY = said(
    "Too many streams are open",
    f"There are {STREAMS} streams of events already. Ask for /v1/events now and then instead.",
)


class Eventful(Protocol):
    """Whose events they are."""

    @property
    def events(self) -> EventLog: ...


def add_events(router: APIRouter, source: Eventful) -> None:
    pages: Responses = {200: ok(shapes.EventsBody), 400: BAD_REQUEST}

    @router.get("/events", tags=["events"], responses=pages)
    async def list_events(
        limit: Limit = None, before: Before = None, kind: KindName = None
    ) -> Response:
        """Commands and decisions, the newest first.

        `next` is given as `before` to get the page after this one; it is null on the last.
        """
        wanted = _number("limit", limit, LIMIT, MOST)
        start = None if before is None else _number("before", before, 0, 2**63)
        events = source.events.before(start, wanted + 1, _kinds(kind))
        more = len(events) > wanted
        return as_json(
            {
                "events": [event_body(event) for event in events[:wanted]],
                "next": events[wanted - 1].id if more else None,
            }
        )

    decisions: Responses = {200: ok(list[shapes.DecisionBody]), 400: BAD_REQUEST}

    @router.get("/decisions", tags=["events"], responses=decisions)
    async def list_decisions(limit: Limit = None) -> Response:
        """What the scheduler decided lately, with its reasons, the newest first."""
        wanted = _number("limit", limit, LIMIT, MOST)
        events = source.events.before(None, wanted, [Kind.DECISION])
        return as_json([{"at": event.at, "text": event.text} for event in events])

    _add_stream(router, source)


def _add_stream(router: APIRouter, source: Eventful) -> None:
    open_streams: set[object] = set()
    example = 'id: 1700000000000\nevent: command\ndata: {"kind":"command","by":"ann"}\n\n'
    streamed: Responses = {
        200: ok_text("A stream that does not end", example, "text/event-stream"),
        400: BAD_REQUEST,
        503: TOO_MANY,
    }

    @router.get("/events/stream", tags=["events"], responses=streamed)
    async def stream_events(request: Request, kind: KindName = None) -> Response:
        """The same events as they happen, as server-sent events.

        With the header `Last-Event-ID` it begins after that event, as far as events are kept.
        """
        kinds = _kinds(kind)
        given = request.headers.get("last-event-id")
        start = _number("Last-Event-ID", given, source.events.last, 2**63)
        if len(open_streams) >= STREAMS:
            raise HTTPException(503, TOO_MANY["content"]["application/json"]["example"]["message"])
        me = object()

        async def told() -> AsyncIterator[ServerSentEvent]:
            try:
                async for event in follow(source.events, start, kinds):
                    data = orjson.dumps(event_body(event)).decode()
                    yield ServerSentEvent(data, event=event.kind.value, id=str(event.id))
            finally:
                open_streams.discard(me)

        open_streams.add(me)
        return EventSourceResponse(told(), ping=PING_SECONDS)


async def follow(log: EventLog, start: int, kinds: list[Kind]) -> AsyncIterator[Event]:
    """Every event after `start`, waiting for those to come. A slow reader misses what is not
    kept any more, and nothing piles up for it."""
    loop = asyncio.get_running_loop()
    news = asyncio.Event()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            loop.call_soon_threadsafe(news.set)

    end = log.listen(tell)
    try:
        while True:
            news.clear()
            for event in log.after(start, kinds):
                start = event.id
                yield event
            await news.wait()
    finally:
        end()


def event_body(event: Event) -> shapes.EventBody:
    return {
        "id": event.id,
        "at": event.at,
        "time": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds"),
        "kind": event.kind.value,
        "text": event.text,
        "by": event.by,
        "what": event.what,
        "status": event.status,
    }


def _kinds(given: str | None) -> list[Kind]:
    if given is None:
        return list(Kind)
    try:
        return [Kind(given)]
    except ValueError:
        raise HTTPException(400, f"There is no kind {given!r}: {', '.join(Kind)}.") from None


def _number(name: str, given: Any, default: int, most: int) -> int:
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 20 and 0 < int(given) <= most):
        raise HTTPException(400, f"{name} is {given[:40]!r}; expected a number from 1 to {most}.")
    return int(given)
