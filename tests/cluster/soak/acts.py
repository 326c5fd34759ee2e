"""What an act is: a fault or an order, what it leaves behind, and beside what it may happen."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from tests.cluster.soak.ground import Ground


class Layer(StrEnum):
    """What an act is done to. Two that overlap are of different layers."""

    AGENT = "agent"
    TASK = "task"
    MASTER = "master"
    ZOOKEEPER = "zookeeper"
    SCHEDULER = "scheduler"
    CLOCK = "clock"
    ORDER = "order"
    IDENTITY = "identity"
    DATA = "data"


MEMBERS_ALONE: Final = frozenset({Layer.SCHEDULER, Layer.CLOCK})
"""What may fail while the data of one member is gone: nothing that others need, and no master."""

APART_FROM_IDENTITY: Final = frozenset({Layer.AGENT, Layer.MASTER, Layer.DATA})
"""What must not fail while an agent comes back as another one: no master above all.

One that has taken over waits ten minutes (agent_reregister_timeout) for an agent that it knows from
the registry alone, and says nothing of its tasks before that, even once it is marked gone.
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """An act under way: what was done, in words.

    `undo` ends it after `hold` seconds. `order` is what an operator orders then, once nothing is
    broken any more, and goes on ordering until it is taken.
    """

    text: str
    hold: float = 0.0
    undo: Callable[[], None] | None = None
    order: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """`begin` draws its target from the random numbers alone, so that a seed repeats the choice."""

    name: str
    layer: Layer
    begin: Callable[[Ground, Random], Begun]
    weight: int = 2

    def beside(self, other: "Act") -> bool:
        """Whether both may happen at the same time."""
        layers = {self.layer, other.layer}
        if len(layers) == 1:
            return False
        if Layer.IDENTITY in layers:
            return not layers & APART_FROM_IDENTITY
        return Layer.DATA not in layers or bool((layers - {Layer.DATA}) & MEMBERS_ALONE)
