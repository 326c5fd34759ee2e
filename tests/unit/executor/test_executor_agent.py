"""A real executor process against a fake agent: acknowledgements, restarts, shutdown."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast_executor import updates
from holdfast_executor.contract import TaskLaunch
from tests.unit.executor.fake_agent import FakeAgent, RunningExecutor, eventually


def test_updates_are_sent_again_until_acknowledged(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    agent.acknowledge = False
    executor.launch("true")
    agent.status("TASK_FINISHED")
    again = eventually(
        lambda: [s for s in agent.updates[2:] if s["state"] == "TASK_FINISHED"],
        "the update comes again",
        timeout=updates.FIRST_RETRY + 10,
    )
    assert again[0]["uuid"] == agent.status("TASK_FINISHED")["uuid"]
    assert executor.process.poll() is None
    for status in agent.updates[:2]:
        agent.ack(status)
    assert executor.wait() == 0


def test_a_restarted_agent_gets_unacknowledged_updates_and_the_same_process(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    agent.acknowledge = False
    executor.launch("echo $$ >> pids; while [ ! -e stop ]; do sleep 0.05; done")
    running = agent.status("TASK_RUNNING")
    agent.stop()
    agent.start()
    eventually(lambda: len(agent.subscribes) == 2, "the executor subscribes again")
    subscribe = agent.subscribes[1]["subscribe"]
    assert [u["status"]["uuid"] for u in subscribe["unacknowledged_updates"]] == [running["uuid"]]
    assert [t["task_id"]["value"] for t in subscribe["unacknowledged_tasks"]] == ["t1"]
    agent.acknowledge = True
    agent.ack(running)
    agent.stop()
    (executor.sandbox / "stop").touch()
    agent.start()
    eventually(lambda: len(agent.subscribes) == 3, "the executor subscribes once more")
    assert executor.wait() == 0
    last = agent.subscribes[2]["subscribe"]
    assert last["unacknowledged_tasks"] == []
    told = [u["status"]["state"] for u in last["unacknowledged_updates"]]
    assert told in ([], ["TASK_FINISHED"])
    assert "TASK_FINISHED" in told + agent.states()
    assert len(executor.read("pids").split()) == 1


def test_what_happened_without_an_agent_is_told_on_subscription(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("while [ ! -e stop ]; do sleep 0.02; done; touch stopped")
    agent.status("TASK_RUNNING")
    agent.stop()
    (executor.sandbox / "stop").touch()
    eventually(lambda: "TASK_FINISHED" in executor.read("stderr"), "the task has ended")
    agent.start()
    assert executor.wait() == 0
    told = agent.subscribes[-1]["subscribe"]["unacknowledged_updates"]
    assert [u["status"]["state"] for u in told] == ["TASK_FINISHED"]


def test_without_an_agent_for_the_recovery_timeout_tasks_are_killed(
    agent: FakeAgent, start_executor: Callable[..., RunningExecutor]
) -> None:
    executor = start_executor(MESOS_RECOVERY_TIMEOUT="1secs")
    executor.launch("sleep 80")
    agent.status("TASK_RUNNING")
    agent.stop()
    assert executor.wait() == 0
    assert "recovery timeout of 1 s" in executor.read("stderr")
    assert executor.members() == []


def test_without_checkpointing_tasks_are_killed_at_once(
    agent: FakeAgent, start_executor: Callable[..., RunningExecutor]
) -> None:
    executor = start_executor(checkpoint=False)
    executor.launch("sleep 81")
    agent.status("TASK_RUNNING")
    agent.stop()
    assert executor.wait() == 0
    assert "does not checkpoint" in executor.read("stderr")
    assert executor.members() == []


def test_an_agent_that_does_not_know_the_executor_ends_it(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("sleep 82")
    agent.status("TASK_RUNNING")
    agent.subscribe_status = 400
    agent.cut()
    assert executor.wait() == 0
    assert "400: Executor cannot be found" in executor.read("stderr")
    assert executor.members() == []


def test_an_agent_still_recovering_is_asked_again(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("sleep 83")
    agent.status("TASK_RUNNING")
    agent.subscribe_status = 503
    agent.cut()
    eventually(lambda: len(agent.subscribes) >= 3, "the executor keeps asking")
    agent.subscribe_status = 200
    agent.kill("t1")
    agent.status("TASK_KILLED")
    assert executor.wait() == 0


def test_a_subscription_the_agent_forgot_is_renewed(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("while [ ! -e stop ]; do sleep 0.02; done")
    agent.status("TASK_RUNNING")
    agent.update_status = 403
    (executor.sandbox / "stop").touch()
    eventually(lambda: len(agent.subscribes) == 2, "the executor subscribes again")
    told = agent.subscribes[1]["subscribe"]["unacknowledged_updates"]
    states = [u["status"]["state"] for u in told]
    # The acknowledgement of TASK_RUNNING may still be on its way when the subscription ends.
    assert states in (["TASK_FINISHED"], ["TASK_RUNNING", "TASK_FINISHED"])
    assert executor.wait() == 0


def test_shutdown_kills_all_tasks_and_reports_them(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("trap 'echo saved > saved; exit' TERM; while :; do sleep 0.05; done")
    executor.launch("sleep 84", task_id="t2")
    agent.status("TASK_RUNNING", "t2")
    agent.send({"type": "SHUTDOWN"})
    agent.status("TASK_KILLED")
    agent.status("TASK_KILLED", "t2")
    assert executor.wait() == 0
    assert executor.read("saved") == "saved\n"


def test_shutdown_without_tasks_exits(agent: FakeAgent, executor: RunningExecutor) -> None:
    agent.send({"type": "SHUTDOWN"})
    assert executor.wait() == 0


def test_shutdown_does_not_wait_for_lost_acknowledgements(
    agent: FakeAgent, start_executor: Callable[..., RunningExecutor]
) -> None:
    executor = start_executor(MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD="2secs")
    agent.acknowledge = False
    executor.launch("sleep 85")
    agent.status("TASK_RUNNING")
    agent.send({"type": "SHUTDOWN"})
    agent.status("TASK_KILLED")
    assert executor.wait(8) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_executor_kills_its_tasks(
    agent: FakeAgent, executor: RunningExecutor, number: signal.Signals
) -> None:
    executor.launch("sleep 86")
    agent.status("TASK_RUNNING")
    executor.process.send_signal(number)
    agent.status("TASK_KILLED")
    assert executor.wait() == 0


def test_an_error_event_ends_the_executor(agent: FakeAgent, executor: RunningExecutor) -> None:
    executor.launch("sleep 87")
    agent.status("TASK_RUNNING")
    agent.send({"type": "ERROR", "error": {"message": "bad call"}})
    assert executor.wait() == 0
    assert "bad call" in executor.read("stderr")
    assert executor.members() == []


def test_messages_heartbeats_and_unknown_kills_change_nothing(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    executor.launch("sleep 88")
    agent.status("TASK_RUNNING")
    agent.send({"type": "HEARTBEAT"})
    agent.send({"type": "MESSAGE", "message": {"data": "aGk="}})
    agent.kill("another")
    executor.launch("sleep 88")
    agent.kill("t1")
    agent.status("TASK_KILLED")
    assert executor.wait() == 0
    assert agent.states() == ["TASK_RUNNING", "TASK_KILLED"]
    log = executor.read("stderr")
    assert "ignored event MESSAGE" in log
    assert "ignored a kill of task another" in log
    assert "ignored a second launch" in log


def test_outside_of_an_agent_it_says_so(
    agent: FakeAgent, start_executor: Callable[..., RunningExecutor]
) -> None:
    executor = start_executor(MESOS_FRAMEWORK_ID="")
    assert executor.wait() == 2
    assert "MESOS_FRAMEWORK_ID is not set" in executor.read("stderr")


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=agent", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_an_agent_that_speaks_tls_is_spoken_to_in_tls(
    agent: FakeAgent,
    start_executor: Callable[..., RunningExecutor],
    certificate: tuple[Path, Path],
) -> None:
    agent.stop()
    agent.use_tls(*certificate)
    agent.start()
    executor = start_executor(
        LIBPROCESS_SSL_ENABLED="true",
        LIBPROCESS_SSL_VERIFY_CERT="1",
        LIBPROCESS_SSL_CA_FILE=str(certificate[0]),
        LIBPROCESS_SSL_CERT_FILE=str(certificate[0]),
        LIBPROCESS_SSL_KEY_FILE=str(certificate[1]),
    )
    executor.launch(TaskLaunch("env", {"LONG": "x" * 100_000}))
    assert executor.wait() == 0
    assert agent.states() == ["TASK_RUNNING", "TASK_FINISHED"]
    assert "x" * 100_000 in executor.read("stdout")
    assert "LIBPROCESS_SSL" not in executor.read("stdout")


def test_an_agent_with_another_certificate_is_not_trusted(
    agent: FakeAgent,
    start_executor: Callable[..., RunningExecutor],
    certificate: tuple[Path, Path],
) -> None:
    agent.stop()
    agent.use_tls(*certificate)
    agent.start()
    executor = start_executor(
        checkpoint=False, LIBPROCESS_SSL_ENABLED="1", LIBPROCESS_SSL_VERIFY_SERVER_CERT="true"
    )
    assert executor.wait() == 0
    assert "CERTIFICATE_VERIFY_FAILED" in executor.read("stderr").replace(" ", "_").upper()
    assert agent.subscribes == []


def test_certificates_that_cannot_be_read_are_named(
    agent: FakeAgent, start_executor: Callable[..., RunningExecutor]
) -> None:
    executor = start_executor(LIBPROCESS_SSL_ENABLED="1", LIBPROCESS_SSL_CA_FILE="/missing")
    assert executor.wait() == 2
    assert "LIBPROCESS_SSL_CERT_FILE, KEY_FILE, CA_FILE" in executor.read("stderr")
