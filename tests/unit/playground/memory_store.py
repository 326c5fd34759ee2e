"""A store of the checker that is kept in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast_playground.checker.store import Found, Moment, Unanswered


@dataclass
class Memory:
    """A store in memory, that can be made to fail or to lie."""

    keys: dict[str, str] = field(default_factory=dict)
    position: int = 0
    forgets: bool = False
    broken: bool = False

    def write(self, key: str, value: str) -> Moment:
        if self.broken:
            # The odd ones take effect all the same.
            if int(key[-1]) % 2:
                self.keys[key] = value
            raise Unanswered("broken")
        self.position += 1
        if not self.forgets:
            self.keys[key] = value
        return Moment(self.position)

    def read(self, key: str) -> Found:
        if self.broken:
            raise Unanswered("broken")
        return Found(self.keys.get(key), Moment(self.position))

    def read_all(self, prefix: str) -> Mapping[str, str]:
        return {key: value for key, value in self.keys.items() if key.startswith(prefix)}

    def close(self) -> None:
        pass
