"""A real executor process against a fake agent: how tasks start, run and end."""

import base64
import time

import pytest
from fake_agent import FakeAgent, RunningExecutor, eventually

from holdfast_executor.contract import ConfigTemplate, Hook, RLimit, TaskLaunch


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
    assert set(agent.paths) == {"/slave(1)/api/v1/executor"}


def test_a_failing_task_tells_exit_code_and_last_line(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("echo starting >&2; echo 'cannot open data' >&2; exit 3")
    assert agent.status("TASK_FAILED")["message"] == "exit code 3: cannot open data"
    assert executor.wait() == 0
