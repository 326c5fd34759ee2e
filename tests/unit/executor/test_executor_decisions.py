"""The pure parts: check results, unacknowledged updates, durations, settings, environment."""

from collections.abc import Callable

import pytest

from holdfast_executor import duration
from holdfast_executor.checks import (
    CheckError,
    CommandCheck,
    HealthPolicy,
    HealthReport,
    HealthState,
    health_check_of,
    on_health_result,
    readiness_changed,
    readiness_check_of,
)
from holdfast_executor.environment import own_address, task_environment
from holdfast_executor.settings import Settings, SettingsError, read
from holdfast_executor.updates import FIRST_RETRY, LAST_RETRY, UpdateLog

POLICY = HealthPolicy(grace=10.0, consecutive_failures=3)


def reports(policy: HealthPolicy, results: list[tuple[float, bool]]) -> list[HealthReport | None]:
    state = HealthState(started=0.0)
    told = []
    for now, passed in results:
        state, report = on_health_result(policy, state, now, passed)
        told.append(report)
    return told


def test_failures_in_the_grace_period_are_ignored_until_its_end() -> None:
    assert reports(POLICY, [(1, False), (10, False), (10.1, False)]) == [
        None,
        None,
        HealthReport(False, 1, False),
    ]


def test_after_a_success_the_grace_period_is_over() -> None:
    assert reports(POLICY, [(1, True), (2, False)]) == [
        HealthReport(True, 0, False),
        HealthReport(False, 1, False),
    ]


def test_the_task_is_killed_after_its_failures_in_a_row() -> None:
    told = reports(POLICY, [(1, True), (2, False), (3, False), (4, False)])
    assert told[-1] == HealthReport(False, 3, True)


def test_a_success_starts_the_count_again_and_is_told_once() -> None:
    told = reports(POLICY, [(1, True), (2, False), (3, True), (4, True), (5, False)])
    assert told[1:] == [
        HealthReport(False, 1, False),
        HealthReport(True, 0, False),
        None,
        HealthReport(False, 1, False),
    ]


def test_without_a_grace_period_the_first_failure_counts() -> None:
    policy = HealthPolicy(grace=0.0, consecutive_failures=1)
    assert reports(policy, [(0, False)]) == [HealthReport(False, 1, True)]


def test_readiness_is_news_when_it_changes() -> None:
    assert not readiness_changed(None, None)
    assert readiness_changed(None, 1)
    assert not readiness_changed(1, 1)
    assert readiness_changed(1, None)


def test_checks_have_the_defaults_of_mesos() -> None:
    task = {
        "health_check": {"type": "COMMAND", "command": {"value": "true"}},
        "check": {"type": "COMMAND", "command": {"command": {"value": "true"}}},
    }
    expected = CommandCheck("true", (), {}, delay=15.0, interval=10.0, timeout=20.0)
    assert health_check_of(task) == (expected, HealthPolicy(10.0, 3))
    assert readiness_check_of(task) == expected
    assert health_check_of({}) is None
    assert readiness_check_of({}) is None


def test_a_check_without_a_shell_and_without_a_timeout() -> None:
    command = {"value": "/bin/test", "shell": False, "arguments": ["test", "-e", "x"]}
    found = readiness_check_of(
        {"check": {"type": "COMMAND", "command": {"command": command}, "timeout_seconds": 0.0}}
    )
    assert found is not None
    assert found.arguments == ("test", "-e", "x")
    assert found.timeout is None


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ({"check": {"type": "TCP", "tcp": {"port": 1}}}, "check of type TCP"),
        ({"check": {"type": "COMMAND"}}, "check has no command"),
    ],
)
def test_checks_that_cannot_be_run_are_refused(task: dict[str, object], text: str) -> None:
    with pytest.raises(CheckError, match=text):
        readiness_check_of(task)


# Updates


def update(uuid: str) -> dict[str, object]:
    return {"uuid": uuid, "task_id": {"value": "t1"}}


def test_an_update_is_kept_until_acknowledged() -> None:
    log = UpdateLog()
    log.launched({"task_id": {"value": "t1"}})
    log.add(update("a"), 0.0)
    log.add(update("b"), 1.0)
    assert [s["uuid"] for s in log.unacknowledged_updates()] == ["a", "b"]
    assert len(log.unacknowledged_tasks()) == 1
    assert log.acknowledged("t1", "a")
    assert not log.acknowledged("t1", "a")
    assert log.unacknowledged_tasks() == []
    assert [s["uuid"] for s in log.unacknowledged_updates()] == ["b"]
    assert log.acknowledged("t1", "b")
    assert len(log) == 0
    assert log.next_due() is None


def test_updates_are_due_again_ever_later() -> None:
    log = UpdateLog()
    log.add(update("a"), 0.0)
    assert log.due(FIRST_RETRY - 0.1) == []
    waits = []
    now = 0.0
    for _ in range(10):
        due = log.next_due()
        assert due is not None
        waits.append(due - now)
        now = due
        assert len(log.due(now)) == 1
    assert waits[:3] == [FIRST_RETRY, FIRST_RETRY * 2, FIRST_RETRY * 4]
    assert max(waits) == LAST_RETRY


def test_a_subscription_starts_the_timers_again() -> None:
    log = UpdateLog()
    log.add(update("a"), 0.0)
    log.due(FIRST_RETRY)
    log.subscribed(100.0)
    assert log.next_due() == 100.0 + FIRST_RETRY


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15mins", 900), ("2secs", 2), ("1.5hrs", 5400), ("500ms", 0.5), ("1weeks", 604800)],
)
def test_mesos_durations(text: str, seconds: float) -> None:
    assert duration.parse_mesos(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "15", "mins", "1 fortnight", "1mins2secs"])
def test_what_is_no_mesos_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        duration.parse_mesos(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5m", 300), ("1h30m", 5400), ("0", 0), ("1.5s", 1.5), ("100ms", 0.1)]
)
def test_go_durations(text: str, seconds: float) -> None:
    assert duration.parse_go(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "5x", "m5", "5m "])
def test_what_is_no_go_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        duration.parse_go(text)


# Settings and environment

AGENT = {
    "MESOS_AGENT_ENDPOINT": "127.1.2.11:5051",
    "MESOS_SLAVE_PID": "slave(7)@127.1.2.11:5051",
    "MESOS_FRAMEWORK_ID": "f",
    "MESOS_EXECUTOR_ID": "e",
    "MESOS_DIRECTORY": "/sandbox",
    "MESOS_CHECKPOINT": "1",
    "MESOS_RECOVERY_TIMEOUT": "15mins",
    "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs",
    "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
}


def test_settings_of_an_agent() -> None:
    assert read(AGENT) == Settings(
        host="127.1.2.11",
        port=5051,
        path="/slave(7)/api/v1/executor",
        operator_path="/slave(7)/api/v1",
        framework_id="f",
        executor_id="e",
        sandbox="/sandbox",
        checkpoint=True,
        recovery_timeout=900.0,
        backoff_max=2.0,
        shutdown_grace=5.0,
        token=None,
    )


def test_without_checkpointing_there_is_no_recovery() -> None:
    found = read({**AGENT, "MESOS_CHECKPOINT": "0", "MESOS_SANDBOX": "/mnt/sandbox"})
    assert (found.checkpoint, found.recovery_timeout) == (False, 0.0)
    assert found.sandbox == "/mnt/sandbox"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MESOS_AGENT_ENDPOINT", "localhost"),
        ("MESOS_SLAVE_PID", "slave(1)"),
        ("MESOS_EXECUTOR_ID", ""),
        ("MESOS_RECOVERY_TIMEOUT", "soon"),
    ],
)
def test_wrong_settings_name_their_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read({**AGENT, name: value})


def test_a_container_with_an_address_keeps_it() -> None:
    own = {"MESOS_CONTAINER_IP": "9.9.9.9", "LIBPROCESS_IP": "1.1.1.1"}
    assert task_environment(own, {}, "t", "/s", "2.2.2.2", "m")["MESOS_CONTAINER_IP"] == "9.9.9.9"
    assert task_environment({}, {}, "t", "/s", "2.2.2.2", "m")["MESOS_CONTAINER_IP"] == "2.2.2.2"


def unknown() -> str:
    raise OSError("the name is not known")


@pytest.mark.parametrize(
    ("libprocess", "resolve", "address"),
    [
        ({}, unknown, "2.2.2.2"),
        ({"LIBPROCESS_IP": "1.1.1.1"}, unknown, "1.1.1.1"),
        ({"LIBPROCESS_IP": "0.0.0.0"}, lambda: "9.0.0.1", "9.0.0.1"),
        ({"LIBPROCESS_IP": "::"}, lambda: "9.0.0.1", "9.0.0.1"),
        ({"LIBPROCESS_IP": "0.0.0.0"}, lambda: "127.0.1.1", "2.2.2.2"),
        ({"LIBPROCESS_IP": "0.0.0.0"}, unknown, "2.2.2.2"),
    ],
)
def test_the_address_of_the_container(
    libprocess: dict[str, str], resolve: Callable[[], str], address: str
) -> None:
    assert own_address(libprocess, "2.2.2.2", resolve) == address
