"""What routes answer with, and how OpenAPI tells of it."""

from collections.abc import Collection
from typing import Any

import orjson
from fastapi import Response

from holdfast.api.names import Unknown
from holdfast.api.shapes import MessageBody

ANSWER_SECONDS = 10.0
"""How long a command may take to be stored before the caller is told that it is not yet."""

Responses = dict[int | str, dict[str, Any]]

BAD_REQUEST = {"model": MessageBody, "description": "Not understood; nothing was changed"}
NOT_FOUND = {"model": MessageBody, "description": "Nothing has that name"}
REFUSED = {"model": MessageBody, "description": "Not possible now; nothing was changed"}
UNANSWERED = {"model": MessageBody, "description": "The scheduler has not answered in time"}


def as_json(body: object, code: int = 200) -> Response:
    """Indented, since these answers are also read by people with curl."""
    content = orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Response(content, code, media_type="application/json")


def need(kind: str, name: str, known: Collection[str]) -> None:
    """Raises Unknown when `name` is not among the known."""
    if name not in known:
        raise Unknown(kind, name, known)


def ok(model: Any, description: str = "OK") -> dict[str, Any]:
    return {"model": model, "description": description}
