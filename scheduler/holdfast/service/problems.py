"""What is wrong with a service definition, and the exception that carries all of it at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """A fault that makes a definition unusable, or something legal the operator should know."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault: the 1-based line in `source` (0 when it has none), the path of keys, the text."""

    line: int
    path: str
    message: str
    source: str = ""
    kind: Kind = Kind.ERROR

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ServiceError(Exception):
    """A service definition that cannot be used. `errors` says why, `warnings` what may explain it.

    Both are in the order of the file; str() is the list an operator reads.
    """

    def __init__(
        self, source: str, errors: Iterable[Problem], warnings: Iterable[Problem] = ()
    ) -> None:
        self.source = source
        self.errors = tuple(errors)
        self.warnings = tuple(warnings)
        super().__init__(source, self.errors, self.warnings)

    def __str__(self) -> str:
        count = "1 problem" if len(self.errors) == 1 else f"{len(self.errors)} problems"
        lines = [f"{self.source} cannot be used, {count}; nothing of it was applied:"]
        lines += [f"  {problem}" for problem in self.errors]
        if self.warnings:
            lines.append("This may explain it:")
            lines += [f"  {problem}" for problem in self.warnings]
        return "\n".join(lines)


@dataclass(slots=True)
class Report:
    """Collects problems while a file is read, so that the operator sees all of them at once."""

    source: str
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def error(self, line: int, path: str, message: str) -> None:
        """Record a fault that makes the file unusable."""
        self.errors.append(Problem(line, path, message, self.source))

    def warn(self, line: int, path: str, message: str) -> None:
        """Record something legal the operator should know of."""
        self.warnings.append(Problem(line, path, message, self.source, Kind.WARNING))
