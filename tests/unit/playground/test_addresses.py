"""Sharing out loopback blocks."""

import fcntl
import multiprocessing
import os
import random
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from holdfast_playground import addresses
from holdfast_playground.addresses import LOOPBACK_BLOCKS, Block, is_free, release
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.layout import Layout
from holdfast_playground.spec import ClusterSpec
from holdfast_playground.state import ClusterState, holds_block, write_state

CLUSTERS = 6
ROUNDS = 25


def everyone_holds(_: Path, __: Block) -> bool:
    return True


def always_free(_: Block) -> bool:
    return True


def claim(
    owner: Path,
    directory: Path,
    holds: Callable[[Path, Block], bool],
    free: Callable[[Block], bool] = is_free,
) -> Block:
    """By a cluster whose `holds` says the same whether it has noted its block or not."""
    return addresses.claim(owner, directory, holds, lambda _: None, free)


def test_every_server_has_an_address_of_its_own() -> None:
    block = Block(120, 7)
    ips = [
        block.zookeeper,
        *(block.master(n) for n in range(1, addresses.MOST_MASTERS + 1)),
        *(block.agent(n) for n in range(1, addresses.MOST_AGENTS + 1)),
        *(block.client(n) for n in range(1, addresses.CLIENTS + 1)),
        f"{block}.253",
        block.host,
    ]
    assert ips == [f"127.120.7.{n}" for n in range(1, 255)]
    assert Block.parse(str(block)) == block


def test_two_clusters_get_two_blocks(tmp_path: Path) -> None:
    blocks = {
        claim(tmp_path / name, tmp_path, everyone_holds, always_free) for name in ("a", "b", "c")
    }
    assert len(blocks) == 3


def test_a_block_someone_else_listens_in_is_not_taken(tmp_path: Path) -> None:
    first = claim(tmp_path / "a", tmp_path, everyone_holds)
    release(first, tmp_path / "a", tmp_path)
    with socket.socket() as other:
        other.bind((first.zookeeper, addresses.ZOOKEEPER_PORT))
        other.listen(1)

        assert not is_free(first)
        assert claim(tmp_path / "b", tmp_path, everyone_holds) != first


@pytest.mark.parametrize("port", [8080, 31000])
def test_a_block_in_which_anything_listens_is_not_free(port: int) -> None:
    """As a scheduler that outlived the cluster which had the block before."""
    block = next(filter(is_free, LOOPBACK_BLOCKS[os.getpid() :]))
    for family, address in (
        (socket.AF_INET, block.zookeeper),
        (socket.AF_INET6, f"::ffff:{block.agent(7)}"),
    ):
        with socket.socket(family) as other:
            other.bind((address, port))
            assert is_free(block), "it does not listen yet"
            other.listen(1)
            assert not is_free(block)
        assert is_free(block)


def test_a_claim_counts_only_while_its_cluster_holds_it(tmp_path: Path) -> None:
    first = claim(tmp_path / "a", tmp_path, everyone_holds, always_free)

    def only_others(owner: Path, _: Block) -> bool:
        return owner != tmp_path / "a"

    assert claim(tmp_path / "b", tmp_path, only_others, always_free) == first


def test_a_cluster_says_that_it_holds_a_block_before_the_next_one_asks(tmp_path: Path) -> None:
    """Another one that was asked in between would take the claim for that of a dead cluster."""
    seen: list[Block] = []

    def note(block: Block) -> None:
        assert (tmp_path / str(block)).read_text() == str(tmp_path / "a")
        with (tmp_path / "lock").open("w") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen.append(block)

    block = addresses.claim(tmp_path / "a", tmp_path, everyone_holds, note, always_free)
    assert seen == [block]


def test_a_claim_of_a_cluster_that_could_not_note_it_is_dropped(tmp_path: Path) -> None:
    def fails(_: Block) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        addresses.claim(tmp_path / "a", tmp_path, holds_block, fails, always_free)
    (left,) = tmp_path.glob("127.*")
    assert claim(tmp_path / "b", tmp_path, holds_block, always_free) == Block.parse(left.name)


def note_in(cluster: Path, block: Block) -> None:
    write_state(cluster, ClusterState(ClusterSpec(), block, "posix", "/lib.so"))


def begin_and_end(claims: Path, blocks: Sequence[Block], start: Barrier, number: int) -> list[str]:
    """Clusters that come and go in one process; what was taken twice at a time."""
    twice = []
    start.wait(60)
    for round_ in range(ROUNDS):
        cluster = claims / f"cluster-{number}-{round_}"
        cluster.mkdir()
        note = partial(note_in, cluster)
        block = addresses.claim(cluster, claims, holds_block, note, always_free, blocks)
        mark = claims / f"used-{block}"
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            twice.append(f"{block} by {cluster.name}")
            continue
        time.sleep(random.uniform(0, 0.002))
        mark.unlink()
        Layout(cluster).state_file.unlink()
        release(block, cluster, claims)
    return twice


def test_many_that_begin_at_once_never_share_a_block(tmp_path: Path) -> None:
    """From processes of their own, and from few blocks, so that they meet at each."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(CLUSTERS, context) as pool:
        one = partial(
            begin_and_end, tmp_path, LOOPBACK_BLOCKS[:CLUSTERS], manager.Barrier(CLUSTERS)
        )
        twice = list(pool.map(one, range(CLUSTERS)))
    assert twice == [[]] * CLUSTERS
    assert list(tmp_path.glob("127.*")) == [], "each was given back"


def test_only_the_owner_gives_a_block_back(tmp_path: Path) -> None:
    block = claim(tmp_path / "a", tmp_path, everyone_holds, always_free)
    release(block, tmp_path / "b", tmp_path)
    assert (tmp_path / str(block)).exists()
    release(block, tmp_path / "a", tmp_path)
    assert not (tmp_path / str(block)).exists()


def test_no_block_left_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="End a playground"):
        claim(tmp_path / "a", tmp_path, everyone_holds, lambda _: False)


def test_claims_go_to_the_runtime_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    directory = addresses.claims_directory()
    assert directory.parent == tmp_path
    assert directory.stat().st_mode & 0o777 == 0o700
