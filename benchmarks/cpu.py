"""Who used the processors: a run itself, or others on the machine who falsify its time."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

CALM_PERCENT = 20.0
CALM_WITHIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds up to one moment: of the whole machine, and of the processes asked about."""

    machine: float
    ours: float

    def since(self, before: "Usage") -> "Usage":
        return Usage(self.machine - before.machine, self.ours - before.ours)

    def without(self, ours: float) -> "Usage":
        return Usage(self.machine - ours, self.ours - ours)

    @property
    def disturbance(self) -> float:
        """The share of the processors' work that was not the run's."""
        return self.others / self.machine

    @property
    def others(self) -> float:
        return max(0.0, self.machine - self.ours)


def usage(pids: Iterable[int]) -> Usage:
    """What these processes, this one, and all that descend from them used until now.

    A process counts for those of its children that it waited for, as Linux has it.
    """
    family = {psutil.Process().pid, *pids}
    ours = 0.0
    # Sorted by their start, so that parents come before their children.
    for process in sorted(
        psutil.process_iter(["ppid", "cpu_times", "create_time"]),
        key=lambda process: (process.info["create_time"], process.pid),
    ):
        if process.pid in family or process.info["ppid"] in family:
            family.add(process.pid)
            ours += sum(process.info["cpu_times"][:4])
    now = psutil.cpu_times()
    machine = now.user + now.nice + now.system + now.irq + now.softirq + now.steal
    return Usage(machine, ours)


def wait_for_calm() -> None:
    """Let a new cluster settle, and others finish, before the clock starts; not for ever."""
    deadline = time.monotonic() + CALM_WITHIN_SECONDS
    while psutil.cpu_percent(1.0) > CALM_PERCENT and time.monotonic() < deadline:
        pass
