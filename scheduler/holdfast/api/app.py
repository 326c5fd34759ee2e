"""The HTTP API as an ASGI application."""

from collections.abc import Callable, Mapping

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from holdfast import __version__
from holdfast.api.access import Access
from holdfast.api.answers import ANSWER_SECONDS
from holdfast.api.bodies import BodyLimit
from holdfast.api.credentials import CredentialsFile
from holdfast.api.openapi import DocumentedApi
from holdfast.api.orphan_routes import AskMaster, Views, no_master
from holdfast.api.routes import api_router
from holdfast.api.source import ServiceSource, Unanswered
from holdfast.vitals import Vitals

log = structlog.get_logger("holdfast.api")


def create_app(
    source: ServiceSource,
    artifacts: Mapping[str, bytes],
    answer_seconds: float = ANSWER_SECONDS,
    credentials: CredentialsFile | None = None,
    *,
    ask_master: AskMaster = no_master,
    vitals: Callable[[], Vitals] = Vitals,
) -> FastAPI:
    """The API over a running service. `artifacts` are the files agents fetch, by name.

    Every error is JSON, `{"message": ...}`. `answer_seconds` is how long a command waits for the
    engine; `ask_master` asks the leading master what it has, `vitals` tells how
    the process is. Without `credentials` everybody may do everything.
    """
    app = open_app(source, artifacts, answer_seconds, ask_master, vitals)
    app.add_middleware(Access, source=source, credentials=credentials)
    return app


def open_app(
    source: ServiceSource,
    artifacts: Mapping[str, bytes],
    answer_seconds: float,
    ask_master: AskMaster,
    vitals: Callable[[], Vitals],
    below: str = "",
    services: Views = dict,
) -> FastAPI:
    """The same for whoever has found out who asks, and has set `caller`.

    `below` is the path under which it is served, `services` are all that share its framework.
    """
    app = new_app("The API of a Holdfast scheduler: one service on Apache Mesos.", below)
    app.include_router(
        api_router(
            source,
            artifacts,
            answer_seconds,
            ask_master=ask_master,
            vitals=vitals,
            services=services,
        )
    )
    return app


def new_app(description: str, below: str = "", elsewhere: Callable[[], str] = str) -> FastAPI:
    """An application without routes, with what each of ours has around them.

    `elsewhere` says where else to look, to whoever asks for a path that is not there.
    """
    app = DocumentedApi(
        below,
        title="Holdfast",
        version=__version__,
        description=description,
        docs_url=None,  # these pages load their scripts from elsewhere
        redoc_url=None,
    )

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        text = error.detail
        if error.status_code == 404 and text == "Not Found":
            document = f"{request.scope.get('root_path', '')}/openapi.json"
            text = f"There is nothing at {request.url.path}; {document} lists all paths."
            text = f"{text} {elsewhere()}".rstrip()
        elif error.status_code == 405:
            text = f"{request.method} is not possible at {request.url.path}."
        return _message(text, error.status_code, error.headers)

    app.add_middleware(BodyLimit)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Unanswered, _unanswered)
    app.add_exception_handler(Exception, _unexpected)
    return app


def _message(text: str, code: int, headers: Mapping[str, str] | None = None) -> Response:
    content = orjson.dumps({"message": text}, option=orjson.OPT_APPEND_NEWLINE)
    return Response(content, code, headers, media_type="application/json")


async def _unanswered(_request: Request, error: Exception) -> Response:
    return _message(str(error), 503)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("a request failed", path=request.url.path, error=repr(error))
    return _message(
        f"The scheduler could not answer because of a fault of its own ({type(error).__name__})."
        " Nothing was changed by this request unless it was an order; tasks run on. The log of the"
        " scheduler has the details.",
        500,
    )
