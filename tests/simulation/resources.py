"""Resource arithmetic of the simulated Mesos.

A bag maps a kind of resource (name, reservations, disk: as canonical JSON) to how much there is:
thousandths for scalars, since Mesos keeps three decimals, a set of numbers for ports.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson

Json = dict[str, Any]
Kind = tuple[str, str, str]
Amount = int | frozenset[int]
Bag = dict[Kind, Amount]


def bag(resources: Iterable[Mapping[str, Any]]) -> Bag:
    """v1 Resource messages as a bag."""
    result: Bag = {}
    for resource in resources:
        _add(result, _kind(resource), _amount(resource))
    return result


def unreserved(cpus: float, memory_mb: float, disk_mb: float, ports: Iterable[int]) -> Bag:
    """What a fresh agent has."""
    return {
        ("cpus", "[]", ""): round(cpus * 1000),
        ("mem", "[]", ""): round(memory_mb * 1000),
        ("disk", "[]", ""): round(disk_mb * 1000),
        ("ports", "[]", ""): frozenset(ports),
    }


def messages(of: Bag, role: str) -> list[Json]:
    """The bag as v1 Resource messages allocated to `role`."""
    result = []
    for kind, amount in sorted(of.items(), key=lambda item: item[0]):
        message: Json = {
            "name": kind[0],
            "allocation_info": {"role": role},
        }
        if isinstance(amount, frozenset):
            message["type"] = "RANGES"
            message["ranges"] = {"range": _ranges(amount)}
        else:
            message["type"] = "SCALAR"
            message["scalar"] = {"value": amount / 1000}
        if kind[1] != "[]":
            message["reservations"] = orjson.loads(kind[1])
        if kind[2]:
            message["disk"] = orjson.loads(kind[2])
        result.append(message)
    return result


def plus(one: Bag, other: Bag) -> Bag:
    result = dict(one)
    for kind, amount in other.items():
        _add(result, kind, amount)
    return result


def minus(one: Bag, other: Bag) -> Bag | None:
    """What is left of `one`; None when it does not hold all of `other`."""
    result = dict(one)
    for kind, amount in other.items():
        have = result.get(kind)
        if isinstance(amount, frozenset):
            if not amount:
                continue
            if not isinstance(have, frozenset) or not amount <= have:
                return None
            left: Amount = have - amount
        else:
            if amount == 0:
                continue
            if not isinstance(have, int) or have < amount:
                return None
            left = have - amount
        if left:
            result[kind] = left
        else:
            del result[kind]
    return result


def common(one: Bag, other: Bag) -> Bag:
    """What both hold."""
    result: Bag = {}
    for kind in one.keys() & other.keys():
        here, there = one[kind], other[kind]
        if isinstance(here, frozenset):
            assert isinstance(there, frozenset)
            _add(result, kind, here & there)
        else:
            assert isinstance(there, int)
            _add(result, kind, min(here, there))
    return result


def total(bags: Iterable[Bag]) -> Bag:
    result: Bag = {}
    for one in bags:
        for kind, amount in one.items():
            _add(result, kind, amount)
    return result


def popped(of: Bag) -> Bag:
    """The same resources before the last reservation was pushed on their stacks."""
    result: Bag = {}
    for kind, amount in of.items():
        _add(result, _popped(kind), amount)
    return result


def without_disk(of: Bag) -> Bag:
    """The reserved disks under persistent volumes."""
    result: Bag = {}
    for kind, amount in of.items():
        _add(result, (kind[0], kind[1], ""), amount)
    return result


def is_reserved(kind: Kind) -> bool:
    return kind[1] != "[]"


@lru_cache(maxsize=4096)
def labels(kind: Kind) -> Mapping[str, str]:
    """The labels of the innermost reservation."""
    stack = orjson.loads(kind[1])
    if not stack:
        return {}
    return {item["key"]: item["value"] for item in stack[-1].get("labels", {}).get("labels", ())}


@lru_cache(maxsize=4096)
def role(kind: Kind) -> str | None:
    """The role of the innermost reservation."""
    stack = orjson.loads(kind[1])
    return str(stack[-1]["role"]) if stack else None


@lru_cache(maxsize=4096)
def persistence_id(kind: Kind) -> str | None:
    if not kind[2]:
        return None
    persistence = orjson.loads(kind[2]).get("persistence")
    return str(persistence["id"]) if persistence else None


def volumes(of: Bag) -> list[str]:
    """The persistence ids of the volumes in the bag."""
    return [id_ for kind in of if (id_ := persistence_id(kind)) is not None]


@lru_cache(maxsize=4096)
def _popped(kind: Kind) -> Kind:
    stack = orjson.loads(kind[1])
    return kind[0], orjson.dumps(stack[:-1], option=orjson.OPT_SORT_KEYS).decode(), kind[2]


def _kind(resource: Mapping[str, Any]) -> Kind:
    stack = orjson.dumps(resource.get("reservations", []), option=orjson.OPT_SORT_KEYS).decode()
    disk = resource.get("disk")
    text = orjson.dumps(disk, option=orjson.OPT_SORT_KEYS).decode() if disk else ""
    return str(resource["name"]), stack, text


def _amount(resource: Mapping[str, Any]) -> Amount:
    if "ranges" in resource:
        return frozenset(
            number
            for part in resource["ranges"].get("range", ())
            for number in range(part["begin"], part["end"] + 1)
        )
    return round(float(resource["scalar"]["value"]) * 1000)


def _add(to: Bag, kind: Kind, amount: Amount) -> None:
    have = to.get(kind)
    if have is None:
        if amount:
            to[kind] = amount
    elif isinstance(amount, frozenset):
        assert isinstance(have, frozenset)
        to[kind] = have | amount
    else:
        assert isinstance(have, int)
        to[kind] = have + amount


def _ranges(numbers: Iterable[int]) -> list[dict[str, int]]:
    result: list[dict[str, int]] = []
    for number in sorted(numbers):
        if result and result[-1]["end"] == number - 1:
            result[-1]["end"] = number
        else:
            result.append({"begin": number, "end": number})
    return result
