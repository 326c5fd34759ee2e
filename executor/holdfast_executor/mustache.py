"""Mustache templates over flat values, as service definitions and their config files use them.

Two renderers exist where such templates come from and differ in detail: definitions were rendered
by mustache.java 0.9 (`DEFINITION`), config files inside tasks by cbroglie/mustache (`CONFIG`).
Values are text, numbers or booleans; a section shows its content once. Partials are refused.
"""

from __future__ import annotations

from typing import Iterable, Mapping, NamedTuple, Sequence


class TemplateError(ValueError):
    """A template that cannot be read; the text gives the line."""


class Dialect(NamedTuple):
    """`escapes` maps characters (code points) to what `{{name}}` writes for them."""

    escapes: Mapping[int, str]
    blank_is_false: bool


_HTML = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("'"): "&#39;"}

DEFINITION = Dialect(
    escapes={
        **{code: f"&#{code};" for code in range(14)},
        **_HTML,
        ord('"'): "&quot;",
        ord("="): "&#61;",
        ord("`"): "&#96;",
    },
    blank_is_false=False,
)
CONFIG = Dialect(escapes={**_HTML, ord('"'): "&#34;", 0: "\ufffd"}, blank_is_false=True)

BOTH_BOOLEANS = ("true", "false")
ONLY_FALSE = ("false",)


class _Variable(NamedTuple):
    name: str
    raw: bool


class _Section:
    __slots__ = ("inverted", "line", "name", "nodes")

    def __init__(self, name: str, inverted: bool, line: int) -> None:
        self.name = name
        self.inverted = inverted
        self.line = line
        self.nodes: list[str | _Variable | _Section] = []


def env_values(
    environment: Mapping[str, str], booleans: Sequence[str] = BOTH_BOOLEANS
) -> dict[str, object]:
    """Environment variables as template values: the words in `booleans`, in any case, as booleans.

    Definitions take both words (`BOTH_BOOLEANS`), config templates in a task `ONLY_FALSE`.
    """
    return {
        name: text.lower() == "true" if text.lower() in booleans else text
        for name, text in environment.items()
    }


def render(template: str, values: Mapping[str, object], dialect: Dialect = DEFINITION) -> str:
    """The template with its values; missing values are empty. Raises TemplateError."""
    return render_listing_missing(template, values, dialect)[0]


def render_listing_missing(
    template: str, values: Mapping[str, object], dialect: Dialect = DEFINITION
) -> tuple[str, tuple[str, ...]]:
    """As `render`, with the names of rendered `{{name}}` tags that have no value, in order.

    Sections over a missing value are not listed: they are how a template asks whether it is there.
    """
    missing: dict[str, None] = {}
    text = "".join(_rendered(_parse(template).nodes, values, dialect, missing))
    return text, tuple(missing)


def _rendered(
    nodes: Iterable[str | _Variable | _Section],
    values: Mapping[str, object],
    dialect: Dialect,
    missing: dict[str, None],
) -> Iterable[str]:
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, _Variable):
            value = values.get(node.name)
            if value is None:
                missing[node.name] = None
            elif node.raw:
                yield _text(value)
            else:
                yield _text(value).translate(dialect.escapes)
        elif _is_true(values.get(node.name), dialect) != node.inverted:
            yield from _rendered(node.nodes, values, dialect, missing)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _is_true(value: object, dialect: Dialect) -> bool:
    if isinstance(value, str) and dialect.blank_is_false:
        return bool(value.strip())
    return value is not None and value is not False and value != ""


def _parse(template: str) -> _Section:
    """The template as a tree; whole lines holding one tag without output leave nothing behind."""
    opening, closing = "{{", "}}"
    root = _Section("", False, 1)
    stack = [root]
    position, line = 0, 1
    while True:
        start = template.find(opening, position)
        if start < 0:
            break
        line += template.count("\n", position, start)
        content = start + len(opening)
        raw = opening == "{{" and template.startswith("{", content)
        ending = "}" + closing if raw else closing
        end = template.find(ending, content)
        if end < 0:
            raise TemplateError(f"line {line}: the tag {opening} has no end")
        tag = template[content + 1 if raw else content : end].strip()
        after = end + len(ending)
        kind = "&" if raw else tag[:1]
        name = (tag if raw else tag[1:]).strip()
        before = start
        if kind and not raw and kind in "#^/!=":
            before, after = _whole_line(template, position, start, after)
        stack[-1].nodes.append(template[position:before])
        if kind in ("#", "^"):
            _require(name, line)
            section = _Section(name, kind == "^", line)
            stack[-1].nodes.append(section)
            stack.append(section)
        elif kind == "/":
            section = stack.pop()
            if not stack:
                raise TemplateError(f"line {line}: {{{{/{name}}}}} closes nothing")
            if section.name != name:
                raise TemplateError(
                    f"line {line}: {{{{/{name}}}}} closes {section.name!r} of line {section.line}"
                )
        elif kind == "=":
            opening, closing = _delimiters(tag, line)
        elif kind == ">":
            raise TemplateError(f"line {line}: partials ({{{{>{name}}}}}) are not supported")
        elif kind != "!":
            name = name if kind == "&" else tag
            _require(name, line)
            stack[-1].nodes.append(_Variable(name, raw=kind == "&"))
        line += template.count("\n", start, after)
        position = after
    if len(stack) > 1:
        raise TemplateError(f"line {stack[-1].line}: {stack[-1].name!r} is never closed")
    root.nodes.append(template[position:])
    return root


def _whole_line(template: str, position: int, start: int, after: int) -> tuple[int, int]:
    """Where text before and after a tag ends and begins: without its line if it stands alone."""
    before = start
    while before > position and template[before - 1] in " \t":
        before -= 1
    if before > 0 and template[before - 1] != "\n":
        return start, after
    rest = after
    while rest < len(template) and template[rest] in " \t":
        rest += 1
    if rest == len(template):
        return before, rest
    for newline in ("\r\n", "\n"):
        if template.startswith(newline, rest):
            return before, rest + len(newline)
    return start, after


def _delimiters(tag: str, line: int) -> tuple[str, str]:
    words = tag[1:-1].split()
    if len(tag) < 2 or not tag.endswith("=") or len(words) != 2:
        raise TemplateError(f"line {line}: expected two delimiters as in {{{{=<% %>=}}}}")
    return words[0], words[1]


def _require(name: str, line: int) -> None:
    if not name:
        raise TemplateError(f"line {line}: a tag without a name")
