"""What a request carries, and how much it may."""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 128 * 1024
"""No request needs as much: parameters of a plan have 64 KiB at most, files of the state 1."""


class BodyLimit:
    """Refuses, with 413, to read a longer body than `BODY_BYTES`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > BODY_BYTES:
                raise HTTPException(
                    413, f"A request may have {BODY_BYTES} bytes of content. Nothing was changed."
                )
            return message

        await self._app(scope, limited if scope["type"] == "http" else receive, send)


def json_body(
    description: str, schema: object, example: object, required: bool = True
) -> dict[str, Any]:
    """How OpenAPI tells of a body that a route reads itself."""
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": required, "description": description, "content": content}}


async def body_of(request: Request, most: int, too_long: HTTPException) -> bytes:
    """The body of the request; raises `too_long` as soon as there are more than `most` bytes."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise too_long
    return content


async def json_of(
    request: Request,
    bad: Callable[[str], HTTPException],
    most: int = BODY_BYTES,
    too_long: HTTPException | None = None,
) -> Any:
    """What the body of the request says as JSON, None when it is empty.

    Raises `bad` of what is wrong with it, and `too_long` instead when that is given.
    """
    over = too_long or bad(f"it is longer than {most} bytes")
    content = await body_of(request, most, over)
    if not content.strip():
        return None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise bad(f"the body is no JSON ({error})") from None


def texts_in(given: Any, bad: Callable[[str], HTTPException]) -> list[str]:
    """A list of texts, as JSON has it; raises `bad` for anything else."""
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise bad("the body is no list of texts")
    return given
