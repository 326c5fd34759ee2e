"""When failed pod instances are replaced, as plain facts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplacementPolicy:
    """When a failed pod instance is replaced without an operator's word.

    `timeout` is how long it must have been down, `delay` the least time between two replacements
    in the service (seconds), `per_hour` the most of them within an hour.
    """

    timeout: int = 1200
    delay: int = 600
    per_hour: int = 2


@dataclass(frozen=True, slots=True)
class DisasterSpec:
    """How much must be lost within `window` seconds for automatic replacement to stop.

    More than `pods_percent` of the instances of the service, and at least two, or `agents` agents.
    """

    pods_percent: int = 33
    agents: int = 3
    window: int = 600


USUAL_DISASTER = DisasterSpec()
