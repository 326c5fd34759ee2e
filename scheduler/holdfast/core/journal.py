"""The durable journal of commands: who ordered what, when, and what was answered.

A ring of records: entry `number` is at `journal/<number mod 500>`, so that it never grows. Each is
stored in one transaction with what the command changed. Values of parameters are never in it.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from holdfast.core.effects import Reply
from holdfast.core.events import Command

KEPT = 500
TEXT_LENGTH = 1000
NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One command. `what` names verb, target, phase, step, and parameters without values."""

    number: int
    at: float
    by: str
    what: str
    status: int
    text: str


class Journal:
    """The last commands, the oldest first."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        ordered = sorted(entries, key=lambda entry: entry.number)
        self.entries: deque[Entry] = deque(ordered, maxlen=KEPT)

    def note(self, command: Command, reply: Reply, now: float) -> Entry:
        """Take in a command with its answer."""
        number = self.entries[-1].number + 1 if self.entries else 0
        entry = Entry(
            number=number,
            at=now,
            by=command.by[:NAME_LENGTH],
            what=_what(command),
            status=reply.status,
            text=str(reply.body.get("message", ""))[:TEXT_LENGTH],
        )
        self.entries.append(entry)
        return entry


def _what(command: Command) -> str:
    parts = [command.verb.value, command.target, command.phase, command.step]
    if command.parameters:
        parts.append(f"with {', '.join(command.parameters)}")
    return " ".join(part[:NAME_LENGTH] for part in parts if part)


def journal_path(entry: Entry) -> str:
    return f"journal/{entry.number % KEPT:03}"


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """The record of an entry; `entry_from_json` is its inverse."""
    return asdict(entry)


def entry_from_json(data: Mapping[str, Any]) -> Entry:
    """Raises KeyError or ValueError when `data` is no such record."""
    return Entry(
        number=int(data["number"]),
        at=float(data["at"]),
        by=str(data["by"]),
        what=str(data["what"]),
        status=int(data["status"]),
        text=str(data["text"]),
    )
