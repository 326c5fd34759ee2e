"""Finding and ending what agents leave behind."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast_playground import leftovers, processes
from holdfast_playground.processes import ProcessRecord
from tests.unit.playground.test_processes import wait_until

NO_CGROUP = "holdfast-no-such-cgroup"
Start = Callable[[str, dict[str, str]], ProcessRecord]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[ProcessRecord] = []

    def spawn(script: str, environment: dict[str, str]) -> ProcessRecord:
        return processes.spawn(
            ["/bin/sh", "-c", script],
            {"PATH": "/usr/bin:/bin", **environment},
            tmp_path / "log",
            started.append,
        )

    yield spawn
    processes.kill(started)


def other_process(path: Path) -> ProcessRecord:
    """The record of the process whose id was written to the file."""
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
    record = processes.record_of(int(path.read_text()))
    assert record is not None
    return record


@pytest.mark.parametrize("variable", ["MESOS_SANDBOX", "MESOS_DIRECTORY"])
def test_containers_are_found_by_their_sandbox(start: Start, tmp_path: Path, variable: str) -> None:
    mine = start("exec sleep 60", {variable: f"{tmp_path}/cluster/agent-1/runs/x"})
    neighbour = start("exec sleep 60", {variable: f"{tmp_path}/cluster-2/agent-1/runs/x"})

    leftovers.end_processes([], tmp_path / "cluster", NO_CGROUP)

    assert not processes.is_alive(mine)
    assert processes.is_alive(neighbour)


def test_all_that_a_process_started_ends_with_it(start: Start, tmp_path: Path) -> None:
    root = start(f"env -i setsid sleep 60 & echo $! > {tmp_path}/child; wait", {})
    child = other_process(tmp_path / "child")

    leftovers.end_processes([root], tmp_path / "cluster", NO_CGROUP)

    assert not processes.is_alive(root)
    assert not processes.is_alive(child)


def test_a_container_s_session_ends_with_it(start: Start, tmp_path: Path) -> None:
    """A task that lost its parent and its environment is still in its container's session."""
    environment = {"MESOS_SANDBOX": f"{tmp_path}/cluster/runs/x"}
    script = f"(env -i sleep 60 & echo $! > {tmp_path}/orphan) & wait $!; exec sleep 60"
    container = start(script, environment)
    orphan = other_process(tmp_path / "orphan")

    leftovers.end_processes([], tmp_path / "cluster", NO_CGROUP)

    assert not processes.is_alive(container)
    assert not processes.is_alive(orphan)


def test_this_process_and_its_ancestors_are_spared(tmp_path: Path, start: Start) -> None:
    me = processes.record_of(os.getpid())
    assert me is not None
    container = start("exec sleep 60", {"MESOS_SANDBOX": f"{tmp_path}/x"})

    leftovers.end_processes([me], tmp_path, NO_CGROUP)

    assert not processes.is_alive(container)


def test_mount_points_are_read_with_their_escapes() -> None:
    root = list(leftovers.mounts_under(Path("/")))
    assert Path("/") in root
    assert Path("/proc") in list(leftovers.mounts_under(Path("/proc")))
    assert list(leftovers.mounts_under(Path("/no such directory"))) == []
