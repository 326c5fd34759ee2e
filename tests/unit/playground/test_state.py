"""What is remembered comes back, and what cannot be read is never taken for nothing."""

import threading
from pathlib import Path

import pytest

from holdfast_playground.addresses import Block
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.processes import ProcessRecord
from holdfast_playground.spec import ClusterSpec
from holdfast_playground.state import (
    ClusterState,
    holds_block,
    locked,
    read_state,
    write_state,
)

STATE = ClusterState(
    spec=ClusterSpec(
        agents=2,
        zones=("x", "y"),
        agent_settings=({}, {"MESOS_PORT": "1"}),
        master_settings={"MESOS_ROLES": "r"},
    ),
    block=Block(101, 2),
    launcher="posix",
    library="/lib.so",
    processes={"agent-1": ProcessRecord(7, 8, "boot")},
    removed=frozenset({2}),
)


def test_written_state_reads_the_same(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    assert read_state(tmp_path) == STATE
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_an_empty_directory_has_no_cluster(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 2}', '{"schema": 1}'])
def test_a_broken_state_is_an_error_and_keeps_its_block(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(PlaygroundError, match=r"state\.json"):
        read_state(tmp_path)
    assert holds_block(tmp_path, Block(101, 2))


def test_a_cluster_holds_its_own_block_only(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    assert holds_block(tmp_path, Block(101, 2))
    assert not holds_block(tmp_path, Block(101, 3))
    assert not holds_block(tmp_path / "gone", Block(101, 2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"agents": 0}, "agents is 0, expected 1 to 240"),
        ({"agents": 245}, "agents is 245"),
        ({"masters": 10}, "masters is 10, expected 1 to 9"),
        ({"zones": ()}, "zones"),
        ({"zones": ("a b",)}, "zones"),
        ({"launcher": "docker"}, "expected auto, posix or linux"),
        ({"ping_timeout_seconds": 0}, "ping_timeout_seconds is 0, expected at least 1"),
        ({"zookeeper_session_seconds": 0.5}, "zookeeper_session_seconds"),
    ],
)
def test_impossible_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(PlaygroundError, match=message):
        ClusterSpec(**settings)  # type: ignore[arg-type]


def test_agents_fill_zones_in_turn() -> None:
    spec = ClusterSpec(agents=5, zones=("a", "b"))
    assert [spec.zone(n) for n in range(1, 6)] == ["a", "b", "a", "b", "a"]


def test_only_one_acts_on_a_cluster_at_a_time_and_no_lock_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    inside = 0
    most = 0
    turns = 0

    def act() -> None:
        nonlocal inside, most, turns
        for _ in range(50):
            with locked(tmp_path / "cluster"):
                inside += 1
                most = max(most, inside)
                turns += 1
                inside -= 1

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert (most, turns) == (1, 200)
    assert list(tmp_path.rglob("*.lock")) == []
