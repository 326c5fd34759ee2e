"""A real executor process against a fake agent: how tasks start, run and end."""

import base64
import os
import time
from collections.abc import Callable
from pathlib import Path

from holdfast_executor.contract import ConfigTemplate, Hook, RLimit, TaskLaunch
from tests.unit.executor.fake_agent import FakeAgent, RunningExecutor, eventually, task_info


def check(command: str, **fields: float) -> dict[str, object]:
    timing = {"delay_seconds": 0.0, "interval_seconds": 0.05, "timeout_seconds": 5.0, **fields}
    return {"type": "COMMAND", "command": {"value": command}, **timing}


def readiness(command: str, **fields: float) -> dict[str, object]:
    found = check(command, **fields)
    return {**found, "command": {"command": found["command"]}}


def is_alive(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def pid_in(executor: RunningExecutor, name: str) -> int:
    return int(eventually(lambda: executor.read(name).strip(), f"a process id in {name}"))


def test_a_task_runs_and_finishes_and_the_executor_exits(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("echo hello; pwd")
    assert executor.wait() == 0
    assert agent.states() == ["TASK_RUNNING", "TASK_FINISHED"]
    assert executor.read("stdout") == f"hello\n{executor.sandbox}\n"
    running = agent.updates[0]
    assert running["source"] == "SOURCE_EXECUTOR"
    assert running["executor_id"] == {"value": "executor-1"}
    assert len(base64.b64decode(running["uuid"])) == 16
    assert abs(running["timestamp"] - time.time()) < 60
    assert "check_status" not in running
    assert set(agent.paths) == {"/slave(1)/api/v1/executor"}


def test_a_failing_task_tells_exit_code_and_last_line(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("echo starting >&2; echo 'cannot open data' >&2; exit 3")
    assert agent.status("TASK_FAILED")["message"] == "exit code 3: cannot open data"
    assert executor.wait() == 0


def test_a_task_that_dies_of_a_signal_tells_its_name(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("kill -SEGV $$")
    assert agent.status("TASK_FAILED")["message"] == "killed by signal SIGSEGV"


def test_a_task_sees_its_own_environment_and_nothing_of_the_executor(
    agent: FakeAgent, start_executor: Callable[..., RunningExecutor]
) -> None:
    executor = start_executor(
        MESOS_EXECUTOR_AUTHENTICATION_TOKEN="s3cret",
        LIBPROCESS_IP="10.9.8.7",
        LIBPROCESS_PORT="0",
        MESOS_CONTAINERIZER_X="1",
        PYTHONUNBUFFERED="1",
        FROM_EXECUTOR="kept",
        OVERRIDDEN="old",
    )
    executor.launch(TaskLaunch("env", {"GREETING": "hello world", "OVERRIDDEN": "new"}))
    assert executor.wait() == 0
    seen = dict(line.partition("=")[::2] for line in executor.read("stdout").splitlines())
    assert seen["GREETING"] == "hello world"
    assert seen["FROM_EXECUTOR"] == "kept"
    assert seen["OVERRIDDEN"] == "new"
    assert seen["MESOS_SANDBOX"] == str(executor.sandbox)
    assert seen["MESOS_TASK_ID"] == "t1"
    assert seen["MESOS_CONTAINER_IP"] == "10.9.8.7"
    hidden = ("LIBPROCESS_", "MESOS_CONTAINERIZER_", "PYTHON", "MESOS_EXECUTOR_AUTH")
    assert [name for name in seen if name.startswith(hidden)] == []
    assert all(h["Authorization"] == "Bearer s3cret" for h in agent.headers)


def test_output_of_named_tasks_goes_to_files_of_their_own(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    first = TaskLaunch("echo one; echo warn >&2", {}, output="server")
    tasks = [task_info(first), task_info(TaskLaunch("echo two", {}, output="sidecar"), "t2")]
    agent.send({"type": "LAUNCH_GROUP", "launch_group": {"task_group": {"tasks": tasks}}})
    assert executor.wait() == 0
    assert executor.read("server.stdout") == "one\n"
    assert executor.read("server.stderr") == "warn\n"
    assert executor.read("sidecar.stdout") == "two\n"
    assert agent.states("t1") == agent.states("t2") == ["TASK_RUNNING", "TASK_FINISHED"]


# Config templates and bootstrap


def test_config_templates_are_rendered_before_the_command(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    template = ConfigTemplate("main", "port={{PORT}}\nhost={{HOST}}\n", "conf/deep/main.cfg")
    executor.launch(
        TaskLaunch(
            "cat conf/deep/main.cfg && cat config-templates/main",
            {"PORT": "9042"},
            templates=(template,),
        )
    )
    assert executor.wait() == 0
    assert executor.read("stdout") == "port=9042\nhost=\n" + template.content
    assert "config main: no value for HOST" in executor.read("stderr")


def test_a_config_template_may_leave_the_sandbox(
    agent: FakeAgent, executor: RunningExecutor, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "etc" / "app.conf"
    launch = TaskLaunch(
        "cat ../beside/main.conf",
        {"A": "1"},
        templates=(
            ConfigTemplate("main", "a={{A}}", "../beside/main.conf"),
            ConfigTemplate("other", "b", str(elsewhere)),
        ),
    )
    executor.launch(launch)
    assert executor.wait() == 0
    assert executor.read("stdout") == "a=1"
    assert elsewhere.read_text() == "b"


def test_a_config_template_that_cannot_be_written_fails_the_task(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    launch = TaskLaunch("true", {}, templates=(ConfigTemplate("main", "x", "/dev/null/evil"),))
    executor.launch(launch)
    message = agent.status("TASK_FAILED")["message"]
    assert "config main: cannot write /dev/null/evil" in message
    assert agent.states() == ["TASK_FAILED"]


def test_bootstrap_works_in_a_command(agent: FakeAgent, executor: RunningExecutor) -> None:
    executor.launch(
        TaskLaunch(
            "mkdir config-templates && echo 'a={{A}}' > config-templates/x"
            " && ./bootstrap -print-env=false --resolve=false && cat out/x.cfg"
            " && ./bootstrap -get-task-ip",
            {"A": "1", "CONFIG_TEMPLATE_X": "config-templates/x,out/x.cfg"},
        )
    )
    assert executor.wait() == 0
    assert executor.read("stdout") == "a=1\n127.0.0.1"


# Limits


def test_rlimits_are_set(agent: FakeAgent, executor: RunningExecutor) -> None:
    limit = RLimit("RLIMIT_NOFILE", 256, 512)
    executor.launch(TaskLaunch("ulimit -Sn; ulimit -Hn", {}, rlimits=(limit,)))
    assert executor.wait() == 0
    assert executor.read("stdout") == "256\n512\n"


def test_an_impossible_rlimit_fails_the_task_with_its_name(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch(TaskLaunch("true", {}, rlimits=(RLimit("RLIMIT_NOFILE", 9, 5),)))
    message = agent.status("TASK_FAILED")["message"]
    assert "RLIMIT_NOFILE soft 9 hard 5" in message
    assert executor.wait() == 0


def test_an_unknown_rlimit_is_named(agent: FakeAgent, executor: RunningExecutor) -> None:
    executor.launch(TaskLaunch("true", {}, rlimits=(RLimit("RLIMIT_MOON", 1, 1),)))
    assert "RLIMIT_MOON" in agent.status("TASK_FAILED")["message"]


# Launch records that cannot be used


def test_unreadable_task_data_is_an_error(agent: FakeAgent, executor: RunningExecutor) -> None:
    executor.launch("true", data="bm90IGpzb24=")
    status = agent.status("TASK_ERROR")
    assert "not base64 of JSON" in status["message"]
    assert status["reason"] == "REASON_TASK_INVALID"
    assert executor.wait() == 0


def test_other_kinds_of_checks_are_refused(agent: FakeAgent, executor: RunningExecutor) -> None:
    executor.launch("sleep 60", health_check={"type": "HTTP", "http": {"port": 80}})
    assert "health check of type HTTP" in agent.status("TASK_ERROR")["message"]
    assert executor.wait() == 0


# Hook


def test_a_hook_runs_once_before_the_command(agent: FakeAgent, executor: RunningExecutor) -> None:
    hook = Hook("create", "echo hook $NAME >> trace", 10.0)
    executor.launch(TaskLaunch("echo command >> trace", {"NAME": "n"}, hook=hook))
    assert executor.wait() == 0
    assert agent.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    assert executor.read("trace") == "hook n\ncommand\n"


HOOK = Hook("create", "echo hook >> trace; until test -e go; do sleep 0.05; done", 30.0)


def launch_together(agent: FakeAgent, hook: Hook = HOOK) -> None:
    """Tasks t1 and t2 of one pod, which owe the hook."""
    tasks = [
        task_info(TaskLaunch(f"echo {name} >> trace; exec sleep 74", {}, hook=hook), name)
        for name in ("t1", "t2")
    ]
    agent.send({"type": "LAUNCH_GROUP", "launch_group": {"task_group": {"tasks": tasks}}})


def test_a_hook_runs_once_before_all_tasks_of_the_pod(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    launch_together(agent)
    agent.status("TASK_STARTING", "t2")
    eventually(lambda: executor.read("trace"), "the hook runs")
    executor.launch(TaskLaunch("echo t3 >> trace; exec sleep 74", {}, hook=HOOK), "t3")
    agent.status("TASK_STARTING", "t3")
    assert executor.read("trace") == "hook\n"
    (executor.sandbox / "go").touch()
    for task_id in ("t1", "t2", "t3"):
        agent.status("TASK_RUNNING", task_id)
    executor.launch(TaskLaunch("echo t4 >> trace; exec sleep 74", {}, hook=HOOK), "t4")
    agent.status("TASK_RUNNING", "t4")
    eventually(lambda: len(executor.read("trace").split()) == 5, "all have begun")
    lines = executor.read("trace").split()
    assert lines[0] == "hook"
    assert sorted(lines[1:]) == ["t1", "t2", "t3", "t4"]


def test_a_failing_hook_fails_all_tasks_that_wait_for_it(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    launch_together(agent, Hook("replace", "echo no quorum; exit 1", 10.0))
    for task_id in ("t1", "t2"):
        status = agent.status("TASK_FAILED", task_id)
        assert status["message"] == "replace hook: exit code 1: no quorum"
        assert agent.states(task_id) == ["TASK_STARTING", "TASK_FAILED"]
    assert executor.wait() == 0
    assert not (executor.sandbox / "trace").exists()


def test_a_task_killed_while_it_waits_for_the_hook_leaves_the_others_be(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    launch_together(agent)
    agent.status("TASK_STARTING", "t2")
    agent.kill("t2")
    message = agent.status("TASK_KILLED", "t2")["message"]
    assert message == "killed before the hook was done"
    (executor.sandbox / "go").touch()
    agent.status("TASK_RUNNING", "t1")
    eventually(lambda: executor.read("trace") == "hook\nt1\n", "only t1 has begun")


def test_the_hook_begins_anew_when_the_task_that_ran_it_is_killed(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    launch_together(agent)
    eventually(lambda: executor.read("trace"), "the hook runs")
    agent.kill("t1")
    assert agent.status("TASK_KILLED", "t1")["message"] == "killed during its create hook"
    eventually(lambda: executor.read("trace") == "hook\nhook\n", "the hook runs again")
    (executor.sandbox / "go").touch()
    agent.status("TASK_RUNNING", "t2")
    eventually(lambda: executor.read("trace") == "hook\nhook\nt2\n", "only t2 has begun")


def test_a_failing_hook_fails_the_task(agent: FakeAgent, executor: RunningExecutor) -> None:
    hook = Hook("replace", "echo looking; echo no quorum; exit 1", 10.0)
    executor.launch(TaskLaunch("touch started", {}, hook=hook))
    assert agent.status("TASK_FAILED")["message"] == "replace hook: exit code 1: no quorum"
    assert executor.wait() == 0
    assert agent.states() == ["TASK_STARTING", "TASK_FAILED"]
    assert not (executor.sandbox / "started").exists()


def test_what_a_hook_leaves_in_the_background_is_gone_before_the_command(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    hook = Hook("create", "sleep 73 & echo $! > background", 10.0)
    command = "while kill -0 $(cat background); do sleep 0.05; done"
    executor.launch(TaskLaunch(command, {}, hook=hook))
    agent.status("TASK_FINISHED")
    assert executor.wait() == 0


def test_a_hook_out_of_time_fails_the_task(agent: FakeAgent, executor: RunningExecutor) -> None:
    hook = Hook("replace", "echo waiting >&2; setsid sleep 61", 0.5)
    executor.launch(TaskLaunch("touch started", {}, hook=hook))
    message = agent.status("TASK_FAILED")["message"]
    assert message == "replace hook: not done within 0.5 s: waiting"
    assert executor.wait() == 0
    assert executor.members() == []


def test_a_task_can_be_killed_in_its_hook(agent: FakeAgent, executor: RunningExecutor) -> None:
    executor.launch(TaskLaunch("touch started", {}, hook=Hook("create", "sleep 62", 60.0)))
    agent.status("TASK_STARTING")
    agent.kill("t1")
    assert agent.status("TASK_KILLED")["message"] == "killed during its create hook"
    assert executor.wait() == 0


# Kill, and nothing left behind


def test_kill_lets_a_task_end_by_itself(agent: FakeAgent, executor: RunningExecutor) -> None:
    executor.launch("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done")
    eventually(lambda: executor.read("stdout"), "the task is up")
    agent.kill("t1", grace=20)
    assert agent.status("TASK_KILLED")["message"] == "killed on request; exit code 0"
    assert executor.wait() == 0
    assert executor.read("stdout") == "up\nbye\n"


def test_a_task_that_ignores_sigterm_is_killed_after_its_grace(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    policy = {"grace_period": {"nanoseconds": 500_000_000}}
    executor.launch("trap '' TERM; echo up; while :; do sleep 0.05; done", kill_policy=policy)
    eventually(lambda: executor.read("stdout"), "the task is up")
    began = time.monotonic()
    agent.kill("t1")
    assert agent.status("TASK_KILLED")["message"].endswith("killed by signal SIGKILL")
    assert time.monotonic() - began >= 0.5
    assert executor.wait() == 0
    assert executor.members() == []


def test_a_second_kill_can_only_shorten_the_grace(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("trap '' TERM; echo up; while :; do sleep 0.05; done")
    eventually(lambda: executor.read("stdout"), "the task is up")
    agent.kill("t1", grace=300)
    agent.kill("t1", grace=600)
    agent.kill("t1", grace=0.1)
    agent.status("TASK_KILLED", timeout=10)


def test_children_keep_their_grace_when_the_shell_dies_first(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    server = (
        "trap 'sleep 0.5; echo saved > saved; exit' TERM; echo up; while :; do sleep 0.05; done"
    )
    executor.launch(f'sh -c "{server}"; true')
    eventually(lambda: executor.read("stdout"), "the task is up")
    agent.kill("t1", grace=20)
    agent.status("TASK_KILLED")
    assert executor.read("saved") == "saved\n"


def test_task_killing_is_reported_to_frameworks_that_know_it(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    agent.stop()
    agent.capabilities = [{"type": "TASK_KILLING_STATE"}]
    agent.start()
    executor.launch("sleep 63")
    agent.status("TASK_RUNNING")
    agent.kill("t1")
    agent.status("TASK_KILLED")
    assert agent.states() == ["TASK_RUNNING", "TASK_KILLING", "TASK_KILLED"]


def test_daemons_of_an_ended_task_are_killed(agent: FakeAgent, executor: RunningExecutor) -> None:
    executor.launch(
        "(setsid sh -c 'echo $$ > marked; exec sleep 64' &)\n"
        "(setsid env -i /bin/sh -c 'echo $$ > unmarked; exec sleep 64' &)\n"
        "sleep 64 & echo $! > background\n"
        "while [ ! -s marked ] || [ ! -s unmarked ]; do sleep 0.01; done\n"
        "exit 0"
    )
    agent.status("TASK_FINISHED")
    for name in ("marked", "unmarked", "background"):
        assert not is_alive(pid_in(executor, name)), name
    assert executor.wait() == 0


def test_daemons_get_a_sigterm_and_their_grace_on_kill(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    daemon = "trap 'echo saved > saved; exit' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    executor.launch(f'(setsid sh -c "{daemon.replace("$", chr(92) + "$")}" &) ; sleep 65')
    pid = pid_in(executor, "pid")
    agent.kill("t1", grace=20)
    agent.status("TASK_KILLED")
    assert executor.read("saved") == "saved\n"
    assert not is_alive(pid)


def test_the_daemon_of_one_task_outlives_another_task(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("(setsid sh -c 'echo $$ > pid; exec sleep 66' &) ; sleep 66")
    pid = pid_in(executor, "pid")
    executor.launch("true", task_id="t2")
    agent.status("TASK_FINISHED", "t2")
    assert is_alive(pid)
    agent.kill("t1")
    agent.status("TASK_KILLED")
    assert not is_alive(pid)


def test_tasks_die_with_a_killed_executor(agent: FakeAgent, executor: RunningExecutor) -> None:
    executor.launch("echo $$ > pid; exec sleep 67")
    agent.status("TASK_RUNNING")
    pid = pid_in(executor, "pid")
    assert os.getsid(pid) == executor.process.pid
    executor.process.kill()
    eventually(lambda: not is_alive(pid), "the task dies with the executor")


# Output


def test_a_task_that_floods_its_output_stays_bounded_and_killable(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("exec yes 'a line that is written again and again for as long as it goes'")
    eventually(lambda: (executor.sandbox / "stdout.1").exists(), "stdout is rotated")
    began = time.monotonic()
    agent.kill("t1")
    agent.status("TASK_KILLED")
    assert time.monotonic() - began < 5
    assert executor.wait() == 0
    sizes = [entry.stat().st_size for entry in executor.sandbox.glob("stdout*")]
    assert len(sizes) == 2
    assert max(sizes) < 11 * 1024 * 1024


# Checks


def test_an_unhealthy_task_is_killed(agent: FakeAgent, executor: RunningExecutor) -> None:
    health = check("echo broken; exit 7", grace_period_seconds=0.0, consecutive_failures=2)
    executor.launch("sleep 68", health_check=health)
    status = agent.status("TASK_KILLED")
    assert status["healthy"] is False
    assert status["message"].startswith("health check failed 2 times in a row: exit code 7: broken")
    reports = [s for s in agent.updates if s.get("reason", "").startswith("REASON_TASK_HEALTH")]
    assert [(s["state"], s["healthy"]) for s in reports] == [("TASK_RUNNING", False)] * 2
    assert executor.wait() == 0


def test_health_is_reported_when_it_changes(agent: FakeAgent, executor: RunningExecutor) -> None:
    health = check("test ! -e sick", grace_period_seconds=0.0, consecutive_failures=1000)
    executor.launch("sleep 69", health_check=health)
    eventually(lambda: [s for s in agent.updates if s.get("healthy") is True], "healthy")
    (executor.sandbox / "sick").touch()
    eventually(lambda: [s for s in agent.updates if s.get("healthy") is False], "unhealthy")
    (executor.sandbox / "sick").unlink()
    eventually(lambda: agent.updates[-1].get("healthy") is True, "healthy again")
    agent.kill("t1")
    agent.status("TASK_KILLED")


def test_a_check_out_of_time_is_killed_with_its_children(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    hanging = "echo $$ > check-pid; setsid sh -c 'echo $$ > child-pid; exec sleep 70'"
    health = check(hanging, timeout_seconds=0.3, grace_period_seconds=0.0, consecutive_failures=1)
    executor.launch("sleep 70", health_check=health)
    assert "no result within 0.3 s" in agent.status("TASK_KILLED")["message"]
    assert not is_alive(pid_in(executor, "check-pid"))
    assert not is_alive(pid_in(executor, "child-pid"))


def test_readiness_is_shown_from_the_first_status_on(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("sleep 71", check=readiness("test -e ready || { echo not yet; exit 4; }"))
    running = agent.status("TASK_RUNNING")
    assert running["check_status"] == {"type": "COMMAND", "command": {}}
    eventually(lambda: len(agent.updates) == 2, "the first result")
    (executor.sandbox / "ready").touch()
    eventually(lambda: len(agent.updates) == 3, "the second result")
    for update, code in ((agent.updates[1], 4), (agent.updates[2], 0)):
        assert update["state"] == "TASK_RUNNING"
        assert update["reason"] == "REASON_TASK_CHECK_STATUS_UPDATED"
        assert update["check_status"] == {"type": "COMMAND", "command": {"exit_code": code}}
    agent.kill("t1")
    killed = agent.status("TASK_KILLED")
    assert killed["check_status"] == {"type": "COMMAND", "command": {"exit_code": 0}}


def test_checks_run_in_the_sandbox_with_the_task_environment(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    command = {
        "value": "echo $A $B $PWD > seen",
        "environment": {"variables": [{"name": "B", "value": "check"}]},
    }
    health = {**check(""), "command": command}
    executor.launch(TaskLaunch("sleep 72", {"A": "task", "B": "task"}), health_check=health)
    seen = eventually(lambda: executor.read("seen"), "the check ran")
    assert seen == f"task check {executor.sandbox}\n"
    agent.kill("t1")
    agent.status("TASK_KILLED")
