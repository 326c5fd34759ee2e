"""How much a request may carry."""

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


async def body_of(request: Request, most: int, too_long: HTTPException) -> bytes:
    """The body of the request; raises `too_long` as soon as there are more than `most` bytes."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise too_long
    return content
