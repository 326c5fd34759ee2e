"""One writer for each volume: real executors, and what they do when another has the lock."""

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast_executor.lock_holders import holders
from holdfast_executor.reactor import Reactor
from holdfast_executor.volume_locks import VolumeLocks, volumes_of
from tests.unit.executor.fake_agent import FakeAgent, RunningExecutor, eventually

DISK = {
    "name": "disk",
    "type": "SCALAR",
    "scalar": {"value": 16},
    "disk": {
        "persistence": {"id": "v-1"},
        "volume": {"container_path": "data", "mode": "RW"},
    },
}
RESOURCES = [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}}, DISK]


@pytest.fixture
def volume(tmp_path: Path, agent: FakeAgent) -> Path:
    agent.resources = RESOURCES
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


@pytest.fixture
def start_on_volume(
    start_executor: Callable[..., RunningExecutor], volume: Path
) -> Callable[[], RunningExecutor]:
    """An executor whose sandbox leads to the volume, as an agent without isolation has it."""

    def start() -> RunningExecutor:
        executor = start_executor()
        (executor.sandbox / "data").symlink_to(volume)
        return executor

    return start


@pytest.fixture
def another(volume: Path) -> Iterator[int]:
    """The volume is locked by this process."""
    opened = os.open(volume, os.O_RDONLY)
    fcntl.flock(opened, fcntl.LOCK_EX)
    yield opened
    os.close(opened)


def is_free(volume: Path) -> bool:
    opened = os.open(volume, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(opened)
    return True


def test_tasks_of_one_executor_share_its_lock(
    agent: FakeAgent, start_on_volume: Callable[[], RunningExecutor], volume: Path
) -> None:
    executor = start_on_volume()
    executor.launch("exec sleep 100", "t1")
    executor.launch("exec sleep 100", "t2")
    agent.status("TASK_RUNNING", "t1")
    agent.status("TASK_RUNNING", "t2")
    assert not is_free(volume)
    found = holders(str(volume))
    assert len(found) == 3
    assert executor.process.pid in [pid for pid, _ in found]
    assert [command for _, command in found].count("sleep") == 2
    assert list(volume.iterdir()) == []
    agent.kill("t1")
    agent.kill("t2")
    assert executor.wait() == 0
    assert is_free(volume)


def test_a_second_executor_waits_until_the_first_has_ended(
    agent: FakeAgent, start_on_volume: Callable[[], RunningExecutor], volume: Path
) -> None:
    first = start_on_volume()
    first.launch("echo first >> data/log; exec sleep 100")
    agent.status("TASK_RUNNING")
    second = start_on_volume()
    eventually(lambda: len(agent.subscribes) == 2, "the second subscribes")
    second.launch("echo second >> data/log", "t2")
    message = agent.status("TASK_STARTING", "t2")["message"]
    assert message.startswith("volume data is still used by processes ")
    assert f"{first.process.pid} (" in message
    assert (volume / "log").read_text() == "first\n"
    first.process.send_signal(signal.SIGTERM)
    first.process.wait(20)
    agent.status("TASK_FINISHED", "t2")
    assert (volume / "log").read_text() == "first\nsecond\n"


def test_what_outlives_a_killed_executor_keeps_the_lock(
    agent: FakeAgent, start_on_volume: Callable[[], RunningExecutor], volume: Path
) -> None:
    executor = start_on_volume()
    executor.launch("sleep 100 & echo $! > child; wait")
    agent.status("TASK_RUNNING")
    child = int(eventually(lambda: executor.read("child").strip(), "the child's id"))
    executor.process.kill()
    executor.process.wait(10)
    eventually(lambda: holders(str(volume)) == [(child, "sleep")], "only the child has the lock")
    assert not is_free(volume)
    os.kill(child, signal.SIGKILL)
    eventually(lambda: is_free(volume), "the lock is free")


def test_a_task_is_killed_while_it_waits(
    agent: FakeAgent,
    start_on_volume: Callable[[], RunningExecutor],
    volume: Path,
    another: int,
) -> None:
    executor = start_on_volume()
    executor.launch("touch data/started", "t1")
    executor.launch("touch data/started", "t2")
    agent.status("TASK_STARTING", "t1")
    agent.status("TASK_STARTING", "t2")
    agent.kill("t1")
    killed = agent.status("TASK_KILLED", "t1")
    assert killed["message"] == "killed before its volumes were free"
    agent.kill("t2")
    assert executor.wait() == 0
    assert list(volume.iterdir()) == []


class Guest:
    def __init__(self) -> None:
        self.told: list[str] = []

    def volumes_awaited(self, message: str) -> None:
        self.told.append(f"awaited: {message}")

    def volumes_locked(self) -> None:
        self.told.append("locked")

    def volumes_refused(self, message: str) -> None:
        self.told.append(f"refused: {message}")


def told(
    folder: Path, log: Callable[[str], None] = lambda text: None, patience: float = 0.05
) -> list[str]:
    """What a guest is told in the end about the volume `data` in a sandbox."""
    reactor, guest = Reactor(), Guest()
    locks = VolumeLocks(reactor, log, patience)
    locks.want(str(folder), {"resources": RESOURCES})
    locks.enter(guest)
    reactor.call_later(5 * patience, reactor.stop)
    if locks.is_waiting(guest):
        reactor.run()
    return guest.told


def test_after_a_while_it_is_refused_with_who_has_it(
    volume: Path, another: int, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(volume)
    awaited, refused = told(tmp_path)
    ours = f"{os.getpid()} ({Path('/proc/self/comm').read_text().strip()})"
    assert awaited == f"awaited: volume data is still used by process {ours}"
    assert refused == (
        f"refused: volume data is still used by process {ours} after 0.05 s: "
        "nothing was started, and the data is as it was"
    )


def test_a_volume_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert told(tmp_path) == [
        "refused: volume data cannot be locked: No such file or directory; nothing was started"
    ]


def test_a_file_system_without_locks_is_told_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()

    def without(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", without)
    log: list[str] = []
    assert told(tmp_path, log.append) == ["locked"]
    assert log == [
        "volume data is on a file system without locks (No locks available): "
        "a second writer would not be noticed"
    ]


def test_only_persistent_volumes_count() -> None:
    assert volumes_of({"resources": RESOURCES}) == ["data"]
    mount = {"name": "disk", "disk": {"source": {"type": "MOUNT"}}}
    assert volumes_of({"resources": [mount]}) == []
    assert volumes_of({}) == []
