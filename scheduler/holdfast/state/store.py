"""The durable record of a service: named JSON records, written in atomic transactions.

A path has one or two parts, as `framework` or `pods/hello-0`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

Record = dict[str, Any]
Writes = Sequence[tuple[str, Mapping[str, Any] | None]]

SCHEMA = "1"
LAST_RECORD = "uninstalling"
"""The record that says what is going on while the others are deleted."""

RESERVED_PATHS = frozenset({"backup", "election", "epoch", "schema"})

_PATH = re.compile(r"[^/\x00-\x1f\x7f]+(/[^/\x00-\x1f\x7f]+)?")


class StoreError(Exception):
    """The store cannot do what was asked."""


class StoreUnavailable(StoreError):
    """The store cannot be reached. Nothing was written, nor will be: the same commit may follow."""


class LeadershipLost(StoreError):
    """This process does not write any more, for good: it should exit. Tasks run on without it."""


class Fenced(LeadershipLost):
    """Another scheduler of the service leads; this one's commit was refused as a whole."""


class Uninstalled(LeadershipLost):
    """The service was uninstalled by the scheduler that led; there is nothing to take over."""


class SessionLost(LeadershipLost):
    """ZooKeeper ended the session. A commit in flight at that moment may have been applied."""


class RecordTooLarge(StoreError):
    """A single record does not fit into a transaction; nothing was written."""


class SchemaMismatch(StoreError):
    """The records were written in a form this version does not know; nothing was touched."""


class CorruptRecord(StoreError):
    """A record is not the JSON object it should be. `path` names it, `raw` is what is there.

    `kept` tells where its bytes were copied.
    """

    def __init__(self, path: str, raw: bytes, problem: str, kept: str = "") -> None:
        super().__init__(
            f"The record {path} is damaged: {problem}; found {raw[:80]!r} ({len(raw)} bytes). "
            "The scheduler does not start on records it cannot read: it could forget tasks and "
            f"volumes. Nothing was changed; the tasks run on. {kept}".rstrip()
        )
        self.path = path
        self.raw = raw
        self.problem = problem


class Store(Protocol):
    """What the engine needs of a store. One thread uses it."""

    def load(self) -> dict[str, Record]:
        """Every record by its path. Raises CorruptRecord, StoreUnavailable, LeadershipLost."""
        ...

    def commit(self, writes: Writes) -> None:
        """Write records, in order; None deletes one (gladly one that is not there).

        All or none, as long as they fit into one transaction (about 900 kB); larger commits are
        split between writes, in order. On return they are durable. Raises StoreUnavailable
        (nothing written), Fenced, SessionLost or RecordTooLarge.
        """
        ...

    def wipe(self) -> None:
        """Delete every record and all else that is kept of the service; `LAST_RECORD` goes last.

        Repeating it is harmless. Raises as `commit` does.
        """
        ...


def encode(record: Mapping[str, Any]) -> bytes:
    """The bytes stored for a record: compact JSON, keys in their order."""
    return orjson.dumps(record, default=_plain)


def decode(path: str, raw: bytes) -> Record:
    """The record stored as `raw`; raises CorruptRecord."""
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise CorruptRecord(path, raw, f"it is not JSON ({error})") from error
    if not isinstance(record, dict):
        raise CorruptRecord(path, raw, "it is not a JSON object")
    return record


def latest(writes: Writes) -> dict[str, bytes | None]:
    """Path -> bytes, or None to delete; of several writes to one path the last counts.

    Raises ValueError for a path that is no record's.
    """
    encoded: dict[str, bytes | None] = {}
    for path, record in writes:
        check_path(path)
        encoded.pop(path, None)
        encoded[path] = None if record is None else encode(record)
    return encoded


def check_path(path: str) -> None:
    """Raise ValueError unless the path may name a record."""
    parts = path.split("/")
    if not _PATH.fullmatch(path) or parts[0] in RESERVED_PATHS or {".", ".."} & set(parts):
        raise ValueError(
            f"{path!r} cannot name a record: expected `name` or `folder/name`, the first part none "
            f"of {', '.join(sorted(RESERVED_PATHS))}"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be stored in a record")
