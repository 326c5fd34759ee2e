"""Resource messages of the v1 API, as operations and launches need them."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]


def reservation(role: str, principal: str, labels: Mapping[str, str]) -> Json:
    """A dynamic ReservationInfo."""
    return {
        "type": "DYNAMIC",
        "role": role,
        "principal": principal,
        "labels": {"labels": [{"key": key, "value": value} for key, value in labels.items()]},
    }


def scalar(name: str, amount: float, role: str, reserved: Json) -> Json:
    """A reserved scalar; amounts have three decimals in Mesos."""
    return {
        "name": name,
        "type": "SCALAR",
        "scalar": {"value": round(amount, 3)},
        "reservations": [reserved],
        "allocation_info": {"role": role},
    }


def ports(numbers: Iterable[int], role: str, reserved: Json) -> Json:
    """Reserved ports, as inclusive ranges."""
    return {
        "name": "ports",
        "type": "RANGES",
        "ranges": {"range": port_ranges(numbers)},
        "reservations": [reserved],
        "allocation_info": {"role": role},
    }


def port_ranges(numbers: Iterable[int]) -> list[Json]:
    """Single ports as the shortest list of Value.Range messages."""
    ranges: list[Json] = []
    for number in sorted(numbers):
        if ranges and ranges[-1]["end"] == number - 1:
            ranges[-1]["end"] = number
        else:
            ranges.append({"begin": number, "end": number})
    return ranges


def volume(disk: Json, id_: str, path: str, principal: str) -> Json:
    """The persistent volume made of a reserved disk."""
    return {
        **disk,
        "disk": {
            "persistence": {"id": id_, "principal": principal},
            "volume": {"container_path": path, "mode": "RW"},
        },
    }


def without_volume(resource: Json) -> Json:
    """The reserved disk that remains when its volume is destroyed."""
    return {key: value for key, value in resource.items() if key != "disk"}


def portion(resource: Json, amount: float) -> Json:
    """Part of a reserved scalar."""
    return {**resource, "scalar": {"value": round(amount, 3)}}


def port_portion(resource: Json, numbers: Iterable[int]) -> Json:
    """Some of the reserved ports."""
    return {**resource, "ranges": {"range": port_ranges(numbers)}}
