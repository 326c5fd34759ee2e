"""A task as it is launched while it is paused: it sleeps, and is never ready."""

from dataclasses import replace

from holdfast.service.model import ReadinessCheckSpec, TaskSpec

SLEEP = "while true; do sleep 3600; done"
"""What a paused task runs, unless PAUSE_OVERRIDE_CMD says otherwise."""

_NEVER_READY = ReadinessCheckSpec(cmd="exit 1", interval=5, delay=0, timeout=5)


def as_paused(spec: TaskSpec, command: str) -> TaskSpec:
    """The task as it is launched while it is paused."""
    return replace(spec, cmd=command, health_check=None, readiness_check=_NEVER_READY)
