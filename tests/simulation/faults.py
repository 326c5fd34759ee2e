"""What goes wrong in a run: a list of timed faults and orders, made from the seed.

Every fault is an entry of the list, so that a failing run can be shrunk by leaving some out. `pick`
chooses among the victims there are when the time comes.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.machine_faults import MACHINES
from tests.simulation.operator_orders import ORDERS
from tests.simulation.scheduler_faults import SCHEDULER
from tests.simulation.world import World

KINDS: dict[str, Callable[[World, int], None]] = SCHEDULER | MACHINES | ORDERS
"""All switches. A seed turns each of them on or off."""

UNINSTALLED = 0.08
FORGOTTEN = 0.08
"""The share of runs that end with the service uninstalled, and in which an agent forgets tasks."""


@dataclass(frozen=True, slots=True)
class Fault:
    at: float
    kind: str
    pick: int

    def __str__(self) -> str:
        return f"{self.at:.2f}:{self.kind}:{self.pick}"

    @staticmethod
    def parse(text: str) -> "Fault":
        at, kind, pick = text.split(":")
        return Fault(float(at), kind, int(pick))


def switched_on(seed: int) -> dict[str, float]:
    """The kinds that happen under a seed, and how likely each is beside the others.

    How many are on is chance, too: a few that come often find what all together hide.
    """
    chance = random.Random(f"switches {seed}")
    share = chance.choice((0.05, 0.15, 0.4, 0.8))
    usual = sorted(KINDS.keys() - {"uninstall", "forget_tasks"})
    on = [kind for kind in usual if chance.random() < share] or chance.sample(usual, 2)
    return {kind: chance.uniform(0.05, 1.0) for kind in on}


def plan(seed: int) -> list[Fault]:
    """The faults of a seed, more or less dense."""
    on = switched_on(seed)
    chance = random.Random(f"faults {seed}")
    until = chance.choice((10.0, 60.0, 300.0, 900.0))
    number = chance.choice((3, 10, 25, 50))
    times = [chance.uniform(0.5, until) for _ in range(number)]
    if chance.random() < 0.4:  # misfortunes seldom come singly
        bursts = [chance.uniform(0.5, until) for _ in range(max(1, number // 5))]
        times = [chance.choice(bursts) + chance.uniform(0.0, 4.0) for _ in range(number)]
    kinds = chance.choices(list(on), list(on.values()), k=number)
    faults = [
        Fault(round(time, 2), kind, chance.randrange(10_000))
        for time, kind in zip(times, kinds, strict=True)
    ]
    if chance.random() < UNINSTALLED:  # the later faults meet it
        at = round(chance.uniform(until / 3, until), 2)
        faults.append(Fault(at, "uninstall", chance.randrange(10_000)))
    forgotten = random.Random(f"forgotten {seed}")
    if forgotten.random() < FORGOTTEN:
        at = round(forgotten.uniform(0.5, until), 2)
        faults.append(Fault(at, "forget_tasks", forgotten.randrange(10_000)))
    return sorted(faults, key=lambda fault: fault.at)
