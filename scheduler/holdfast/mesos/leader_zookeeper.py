"""The leading master as the masters themselves elect it in ZooKeeper."""

import threading
import time
from collections.abc import Callable

import orjson
from kazoo.exceptions import KazooException, NoNodeError

from holdfast.mesos.leader import MasterAddressError
from holdfast.mesos.messages import MasterInfo
from holdfast.mesos.parse import ParseError, parse_master
from holdfast.zk_client import ZkAddress, connect_problem, new_client

_PREFIX = "json.info_"
_LOOK_AGAIN_SECONDS = 10.0


class ZooKeeperDetector:
    """Follows the node with the lowest sequence number among `json.info_*` under the path.

    A thread of its own reads it whenever a watch fires, and waits for a path that does not exist
    yet: the masters may come later than we.
    """

    def __init__(self, address: ZkAddress, *, scheme: str = "http") -> None:
        self._address = address
        self._scheme = scheme
        self._client = new_client(address.hosts, auth=address.auth)
        self._state = threading.Condition()
        self._leader: MasterInfo | None = None
        self._absence = ""
        self._changed: list[Callable[[MasterInfo | None], None]] = []
        self._news = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._follow, name="mesos-leader", daemon=True)
        self._started = False

    def detect(self, previous: MasterInfo | None, timeout: float) -> MasterInfo | None:
        deadline = time.monotonic() + timeout
        self._start()
        with self._state:
            while not self._closed:
                if self._leader is not None and self._leader != previous:
                    return self._leader
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._state.wait(left)
            if self._closed:
                return None
            if self._leader is not None:
                return self._leader
            absence = self._absence
        raise MasterAddressError(absence or self._unreachable())

    def watch(self, changed: Callable[[MasterInfo | None], None]) -> None:
        self._changed.append(changed)

    def close(self) -> None:
        with self._state:
            self._closed = True
            self._state.notify_all()
            started = self._started
        self._news.set()
        if started:
            self._thread.join()

    def _start(self) -> None:
        with self._state:
            if self._started or self._closed:
                return
            self._started = True
            self._thread.start()

    def _follow(self) -> None:
        self._client.add_listener(lambda state: self._news.set())
        self._client.start_async()
        try:
            while not self._closed:
                self._news.clear()
                if self._client.connected:
                    self._look()
                self._news.wait(_LOOK_AGAIN_SECONDS)
        finally:
            self._client.stop()
            self._client.close()

    def _look(self) -> None:
        try:
            leader, absence = self._read()
        except ParseError as error:
            leader, absence = (
                None,
                f"{self._where()} holds a master that is not understood: {error}",
            )
        except KazooException:
            return  # the connection broke; its return sets `_news`
        with self._state:
            if leader == self._leader and absence == self._absence:
                return
            changed = leader != self._leader
            self._leader, self._absence = leader, absence
            self._state.notify_all()
        if changed:
            for callback in self._changed:
                callback(leader)

    def _read(self) -> tuple[MasterInfo | None, str]:
        path = self._address.path
        try:
            children = self._client.get_children(path, watch=lambda event: self._news.set())
        except NoNodeError:
            if self._client.exists(path, watch=lambda event: self._news.set()) is not None:
                self._news.set()
            return None, (
                f"{self._where()} does not exist: no Mesos master has registered there yet. "
                "Compare it with the --zk option of the masters."
            )
        candidates = [child for child in children if child.startswith(_PREFIX)]
        if not candidates:
            return None, f"{self._where()} names no leading Mesos master at the moment."
        first = min(candidates, key=lambda child: int(child.removeprefix(_PREFIX)))
        try:
            raw, _ = self._client.get(f"{path.rstrip('/')}/{first}")
        except NoNodeError:
            self._news.set()
            return None, f"{self._where()} names no leading Mesos master at the moment."
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"{first} is not JSON: {error}") from error
        return parse_master(message, scheme=self._scheme), ""

    def _where(self) -> str:
        return f"zk://{self._address.hosts}{self._address.path}"

    def _unreachable(self) -> str:
        if self._client.connected:
            return f"{self._where()} has not answered yet."
        return (
            f"No connection to the ZooKeeper that knows the Mesos master, {self._where()}: "
            f"{connect_problem(self._address.hosts)}."
        )
