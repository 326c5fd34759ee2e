"""The executor on a real Mesos agent, driven by the smallest framework that can launch it."""

import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from holdfast_executor.archive import build
from holdfast_executor.contract import (
    EXECUTOR_COMMAND,
    ConfigTemplate,
    Hook,
    RLimit,
    TaskLaunch,
)
from holdfast_playground.cluster import Cluster, ClusterSpec, running

Message = dict[str, Any]
T = TypeVar("T")
ROLE = "executor-test"
GRACE = {"grace_period": {"nanoseconds": 5_000_000_000}}


def eventually(probe: Callable[[], T], what: str, timeout: float = 60.0) -> T:
    """The first true value of `probe`, within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := probe()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.05)
    return value


class Framework:
    """Subscribes, remembers updates, acknowledges them; launches one pod at a time."""

    def __init__(self, leader: str) -> None:
        self._address = urlsplit(leader).netloc
        self.updates: list[Message] = []
        self.failures: list[Message] = []
        self.offers: list[Message] = []
        self._connection = http.client.HTTPConnection(self._address, timeout=300)
        self._connection.request(
            "POST",
            "/api/v1/scheduler",
            json.dumps(
                {
                    "type": "SUBSCRIBE",
                    "subscribe": {
                        "framework_info": {
                            "user": "root",
                            "name": ROLE,
                            "roles": [ROLE],
                            "checkpoint": True,
                            "failover_timeout": 3600,
                            "capabilities": [
                                {"type": kind}
                                for kind in (
                                    "MULTI_ROLE",
                                    "RESERVATION_REFINEMENT",
                                    "PARTITION_AWARE",
                                )
                            ],
                        }
                    },
                }
            ),
            {"Content-Type": "application/json", "Accept": "application/json"},
        )
        self._stream = self._connection.getresponse()
        assert self._stream.status == 200, self._stream.read()
        self._stream_id = self._stream.headers["Mesos-Stream-Id"]
        self.framework_id: Message | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        eventually(lambda: self.framework_id, "the framework is subscribed")

    def _read(self) -> None:
        try:
            while True:
                digits = b""
                while not digits.endswith(b"\n"):
                    byte = self._stream.read(1)
                    if not byte:
                        return
                    digits += byte
                self._on_event(json.loads(self._stream.read(int(digits))))
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            return  # the connection was closed by `close`

    def _on_event(self, event: Message) -> None:
        if event["type"] == "SUBSCRIBED":
            self.framework_id = event["subscribed"]["framework_id"]
        elif event["type"] == "OFFERS":
            self.offers += event["offers"]["offers"]
        elif event["type"] == "RESCIND":
            gone = event["rescind"]["offer_id"]
            self.offers = [offer for offer in self.offers if offer["id"] != gone]
        elif event["type"] == "FAILURE":
            self.failures.append(event["failure"])
        elif event["type"] == "UPDATE":
            status = event["update"]["status"]
            self.updates.append(status)
            if "uuid" in status:
                keys = ("agent_id", "task_id", "uuid")
                self.call("ACKNOWLEDGE", {key: status[key] for key in keys})

    def call(self, kind: str, body: Message | None = None) -> None:
        call: Message = {"type": kind, "framework_id": self.framework_id}
        if body is not None:
            call[kind.lower()] = body
        connection = http.client.HTTPConnection(self._address, timeout=30)
        connection.request(
            "POST",
            "/api/v1/scheduler",
            json.dumps(call),
            {"Content-Type": "application/json", "Mesos-Stream-Id": self._stream_id},
        )
        answer = connection.getresponse()
        assert answer.status == 202, answer.read()
        connection.close()

    def launch(self, archive: Path, launch: TaskLaunch, task_id: str, **fields: Any) -> None:
        """One task in an executor of its own, on the first offer."""
        offer = eventually(lambda: self.offers[-1:], "an offer")[0]
        self.offers.remove(offer)
        executor = {
            "type": "CUSTOM",
            "executor_id": {"value": f"executor-of-{task_id}"},
            "framework_id": self.framework_id,
            "command": {
                "value": EXECUTOR_COMMAND,
                "uris": [{"value": str(archive), "extract": False}],
            },
            "resources": [_scalar("cpus", 0.1), _scalar("mem", 32)],
        }
        task = {
            "name": "server",
            "task_id": {"value": task_id},
            "agent_id": offer["agent_id"],
            "resources": [_scalar("cpus", 0.1), _scalar("mem", 64)],
            "executor": executor,
            "data": launch.encode(),
            **fields,
        }
        self.call(
            "ACCEPT",
            {
                "offer_ids": [offer["id"]],
                "filters": {"refuse_seconds": 0.1},
                "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task]}}],
            },
        )

    def kill(self, status: Message) -> None:
        self.call("KILL", {key: status[key] for key in ("task_id", "agent_id")})

    def states(self, task_id: str) -> list[str]:
        return [s["state"] for s in self.updates if s["task_id"]["value"] == task_id]

    def status(self, task_id: str, state: str) -> Message:
        """The first update of a task with that state, waiting for it."""

        def found() -> list[Message]:
            mine = [s for s in self.updates if s["task_id"]["value"] == task_id]
            return [s for s in mine if s["state"] == state]

        try:
            return eventually(found, f"{task_id} in {state}")[0]
        except AssertionError as error:
            raise AssertionError(f"{error}; updates: {self.updates}") from None

    def close(self) -> None:
        self.call("TEARDOWN")
        self._reader.join(30)
        self._connection.close()


def _scalar(name: str, value: float) -> Message:
    return {
        "name": name,
        "type": "SCALAR",
        "scalar": {"value": value},
        "allocation_info": {"role": ROLE},
    }


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module", params=["posix", "auto"])
def one_agent(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """One cluster for the module, without and, where possible, with cgroups and namespaces."""
    spec = ClusterSpec(agents=1, launcher=request.param)
    with running(tmp_path_factory.mktemp("cluster"), spec) as cluster:
        cluster.wait_for_agents([1])
        yield cluster


@pytest.fixture
def framework(one_agent: Cluster) -> Iterator[Framework]:
    started = Framework(one_agent.leader())
    yield started
    started.close()


def sandbox_of(cluster: Cluster, task_id: str) -> Path:
    """The sandbox of a task's executor on the only agent."""
    pattern = f"slaves/*/frameworks/*/executors/executor-of-{task_id}/runs/latest"
    return eventually(
        lambda: list(cluster.agents[0].work_dir.glob(pattern)), f"the sandbox of {task_id}"
    )[0].resolve()


def is_alive(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def executor_pids(task_id: str) -> list[int]:
    """Processes of the executor of a task, by their environment."""
    mark = f"MESOS_EXECUTOR_ID=executor-of-{task_id}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_a_task_runs_to_its_end_with_files_hook_and_limits(
    one_agent: Cluster, framework: Framework, archive: Path
) -> None:
    launch = TaskLaunch(
        "cat conf/a.cfg hooked; ulimit -n; echo ip=$MESOS_CONTAINER_IP; ./bootstrap",
        {"PORT": "9042"},
        templates=(ConfigTemplate("a", "port={{PORT}}\n", "conf/a.cfg"),),
        hook=Hook("create", "echo hook > hooked", 20.0),
        rlimits=(RLimit("RLIMIT_NOFILE", 500, 500),),
    )
    framework.launch(archive, launch, "run-1")
    framework.status("run-1", "TASK_FINISHED")
    assert framework.states("run-1") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    output = (sandbox_of(one_agent, "run-1") / "stdout").read_text()
    ip = one_agent.agents[0].ip
    assert output.endswith(f"port=9042\nhook\n500\nip={ip}\n"), output
    eventually(lambda: executor_pids("run-1") == [], "the executor exits")


def test_a_failing_task_is_told_apart_from_a_lost_one(
    one_agent: Cluster, framework: Framework, archive: Path
) -> None:
    framework.launch(archive, TaskLaunch("echo no data >&2; exit 3", {}), "fail-1")
    assert framework.status("fail-1", "TASK_FAILED")["message"] == "exit code 3: no data"


def test_a_task_is_killed_with_its_daemons(
    one_agent: Cluster, framework: Framework, archive: Path
) -> None:
    command = (
        "(setsid sh -c 'echo $$ > daemon; exec sleep 600' &); "
        "trap 'echo saved > saved; exit' TERM; while :; do sleep 0.05; done"
    )
    framework.launch(archive, TaskLaunch(command, {}), "kill-1", kill_policy=GRACE)
    running = framework.status("kill-1", "TASK_RUNNING")
    sandbox = sandbox_of(one_agent, "kill-1")
    daemon = eventually(
        lambda: (sandbox / "daemon").exists() and (sandbox / "daemon").read_text(), "the daemon"
    )
    assert daemon
    framework.kill(running)
    framework.status("kill-1", "TASK_KILLED")
    assert (sandbox / "saved").read_text() == "saved\n"
    eventually(lambda: executor_pids("kill-1") == [], "executor and daemon are gone")


def test_health_and_readiness_reach_the_framework(
    one_agent: Cluster, framework: Framework, archive: Path
) -> None:
    timing = {"delay_seconds": 0.0, "interval_seconds": 0.1, "timeout_seconds": 5.0}
    framework.launch(
        archive,
        TaskLaunch("sleep 600", {}),
        "check-1",
        health_check={
            "type": "COMMAND",
            "command": {"value": "test ! -e sick"},
            "grace_period_seconds": 0.0,
            "consecutive_failures": 2,
            **timing,
        },
        check={
            "type": "COMMAND",
            "command": {"command": {"value": "test -e ready"}},
            **timing,
        },
    )
    running = framework.status("check-1", "TASK_RUNNING")
    assert running["check_status"] == {"type": "COMMAND", "command": {}}
    sandbox = sandbox_of(one_agent, "check-1")

    def told(key: str) -> list[Any]:
        return [s.get(key) for s in framework.updates if s["task_id"]["value"] == "check-1"]

    eventually(lambda: True in told("healthy"), "healthy")
    (sandbox / "ready").touch()
    ready = {"type": "COMMAND", "command": {"exit_code": 0}}
    eventually(lambda: ready in told("check_status"), "ready")
    (sandbox / "sick").touch()
    killed = framework.status("check-1", "TASK_KILLED")
    assert killed["healthy"] is False
    assert "health check failed 2 times in a row" in killed["message"]


def test_what_happened_without_an_agent_is_told_when_it_is_back(
    one_agent: Cluster, framework: Framework, archive: Path
) -> None:
    command = "echo $$ >> pids; while [ ! -e stop ]; do sleep 0.1; done; echo end > end"
    framework.launch(archive, TaskLaunch(command, {}), "crash-1")
    framework.status("crash-1", "TASK_RUNNING")
    sandbox = sandbox_of(one_agent, "crash-1")
    eventually(lambda: (sandbox / "pids").exists(), "the task has started")
    one_agent.agent_crash(1)
    (sandbox / "stop").touch()
    eventually(lambda: (sandbox / "end").exists(), "the task ends while the agent is away")
    one_agent.agent_start(1)
    one_agent.wait_for_agents([1])
    finished = framework.status("crash-1", "TASK_FINISHED")
    assert finished["source"] == "SOURCE_EXECUTOR"


def test_a_task_lives_through_a_crash_of_its_agent(
    one_agent: Cluster, framework: Framework, archive: Path
) -> None:
    command = "echo $$ >> pids; exec sleep 600"
    framework.launch(archive, TaskLaunch(command, {}), "crash-2")
    running = framework.status("crash-2", "TASK_RUNNING")
    sandbox = sandbox_of(one_agent, "crash-2")
    before = eventually(
        lambda: (sandbox / "pids").exists() and (sandbox / "pids").read_text(), "the task runs"
    )
    one_agent.agent_crash(1)
    one_agent.agent_start(1)
    one_agent.wait_for_agents([1])
    log = sandbox / "stderr"
    eventually(lambda: "lost the agent" in log.read_text(), "the executor noticed")
    framework.kill(running)
    killed = framework.status("crash-2", "TASK_KILLED")
    assert killed["source"] == "SOURCE_EXECUTOR"
    assert (sandbox / "pids").read_text() == before
    # An update whose acknowledgement the agent did not write down before is sent once more.
    states = dict.fromkeys(framework.states("crash-2"))
    assert list(states) == ["TASK_RUNNING", "TASK_KILLED"]


def test_a_killed_executor_takes_its_task_along(
    one_agent: Cluster, framework: Framework, archive: Path
) -> None:
    framework.launch(archive, TaskLaunch("sleep 601; true", {}), "lost-1")
    framework.status("lost-1", "TASK_RUNNING")
    pids = executor_pids("lost-1")
    executor = min(pids)
    os.kill(executor, 9)
    framework.status("lost-1", "TASK_FAILED")
    eventually(lambda: not any(is_alive(pid) for pid in pids), "no process is left")
