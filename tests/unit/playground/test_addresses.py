"""Sharing out loopback blocks."""

import socket
from pathlib import Path

import pytest

from holdfast_playground import addresses
from holdfast_playground.addresses import Block, claim, is_free, release
from holdfast_playground.errors import PlaygroundError


def everyone_holds(_: Path, __: Block) -> bool:
    return True


def always_free(_: Block) -> bool:
    return True


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


def test_a_claim_counts_only_while_its_cluster_holds_it(tmp_path: Path) -> None:
    first = claim(tmp_path / "a", tmp_path, everyone_holds, always_free)

    def only_others(owner: Path, _: Block) -> bool:
        return owner != tmp_path / "a"

    assert claim(tmp_path / "b", tmp_path, only_others, always_free) == first


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
