"""Tasks with a container of their own: a real executor, and an agent that starts processes."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast_executor.contract import ConfigTemplate, Hook, TaskLaunch
from tests.unit.executor.fake_agent import FakeAgent, RunningExecutor, eventually, task_info
from tests.unit.executor.fake_containers import EXECUTOR_CONTAINER, INSIDE, FakeContainers
from tests.unit.executor.test_executor_tasks import check, is_alive, pid_in, readiness

CONTAINER = {
    "type": "MESOS",
    "mesos": {"image": {"type": "DOCKER", "docker": {"name": "busybox"}}},
    "linux_info": {"share_cgroups": False},
}


@pytest.fixture
def containers(agent: FakeAgent, executor: RunningExecutor) -> Iterator[FakeContainers]:
    agent.containers.sandbox = executor.sandbox
    yield agent.containers
    agent.containers.close()


def launch_of(command: str, environment: dict[str, str] | None = None, **fields: Any) -> TaskLaunch:
    return TaskLaunch(command, environment or {}, container=CONTAINER, **fields)


def test_a_container_runs_with_image_volumes_and_limits(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    executor.launch(
        launch_of("echo $GREETING $MESOS_SANDBOX; echo warn >&2", {"GREETING": "hello"}),
        resources=[
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}, "allocation_info": {}},
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.25}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}},
            {"name": "ports", "type": "RANGES", "ranges": {}},
        ],
        limits={"mem": {"value": 128}},
    )
    assert executor.wait() == 0
    assert agent.states() == ["TASK_RUNNING", "TASK_FINISHED"]
    assert executor.read("stdout") == f"hello {INSIDE}\n"
    assert "warn\n" in executor.read("stderr")
    (launch,) = containers.of("LAUNCH_CONTAINER")
    assert launch["container_id"]["parent"] == EXECUTOR_CONTAINER
    assert launch["container"]["mesos"] == CONTAINER["mesos"]
    (sandbox,) = launch["container"]["volumes"]
    assert sandbox == {
        "mode": "RW",
        "container_path": INSIDE,
        "source": {"type": "SANDBOX_PATH", "sandbox_path": {"type": "PARENT", "path": "."}},
    }
    assert launch["resources"] == [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.75}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}},
    ]
    assert launch["limits"] == {"mem": {"value": 128}}
    assert len(containers.of("REMOVE_CONTAINER")) == 1
    assert [path.name for path in executor.sandbox.iterdir() if path.is_fifo()] == []


def test_a_container_sees_nothing_of_the_executor(
    agent: FakeAgent, start_executor: Callable[..., RunningExecutor]
) -> None:
    executor = start_executor(MESOS_EXECUTOR_AUTHENTICATION_TOKEN="s3cret", FROM_EXECUTOR="x")
    agent.containers.sandbox = executor.sandbox
    executor.launch(launch_of("env"))
    assert executor.wait() == 0
    (launch,) = agent.containers.of("LAUNCH_CONTAINER")
    variables = {v["name"]: v["value"] for v in launch["command"]["environment"]["variables"]}
    assert set(variables) == {
        *("MESOS_CONTAINER_IP", "MESOS_SANDBOX", "MESOS_TASK_ID", "HOLDFAST_LAUNCH")
    }
    assert variables["MESOS_CONTAINER_IP"] == "127.0.0.1"
    assert all(h["Authorization"] == "Bearer s3cret" for h in agent.containers.headers)


def test_templates_hook_and_command_in_turn(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    launch = launch_of(
        "cat conf/main.cfg hooked",
        {"PORT": "9042"},
        templates=(ConfigTemplate("main", "{{PORT}} {{MESOS_SANDBOX}}\n", "conf/main.cfg"),),
        hook=Hook("create", "cat conf/main.cfg > hooked", 20.0),
    )
    executor.launch(launch)
    assert executor.wait() == 0
    assert agent.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    assert executor.read("stdout") == f"9042 {INSIDE}\n" * 2
    ids = [launch["container_id"]["value"] for launch in containers.of("LAUNCH_CONTAINER")]
    assert len(set(ids)) == 2


def test_a_failed_container_tells_exit_code_and_last_line(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    executor.launch(launch_of("echo 'cannot open data' >&2; exit 3"))
    assert agent.status("TASK_FAILED")["message"] == "exit code 3: cannot open data"


def test_a_refused_launch_fails_the_task(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    containers.refusals.append((500, "no image 'busybox'"))
    executor.launch(launch_of("true"))
    message = agent.status("TASK_FAILED")["message"]
    assert message == (
        "command could not be started: "
        "the agent answered LAUNCH_CONTAINER with 500: no image 'busybox'"
    )
    assert containers.of("WAIT_CONTAINER"), "it has ended only when the agent has destroyed it"
    assert executor.wait() == 0


def test_an_agent_that_is_not_ready_is_asked_again(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    containers.refusals.append((503, "Agent has not finished recovery"))
    executor.launch(launch_of("true"))
    assert executor.wait() == 0
    assert agent.states() == ["TASK_RUNNING", "TASK_FINISHED"]


def test_a_kill_asks_the_whole_process_group_and_waits(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    """`sh -c "a && b"` does not hand a signal on to b."""
    child = (
        "trap 'echo asked > asked; exit 0' TERM; echo ready > ready; while :; do sleep 0.05; done"
    )
    executor.launch(launch_of(f'true && sh -c "{child}" && true'))
    eventually(lambda: executor.read("ready"), "it runs")
    agent.kill("t1", grace=20.0)
    assert agent.status("TASK_KILLED")["message"].startswith("killed on request; ")
    assert executor.read("asked") == "asked\n"
    assert executor.wait() == 0


def test_what_ignores_sigterm_is_killed_after_its_grace(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    executor.launch(launch_of("trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"))
    pid = pid_in(executor, "pid")
    agent.kill("t1", grace=0.3)
    assert "SIGKILL" in agent.status("TASK_KILLED")["message"]
    assert not is_alive(pid)


def test_a_kill_while_the_image_is_fetched(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    containers.hold.clear()
    executor.launch(launch_of("sleep 600"))
    eventually(lambda: containers.of("LAUNCH_CONTAINER"), "it is being launched")
    agent.kill("t1", grace=20.0)
    eventually(lambda: containers.of("KILL_CONTAINER"), "the agent is told")
    containers.hold.set()
    agent.status("TASK_KILLED")
    assert "TASK_RUNNING" not in agent.states()
    assert executor.wait() == 0


def test_checks_run_in_sessions_of_the_container(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    executor.launch(
        launch_of("sleep 600", {"WHERE": "here"}),
        health_check=check("echo ill >&1; test ! -e ill", consecutive_failures=2),
        check=readiness("test $WHERE = here && test -e ready"),
    )
    eventually(lambda: reported(agent, 1), "not ready")
    (executor.sandbox / "ready").touch()
    eventually(lambda: reported(agent, 0), "ready")
    (executor.sandbox / "ill").touch()
    status = agent.status("TASK_KILLED")
    assert status["healthy"] is False
    assert "failed 2 times in a row: exit code 1: ill" in status["message"]
    (launch,) = containers.of("LAUNCH_CONTAINER")
    sessions = containers.of("LAUNCH_NESTED_CONTAINER_SESSION")
    assert {s["container_id"]["parent"]["value"] for s in sessions} == {
        launch["container_id"]["value"]
    }
    assert len({s["container_id"]["value"] for s in sessions}) == len(sessions)
    assert executor.wait() == 0


def reported(agent: FakeAgent, code: int) -> bool:
    results = [status.get("check_status", {}).get("command", {}) for status in agent.updates]
    return {"exit_code": code} in results


def test_a_check_that_takes_too_long_is_no_success(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    executor.launch(
        launch_of("sleep 600"),
        health_check=check(
            "echo $$ >> checks; sleep 600", timeout_seconds=0.5, consecutive_failures=1
        ),
    )
    assert "no result within 0.5 s" in agent.status("TASK_KILLED")["message"]
    assert executor.wait() == 0
    pids = [int(pid) for pid in executor.read("checks").split()]
    eventually(lambda: not any(map(is_alive, pids)), "the check is killed")


def test_a_container_outlives_its_agent(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    executor.launch(
        launch_of("while [ ! -e stop ]; do sleep 0.05; done; exit 4"),
        health_check=check("true", consecutive_failures=1),
    )
    agent.status("TASK_RUNNING")
    eventually(lambda: containers.of("WAIT_CONTAINER"), "it is waited for")
    agent.stop()
    eventually(lambda: "lost the agent" in executor.read("stderr"), "the agent is missed")
    (executor.sandbox / "stop").touch()
    agent.start()
    assert agent.status("TASK_FAILED")["message"] == "exit code 4"
    assert len(containers.of("LAUNCH_CONTAINER")) == 1
    assert executor.wait() == 0


def test_without_an_agent_that_comes_back_it_is_ended_all_the_same(
    agent: FakeAgent, start_executor: Callable[..., RunningExecutor]
) -> None:
    executor = start_executor(checkpoint=False)
    agent.containers.sandbox = executor.sandbox
    executor.launch(launch_of("echo $$ > pid; trap '' TERM; while :; do sleep 0.05; done"))
    pid = pid_in(executor, "pid")
    agent.stop()
    assert executor.wait() == 0
    eventually(lambda: not is_alive(pid), "it is killed")
    agent.containers.close()


def test_a_container_the_agent_lost_is_a_failed_task(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    executor.launch(launch_of("sleep 600"))
    agent.status("TASK_RUNNING")
    eventually(lambda: containers.of("WAIT_CONTAINER"), "it is waited for")
    agent.stop()
    (process,) = containers.processes.values()
    containers.processes.clear()
    os.killpg(process.pid, signal.SIGKILL)
    agent.start()
    assert "does not know its container" in agent.status("TASK_FAILED")["message"]


def test_two_containers_of_one_pod(
    agent: FakeAgent, executor: RunningExecutor, containers: FakeContainers
) -> None:
    server = task_info(launch_of("sleep 600", output="server"))
    sidecar = task_info(launch_of("echo done", output="sidecar"), "t2")
    for task in (server, sidecar):
        agent.send({"type": "LAUNCH", "launch": {"task": task}})
    agent.status("TASK_FINISHED", "t2")
    assert executor.read("sidecar.stdout") == "done\n"
    agent.kill("t1", grace=1.0)
    agent.status("TASK_KILLED")
    assert executor.wait() == 0


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/busybox sh"])
def test_bootstrap_without_python(tmp_path: Path, shell: str) -> None:
    """What the script in the sandbox does where the executor's Python is not."""
    from subprocess import run

    from holdfast_executor.sandbox_bootstrap import script

    words = shell.split()
    if not Path(words[0]).exists():
        pytest.skip(f"no {words[0]}")
    program = tmp_path / "bootstrap"
    program.write_text(script("/no/python", "/no/program"))

    def call(*flags: str, **variables: str) -> tuple[int, str, str]:
        environment = {"PATH": os.environ["PATH"], **variables}
        done = run([*words, program, *flags], env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    code, _, told = call("-resolve-hosts", "localhost", MY_PASSWORD="a\nb=c", SHOWN="1\n2=3")
    assert code == 0
    assert "\nMY_PASSWORD=********\n" in told
    assert "b=c" not in told
    assert "\nSHOWN=1\n2=3\n" in told
    assert told.endswith("bootstrap: host localhost resolves\nbootstrap: done\n")
    hidden = {"X": "hide me", "HOLDFAST_SECRET_VARIABLES": "X,Y"}
    assert "hide me" not in call("-insecure", **hidden)[2]
    assert call("--get-task-ip", MESOS_CONTAINER_IP="10.1.2.3") == (0, "10.1.2.3", "")
    assert call("-get-task-ip")[0] == 1
    template = {"CONFIG_TEMPLATE_A": "config-templates/a,conf/a"}
    assert "conf/a was written from config-templates/a" in call("-print-env=false", **template)[2]
    assert call("-print-env=false", "-template=false", **template) == (0, "", "bootstrap: done\n")
    missing = ("-print-env=0", "-resolve-hosts=no.such.invalid", "-resolve-timeout=200ms")
    code, _, told = call(*missing)
    assert code == 1
    assert told == "bootstrap: host no.such.invalid did not resolve within 1 s\n"
    for flags, text in (
        (("-nope",), "flag '-nope' is not known; known are -verbose,"),
        (("-print-env=2",), "flag -print-env: expected true or false, found '2'"),
        (("-resolve-timeout", "1x"), "-resolve-timeout: not a duration: '1x'"),
        (("-resolve-hosts",), "flag -resolve-hosts needs a value"),
    ):
        code, _, told = call(*flags)
        assert code == 1
        assert text in told
