"""Reads the keys of one mapping of svc.yml, with the coercions of the dcos-commons parser.

Every reader returns a value even after a fault, so that reading goes on and the operator sees all
faults at once; the result of a file with faults is thrown away by the caller.
"""

import difflib
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from holdfast.service.document import ListNode, MapNode, Node, Null, Scalar, describe
from holdfast.service.problems import Report

_WHOLE = re.compile(r"[+-]?(?=[0-9_]{1,30}\Z)[0-9]+(_[0-9]+)*\Z")
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A key dcos-commons knows and this version does not; `harmless` values ask for nothing."""

    advice: str
    harmless: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """What may stand in a mapping: keys read, and keys known but refused."""

    allowed: tuple[str, ...]
    unsupported: Mapping[str, Unsupported]


@dataclass(frozen=True, slots=True)
class Entry:
    """One named child: `line` is that of its key."""

    name: str
    node: Node
    line: int
    path: str


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping whose keys are known to be allowed."""

    path: str
    line: int
    node: MapNode
    report: Report

    def error(self, key: str, message: str) -> None:
        """Record a fault of `key`, or of the whole mapping when `key` is empty."""
        self.report.error(self.node.lines.get(key, self.line), self.at(key), message)

    def warn(self, key: str, message: str) -> None:
        """Record a remark on `key`."""
        self.report.warn(self.node.lines.get(key, self.line), self.at(key), message)

    def at(self, key: str) -> str:
        """The path of `key`."""
        return ".".join(part for part in (self.path, key) if part)

    def has(self, key: str) -> bool:
        """Whether `key` is there with a value."""
        return not isinstance(self.node.entries.get(key, Null(0)), Null)

    def text(self, key: str, default: str | None = None) -> str:
        """A text, number or boolean as written. Without `default` the key is required."""
        node = self._value(key, required=default is None, expected="a text")
        if node is None:
            return default or ""
        if not isinstance(node, Scalar):
            self._expected(key, "a text", node)
            return default or ""
        return node.text

    def words(self, key: str, default: str | None = None) -> str:
        """A text that must not be blank."""
        value = self.text(key, default)
        if self.has(key) and isinstance(self.node.entries[key], Scalar) and not value.strip():
            self.error(key, "must not be blank")
        return value

    def whole(
        self, key: str, default: int | None = None, *, least: int, most: int = _LARGEST
    ) -> int:
        """A whole number between `least` and `most`. Without `default` the key is required."""
        expected = f"a whole number of at least {least}"
        if most != _LARGEST:
            expected = f"a whole number from {least} to {most}"
        fallback = least if default is None else default
        node = self._value(key, required=default is None, expected=expected)
        if node is None:
            return fallback
        # Jackson would cut 1.5 to 1 without a word; an operator who asks for 1.5 MB should know.
        if not isinstance(node, Scalar) or not _WHOLE.match(node.text.strip()):
            self._expected(key, expected, node)
            return fallback
        value = int(node.text)
        if not least <= value <= most:
            self._expected(key, expected, node)
            return fallback
        return value

    def number(
        self, key: str, default: float | None = None, *, above: float | None = None
    ) -> float:
        """A finite number of at least 0, or more than `above`; required without `default`."""
        expected = "a number of at least 0" if above is None else f"a number above {above:g}"
        node = self._value(key, required=default is None, expected=expected)
        if node is None:
            return default or 0.0
        try:
            value = float(node.text) if isinstance(node, Scalar) else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < 0 or (above is not None and value <= above):
            self._expected(key, expected, node)
            return default or 0.0
        return value

    def boolean(self, key: str, default: bool) -> bool:
        """`true` or `false` in any case, quoted or not; never the yes/no/on/off of YAML 1.1."""
        node = self._value(key, required=False, expected="true or false")
        if node is None:
            return default
        words = {"true": True, "false": False, "1": True, "0": False}
        value = words.get(node.text.strip().lower()) if isinstance(node, Scalar) else None
        if value is None:
            self._expected(key, "true or false", node)
            return default
        return value

    def choice(self, key: str, options: Collection[str], default: str | None = None) -> str:
        """One of `options`, exactly as spelled; "" after a fault."""
        value = self.text(key, default)
        if value in options or not isinstance(self.node.entries.get(key), Scalar):
            return value
        near = _near(value, options)
        self.error(key, f"expected {_either(options)}, found {value!r}{near}".rstrip())
        return ""

    def named(self, key: str, *, what: str, required: bool = False) -> list[Entry]:
        """The children of a mapping of names, such as tasks; `what` is said of one of them."""
        expected = f"a mapping of {what} names"
        node = self._value(key, required=required, expected=expected)
        if node is None:
            return []
        if not isinstance(node, MapNode):
            self._expected(key, expected, node)
            return []
        if required and not node.entries:
            self.error(key, f"must have at least one {what}")
        return [
            Entry(name, child, node.lines[name], f"{self.at(key)}.{name}")
            for name, child in node.entries.items()
        ]

    def texts(self, key: str) -> Iterator[tuple[int, str, str]]:
        """The line, path and text of each item of an optional list."""
        node = self._value(key, required=False, expected="a list")
        if node is None:
            return
        if not isinstance(node, ListNode):
            self._expected(key, "a list of texts", node)
            return
        for number, item in enumerate(node.items):
            path = f"{self.at(key)}[{number}]"
            if isinstance(item, Scalar) and item.text.strip():
                yield item.line, path, item.text
            else:
                self.report.error(item.line, path, f"expected a text, found {describe(item)}")

    def child(self, key: str, keys: Keys) -> "Section | None":
        """The mapping under `key`, or None when it is not there or no mapping."""
        if not self.has(key):
            return None
        entry = Entry(key, self.node.entries[key], self.node.lines[key], self.at(key))
        return open_section(entry, keys, self.report)

    def _value(self, key: str, *, required: bool, expected: str) -> Node | None:
        node = self.node.entries.get(key)
        if node is None or isinstance(node, Null):
            if required:
                missing = "is required" if node is None else "has no value"
                self.error(key, f"{missing}; expected {expected}")
            return None
        return node

    def _expected(self, key: str, expected: str, node: Node) -> None:
        self.error(key, f"expected {expected}, found {describe(node)}")


def open_section(entry: Entry, keys: Keys, report: Report) -> Section | None:
    """The mapping in `entry` with its keys checked; None when it is no mapping."""
    node = entry.node
    if not isinstance(node, MapNode):
        report.error(
            entry.line,
            entry.path,
            f"expected a mapping with {', '.join(keys.allowed)}, found {describe(node)}",
        )
        return None
    section = Section(entry.path, entry.line, node, report)
    for key, value in node.entries.items():
        if key in keys.allowed:
            continue
        if key not in keys.unsupported:
            near = _near(key, (*keys.allowed, *keys.unsupported))
            allowed = "Allowed here" if near else "; allowed here"
            section.error(key, f"unknown key{near}{allowed}: {', '.join(keys.allowed)}")
        elif not _asks_nothing(value, keys.unsupported[key].harmless):
            section.error(key, not_supported("", keys.unsupported[key].advice))
    return section


def not_supported(what: str, advice: str) -> str:
    """The refusal of something the format knows: `what` (may be empty) and what to do instead."""
    subject = f"{what} is known" if what else "known"
    return f"{subject} but not supported by this version; {advice}"


def _asks_nothing(node: Node, harmless: Collection[str]) -> bool:
    match node:
        case Null():
            return True
        case Scalar(text=text):
            return text.strip().lower() in harmless
        case ListNode(items=items):
            return not items
        case MapNode(entries=entries):
            return not entries


def _near(word: str, options: Collection[str]) -> str:
    folded = {option.lower(): option for option in options}
    found = difflib.get_close_matches(word.lower().replace("_", "-"), folded, n=1, cutoff=0.6)
    return f", did you mean {folded[found[0]]!r}? " if found else ""


def _either(options: Collection[str]) -> str:
    *first, last = options
    return f"{', '.join(first)} or {last}" if first else last
