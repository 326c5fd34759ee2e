"""`holdfast-scheduler` that kills itself between two steps, for tests.

`python -m tests.cluster.dying_scheduler ARMED ...` is killed at the Nth boundary that is passed
while the file ARMED exists, which has N in it. Boundaries are before and after each commit to the
store, each call to the master, and each acknowledgement. The rest are the scheduler's own
arguments.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast import engine as product
from holdfast import main as program
from holdfast.engine import Calls
from holdfast.mesos.channel import CallResult
from holdfast.state.store import Record, Store, Writes

DIES = "\ndies "
"""What is in the log of one that was killed so."""


def arm(file: Path, number: int) -> None:
    """Have those that read the file die at that boundary from now on: it never is half written."""
    fresh = file.with_suffix(".new")
    fresh.write_text(str(number))
    fresh.replace(file)


class Countdown:
    """Kills the process when it was called as often as the file says, since that is there."""

    def __init__(self, armed: Path) -> None:
        self._armed = armed
        self._passed = 0

    def __call__(self, where: str) -> None:
        try:
            number = int(self._armed.read_text())
        except FileNotFoundError:
            self._passed = 0
            return
        self._passed += 1
        if self._passed == number:
            os.write(2, f"dies {where}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)


class DyingStore:
    """A store with a boundary on both sides of what it does."""

    def __init__(self, store: Store, boundary: Countdown) -> None:
        self._store = store
        self._boundary = boundary

    def load(self) -> dict[str, Record]:
        return self._store.load()

    def commit(self, writes: Writes) -> None:
        paths = ", ".join(path for path, _ in writes)
        self._boundary(f"before storing {paths}")
        self._store.commit(writes)
        self._boundary(f"after storing {paths}")

    def wipe(self) -> None:
        self._boundary("before wiping")
        self._store.wipe()
        self._boundary("after wiping")


class DyingLink:
    """A connection to the master with a boundary on both sides of each call."""

    def __init__(self, link: Calls, boundary: Countdown) -> None:
        self._link = link
        self._boundary = boundary

    def call(self, message: Mapping[str, Any]) -> CallResult:
        kind = message["type"]
        self._boundary(f"before {kind}")
        result = self._link.call(message)
        self._boundary(f"after {kind}")
        return result

    def teardown(self) -> CallResult:
        self._boundary("before TEARDOWN")
        result = self._link.teardown()
        self._boundary("after TEARDOWN")
        return result

    def update_framework(self) -> CallResult:
        return self._link.update_framework()


def main() -> None:
    """Run the scheduler with an engine whose store and calls have boundaries."""
    boundary = Countdown(Path(sys.argv.pop(1)))

    class DyingEngine(product.Engine[Any]):
        def __init__(self, core: Any, store: Store, link: Calls, *rest: Any, **more: Any) -> None:
            super().__init__(
                core, DyingStore(store, boundary), DyingLink(link, boundary), *rest, **more
            )

    vars(program)["Engine"] = DyingEngine
    program.main()


if __name__ == "__main__":
    main()
