"""When tasks are killed again: calls are delivered at most once."""

AGAIN_SECONDS = 5.0
"""A kill is sent again until the task is known to be dead."""

MOST_REMEMBERED = 10_000
"""Tasks: of how many it is remembered when they were killed."""


class Kills:
    """Remembers when each task was last killed."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def begin(self, task_id: str, now: float) -> bool:
        """Note that the task is killed now; False when it is too early to repeat that."""
        if now - self._at.get(task_id, -1e9) < AGAIN_SECONDS:
            return False
        if len(self._at) > MOST_REMEMBERED:
            self._at.clear()
        self._at[task_id] = now
        return True
