"""A service as JSON, for the durable record, and its identity. Nothing is lost, not even the
contents of templates: a scheduler that starts elsewhere must not need the files of this one."""

import hashlib
import json
from typing import Any

from pydantic import TypeAdapter

from holdfast.service.model import ServiceSpec

_ADAPTER = TypeAdapter(ServiceSpec)
_DIGITS = 32


def to_json(spec: ServiceSpec) -> dict[str, Any]:
    """`spec` as values json.dumps takes."""
    encoded: dict[str, Any] = _ADAPTER.dump_python(spec, mode="json")
    return encoded


def from_json(document: dict[str, Any]) -> ServiceSpec:
    """The service `to_json` made `document` of. Raises pydantic.ValidationError otherwise."""
    return _ADAPTER.validate_python(document)


def config_id(spec: ServiceSpec) -> str:
    """The identity of a configuration: 32 hex digits, equal for equal services.

    What is left at its default does not count, so that a release which adds a key to the format
    does not make every running service look changed.
    """
    # Through from_json, so that a float given as an int has the same digits.
    told = _ADAPTER.dump_python(from_json(to_json(spec)), mode="json", exclude_defaults=True)
    canonical = json.dumps(told, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGITS]
