"""A configuration without what looks like a secret, as it may be shown."""

import re
from typing import Any

NOT_SHOWN = "(not shown)"

_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|(private|api|access|encryption)_?key", re.IGNORECASE
)
_PAIRS = frozenset({"env", "driver_options"})
"""Parts of a configuration that hold names and values chosen by whoever wrote the svc.yml."""


def looks_secret(name: str) -> bool:
    """Whether a variable of that name may hold a secret."""
    return _SECRET.search(name) is not None


def redacted(document: Any) -> Any:
    """The same configuration (service.encode.to_json) with values that look secret left out."""
    if isinstance(document, list):
        return [redacted(each) for each in document]
    if not isinstance(document, dict):
        return document
    return {
        key: _pairs(value) if key in _PAIRS and isinstance(value, dict) else redacted(value)
        for key, value in document.items()
    }


def _pairs(pairs: dict[str, Any]) -> dict[str, Any]:
    return {name: NOT_SHOWN if looks_secret(name) else value for name, value in pairs.items()}
