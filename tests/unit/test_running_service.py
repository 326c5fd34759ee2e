"""The harness of tests on real clusters tells all of an answer in which something is missing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from holdfast_playground.cluster import Cluster
from tests.cluster.running_service import Scheduler
from tests.web_server import WebServer, answering

TASK = {"name": "node-0-server", "id": "node-0-server__1"}
STATUS = {
    "service": "another",
    "pods": [{"name": "node", "instances": [{"name": "node-0", "tasks": [TASK]}]}],
}


@pytest.fixture
def server() -> Iterator[WebServer]:
    with answering() as told:
        yield told


@pytest.fixture
def scheduler(server: WebServer, tmp_path: Path) -> Iterator[Scheduler]:
    cluster = cast(Cluster, SimpleNamespace(zookeeper_address="127.0.0.1:2181"))
    scheduler = Scheduler(cluster, tmp_path / "svc.yml", tmp_path)
    scheduler.url = server.url
    yield scheduler
    scheduler.kill()


def answer(server: WebServer, path: str, body: Any) -> None:
    server.pages = {f"/v1/{path}": json.dumps(body).encode()}


def test_what_is_there_is_told(server: WebServer, scheduler: Scheduler) -> None:
    answer(server, "pod/status", STATUS)
    assert scheduler.instances() == {"node-0": {"name": "node-0", "tasks": [TASK]}}
    assert scheduler.task_ids() == {"node-0-server": "node-0-server__1"}


def test_what_is_missing_is_told_with_the_whole_answer(
    server: WebServer, scheduler: Scheduler
) -> None:
    answer(server, "pod/status", STATUS)
    with pytest.raises(AssertionError) as instance:
        scheduler.instances()["node-1"]
    with pytest.raises(AssertionError) as task:
        scheduler.task_ids()["node-1-server"]
    for name, raised in (("node-1", instance), ("node-1-server", task)):
        said = str(raised.value)
        assert said.startswith(f"there is no {name!r} in what {server.url}/v1/pod/status answered")
        assert "none was started" in said
        assert str(STATUS) in said


def test_a_refusal_is_told(server: WebServer, scheduler: Scheduler) -> None:
    answer(server, "pod/status", {"message": "not now"})
    with pytest.raises(AssertionError, match=r"no 'pods' in .*\{'message': 'not now'\}"):
        scheduler.instances()
    answer(server, "pod/status", ["not now"])
    with pytest.raises(AssertionError, match=r"no object in .*\['not now'\]"):
        scheduler.task_ids()


def test_whether_the_process_has_ended_is_told(server: WebServer, scheduler: Scheduler) -> None:
    answer(server, "pod/status", STATUS)
    scheduler._process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    scheduler.exit_code()
    with pytest.raises(AssertionError, match=rf"process {scheduler._process.pid} ended with 7;"):
        scheduler.instances()["node-1"]


def test_there_is_one_process_at_a_time(scheduler: Scheduler) -> None:
    scheduler._process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    with pytest.raises(AssertionError, match=f"process {scheduler._process.pid} runs"):
        scheduler.start()
    scheduler._process.communicate()
