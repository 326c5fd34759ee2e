"""Parts of reserved resources, as launches and clean-ups need them."""

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]


def consecutive(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Single ports as the shortest list of inclusive ranges."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def portion(resource: Json, amount: float) -> Json:
    """Part of a reserved scalar; amounts have three decimals in Mesos."""
    return {**resource, "scalar": {"value": round(amount, 3)}}


def port_portion(resource: Json, numbers: Iterable[int]) -> Json:
    """Some of the reserved ports."""
    ranges = [{"begin": begin, "end": end} for begin, end in consecutive(numbers)]
    return {**resource, "ranges": {"range": ranges}}


def without_volume(resource: Json) -> Json:
    """The reserved disk that remains when its volume is destroyed."""
    left = {key: value for key, value in resource.items() if key != "disk"}
    source = resource.get("disk", {}).get("source")
    return {**left, "disk": {"source": source}} if source is not None else left


def by_provider(messages: Iterable[Json]) -> list[list[Json]]:
    """The resources as operations take them: an operation is for one resource provider only."""
    groups: dict[str, list[Json]] = {}
    for message in messages:
        groups.setdefault(message.get("provider_id", {}).get("value", ""), []).append(message)
    return list(groups.values())
