"""Durations as Mesos and Go write them, in seconds."""

from __future__ import annotations

import re

_MESOS_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "secs": 1.0,
    "mins": 60.0,
    "hrs": 3600.0,
    "days": 86400.0,
    "weeks": 604800.0,
}
_GO_UNITS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_mesos(text: str) -> float:
    """Seconds in a stout duration such as `15mins` or `1.5secs`. Raises ValueError."""
    found = re.match(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*\Z", text)
    if found is None or found.group(2) not in _MESOS_UNITS:
        raise ValueError(
            f"{text!r} is no duration: expected a number and one of {', '.join(_MESOS_UNITS)}"
        )
    return float(found.group(1)) * _MESOS_UNITS[found.group(2)]


def parse_go(text: str) -> float:
    """Seconds in a Go duration such as `1h30m` or `0`. Raises ValueError."""
    if text == "0":
        return 0.0
    parts = re.findall(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration: expected for example 90s or 1h30m")
    return sum(float(number) * _GO_UNITS[unit] for number, unit in parts)
