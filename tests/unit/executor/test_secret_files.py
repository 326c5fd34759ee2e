"""Secrets in the sandbox of a real executor process, and in its variables."""

from collections.abc import Callable

from holdfast_executor import bootstrap
from holdfast_executor.confidential import Certificate, Secret
from holdfast_executor.contract import ConfigTemplate, TaskLaunch
from tests.unit.executor.fake_agent import FakeAgent, RunningExecutor


def test_files_are_private_and_gone_at_the_end(agent: FakeAgent, executor: RunningExecutor) -> None:
    secrets = (
        Secret("db/password", variable="PASSWORD", content=b"hidden"),
        Secret("db/key", file="etc/deep/key", content=b"\x00\xff"),
    )
    command = "stat -c %a etc/deep/key app.conf && od -An -tx1 etc/deep/key && cat app.conf"
    template = ConfigTemplate("app", "p={{PASSWORD}}", "app.conf")
    executor.launch(TaskLaunch(command, {}, templates=(template,), secrets=secrets))
    assert executor.wait() == 0
    assert executor.read("stdout").split() == ["600", "600", "00", "ff", "p=hidden"]
    assert not (executor.sandbox / "etc" / "deep" / "key").exists()
    assert "hidden" not in executor.read("stderr")


def test_a_file_takes_the_place_of_a_former_one(
    agent: FakeAgent, executor: RunningExecutor
) -> None:
    (executor.sandbox / "key").write_text("old")
    (executor.sandbox / "key").chmod(0o644)
    secret = Secret("key", file="key", content=b"new")
    executor.launch(TaskLaunch("cat key && stat -c %a key", {}, secrets=(secret,)))
    assert executor.wait() == 0
    assert executor.read("stdout") == "new600\n"


def test_a_file_may_not_leave_the_sandbox(agent: FakeAgent, executor: RunningExecutor) -> None:
    secret = Secret("key", file="../key", content=b"hidden")
    executor.launch(TaskLaunch("true", {}, secrets=(secret,)))
    message = agent.status("TASK_FAILED")["message"]
    assert message.startswith("secret key: cannot write ../key:")
    assert "hidden" not in message
    assert not (executor.sandbox.parent / "key").exists()


def test_what_was_not_filled_in_does_not_start(agent: FakeAgent, executor: RunningExecutor) -> None:
    certificate = Certificate("node", "TLS", "n", (), 0.0)
    launch = TaskLaunch("true", {}, secrets=(Secret("a"),), certificates=(certificate,))
    executor.launch(launch)
    message = agent.status("TASK_ERROR")["message"]
    assert message == "the scheduler sent no value for a, certificate node"


def test_an_agent_that_ignores_references_is_noticed(
    agent: FakeAgent, start_executor: Callable[..., RunningExecutor]
) -> None:
    executor = start_executor(
        HOLDFAST_SECRET_VARIABLES="A,B", HOLDFAST_SECRET_FILES="etc/key,there", A="1"
    )
    (executor.sandbox / "there").touch()
    executor.launch(TaskLaunch("true", {}))
    message = agent.status("TASK_FAILED")["message"]
    assert "has not put secrets in place (variable B, file etc/key): it needs" in message


def test_values_are_not_shown() -> None:
    launch = TaskLaunch("true", {}, secrets=(Secret("a", "A", "f", b"s3cret"),))
    assert "s3cret" not in repr(launch)
    assert "Secret('a', 'A', 'f', <hidden>)" in repr(launch)
    environment = {"PLAIN": "x", "PIN": "s3cret", "HOLDFAST_SECRET_VARIABLES": "PIN"}
    for insecure in (False, True):
        lines = bootstrap.printable(environment, insecure)
        assert lines == ["HOLDFAST_SECRET_VARIABLES=PIN", "PIN=********", "PLAIN=x"]
