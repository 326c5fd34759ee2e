"""Who may lead: the first of the schedulers queued under `<root>/election`.

Each is an ephemeral sequential node holding the scheduler's address. Being first permits to take
the epoch; it is the epoch, not this queue, that keeps a stale leader from writing.
"""

import contextlib
import time
import uuid
from collections.abc import Callable
from threading import Event

from kazoo.exceptions import NodeExistsError, NoNodeError, NotEmptyError

from holdfast.zk_client import DISCONNECTED, FailFastClient

_RECHECK_SECONDS = 5.0
_STOP_POLL_SECONDS = 0.2


class Election:
    """One candidate. The node's name starts with an id of ours, to find it again when the answer
    to its creation was lost."""

    def __init__(self, client: FailFastClient, root: str, address: str) -> None:
        self._client = client
        self._folder = f"{root}/election"
        self._address = address
        self._name = uuid.uuid4().hex

    def campaign(self, stop: Event, standby: Callable[[str], None]) -> str | None:
        """Wait to be first and return the path of our node; None when `stop` was set before.

        `standby` is told the leader's address whenever another one leads.
        """
        told = None
        while not stop.is_set():
            try:
                mine, ahead = self._position()
                if not ahead:
                    return f"{self._folder}/{mine}"
                leader = self._read_address(ahead[0])
                if leader is not None and leader != told:
                    standby(leader)
                    told = leader
                self._wait_for_change(ahead[-1], stop)
            except DISCONNECTED:
                stop.wait(_STOP_POLL_SECONDS)
        return None

    def withdraw(self) -> None:
        """Leave the queue, and delete it when nobody else is in it; raises kazoo's exceptions."""
        with contextlib.suppress(NoNodeError, NotEmptyError):
            for name in self._queue():
                if name.startswith(self._name):
                    self._client.delete(f"{self._folder}/{name}")
            self._client.delete(self._folder)

    def leader(self) -> str | None:
        """The address of the first in the queue; raises kazoo's exceptions."""
        try:
            queue = self._queue()
        except NoNodeError:
            return None
        return self._read_address(queue[0]) if queue else None

    def _position(self) -> tuple[str, list[str]]:
        """Our node's name and those before it; queues up first when we are not in the queue."""
        while True:
            try:
                queue = self._queue()
            except NoNodeError:
                queue = []
            for place, name in enumerate(queue):
                if name.startswith(self._name):
                    if self._is_ours(name):
                        return name, queue[:place]
                    break
            self._join()

    def _is_ours(self, name: str) -> bool:
        """False for a node of an earlier session of ours that ZooKeeper is about to remove."""
        stat = self._client.exists(f"{self._folder}/{name}")
        if stat is None:
            return False
        if stat.ephemeralOwner == self._client.client_id[0]:
            return True
        self._name = uuid.uuid4().hex
        return False

    def _queue(self) -> list[str]:
        names: list[str] = self._client.get_children(self._folder)
        return sorted(names, key=lambda name: int(name.rpartition("-")[2]))

    def _join(self) -> None:
        try:
            self._client.ensure_path(self._folder)
        except NodeExistsError:
            return self._join()  # another scheduler created it between kazoo's look and creation
        self._client.create(
            f"{self._folder}/{self._name}-", self._address.encode(), ephemeral=True, sequence=True
        )

    def _read_address(self, name: str) -> str | None:
        try:
            raw, _ = self._client.get(f"{self._folder}/{name}")
        except NoNodeError:
            return None
        return bytes(raw).decode(errors="replace")

    def _wait_for_change(self, predecessor: str, stop: Event) -> None:
        """Until the candidate before us leaves; looks again now and then whatever happens."""
        gone = Event()
        if self._client.exists(f"{self._folder}/{predecessor}", watch=lambda _: gone.set()) is None:
            return
        deadline = time.monotonic() + _RECHECK_SECONDS
        while not stop.is_set() and time.monotonic() < deadline:
            if gone.wait(_STOP_POLL_SECONDS):
                return
