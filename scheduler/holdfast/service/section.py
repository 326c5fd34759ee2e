"""Reads the keys of one mapping of svc.yml, with the coercions of the dcos-commons parser.

Every reader returns a value even after a fault, so that reading goes on and the operator sees all
faults at once; the result of a file with faults is thrown away by the caller.
"""

import difflib
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from holdfast.service.document import ListNode, MapNode, Node, Null, Scalar, describe
from holdfast.service.problems import Report

_WHOLE = re.compile(r"[+-]?(?=[0-9_]{1,30}\Z)[0-9]+(_[0-9]+)*\Z")
_LARGEST = 2**63 - 1

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Keys:
    """What may stand in a mapping: keys read, and keys refused with what to do instead.

    Where `ignored` is given, a key unlike all of these is let pass, with a remark: the one there,
    or that it is unknown.
    """

    allowed: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[str, str] | None = None


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
        self,
        key: str,
        default: int | None = None,
        *,
        least: int,
        most: int = _LARGEST,
        also: str = "",
    ) -> int:
        """A whole number between `least` and `most`. Without `default` the key is required.

        `also` is what else a message says may be there.
        """
        expected = f"a whole number of at least {least}{also}"
        if most != _LARGEST:
            expected = f"a whole number from {least} to {most}{also}"
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
        self,
        key: str,
        default: float | None = None,
        *,
        above: float | None = None,
        also: str = "",
    ) -> float:
        """A finite number of at least 0, or more than `above`; required without `default`."""
        expected = "a number of at least 0" if above is None else f"a number above {above:g}"
        expected += also
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
        """One of `options`, exactly as spelled; `default`, or "" without one, after a fault."""
        value = self.text(key, default)
        if value in options or not isinstance(self.node.entries.get(key), Scalar):
            return value
        near = _near(value, options)
        self.error(key, f"expected {_either(options)}, found {value!r}{near}".rstrip())
        return default or ""

    def member(self, key: str, kind: type[E], *, required: bool = False) -> E | None:
        """One of `kind`, exactly as spelled; None when it is not there, empty, or a fault."""
        options = [str(member) for member in kind]
        value = self.choice(key, options) if required else self.choice(key, ["", *options], "")
        return kind(value) if value else None

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

    def items(self, key: str, of: str) -> list[Entry]:
        """The items of an optional list; `of` is what they are said to be."""
        node = self._value(key, required=False, expected=f"a list of {of}")
        if node is None:
            return []
        if not isinstance(node, ListNode):
            self._expected(key, f"a list of {of}", node)
            return []
        return [
            Entry(str(number), item, item.line, f"{self.at(key)}[{number}]")
            for number, item in enumerate(node.items)
        ]

    def texts(self, key: str) -> Iterator[tuple[int, str, str]]:
        """The line, path and text of each item of an optional list."""
        for entry in self.items(key, "texts"):
            if isinstance(entry.node, Scalar) and entry.node.text.strip():
                yield entry.line, entry.path, entry.node.text
            else:
                self.unexpected(entry, "a text")

    def sections(self, key: str, keys: Keys) -> "Iterator[Section]":
        """The mappings in an optional list."""
        for entry in self.items(key, "mappings"):
            section = open_section(entry, keys, self.report)
            if section is not None:
                yield section

    def wholes(self, key: str, *, least: int, most: int) -> tuple[int, ...]:
        """The whole numbers in an optional list."""
        numbers = []
        for entry in self.items(key, "whole numbers"):
            text = entry.node.text.strip() if isinstance(entry.node, Scalar) else ""
            if _WHOLE.match(text) and least <= int(text) <= most:
                numbers.append(int(text))
            else:
                self.unexpected(entry, f"a whole number from {least} to {most}")
        return tuple(numbers)

    def pairs(self, key: str, separator: str, equals: str, *, strict: bool) -> dict[str, str]:
        """The pairs in a text such as `a:1,b:2`.

        A value may be empty or have further `equals` in it, unless `strict`.
        """
        pairs: dict[str, str] = {}
        text = self.text(key, "")
        for part in text.rstrip(separator).split(separator) if text else ():
            name, found, value = part.partition(equals)
            broken = strict and (not value or equals in value)
            if not found or not name.strip() or broken:
                shown = f"a{equals}1{separator}b{equals}2"
                self.error(key, f"expected pairs such as {shown}, found {part!r} in {text!r}")
            elif name in pairs:
                self.error(key, f"{name!r} is given twice in {text!r}")
            pairs[name] = value
        return pairs

    def unexpected(self, entry: Entry, expected: str) -> None:
        """Record that a child is not what it should be."""
        found = describe(entry.node)
        self.report.error(entry.line, entry.path, f"expected {expected}, found {found}")

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
        if key in keys.refused:
            if not isinstance(value, Null):
                section.error(key, keys.refused[key])
            continue
        known = keys.ignored is not None and key in keys.ignored
        near = "" if known else _near(key, (*keys.allowed, *keys.refused))
        if keys.ignored is None or near:
            allowed = "Allowed here" if near else "; allowed here"
            section.error(key, f"unknown key{near}{allowed}: {', '.join(keys.allowed)}")
        else:
            section.warn(key, keys.ignored.get(key, "unknown key, which is ignored"))
    return section


def _near(word: str, options: Collection[str]) -> str:
    folded = {option.lower(): option for option in options if option}
    found = difflib.get_close_matches(word.lower().replace("_", "-"), folded, n=1, cutoff=0.6)
    return f", did you mean {folded[found[0]]!r}? " if found else ""


def _either(options: Collection[str]) -> str:
    *first, last = filter(None, options)
    return f"{', '.join(first)} or {last}" if first else last
