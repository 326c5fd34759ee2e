"""The rules of a definition (`validation` in svc.yml) applied: pure functions of the model.

They are a vocabulary and not commands, so that `holdfast validate`, `holdfast plan preview` and the
scheduler come to the same answer wherever they run, and each fault has its path and line.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from holdfast.service.encode import to_json
from holdfast.service.extra_model import RuleSpec
from holdfast.service.model import ServiceSpec
from holdfast.service.places import Locate, Path, nowhere
from holdfast.service.problems import Problem

_ALIASES = {
    "memory": ("memory_mb",),
    "size": ("size_mb",),
    "shm_size": ("shm_size_mb",),
    "volumes": ("volumes", "shared_volumes"),
    "volume": ("volumes", "shared_volumes"),
    "resource_limits": ("limits",),
}
_NAMES = ("name", "type", "id", "path")
"""What the members of a list are known by in svc.yml; volumes by their path."""


class _Nowhere:
    """There is nothing that could have a value."""


NOWHERE: Final = _Nowhere()

Value = str | None | _Nowhere


def value_at(spec: ServiceSpec, path: str) -> Value:
    """The value at a path such as `pods.node.tasks.server.env.NAME`, as text.

    None when nothing is given there but could be; NOWHERE when there is no such thing at all.
    """
    node: Any = to_json(spec)
    for key in path.removeprefix("scheduler.").split("."):
        node = _child(node, key)
        if isinstance(node, _Nowhere):
            return NOWHERE
    return _text(node)


def _child(node: Any, key: str) -> Any:
    if isinstance(node, list):
        return next(
            (each for each in node if isinstance(each, dict) and _known_as(each, key)), NOWHERE
        )
    if not isinstance(node, dict):
        return NOWHERE
    if key in node:
        return node[key]
    plain = key.replace("-", "_")
    found = [node[each] for each in _ALIASES.get(plain, (plain,)) if each in node]
    if found:
        return [item for part in found for item in part] if len(found) > 1 else found[0]
    # Variables and labels have names of their own, and may be left out.
    free = "goal" not in node and "count" not in node and all(_is_text(v) for v in node.values())
    return None if free else NOWHERE


def _known_as(item: dict[str, Any], name: str) -> bool:
    return any(item.get(key) == name for key in _NAMES)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case list():
            return ",".join(_text(item) or "" for item in value)
        case dict():
            return ":".join(text for item in value.values() if (text := _text(item)))
    return str(value)


def broken_rules(spec: ServiceSpec, locate: Locate = nowhere) -> tuple[Problem, ...]:
    """What of the definition is against its own rules; each at the line of the value."""
    problems = []
    for number, rule in enumerate(spec.validation):
        value = value_at(spec, rule.path)
        if isinstance(value, _Nowhere):
            line, shown = locate(("validation", number, "path"))
            problems.append(Problem(line, shown, f"{rule.path!r} leads to nothing in this file"))
            continue
        line, shown = locate(_parts(rule.path))
        for fault in _faults(rule, value):
            problems.append(Problem(line, shown, _said(f"{fault} (validation[{number}])", rule)))
    return tuple(problems)


def _parts(path: str) -> Path:
    return tuple(path.split("."))


def _faults(rule: RuleSpec, value: str | None) -> Iterator[str]:
    """How the value breaks the rule; what is not given breaks none."""
    if value is None:
        return
    if rule.matches is not None and not re.fullmatch(rule.matches, value):
        yield f"must match {rule.matches!r}, found {value!r}"
    if rule.one_of and value not in rule.one_of:
        yield f"must be one of {', '.join(rule.one_of)}, found {value!r}"
    number = _number(value)
    if rule.at_least is not None and (number is None or number < rule.at_least):
        yield f"must be at least {rule.at_least:g}, found {value!r}"
    if rule.at_most is not None and (number is None or number > rule.at_most):
        yield f"must be at most {rule.at_most:g}, found {value!r}"


def forbidden_changes(old: ServiceSpec, new: ServiceSpec) -> Iterator[tuple[str, str]]:
    """The path and reason of every change that a rule of either definition forbids.

    A rule in force is not lifted by the change it forbids: it has to be taken out before.
    """
    for rule in dict.fromkeys((*old.validation, *new.validation)):
        was, now = value_at(old, rule.path), value_at(new, rule.path)
        if isinstance(was, _Nowhere) or isinstance(now, _Nowhere) or was == now:
            continue
        if rule.unchanged:
            yield rule.path, _said(f"must not change, from {_shown(was)} to {_shown(now)}", rule)
        elif rule.only_grows and not _grows(was, now):
            yield rule.path, _said(f"may only grow, from {_shown(was)} to {_shown(now)}", rule)


def _grows(was: str | None, now: str | None) -> bool:
    before, after = _number(was), _number(now)
    return before is None or (after is not None and after >= before)


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None


def _shown(value: str | None) -> str:
    return "nothing" if value is None else repr(value)


def _said(fault: str, rule: RuleSpec) -> str:
    return f"{fault}: {rule.message}" if rule.message else fault
