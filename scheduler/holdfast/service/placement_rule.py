"""The placement texts of dcos-commons (Marathon constraints) as constraints.

Three syntaxes: `[["@zone", "UNIQUE"], ["hostname", "MAX_PER", "2"]]`, one flat row
`["@zone", "UNIQUE"]`, and `@zone:UNIQUE,hostname:MAX_PER:2` with `\\` before a `:` or `,` that
belongs to a value. All rows must hold.
"""

import json
import re

from holdfast.service.model import Constraint, Operator

_COUNT = re.compile(r"[0-9]{1,9}\Z")
_ALLOWED = ", ".join(Operator)
_COUNTED = (Operator.MAX_PER, Operator.GROUP_BY)
_MATCHED = (Operator.LIKE, Operator.UNLIKE)


class PlacementError(ValueError):
    """A placement text that cannot be used; the message says which part and what is allowed."""


def parse_placement(text: str) -> tuple[Constraint, ...]:
    """The constraints in `text`; none for an empty text or `[]`. Raises PlacementError."""
    text = text.strip()
    if not text:
        return ()
    rows = _json_rows(text) if text.startswith("[") else _colon_rows(text)
    return tuple(_constraint(row) for row in rows)


def _json_rows(text: str) -> list[list[str]]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise PlacementError(
            f"starts like JSON but is none ({error.msg} at character {error.pos + 1}): {text!r}; "
            'expected [["field", "OPERATOR", "parameter"], ...]'
        ) from None
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        raise PlacementError('is too large; expected [["field", "OPERATOR"], ...]') from None
    nested = [item for item in value if isinstance(item, list)]
    if nested and len(nested) != len(value):
        raise PlacementError(f"mixes rows and single texts: {text!r}; put every row in [ ]")
    rows = nested or ([value] if value else [])
    return [[_cell(cell, row) for cell in row] for row in rows]


def _cell(cell: object, row: object) -> str:
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        raise PlacementError(f"expected texts in a row, found {json.dumps(row)}")
    return str(cell)


def _colon_rows(text: str) -> list[list[str]]:
    return [_escaped_split(row, ":") for row in _escaped_split(text, ",")]


def _escaped_split(text: str, separator: str) -> list[str]:
    """`text` cut at every separator without a backslash before it; other backslashes stay."""
    parts = [""]
    escaped = False
    for char in text:
        if escaped:
            parts[-1] += char if char == separator else "\\" + char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == separator:
            parts.append("")
        else:
            parts[-1] += char
    if escaped:
        parts[-1] += "\\"
    return [part.strip() for part in parts]


def _constraint(row: list[str]) -> Constraint:
    shown = ":".join(row)
    if not 2 <= len(row) <= 3:
        raise PlacementError(
            f"rule {shown!r} has {len(row)} parts; expected field, operator and, for some "
            "operators, a parameter"
        )
    field, name = row[0], row[1].upper()
    if name not in Operator.__members__:
        raise PlacementError(f"unknown operator {row[1]!r} in rule {shown!r}; allowed: {_ALLOWED}")
    operator = Operator[name]
    parameter = row[2] if len(row) == 3 else ""
    return Constraint(_field(field, shown), operator, _parameter(operator, parameter, shown))


def _parameter(operator: Operator, parameter: str, shown: str) -> str:
    if operator is Operator.UNIQUE:  # a parameter has no meaning; dcos-commons ignores it too
        return ""
    if operator is Operator.GROUP_BY and not parameter:
        return ""
    found = repr(parameter) if parameter else "none"
    if operator in _COUNTED:
        if not _COUNT.match(parameter) or not int(parameter):
            raise PlacementError(
                f"{operator} in rule {shown!r} needs a whole number of at least 1 as its "
                f"parameter, found {found}"
            )
        return str(int(parameter))
    if not parameter:
        what = "a regular expression" if operator in _MATCHED else "a value"
        raise PlacementError(f"{operator} in rule {shown!r} needs {what} as its parameter")
    if operator in _MATCHED:
        try:
            re.compile(parameter)
        except (re.error, RecursionError, OverflowError) as error:
            raise PlacementError(
                f"{operator} in rule {shown!r} needs a regular expression, found {found}: {error}"
            ) from None
    return parameter


def _field(field: str, shown: str) -> str:
    if field in ("hostname", "@hostname"):
        return "hostname"
    if field in ("@zone", "@region"):
        return field
    if not field or field.startswith("@"):
        raise PlacementError(
            f"unknown field {field!r} in rule {shown!r}; allowed: hostname, @zone, @region or the "
            "name of an agent attribute"
        )
    return field
