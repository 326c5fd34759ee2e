"""Agents whose machines are about to be serviced get no new instances."""

from holdfast.placement.constraints import Refusal
from holdfast.placement.pool import AgentPool

HORIZON_SECONDS = 3600.0
"""An agent that goes away within this time is no place for a new instance."""


def about_to_go(pool: AgentPool, now: float) -> Refusal | None:
    """Why nothing new is placed there: Mesos' maintenance schedule takes the agent away soon."""
    when = pool.unavailability
    if when is None or when.start - now > HORIZON_SECONDS:
        return None
    if when.end is not None and when.end <= now:
        return None
    minutes = max(0.0, when.start - now) / 60
    return Refusal("maintenance", f"the agent is scheduled to go down in {minutes:.0f} min")
