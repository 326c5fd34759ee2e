"""What a cluster's directory remembers: settings, addresses and every process it started."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, Self

from holdfast_playground.addresses import Block, claims_directory
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.layout import Layout
from holdfast_playground.processes import ProcessRecord
from holdfast_playground.spec import ClusterSpec

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class ClusterState:
    """One moment of a cluster. `processes` are by name; one that ended stays until replaced."""

    spec: ClusterSpec
    block: Block
    launcher: Literal["posix", "linux"]
    library: str
    processes: Mapping[str, ProcessRecord] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()

    def with_process(self, name: str, record: ProcessRecord) -> Self:
        """The state after that process was started."""
        return replace(self, processes={**self.processes, name: record})


def read_state(directory: Path) -> ClusterState | None:
    """The state in `directory`, None where no cluster was started. Raises PlaygroundError."""
    path = Layout(directory).state_file
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        return _parse(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlaygroundError(
            f"{path} is not a playground's state ({error!r}), so it is unknown which processes "
            "belong to it. If none does, delete the directory and start again."
        ) from error


def write_state(directory: Path, state: ClusterState) -> None:
    """Replace the state in `directory` as a whole: a crash leaves the old or the new one."""
    fresh = Layout(directory).fresh_state_file
    with fresh.open("w") as file:
        json.dump(_plain(state), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(Layout(directory).state_file)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes from acting on the same cluster meanwhile.

    The lock lies outside of the directory, which comes and goes.
    """
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    path = claims_directory() / f"cluster-{name}.lock"
    while True:
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(path, file.fileno()):
                # The holder before deleted it, so others may hold a newer one.
                continue
            try:
                yield
            finally:
                path.unlink()
            return


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def holds_block(directory: Path, block: Block) -> bool:
    """Whether the cluster in `directory` uses that block."""
    try:
        state = read_state(directory)
    except (PlaygroundError, OSError):
        # It cannot be told, and its processes may run: taking its addresses would be worse.
        return True
    return state is not None and state.block == block


def _plain(state: ClusterState) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "spec": asdict(state.spec),
        "block": str(state.block),
        "launcher": state.launcher,
        "library": state.library,
        "processes": {name: asdict(record) for name, record in state.processes.items()},
        "removed": sorted(state.removed),
    }


def _tuples(spec: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(spec[name]) for name in ("zones", "agent_settings")}


def _parse(plain: dict[str, Any]) -> ClusterState:
    if plain["schema"] != SCHEMA:
        raise ValueError(f"schema {plain['schema']!r}, this version reads {SCHEMA}")
    return ClusterState(
        spec=ClusterSpec(**{**plain["spec"], **_tuples(plain["spec"])}),
        block=Block.parse(plain["block"]),
        launcher=plain["launcher"],
        library=plain["library"],
        processes={name: ProcessRecord(**record) for name, record in plain["processes"].items()},
        removed=frozenset(plain["removed"]),
    )
