"""YAML as a tree that remembers the line of every key and value.

Scalars keep the text as written, so `on`, `0755` or `1.10` stay what the operator typed and the
reader of a key decides what it is, as the dcos-commons parser (Jackson) does. Null is an empty
plain scalar, `~` or `null`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from holdfast.service.problems import Report


@dataclass(frozen=True, slots=True)
class Null:
    """A key with no value."""

    line: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number or boolean; `quoted` when it can only be a text."""

    line: int
    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    line: int
    items: "Sequence[Node]"


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping in the order of the file; `lines` has the line of each key."""

    line: int
    entries: "Mapping[str, Node]"
    lines: Mapping[str, int]


Node = Null | Scalar | ListNode | MapNode

_NULLS = ("", "~", "null", "Null", "NULL")
_SHOWN = 60


def parse(text: str, lines: Sequence[int], report: Report) -> Node | None:
    """The document in `text`; None when it is no YAML, with the fault in `report`.

    `lines[i]` is the line in the operator's file that line i (from 0) of `text` came from.
    """

    def line_of(mark: yaml.Mark | None) -> int:
        return lines[min(mark.line, len(lines) - 1)] if mark and lines else 0

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        what = ", ".join(part for part in (error.context, error.problem) if part)
        report.error(line_of(error.problem_mark or error.context_mark), "", f"not YAML: {what}")
        return None
    except yaml.YAMLError as error:
        report.error(0, "", f"not YAML: {error}")
        return None
    except RecursionError:
        report.error(0, "", "is nested too deeply to be a service definition")
        return None

    def convert(node: yaml.Node, path: str, above: tuple[yaml.Node, ...]) -> Node:
        line = line_of(node.start_mark)
        if any(node is ancestor for ancestor in above):
            report.error(line, path, "an alias that contains itself")
            return Null(line)
        if isinstance(node, yaml.MappingNode):
            return convert_map(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            inside = (*above, node)
            items = [convert(item, f"{path}[{i}]", inside) for i, item in enumerate(node.value)]
            return ListNode(line, items)
        assert isinstance(node, yaml.ScalarNode)
        if node.style is None and node.value in _NULLS:
            return Null(line)
        return Scalar(line, node.value, quoted=node.style is not None)

    def convert_map(node: yaml.MappingNode, path: str, above: tuple[yaml.Node, ...]) -> Node:
        entries: dict[str, Node] = {}
        key_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = line_of(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                report.error(line, path, "a key must be a plain text")
                continue
            key = key_node.value
            inner = f"{path}.{key}" if path else key
            if key_node.style is None and key == "<<":
                report.error(
                    line, path, "YAML merge keys (<<) are not supported; repeat the keys instead"
                )
                continue
            if key in entries:
                report.error(
                    line,
                    inner,
                    f"given twice, first in line {key_lines[key]}; keep one of the two",
                )
                continue
            entries[key] = convert(value_node, inner, above)
            key_lines[key] = line
        return MapNode(line_of(node.start_mark), entries, key_lines)

    return Null(1) if root is None else convert(root, "", ())


def describe(node: Node) -> str:
    """What was found, for a message."""
    match node:
        case Null():
            return "nothing"
        case Scalar(text=text):
            shown = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
            return repr(shown)
        case ListNode():
            return "a list"
        case MapNode():
            return "a mapping"
