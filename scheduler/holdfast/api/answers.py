"""What routes answer with, and how OpenAPI tells of it."""

from collections.abc import Collection
from typing import Any

import orjson
from fastapi import Response

from holdfast.api import examples
from holdfast.api.names import Unknown
from holdfast.api.shapes import MessageBody

ANSWER_SECONDS = 10.0
"""How long a command may take to be stored before the caller is told that it is not yet."""

INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
"""How answers are written, since they are also read by people with curl."""

Responses = dict[int | str, dict[str, Any]]


def as_json(body: object, code: int = 200) -> Response:
    return Response(orjson.dumps(body, option=INDENTED), code, media_type="application/json")


def as_text(text: str) -> Response:
    return Response(text, media_type="text/plain; charset=utf-8")


def need(kind: str, name: str, known: Collection[str]) -> None:
    """Raises Unknown when `name` is not among the known."""
    if name not in known:
        raise Unknown(kind, name, known)


def ok(model: Any, description: str = "OK", example: Any = None) -> dict[str, Any]:
    """A JSON answer; the example is that of its shape when none is given."""
    shown = examples.of(model) if example is None else example
    return {
        "model": model,
        "description": description,
        "content": {"application/json": {"example": shown}},
    }


def ok_text(description: str, example: str, media_type: str = "text/plain") -> dict[str, Any]:
    """An answer that is no JSON."""
    content = {"schema": {"type": "string"}, "example": example}
    return {"description": description, "content": {media_type: content}}


def said(description: str, message: str) -> dict[str, Any]:
    """An answer that is a message for people: of an order that was taken, or an error."""
    return ok(MessageBody, description, {"message": message})


BAD_REQUEST = said(
    "Not understood; nothing was changed",
    "Step 'node-0:[server]' is named without its phase: add phase=. Nothing was changed.",
)
NOT_FOUND = said("Nothing has that name", "There is no plan 'deplyo'. Did you mean 'deploy'?")
REFUSED = said(
    "Not possible now; nothing was changed",
    "hello-2 has not been launched yet; there is nothing to restart",
)
UNANSWERED = said(
    "The scheduler has not answered in time",
    "The scheduler took `pod restart hello-0` but has not answered within 10 s. It stands still"
    " while ZooKeeper is away, and carries the order out when it goes on, unless it is restarted"
    " before that. Tasks run on. Look at the pod, volume or plan before you ask again.",
)
UNKNOWN_CALLER = said(
    "Who asks is not known: credentials are missing, wrong or expired",
    "Credentials are missing: send a token (Authorization: Bearer) or a password.",
)
NOT_ALLOWED = said(
    "Who asks has not the role it needs; nothing was changed",
    "ann has the role read-only; POST needs operator. Nothing was changed.",
)
TOO_LARGE = said(
    "The body is too large; nothing was changed",
    "A request may have 131072 bytes of content. Nothing was changed.",
)
FAULT = said(
    "A fault of the scheduler's own",
    "The scheduler could not answer because of a fault of its own (KeyError).",
)
