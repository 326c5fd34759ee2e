"""Whether so much is lost at once that replacing it would make matters worse.

A rack or a network that fails looks like many dead machines, and comes back. The idea is that of
Singularity's disaster detection.
"""

from collections import Counter
from collections.abc import Mapping

from holdfast.recovery.failure import Cause, Failure
from holdfast.service.failure_model import DisasterSpec


def disaster(spec: DisasterSpec, failures: Mapping[str, Failure], instances: int) -> str | None:
    """What is lost too much, in words; None when it is not. `instances` is how many there are.

    Counts what is lost still, by when it was lost: it ends when enough is back, or replaced. What
    was on agents that an operator has marked gone is replaced at once, and no riddle.
    """
    counted = (f for f in failures.values() if f.lost and f.cause is not Cause.MARKED_GONE)
    lost = sorted(counted, key=lambda failure: failure.since)
    agents: Counter[str] = Counter()
    first = 0
    worst: tuple[int, int] | None = None
    for number, last in enumerate(lost):
        agents[last.agent_id] += 1
        while last.since - lost[first].since > spec.window:
            agents[lost[first].agent_id] -= 1
            first += 1
        pods = number - first + 1
        machines = sum(1 for count in agents.values() if count)
        if (pods >= 2 and pods * 100 > spec.pods_percent * instances) or machines >= spec.agents:
            worst = max(worst or (0, 0), (pods, machines))
    if worst is None:
        return None
    return (
        f"{worst[0]} of {instances} pod instances on {worst[1]} agents"
        f" were lost within {spec.window} s"
    )
