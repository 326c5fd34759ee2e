"""The command of a disruption check: what it is told, and what is made of how it ends."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast import disruption_command
from holdfast.core.effects import AskDisruption
from holdfast.core.events import DisruptionAnswered
from holdfast.disruption_command import MOST_BYTES, MOST_OF_A_REASON, said_by_command
from holdfast.service.disruption_model import DisruptionCheck

QUESTION = {"service": "db", "pod": "db-0", "tasks": ["node"], "action": "restart", "reason": "x"}
VARIABLES = {"POD_INSTANCE": "db-0", "DISRUPTION_ACTION": "restart"}
LONG = "sleep 100000"


def ask(
    command: str, seconds: float = 20.0, stopped: threading.Event | None = None
) -> DisruptionAnswered:
    question = AskDisruption("q1", "db", DisruptionCheck(command=command), QUESTION, VARIABLES)
    return said_by_command(question, stopped or threading.Event(), seconds)


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def pid_in(file: Path) -> int:
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def test_it_is_told_all_and_may_say_yes(tmp_path: Path) -> None:
    told, named = tmp_path / "told", tmp_path / "named"
    answer = ask(f'cat > {told}; echo "$POD_INSTANCE $DISRUPTION_ACTION" > {named}; echo fine')
    assert answer == DisruptionAnswered("q1", "db", True)
    assert json.loads(told.read_text()) == QUESTION
    assert named.read_text() == "db-0 restart\n"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("echo looking; echo no quorum >&2; echo; exit 1", "no quorum"),
        ("printf 'no quorum'; exit 3", "no quorum"),
        ("exit 3", "its command ended with exit code 3 and said nothing"),
        ("echo oh; kill -TERM $$", "its command was ended by SIGTERM; the last it said: oh"),
        ("kill -40 $$", "its command was ended by signal 40"),
        ("exec >&- 2>&-; sleep 0.2; exit 4", "its command ended with exit code 4"),
        (f"({LONG}) & echo no quorum; exit 1", "no quorum"),
    ],
)
def test_another_exit_is_a_no_for_what_it_said_last(command: str, reason: str) -> None:
    began = time.monotonic()
    answer = ask(command)
    assert not answer.allowed
    assert answer.reason.startswith(reason)
    assert time.monotonic() - began < 15, "what it left running is not waited for"


def test_what_is_not_found_is_a_no() -> None:
    answer = ask("no-such-program --now")
    assert not answer.allowed
    assert "no-such-program" in answer.reason


def test_too_late_is_a_no_and_nothing_of_its_group_is_left(tmp_path: Path) -> None:
    child, grandchild = tmp_path / "child", tmp_path / "grandchild"
    answer = ask(
        f"trap '' TERM; echo $$ > {child}; sh -c 'echo $$ > {grandchild}; {LONG}; :' &"
        f" echo waiting; {LONG}; exit 0",
        seconds=1.0,
    )
    assert not answer.allowed
    assert answer.reason == (
        "its command was killed: it took more than 1 s; the last it said: waiting"
    )
    assert not is_running(pid_in(child))
    left = pid_in(grandchild)
    wait_until(lambda: not is_running(left))


def test_what_a_yes_leaves_running_is_killed(tmp_path: Path) -> None:
    left = tmp_path / "left"
    assert ask(f"({LONG}) & echo $! > {left}").allowed
    pid = pid_in(left)
    wait_until(lambda: not is_running(pid))


def test_once_the_scheduler_stops_it_is_killed(tmp_path: Path) -> None:
    stopped, file = threading.Event(), tmp_path / "pid"
    answers: list[DisruptionAnswered] = []
    thread = threading.Thread(
        target=lambda: answers.append(ask(f"echo $$ > {file}; exec {LONG}", 60.0, stopped))
    )
    thread.start()
    pid = pid_in(file)
    stopped.set()
    thread.join(10)
    assert not is_running(pid)
    assert [answer.allowed for answer in answers] == [False]


def test_of_much_output_the_end_is_kept() -> None:
    size = 50 * MOST_BYTES
    answer = ask(f"head -c {size} /dev/zero | tr '\\0' a; echo; echo no quorum; exit 1")
    assert answer.reason == "no quorum"
    answer = ask(f"head -c {size} /dev/zero | tr '\\0' a; exit 1")
    assert answer.reason == "a" * MOST_OF_A_REASON


def test_a_command_that_takes_no_input_is_no_fault() -> None:
    huge = {**QUESTION, "reason": "x" * 4 * MOST_BYTES}
    question = AskDisruption("q1", "db", DisruptionCheck(command="exit 0"), huge, VARIABLES)
    assert said_by_command(question, threading.Event()).allowed


def test_nothing_else_of_the_scheduler_is_in_its_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SERVICE_SECRET", "hidden")
    monkeypatch.setenv("LANG", "C.UTF-8")
    file = tmp_path / "environment"
    assert ask(f"cat /proc/self/environ > {file}").allowed
    given = dict(item.split("=", 1) for item in file.read_text().rstrip("\0").split("\0"))
    # PWD, OLDPWD, _ and SHLVL are what shells set themselves.
    assert given.keys() - {"PWD", "OLDPWD", "_", "SHLVL"} <= {"HOME", "LANG", "PATH"} | (
        VARIABLES.keys()
    )
    assert given["LANG"] == "C.UTF-8"
    assert given["PATH"] == os.environ["PATH"]


def test_no_file_of_the_scheduler_is_open_in_it(tmp_path: Path) -> None:
    file = tmp_path / "open"
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    with secret.open() as held:
        os.set_inheritable(held.fileno(), True)
        assert ask(f"ls -l /proc/$$/fd > {file}").allowed
    assert "secret" not in file.read_text()


def test_a_missing_shell_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disruption_command, "SHELL", "/no/such/shell")
    answer = ask("exit 0")
    assert not answer.allowed
    assert "its command cannot be run: [Errno 2]" in answer.reason


def test_what_no_system_takes_is_a_no() -> None:
    answer = ask("exit 0 # \0")
    assert not answer.allowed
    assert "its command cannot be run: embedded null byte" in answer.reason


def test_one_that_does_not_go_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    kill = os.killpg
    monkeypatch.setattr(os, "killpg", lambda group, number: groups.append(group))
    monkeypatch.setattr(disruption_command, "KILLED_SECONDS", 0.1)
    groups: list[int] = []
    try:
        answer = ask(LONG, seconds=0.1)
    finally:
        for group in groups:
            kill(group, signal.SIGKILL)
            os.waitpid(group, 0)
    assert not answer.allowed
    assert answer.reason == "its command was killed and is not gone"
