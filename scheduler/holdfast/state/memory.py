"""A store in memory, for the simulation and for tests, that fails when told to."""

from holdfast.state.store import Record, Writes, decode, latest


class MemoryStore:
    """`records` (path -> bytes) outlive the store object: give them to the next one after a crash.

    Records pass through JSON as in ZooKeeper, so what cannot be stored fails here as well.
    """

    def __init__(self, records: dict[str, bytes] | None = None) -> None:
        self.records: dict[str, bytes] = {} if records is None else records
        self.commits = 0
        self._failure: tuple[BaseException, bool] | None = None

    def fail_next(self, error: BaseException, *, applied: bool = False) -> None:
        """Let the next commit raise `error`: before anything is written, or after all is."""
        self._failure = (error, applied)

    def load(self) -> dict[str, Record]:
        return {path: decode(path, raw) for path, raw in sorted(self.records.items())}

    def commit(self, writes: Writes) -> None:
        changes = latest(writes)
        failure, self._failure = self._failure, None
        if failure is not None and not failure[1]:
            raise failure[0]
        for path, raw in changes.items():
            if raw is None:
                self.records.pop(path, None)
            else:
                self.records[path] = raw
        self.commits += 1
        if failure is not None:
            raise failure[0]

    def wipe(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None and not failure[1]:
            raise failure[0]
        self.records.clear()
        if failure is not None:
            raise failure[0]
