"""A block of addresses per cluster: every server has its own IP and the usual port.

Linux answers on all of 127.0.0.0/8 without any set-up (RFC 1122 section 3.2.1.3), also for
ordinary users. Clusters with a network of their own are in 198.18.0.0/15, which is set aside for
tests (RFC 2544), so that no network of the machine lies there. A claim is a file named after the
block, in a directory of the user, that names the cluster's directory; it counts as long as that
cluster says so too. Both are written before anybody else may choose.
"""

import fcntl
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from holdfast_playground.errors import PlaygroundError

ZOOKEEPER_PORT: Final = 2181
MASTER_PORT: Final = 5050
AGENT_PORT: Final = 5051
FIRST_MASTER: Final = 2
FIRST_AGENT: Final = 11
MOST_MASTERS: Final = FIRST_AGENT - FIRST_MASTER
FIRST_CLIENT: Final = 251
MOST_AGENTS: Final = FIRST_CLIENT - FIRST_AGENT
CLIENTS: Final = 2
HOST: Final = 254
# 127.0 and 127.1 have other users (resolvers, container tools); these are ours to choose from.
SECOND_BYTES: Final = range(100, 250)
LOOPBACK: Final = 127
BENCHMARK: Final = 198
BENCHMARK_SECOND_BYTES: Final = range(18, 20)
SOCKETS: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENS: Final = "0A"


@dataclass(frozen=True, slots=True)
class Block:
    """127.X.Y.0/24 or 198.X.Y.0/24, one cluster's addresses. Servers are counted from 1."""

    x: int
    y: int
    first: int = LOOPBACK

    @classmethod
    def parse(cls, text: str) -> Self:
        """The block of "127.X.Y" or "198.X.Y". Raises ValueError."""
        first, x, y = map(int, text.split("."))
        if first not in (LOOPBACK, BENCHMARK):
            raise ValueError(f"not a block: {text!r}, expected {LOOPBACK}.X.Y or {BENCHMARK}.X.Y")
        return cls(x, y, first)

    def __str__(self) -> str:
        return f"{self.first}.{self.x}.{self.y}"

    @property
    def zookeeper(self) -> str:
        """The address of the one ZooKeeper server."""
        return f"{self}.1"

    def master(self, number: int) -> str:
        """The address of a master."""
        return f"{self}.{FIRST_MASTER + number - 1}"

    def agent(self, number: int) -> str:
        """The address of an agent."""
        return f"{self}.{FIRST_AGENT + number - 1}"

    def client(self, number: int) -> str:
        """The address of a namespace for a scheduler."""
        return f"{self}.{FIRST_CLIENT + number - 1}"

    @property
    def host(self) -> str:
        """The address this machine itself has in a cluster's own network."""
        return f"{self}.{HOST}"


LOOPBACK_BLOCKS: Final = tuple(Block(x, y) for x in SECOND_BYTES for y in range(256))
BENCHMARK_BLOCKS: Final = tuple(
    Block(x, y, BENCHMARK) for x in BENCHMARK_SECOND_BYTES for y in range(256)
)


def is_free(block: Block) -> bool:
    """Whether nothing listens at the block's addresses, and its first servers could, whoever asks.

    A scheduler that has outlived its cluster would answer in the place of the new cluster's.
    """
    if any(ip.startswith(f"{block}.") for ip in _listening()):
        return False
    doors = (
        (block.zookeeper, ZOOKEEPER_PORT),
        (block.master(1), MASTER_PORT),
        (block.agent(1), AGENT_PORT),
    )
    return all(_can_bind(ip, port) for ip, port in doors)


def _listening() -> Iterator[str]:
    """Every IPv4 address of this machine that something listens at (proc(5), /proc/net/tcp)."""
    for path in SOCKETS:
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        for _, local, _, state, *_ in map(str.split, lines):
            if state == LISTENS:
                # In the byte order of the machine; one of IPv6 that stands for IPv4 ends with it.
                yield socket.inet_ntoa(bytes.fromhex(local.partition(":")[0][-8:])[::-1])


def _can_bind(ip: str, port: int) -> bool:
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((ip, port))
            door.listen(1)
        except OSError:
            return False
    return True


def claims_directory() -> Path:
    """The user's directory of claims. Raises PlaygroundError when it cannot be trusted."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        directory = Path(runtime) / "holdfast-playground"
    else:
        directory = Path(tempfile.gettempdir()) / f"holdfast-playground-{os.getuid()}"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = directory.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        raise PlaygroundError(
            f"{directory} belongs to someone else, so addresses cannot be shared out safely. "
            "Set XDG_RUNTIME_DIR to a directory of your own and try again."
        )
    return directory


def claim(
    owner: Path,
    directory: Path,
    holds: Callable[[Path, Block], bool],
    note: Callable[[Block], None],
    free: Callable[[Block], bool] = is_free,
    blocks: Sequence[Block] = LOOPBACK_BLOCKS,
) -> Block:
    """Choose a free block for the cluster at `owner`, while nobody else chooses.

    `holds(other, block)` tells whether the cluster at `other` still uses the block; a claim whose
    cluster does not is dropped. So `note` has this cluster say that it does, before the next one
    asks. Raises PlaygroundError when every block is taken.
    """
    with _locked(directory):
        taken = set(_live_claims(directory, holds))
        for block in _candidates(blocks):
            if block not in taken and free(block):
                (directory / str(block)).write_text(str(owner))
                note(block)
                return block
    raise PlaygroundError(
        f"Every block of addresses from {blocks[0]} to {blocks[-1]} is in use. "
        "End a playground with `down`."
    )


def release(block: Block, owner: Path, directory: Path) -> None:
    """Give the block back, if the cluster at `owner` is the one that claimed it."""
    with _locked(directory):
        path = directory / str(block)
        if path.exists() and path.read_text() == str(owner):
            path.unlink()


def _candidates(blocks: Sequence[Block]) -> Iterator[Block]:
    # Starting at the process id keeps other users' choices, whose claims are not visible, apart.
    start = os.getpid() % len(blocks)
    yield from blocks[start:]
    yield from blocks[:start]


def _live_claims(directory: Path, holds: Callable[[Path, Block], bool]) -> Iterator[Block]:
    for path in directory.glob("[0-9]*.*.*"):
        block = Block.parse(path.name)
        if holds(Path(path.read_text()), block):
            yield block
        else:
            path.unlink()


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
