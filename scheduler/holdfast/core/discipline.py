"""How many services may take up room at once, while they are deployed for the first time.

Two services that grow into a cluster which has room for one could each hold half of what they need.
"""

from collections.abc import Sequence

SELECTED_PATH = "selected"


class Discipline:
    """Remembers whose turn it is."""

    def __init__(self, limit: int, selected: Sequence[str] = ()) -> None:
        """`limit` 0 is none; `selected` are those of a former process."""
        self._limit = limit
        self.selected = tuple(selected)

    def choose(self, growing: Sequence[str]) -> tuple[str, ...]:
        """Those whose turn begins now, of all that are `growing`, in their order.

        Who has a turn keeps it until it does not grow any more.
        """
        going_on = [name for name in self.selected if name in growing]
        if not self._limit:
            chosen: list[str] = []
            going_on = []
        else:
            others = [name for name in growing if name not in going_on]
            chosen = others[: max(0, self._limit - len(going_on))]
        self.selected = (*going_on, *chosen)
        return tuple(chosen)

    def holds(self, name: str, grows: bool) -> bool:
        """Whether the service is to wait for its turn."""
        return bool(self._limit) and grows and name not in self.selected
