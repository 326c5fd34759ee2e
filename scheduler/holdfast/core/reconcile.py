"""Task reconciliation, after the Mesos document of that name.

Asks for every task that is not known to be dead until each has answered, with truncated
exponential backoff: one call for all that still owe an answer. A task that is noticed meanwhile
joins them.
"""

from collections.abc import Iterable, Iterator

FIRST_DELAY = 1.0
MAX_DELAY = 30.0
PERIOD = 900.0
"""Seconds: until the first repetition, at most between two, and between whole rounds."""

SILENT_SECONDS = 10.0
"""An answer that has not come by then, after some repetitions, is not about to come by itself."""


class Reconciliation:
    """Which tasks still owe an answer, and when to ask again."""

    def __init__(self, period: float = PERIOD) -> None:
        self._period = period
        self._remaining: set[str] = set()
        self._asked: dict[str, float] = {}
        self._delay = FIRST_DELAY
        self._next = 0.0
        self._next_round = 0.0

    def start(self, task_ids: Iterable[str], now: float) -> None:
        """Begin a round over these tasks; the first question is due at once."""
        self._remaining = set(task_ids)
        self._asked = {}
        self._delay = FIRST_DELAY
        self._next = now
        self._next_round = now + self._period

    def ask(self, task_id: str, now: float) -> None:
        """Put one more task on the list."""
        if task_id not in self._remaining:
            if not self._remaining:
                self._delay = FIRST_DELAY
                self._next = now
            self._remaining.add(task_id)

    def answered(self, task_id: str) -> None:
        self._remaining.discard(task_id)
        self._asked.pop(task_id, None)

    def unsent(self) -> None:
        """A question may not have arrived: count its silence from the next one."""
        self._asked = {}

    def awaits(self, task_id: str) -> bool:
        """Whether the task still owes an answer."""
        return task_id in self._remaining

    def is_silent(self, task_id: str, now: float) -> bool:
        """Whether the task was asked about long ago, and again, and there is no answer."""
        return now - self._asked.get(task_id, now) >= SILENT_SECONDS

    def silent(self, now: float) -> Iterator[str]:
        """The tasks of which that is so."""
        for task_id, asked in self._asked.items():  # in the order of time
            if now - asked < SILENT_SECONDS:
                return
            yield task_id

    def round_due(self, now: float) -> bool:
        return now >= self._next_round

    def due(self, now: float) -> tuple[str, ...]:
        """The tasks to ask for now, sorted; empty while the backoff runs."""
        if not self._remaining or now < self._next:
            return ()
        self._next = now + self._delay
        self._delay = min(MAX_DELAY, self._delay * 2)
        questions = tuple(sorted(self._remaining))
        for task_id in questions:
            self._asked.setdefault(task_id, now)
        return questions
