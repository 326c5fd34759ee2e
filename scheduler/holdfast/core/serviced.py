"""Failures on agents that are serviced with our consent, or were."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from holdfast.core.upkeep import Window
from holdfast.recovery.failure import Cause, Failure


def serviced(
    failures: Mapping[str, Failure], windows: Mapping[str, Window], now: float
) -> dict[str, Failure]:
    """The failures as the accepted windows, by agent id, explain them.

    What is down in a window is not lost; what still is after it has been down since its end.
    """
    return {
        name: _explained(each, windows.get(each.agent_id), now) for name, each in failures.items()
    }


def stage(windows: Iterable[Window], now: float) -> frozenset[tuple[Window, bool, bool]]:
    """What `serviced` depends on besides the failures."""
    return frozenset((window, window.going(now), window.over(now)) for window in windows)


def _explained(failure: Failure, window: Window | None, now: float) -> Failure:
    waits_anyhow = failure.cause in (Cause.MARKED_GONE, Cause.DRAINED)
    if window is None or waits_anyhow:
        return failure
    if window.going(now):
        return replace(failure, cause=Cause.SERVICED, lost=False, service_ends=window.end)
    if window.end is not None and failure.since < window.end <= now:
        return replace(failure, since=window.end, service_ends=window.end)
    return failure
