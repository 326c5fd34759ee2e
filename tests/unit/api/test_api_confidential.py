"""A secret given to a plan as a parameter is told by nobody: answers, events, the log, the records
of pod instances."""

import io
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient

from holdfast import main
from holdfast.api.app import create_app
from holdfast.core import events as ev
from holdfast.engine import Engine
from holdfast.mesos.channel import CallResult, Outcome
from holdfast.mesos.messages import TaskState, TaskStatus
from holdfast_executor.contract import TaskLaunch
from tests.unit.core.test_plan_engine import sidecar
from tests.unit.core.world import World

SECRET = "hunter2-of-the-backup"
GIVEN = {"DB_PASSWORD": SECRET, "API_TOKEN": SECRET}


class Link:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.launched: list[dict[str, Any]] = []

    def update_framework(self) -> CallResult:
        raise AssertionError("there is one service only")

    def call(self, message: Mapping[str, Any]) -> CallResult:
        for operation in message.get("accept", {}).get("operations", ()):
            self.launched += operation.get("launch", {}).get("task_infos", ())
        return CallResult(Outcome.SENT)

    def teardown(self) -> CallResult:
        raise AssertionError("nobody uninstalls")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the scheduler writes to its log, as the process sets it up."""
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    main._log_to_stderr()
    yield written
    structlog.reset_defaults()


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def world() -> World:
    """A service that is deployed, with a plan `backup` not started yet."""
    return sidecar()


@pytest.fixture
def engine(world: World, link: Link, log: io.StringIO) -> Iterator[Engine]:
    """At work for that service."""
    ids = itertools.count()
    engine = Engine(
        world.core, world.store, link, lambda: f"e{next(ids)}", lambda _agent: None,
        clock=lambda: world.now + next(ids),
    )  # fmt: skip
    thread = threading.Thread(target=engine.run)
    thread.start()
    try:
        yield engine
    finally:
        engine.stop()
        thread.join(10)


def paths(client: TestClient) -> Iterator[str]:
    """Every path that can be read, with names that are there."""
    names = {
        **{"plan": "backup", "pod": "db-0", "name": "db-0", "key": "suppressed"},
        **{"id": "config", "task": "db-0-backup"},
    }
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        if "get" in methods and not path.endswith("/stream"):
            yield re.sub(r"{(\w+)(:path)?}", lambda found: names.get(found[1], "db-0"), path)


def test_a_secret_given_to_a_plan_is_told_by_nobody(
    world: World, engine: Engine, link: Link, log: io.StringIO
) -> None:
    client = TestClient(create_app(engine, {}))
    for wrong in (
        json.dumps({"DB_PASSWORD": [SECRET]}),
        json.dumps({"DB_PASSWORD": SECRET + "\0"}),
        json.dumps([SECRET]),
        f'{{"DB_PASSWORD": "{SECRET}"',
    ):
        refused = client.post("/v1/plans/backup/start", content=wrong)
        assert refused.status_code == 400
        assert SECRET not in refused.text
    for path in ("/v1/plans/backup/start", "/v1/plans/none/start", "/v1/plans/deploy/start"):
        assert SECRET not in client.post(path, json=GIVEN).text
    assert client.post("/v1/plans/backup/start", json=GIVEN).status_code in (200, 208)

    deadline = time.monotonic() + 30
    while not link.launched:
        assert time.monotonic() < deadline, log.getvalue()
        engine.post(ev.OffersReceived((world.agents["agent-1"].offer("o/agent-1", 8.0),)))
        time.sleep(0.05)
    (info,) = link.launched
    assert TaskLaunch.decode(info["data"]).environment["DB_PASSWORD"] == SECRET
    lost = TaskStatus(info["task_id"]["value"], TaskState.FAILED, agent_id="agent-1", uuid="u")
    engine.post(ev.StatusReceived(lost))
    assert client.post("/v1/plans/backup/interrupt").status_code in (200, 208)

    read = list(paths(client))
    assert {"/v1/plans/backup", "/v1/pod/db-0/info", "/v1/debug/plans", "/v1/events"} <= set(read)
    for path in read:
        answer = client.get(path)
        unasked = path in ("/v1/health", "/v1/orphans")  # no master is asked here
        assert answer.status_code < 500 or unasked, path
        assert SECRET not in answer.text, path
    assert "DB_PASSWORD" in client.get("/v1/events?kind=command").text, "the name is journalled"
    assert "plan start backup" in log.getvalue()
    assert SECRET not in log.getvalue()
    assert SECRET not in repr([engine.view.orders, info["executor"]])
    stored = {path: raw for path, raw in world.store.records.items() if SECRET.encode() in raw}
    assert set(stored) == {"plans/backup"}


def test_the_log_shows_no_variables_of_what_failed(log: io.StringIO) -> None:
    password = SECRET
    try:
        raise KeyError(f"of {len(password)} letters")
    except KeyError:
        structlog.get_logger().exception("it failed")
    assert "KeyError" in log.getvalue()
    assert SECRET not in log.getvalue()
