"""Events over HTTP, in pages and as a stream; the log they come from; the engine that fills it."""

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from fastapi.testclient import TestClient

from holdfast.api import shapes
from holdfast.api.app import create_app
from holdfast.api.event_routes import STREAMS
from holdfast.core.core import Core
from holdfast.core.events import Verb
from holdfast.core.startup import open_ledger
from holdfast.engine import Engine
from holdfast.eventlog import KEPT, EventLog, Kind
from holdfast.mesos.channel import CallResult, Outcome
from holdfast.state.memory import MemoryStore

from ..core.world import SETTINGS
from .pictures import NOW, SERVICE, Source
from .serving import serving
from .test_api_routes import checked


class Sent:
    def call(self, message: Any) -> CallResult:
        return CallResult(Outcome.SENT, "")

    def teardown(self) -> CallResult:
        raise AssertionError("nothing is torn down here")

    def update_framework(self) -> CallResult:
        raise AssertionError("there is one service only")


def filled(number: int) -> EventLog:
    log = EventLog()
    for index in range(number):
        kind = Kind.DECISION if index % 2 else Kind.COMMAND
        log.append(kind, NOW, f"event {index}")
    return log


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def client(source: Source) -> TestClient:
    return TestClient(create_app(source, {}))


def test_the_newest_event_comes_first(client: TestClient) -> None:
    body = checked(shapes.EventsBody, client.get("/v1/events").json())
    assert [(e["kind"], e["by"], e["what"]) for e in body["events"]] == [
        ("decision", None, None),
        ("command", "ann", "plan x"),
    ]
    assert body["events"][0]["time"] == "2023-11-14T22:13:10.000+00:00"
    assert body["next"] is None


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_pages_hold_each_event_once(client: TestClient, source: Source, limit: int) -> None:
    source.events = filled(15)
    found, query = [], {"limit": limit}
    while True:
        body = client.get("/v1/events", params=query).json()
        found += [event["text"] for event in body["events"]]
        if body["next"] is None:
            break
        query = {"limit": limit, "before": body["next"]}
    assert found == [f"event {index}" for index in reversed(range(15))]


def test_events_are_chosen_by_kind(client: TestClient) -> None:
    events = client.get("/v1/events", params={"kind": "command"}).json()["events"]
    assert [event["kind"] for event in events] == ["command"]


def test_decisions_are_listed(client: TestClient) -> None:
    body = checked(list[shapes.DecisionBody], client.get("/v1/decisions").json())
    assert body == [{"at": NOW - 10, "text": "declined 2 offers"}]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=x", "limit=1001", "before=", "kind=other", "limit=²"]
)
def test_a_wrong_choice_is_refused(client: TestClient, query: str) -> None:
    response = client.get(f"/v1/events?{query}")
    assert response.status_code == 400
    assert checked(shapes.MessageBody, response.json())


def test_ids_grow_also_when_the_clock_stands_still() -> None:
    events = filled(5).after(0, list(Kind))
    assert [event.id for event in events] == [int(NOW * 1000) + n for n in range(5)]


def test_each_kind_has_its_own_room() -> None:
    log = filled(2)
    for number in range(KEPT[Kind.REFUSED] + 5):
        log.append(Kind.REFUSED, NOW, f"refused {number}")
    kinds = [event.kind for event in log.after(0, list(Kind))]
    assert kinds.count(Kind.REFUSED) == KEPT[Kind.REFUSED]
    assert kinds.count(Kind.COMMAND) == kinds.count(Kind.DECISION) == 1


def test_the_engine_tells_of_commands_once_they_are_stored_and_of_those_before() -> None:
    store = MemoryStore()

    def engine() -> Engine:
        ids = itertools.count()
        ledger, _ = open_ledger(store.load(), SERVICE)
        core = Core(ledger, SETTINGS, lambda: f"id-{next(ids)}")
        return Engine(
            *(core, store, Sent(), lambda: f"c-{next(ids)}", lambda _: None), clock=lambda: NOW
        )

    first = engine()
    future = first.command(Verb.STATE_REFRESH, "records", by="ann")
    batch = first._batch()
    assert batch is not None
    first.cycle(batch)
    assert future.result(0).status == 200
    told = [first.events.after(0, [Kind.COMMAND]), engine().events.after(0, [Kind.COMMAND])]
    for events in told:
        assert [(e.by, e.what, e.status) for e in events] == [("ann", "state refresh records", 200)]
    assert first.events.after(0, [Kind.DECISION])


# -- the stream, over a real connection -------------------------------------------------------


@pytest.fixture
def url(source: Source) -> Iterator[str]:
    with serving(create_app(source, {})) as at:
        yield at


def read(response: requests.Response, number: int) -> list[dict[str, Any]]:
    """The next events of the stream, with the name each came under."""
    found, event = [], {}
    for line in response.iter_lines(chunk_size=1, decode_unicode=True):
        name, _, value = line.partition(": ")
        event[name] = value
        if name == "data":
            found.append({**json.loads(value), "under": event["event"], "with": event["id"]})
            if len(found) == number:
                break
    return found


def test_the_stream_tells_what_happens_next(url: str, source: Source) -> None:
    with requests.get(f"{url}/v1/events/stream", stream=True, timeout=20) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        threading.Thread(
            target=source.events.append, args=(Kind.DECISION, NOW, "news"), daemon=True
        ).start()
        (event,) = read(response, 1)
    assert (event["text"], event["under"]) == ("news", "decision")
    assert event["with"] == str(event["id"])


def test_the_stream_goes_on_after_the_last_event_seen(url: str, source: Source) -> None:
    first, second = source.events.after(0, list(Kind))
    headers = {"last-event-id": str(first.id)}
    with requests.get(
        f"{url}/v1/events/stream", stream=True, timeout=20, headers=headers
    ) as response:
        (event,) = read(response, 1)
    assert event["id"] == second.id


def test_the_number_of_streams_is_bounded(url: str) -> None:
    opened = [
        requests.get(f"{url}/v1/events/stream", stream=True, timeout=20) for _ in range(STREAMS)
    ]
    refused = requests.get(f"{url}/v1/events/stream", timeout=20)
    assert refused.status_code == 503
    for response in opened:
        response.close()
