"""Rendering of svc.yml that keeps the operator's line numbers.

Rendering drops and adds lines. A marker with its number is put at the end of each source line
before rendering and taken out again afterwards, so a fault in the result can be shown where the
operator can find it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast_executor import mustache

_OPEN, _CLOSE = "\ue0f0", "\ue0f1"  # private use: neither Mustache nor YAML gives them a meaning
_MARKER = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_TAG = re.compile(r"\{\{\{.*?\}\}\}|\{\{.*?\}\}", re.DOTALL)
# A tag alone on its line takes the line with it; a marker there would keep it. Mustache spec,
# "standalone" sections, comments and partials.
_ALONE = re.compile(r"\s*\{\{\s*[#^/!>=].*\}\}\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered text; `lines[i]` is the source line of its line i, `missing` the unset names."""

    text: str
    lines: Sequence[int]
    missing: Sequence[str]


def render(text: str, values: Mapping[str, object]) -> Rendered:
    """`text` with its Mustache tags filled in. Raises mustache.TemplateError."""
    marked, missing = mustache.render_listing_missing(_mark(text), values)
    lines: list[int] = []
    pending = 0
    last = 0
    plain: list[str] = []
    for line in marked.split("\n"):
        found = _MARKER.findall(line)
        plain.append(_MARKER.sub("", line))
        if found:
            last = int(found[-1])
            lines.extend([last] * (pending + 1))
            pending = 0
        else:
            pending += 1
    lines.extend([last or 1] * pending)
    return Rendered("\n".join(plain), lines, missing)


def _mark(text: str) -> str:
    if "{{=" in text:  # other delimiters: where tags are is then the renderer's knowledge alone
        return text
    inside = set[int]()
    for tag in _TAG.finditer(text):
        inside.update(i for i in range(tag.start(), tag.end()) if text[i] == "\n")
    out: list[str] = []
    position = 0
    chunk = ""
    for number, line in enumerate(text.split("\n"), start=1):
        position += len(line)
        chunk += line
        if position in inside:
            chunk += "\n"
        else:
            out.append(chunk if _ALONE.match(chunk) else f"{chunk}{_OPEN}{number}{_CLOSE}")
            chunk = ""
        position += 1
    return "\n".join(out)
