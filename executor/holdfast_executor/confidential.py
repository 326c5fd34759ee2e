"""What only a task may know, on its way from the scheduler: secrets, and keys with certificates.

The scheduler decides with the records as they are here, without values. These are filled in just
before the launch is sent, and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Mapping, NamedTuple


class Secret(NamedTuple):
    """A value for the variable `variable`, the sandbox's file `file`, or both; "" is neither.

    `path` is what the value is known by. `content` is None until the scheduler fills it in.
    """

    path: str
    variable: str = ""
    file: str = ""
    content: bytes | None = None

    def __repr__(self) -> str:
        held = "nothing yet" if self.content is None else "hidden"
        return f"Secret({self.path!r}, {self.variable!r}, {self.file!r}, <{held}>)"


class Certificate(NamedTuple):
    """A key and certificate to be made for a task, as files named after `name`.

    `form` is TLS for PEM files or KEYSTORE for Java's. `names` are DNS names or IP addresses,
    `expires` is seconds since the epoch. The scheduler puts the files in its place as secrets.
    """

    name: str
    form: str
    common_name: str
    names: tuple[str, ...]
    expires: float


def to_json(secrets: tuple[Secret, ...], certificates: tuple[Certificate, ...]) -> dict[str, Any]:
    """Both as members of a JSON document; `from_json` is the inverse."""
    return {
        "secrets": [
            {
                **secret._asdict(),
                "content": None
                if secret.content is None
                else base64.b64encode(secret.content).decode("ascii"),
            }
            for secret in secrets
        ],
        "certificates": [certificate._asdict() for certificate in certificates],
    }


def from_json(
    document: Mapping[str, Any],
) -> tuple[tuple[Secret, ...], tuple[Certificate, ...]]:
    """Both from such a document, which may have neither.

    Raises ValueError, which names the member and never its value.
    """
    try:
        secrets = tuple(_secret(item) for item in document.get("secrets", ()))
    except (AttributeError, KeyError, TypeError, binascii.Error):
        raise ValueError("secrets: expected path, variable, file and base64 content") from None
    try:
        certificates = tuple(_certificate(item) for item in document.get("certificates", ()))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(
            "certificates: expected name, form, common_name, names and expires"
        ) from None
    return secrets, certificates


def _secret(item: Mapping[str, Any]) -> Secret:
    content = item["content"]
    return Secret(
        path=_text(item["path"]),
        variable=_text(item["variable"]),
        file=_text(item["file"]),
        content=None if content is None else base64.b64decode(content, validate=True),
    )


def _certificate(item: Mapping[str, Any]) -> Certificate:
    return Certificate(
        name=_text(item["name"]),
        form=_text(item["form"]),
        common_name=_text(item["common_name"]),
        names=tuple(_text(name) for name in item["names"]),
        expires=float(item["expires"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
