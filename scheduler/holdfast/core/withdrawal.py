"""Offers whose ACCEPT or DECLINE went wrong, taken back by another DECLINE.

The master goes on holding such an offer for us: its resources would never be offered again. And an
ACCEPT that got no answer may still arrive, long after later calls, and launch what was given up.
Once a DECLINE of its offers has arrived before it, it cannot: only then is the master's word that
it knows no such task to be believed.
"""

from dataclasses import dataclass

from holdfast.core.effects import Accept, Decline

AGAIN_SECONDS = 1.0
"""Between two attempts to take the same offers back."""


@dataclass(slots=True)
class _Open:
    tasks: tuple[str, ...]
    due: float
    sent: bool = False


class Withdrawals:
    """The offers being taken back, and the tasks whose launch may still arrive."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, ...], _Open] = {}

    def failed(self, call: Accept | Decline, tasks: tuple[str, ...], now: float) -> None:
        """The call went wrong; `tasks` are those it may have launched, or still may."""
        known = self._open.get(call.offer_ids)
        if known is None:
            self._open[call.offer_ids] = _Open(tasks, now)
        else:
            known.sent = False
            known.due = now + AGAIN_SECONDS

    def clear(self) -> None:
        """The subscription ended: its offers are void, and its calls are refused from now on."""
        self._open.clear()

    @property
    def open(self) -> bool:
        """Whether any offer is still to be taken back."""
        return bool(self._open)

    def doubts(self, task_id: str) -> bool:
        """Whether the launch of that task may still arrive."""
        return any(task_id in entry.tasks for entry in self._open.values())

    def step(self, now: float) -> tuple[list[Decline], list[str]]:
        """The offers to decline now, and the tasks that can be asked about.

        To be called once a step, after its events: a failure of the calls of one step is among
        the events of the next.
        """
        declines: list[Decline] = []
        settled: list[str] = []
        for offer_ids, entry in list(self._open.items()):
            if entry.sent:
                del self._open[offer_ids]
                settled += entry.tasks
            elif now >= entry.due:
                entry.sent = True
                declines.append(Decline(offer_ids, AGAIN_SECONDS))
        return declines, settled
