"""The store in ZooKeeper: every commit one transaction, fenced by the leader's epoch.

Under the root: `schema`, `epoch`, `election/`, `backup/`, and the records. Each commit first
rewrites `epoch` on condition of the version this leader wrote last. So a scheduler that was
overtaken cannot write, and a commit repeated after a lost connection is applied at most once.
"""

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any, NoReturn

import orjson
from kazoo.exceptions import (
    BadVersionError,
    KazooException,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    SessionExpiredError,
)
from kazoo.protocol.states import KazooState

from holdfast.state.election import Election
from holdfast.state.ownership import explained, protect
from holdfast.state.store import (
    LAST_RECORD,
    RESERVED_PATHS,
    SCHEMA,
    CorruptRecord,
    Fenced,
    LeadershipLost,
    Record,
    RecordTooLarge,
    SchemaMismatch,
    SessionLost,
    StoreError,
    StoreUnavailable,
    Uninstalled,
    Writes,
    decode,
    latest,
)
from holdfast.zk_client import DISCONNECTED, NotSent, ZkTls, connect_problem, new_client

TRANSACTION_BYTES = 900_000
"""Below ZooKeeper's default limit of 1 MB for one request (jute.maxbuffer)."""

_FOLDER = b"-"  # data of a folder's node, so that an emptied record does not look like one
_NODE_OVERHEAD_BYTES = 100
_READS_IN_FLIGHT = 500
_TELL_SECONDS = 10.0
_POLL_SECONDS = 0.2
_MOST_REPAIRS = 3
_MOST_DROPS = 10

_log = logging.getLogger(__name__)


def service_root(service: str) -> str:
    """Where a service's records are; slashes of its name become `__`, as in dcos-commons."""
    return "/holdfast/" + service.strip("/").replace("/", "__")


class ZooKeeperStore:
    """Call `start`, `elect`, `load`, then `commit`; one thread at a time.

    `hosts` is "a:2181,b:2181"; `address` ("host:port") tells others where the leader's API is.
    `on_lost` is called once, in a thread of its own, when the leader's session ends.
    """

    def __init__(
        self,
        hosts: str,
        service: str,
        *,
        address: str,
        on_lost: Callable[[str], None] = lambda reason: None,
        session_timeout: float = 10.0,
        auth: str | None = None,
        tls: ZkTls | None = None,
    ) -> None:
        self._hosts = hosts
        self._tls = tls
        self._user = auth.partition(":")[0] if auth else None
        self._service = service
        self._root = service_root(service)
        self._address = address
        self._on_lost = on_lost
        self._client = new_client(hosts, session_timeout=session_timeout, auth=auth, tls=tls)
        self._client.add_listener(self._session_changed)
        self._election = Election(self._client, self._root, address)
        self._up = Event()
        self._sessions_lost = 0
        self._guard = threading.Lock()
        self._closing = threading.Lock()
        self._leading = False
        self._lost: LeadershipLost | None = None
        self._known: set[str] = set()
        self._epoch = 0
        self._commits = 0
        self._version = -1
        self._stood_by = False
        self.wiped = False
        """Whether the service is uninstalled, so that there is nothing to lead any more."""

    @property
    def connected(self) -> bool:
        """Whether ZooKeeper answers; while not, `commit` raises StoreUnavailable at once."""
        return self._up.is_set()

    @property
    def epoch(self) -> int:
        """The number of this leadership; 0 before `elect`."""
        return self._epoch

    def wait_connected(self, timeout: float) -> bool:
        """Wait until ZooKeeper answers again, at most `timeout` seconds."""
        return self._up.wait(timeout)

    def start(self, stop: Event, tell: Callable[[str], None]) -> bool:
        """Connect, for as long as it takes; False when `stop` was set before it worked.

        `tell` gets a line after a second and then every ten: what is waited for, and why.
        """
        self._client.start_async()
        next_line = time.monotonic() + 1.0
        while not stop.is_set():
            if self._up.wait(_POLL_SECONDS):
                return True
            if time.monotonic() >= next_line:
                next_line = time.monotonic() + _TELL_SECONDS
                tell(
                    f"Waiting for ZooKeeper at {self._hosts}: "
                    f"{connect_problem(self._hosts, tls=self._tls)}. "
                    "Nothing is launched or changed meanwhile; running tasks are not affected."
                )
        return False

    def elect(self, stop: Event, tell: Callable[[str], None]) -> bool:
        """Wait to lead the service and take its epoch; False when `stop` was set before.

        `tell` gets a line when another scheduler leads. Raises SchemaMismatch, AccessDenied, and
        CorruptRecord when the epoch itself is damaged; Uninstalled when the
        service was, while this one stood by.
        """

        def standby(leader: str) -> None:
            self._stood_by = True
            tell(
                f"Another scheduler of service {self._service!r} leads: {leader}; "
                "this one waits as standby."
            )

        with explained(self._root, self._user):
            while not stop.is_set():
                losses = self._sessions_lost
                if not self._protected(stop):
                    return False
                node = self._election.campaign(stop, standby)
                if node is None:
                    return False
                if self._take_epoch(node, stop) and self._begin(losses):
                    return True
        return False

    def leader_hint(self) -> str | None:
        """The address of the scheduler that leads, if any; raises StoreUnavailable."""
        try:
            return self._election.leader()
        except DISCONNECTED as error:
            raise self._unavailable() from error

    def load(self) -> dict[str, Record]:
        """Every record; see `Store`. While leading it outlasts interruptions of the connection.

        The bytes of a corrupt record are copied to `backup/` before CorruptRecord is raised.
        """
        while True:
            self._raise_if_lost()
            try:
                with explained(self._root, self._user):
                    self._check_schema()
                    nodes = self._read_all()
                break
            except DISCONNECTED as error:
                if not self._leading:
                    raise self._unavailable() from error
                self._wait_up()
        self._known = set(nodes)
        return {path: record for path, record in nodes.items() if record is not None}

    def keep_copy(self, path: str) -> str:
        """Copy a record that is JSON but makes no sense to `backup/`; says where that is."""
        try:
            raw, _ = self._client.get(self._at(path))
        except NoNodeError:
            return f"There is nothing at {self._at(path)}."
        except (*DISCONNECTED, KazooException) as error:
            return f"{self._at(path)} could not be copied: {error!r}"
        return self._back_up(path, bytes(raw))

    def commit(self, writes: Writes) -> None:
        """See `Store`. Returns, after an interruption with unknown outcome, once it is known."""
        self._raise_if_lost()
        if not self._leading:
            raise StoreError("commit before this scheduler was elected")
        refusable = True
        with explained(self._root, self._user):
            for batch in self._batches(latest(writes)):
                self._write(batch, refusable)
                refusable = False

    def wipe(self) -> None:
        """See `Store`. Afterwards this store is done: it writes no more, nor tells of its end.

        Also our place in the queue goes, and the root, unless another scheduler queues there.
        """
        inner_first = sorted(self._known - {LAST_RECORD}, key=lambda path: "/" not in path)
        self.commit([(path, None) for path in inner_first])
        self.commit([(LAST_RECORD, None)])
        while True:
            self._raise_if_lost()
            try:
                self._delete_own()
                break
            except SessionExpiredError as error:
                self._end(SessionLost(_SESSION_ENDED), error)
            except DISCONNECTED:
                self._wait_up()
        with self._guard:
            self._leading = False
            self._lost = LeadershipLost("The service is uninstalled: nothing is stored any more.")
        self.wiped = True

    def close(self) -> None:
        """Give up leadership and the session; the next in the queue leads at once.

        Any thread may, and again: each returns once the session is given up.
        """
        with self._guard:
            self._leading = False
            self._lost = self._lost or LeadershipLost("This scheduler gave up its leadership.")
        with self._closing:  # kazoo refuses to close what another thread still stops
            self._client.stop()
            self._client.close()

    def _delete_own(self) -> None:
        """Delete what is no record, as far as it is still there and nobody took our place."""
        transaction = self._client.transaction()
        if self._client.exists(self._at("backup")) is not None:
            for name in self._client.get_children(self._at("backup")):
                transaction.delete(self._at(f"backup/{name}"))
            transaction.delete(self._at("backup"))
        if self._client.exists(self._at("schema")) is not None:
            transaction.delete(self._at("schema"))
            transaction.delete(self._at("epoch"), version=self._version)
            failed = [r for r in transaction.commit() if isinstance(r, Exception)]
            if failed and self._client.exists(self._at("epoch")) is not None:
                raise StoreError(f"ZooKeeper refuses to wipe {self._root}: {failed!r}")
        self._election.withdraw()
        with contextlib.suppress(NoNodeError, NotEmptyError):
            self._client.delete(self._root)

    # -- leadership

    def _protected(self, stop: Event) -> bool:
        while not stop.is_set():
            try:
                protect(self._client, self._root)
                return True
            except DISCONNECTED:
                stop.wait(_POLL_SECONDS)
        return False

    def _take_epoch(self, node: str, stop: Event) -> bool:
        """Raise the epoch, provided our place in the queue still exists."""
        while not stop.is_set():
            try:
                has_schema = self._check_schema()
                current, version = self._read_epoch()
                if version is None and self._stood_by:
                    raise Uninstalled(
                        f"Service {self._service!r} was uninstalled while this scheduler stood by,"
                        " so it ends instead of installing it anew. Start it again to do that."
                    )
                transaction = self._client.transaction()
                transaction.check(node, -1)
                epoch = current.get("epoch", 0) + 1
                mark = self._mark(epoch, 0)
                if not has_schema:
                    transaction.create(self._at("schema"), SCHEMA.encode())
                if version is None:
                    transaction.create(self._at("epoch"), mark)
                else:
                    transaction.set_data(self._at("epoch"), mark, version=version)
                results = transaction.commit()
            except DISCONNECTED:
                stop.wait(_POLL_SECONDS)
                continue
            if isinstance(results[0], NoNodeError):
                return False
            if not any(isinstance(result, Exception) for result in results):
                self._epoch, self._commits = epoch, 0
                self._version = 0 if version is None else results[-1].version
                return True
        return False

    def _begin(self, losses: int) -> bool:
        with self._guard:
            self._leading = self._sessions_lost == losses
            return self._leading

    def _session_changed(self, state: str) -> None:
        """Called by kazoo's connection thread, which must not be made to wait for itself."""
        if state == KazooState.CONNECTED:
            self._up.set()
            return
        self._up.clear()
        if state != KazooState.LOST:
            return
        with self._guard:
            self._sessions_lost += 1
            if not self._leading or self._lost is not None:
                return
            self._lost = SessionLost(_SESSION_ENDED)
        Thread(target=self._on_lost, args=(_SESSION_ENDED,), daemon=True).start()

    def _check_schema(self) -> bool:
        """Whether records were ever written; raises SchemaMismatch when in another form."""
        try:
            raw, _ = self._client.get(self._at("schema"))
        except NoNodeError:
            return False
        if raw != SCHEMA.encode():
            raise SchemaMismatch(
                f"The records at {self._root} have the form {bytes(raw).decode(errors='replace')}, "
                f"this version of Holdfast knows form {SCHEMA}. Nothing was changed. Run the "
                "version that wrote them, or a later one."
            )
        return True

    def _read_epoch(self) -> tuple[dict[str, Any], int | None]:
        path = self._at("epoch")
        self._client.sync(self._root)
        try:
            raw, stat = self._client.get(path)
        except NoNodeError:
            return {}, None
        return decode(path, raw), stat.version

    def _mark(self, epoch: int, commit: int) -> bytes:
        return orjson.dumps({"epoch": epoch, "leader": self._address, "commit": commit})

    # -- writing

    def _batches(self, changes: dict[str, bytes | None]) -> Iterator[dict[str, bytes | None]]:
        sizes = {
            path: len(path.encode()) + len(raw or b"") + _NODE_OVERHEAD_BYTES + len(self._root)
            for path, raw in changes.items()
        }
        for path, size in sizes.items():
            if size > TRANSACTION_BYTES:
                raise RecordTooLarge(
                    f"The record {path} has {size} bytes; ZooKeeper takes {TRANSACTION_BYTES}."
                )
        batch: dict[str, bytes | None] = {}
        filled = 0
        for path, raw in changes.items():
            if filled + sizes[path] > TRANSACTION_BYTES:
                yield batch
                batch, filled = {}, 0
            batch[path] = raw
            filled += sizes[path]
        if batch:
            yield batch

    def _write(self, batch: dict[str, bytes | None], refusable: bool) -> None:
        """Apply one transaction exactly once, or raise.

        Whatever happens to the connection, the same transaction is sent again: the version of
        the epoch lets one of the attempts pass, and the mark in it tells whether it was ours.
        """
        mark = self._mark(self._epoch, self._commits + 1)
        drops = repairs = 0
        while True:
            self._raise_if_lost()
            try:
                results = self._send(mark, batch)
            except NotSent:
                if refusable and not drops:
                    raise self._unavailable() from None
                self._wait_up()
                continue
            except SessionExpiredError as error:
                self._end(SessionLost(_SESSION_ENDED), error)
            except DISCONNECTED:
                drops += 1
                if drops == _MOST_DROPS:
                    self._give_up(batch)
                self._wait_up()
                continue
            except KazooException as error:
                raise StoreError(f"ZooKeeper refuses the transaction: {error!r}") from error
            failed = [result for result in results if isinstance(result, Exception)]
            if not failed:
                self._applied(batch, results[0].version)
                return
            if isinstance(results[0], BadVersionError | NoNodeError):
                self._applied(batch, self._version_if_ours(mark))
                return
            for result in failed:
                if isinstance(result, NoAuthError):
                    raise result
            repairs += 1
            if repairs > _MOST_REPAIRS or not self._repair(batch):
                raise StoreError(f"ZooKeeper refuses the transaction: {failed!r}")

    def _send(self, mark: bytes, batch: dict[str, bytes | None]) -> list[Any]:
        transaction = self._client.transaction()
        transaction.set_data(self._at("epoch"), mark, version=self._version)
        created: set[str] = set()
        for path, raw in batch.items():
            folder, slash, _ = path.partition("/")
            if raw is None:
                if path in self._known:
                    transaction.delete(self._at(path))
            elif path in self._known:
                transaction.set_data(self._at(path), raw)
            else:
                if slash and folder not in self._known and folder not in created:
                    transaction.create(self._at(folder), _FOLDER)
                    created.add(folder)
                transaction.create(self._at(path), raw)
        results: list[Any] = transaction.commit()
        return results

    def _applied(self, batch: dict[str, bytes | None], version: int) -> None:
        self._version = version
        self._commits += 1
        for path, raw in batch.items():
            if raw is None:
                self._known.discard(path)
            else:
                self._known |= {path, path.partition("/")[0]}

    def _version_if_ours(self, mark: bytes) -> int:
        """The epoch's version when it carries this very mark: an earlier attempt was applied."""
        while True:
            self._raise_if_lost()
            try:
                current, version = self._read_epoch()
                break
            except SessionExpiredError as error:
                self._end(SessionLost(_SESSION_ENDED), error)
            except DISCONNECTED:
                self._wait_up()
        if version is not None and orjson.dumps(current) == mark:
            return version
        self._end(
            Fenced(
                f"Another scheduler of service {self._service!r} took over "
                f"({current.get('leader', 'its records were removed')}). This one wrote nothing "
                "and must stop; tasks run on."
            )
        )

    def _repair(self, batch: dict[str, bytes | None]) -> bool:
        """Learn anew which nodes exist: somebody changed them by hand. False when none differs."""
        before = set(self._known)
        for path in batch:
            for part in {path, path.partition("/")[0]}:
                if self._client.exists(self._at(part)) is not None:
                    self._known.add(part)
                else:
                    self._known.discard(part)
        return self._known != before

    def _give_up(self, batch: dict[str, bytes | None]) -> NoReturn:
        size = sum(len(raw or b"") for raw in batch.values())
        raise StoreError(
            f"ZooKeeper dropped the connection {_MOST_DROPS} times while it received a transaction "
            f"of {len(batch)} records, {size} bytes. Its jute.maxbuffer may be smaller than the "
            "default of 1 MB, or the ensemble is overloaded. The outcome of the commit is unknown."
        )

    # -- reading

    def _read_all(self) -> dict[str, Record | None]:
        """Path -> record of every node at most two levels below the root, but for our own.

        None for a mere folder. Decoded as they come, so that not all is in memory twice.
        """
        self._client.sync(self._root)
        try:
            children = self._client.get_children(self._root)
        except NoNodeError:
            return {}
        top = sorted(set(children) - RESERVED_PATHS)
        paths = list(top)
        for folder, below in self._many(self._client.get_children_async, top):
            paths += [f"{folder}/{name}" for name in sorted(below)]
        return {
            path: self._decoded(path, bytes(node[0]))
            for path, node in self._many(self._client.get_async, paths)
        }

    def _many(self, read: Callable[[str], Any], paths: list[str]) -> Iterator[tuple[str, Any]]:
        """The answers to many reads, sent without waiting for each; none for a vanished node."""
        for start in range(0, len(paths), _READS_IN_FLIGHT):
            some = paths[start : start + _READS_IN_FLIGHT]
            pending = [read(self._at(path)) for path in some]
            for path, request in zip(some, pending, strict=True):
                try:
                    answer = request.get()
                except NoNodeError:
                    continue
                yield path, answer

    def _decoded(self, path: str, raw: bytes) -> Record | None:
        if raw == _FOLDER and "/" not in path:
            return None
        try:
            return decode(f"{self._root}/{path}", raw)
        except CorruptRecord as error:
            kept = self._back_up(path, raw)
            raise CorruptRecord(error.path, raw, error.problem, kept) from error

    def _back_up(self, path: str, raw: bytes) -> str:
        """Copy what is there, once; says where that is."""
        digest = hashlib.sha256(raw).hexdigest()[:16]
        copy = self._at(f"backup/{path.replace('/', '__')}-{digest}")
        try:
            self._client.create(copy, raw, makepath=True)
        except NodeExistsError:  # by an earlier start
            pass
        except (*DISCONNECTED, KazooException) as error:
            return f"It could not be copied to {copy}: {error!r}"
        return f"A copy is kept at {copy}."

    # -- the connection

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _wait_up(self) -> None:
        while not self._up.wait(_POLL_SECONDS):
            self._raise_if_lost()

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _end(self, lost: LeadershipLost, cause: Exception | None = None) -> NoReturn:
        with self._guard:
            self._lost = self._lost or lost
        raise self._lost from cause

    def _unavailable(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"ZooKeeper at {self._hosts} does not answer at the moment. Nothing was written, and "
            "nothing is launched or changed until it does; tasks run on."
        )


_SESSION_ENDED = (
    "ZooKeeper ended this scheduler's session, so another scheduler may lead. This one must stop; "
    "tasks run on."
)
