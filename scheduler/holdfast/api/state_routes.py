"""The paths of the stored state: ids, properties, small files, zones (dcos-commons, StateQueries).

Where dcos-commons answers with plain text, so do these; files are listed as JSON to whoever asks
for it.
"""

from fastapi import APIRouter, Request, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from holdfast.api.answers import (
    BAD_REQUEST,
    NOT_FOUND,
    REFUSED,
    TOO_LARGE,
    UNANSWERED,
    Responses,
    as_json,
    as_text,
    need,
    ok,
    ok_text,
    said,
)
from holdfast.api.parameters import Address, FileName, PodType, PropertyName, TaskName
from holdfast.api.source import ServiceSource, ask
from holdfast.core.events import Verb
from holdfast.core.state_commands import FILE_BYTES
from holdfast.core.view import View

FILE_PROPERTY = "file-"
NAME_LENGTH = 100

FILE_BODY = {
    "requestBody": {
        "required": True,
        "description": f"The file in the field `file`: UTF-8 text of at most {FILE_BYTES} bytes.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                },
                "example": {"file": "layoutVersion=-63"},
            }
        },
    }
}


def add_state(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    _add_ids(router, source, answer_seconds)
    _add_files(router, source, answer_seconds)
    _add_zones(router, source)


def _add_ids(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    ids: Responses = {200: ok(list[str], example=["5d8b3a1e-0000"]), 404: NOT_FOUND}

    @router.get("/state/frameworkId", tags=["state"], responses=ids)
    async def show_framework_id() -> Response:
        """The framework id as a list of one, as dcos-commons has it; 404 before there is one."""
        framework_id = source.view.framework_id
        if framework_id is None:
            raise HTTPException(
                404, "There is no framework id yet: the scheduler has never been subscribed."
            )
        return as_json([framework_id])

    keys = ["last-completed-update-type", "suppressed", "file-VERSION"]

    @router.get("/state/properties", tags=["state"], responses={200: ok(list[str], example=keys)})
    async def list_properties() -> Response:
        """The names of the properties of the service; each file is one, `file-NAME`."""
        return as_json(list(properties(source.view)))

    one: Responses = {200: ok(str | bool, example="DEPLOY"), 404: NOT_FOUND}

    @router.get("/state/properties/{key}", tags=["state"], responses=one)
    async def show_property(key: PropertyName) -> Response:
        """The value of one property."""
        known = properties(source.view)
        need("property", key, known.keys())
        return as_json(known[key])

    refreshed: Responses = {
        200: said("This scheduler is the one that writes the records", "they are up to date"),
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.put("/state/refresh", tags=["state"], responses=refreshed)
    async def refresh_state() -> Response:
        """Confirm that what the scheduler has in memory is what is stored.

        It writes a record anew, which succeeds only while no other scheduler of the service leads;
        one that is refused ends. Records are never read again while the scheduler runs.
        """
        answer = await ask(source, Verb.STATE_REFRESH, "records", answer_seconds)
        return as_json(answer.body, answer.status)


def _add_files(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    listed = ok(list[str], "As JSON to who accepts it, else as text", ["VERSION"])
    listed["content"]["text/plain"] = {"schema": {"type": "string"}, "example": "[VERSION]"}

    @router.get("/state/files", tags=["state"], responses={200: listed})
    async def list_files(request: Request) -> Response:
        """The names of the files operators or tasks stored."""
        names = sorted(source.view.files)
        if "application/json" in request.headers.get("accept", ""):
            return as_json(names)
        return as_text(f"[{', '.join(names)}]")

    one: Responses = {200: ok_text("The file", "layoutVersion=-63"), 404: NOT_FOUND}

    @router.get("/state/files/{name}", tags=["state"], responses=one)
    async def show_file(name: FileName) -> Response:
        """The content of one file."""
        need("file", name, source.view.files.keys())
        return as_text(source.view.files[name])

    stored: Responses = {
        200: said("Stored", "VERSION is stored, 17 bytes"),
        400: BAD_REQUEST,
        409: REFUSED,
        413: TOO_LARGE,
        503: UNANSWERED,
    }

    @router.put("/state/files/{name}", tags=["state"], responses=stored, openapi_extra=FILE_BODY)
    async def store_file(name: FileName, request: Request) -> Response:
        """Store a small file of the service, in place of the one of that name."""
        _check_name(name)
        content = await _uploaded(request)
        answer = await ask(
            source, Verb.STATE_STORE_FILE, name, answer_seconds, parameters={"content": content}
        )
        return as_json(answer.body, answer.status)


def _add_zones(router: APIRouter, source: ServiceSource) -> None:
    tasks = ok(dict[str, str], example={"hello-0-server": "us-west-2a"})

    @router.get("/state/zone/tasks", tags=["state"], responses={200: tasks})
    async def list_zones() -> Response:
        """The zone of each task whose agent has one."""
        return as_json(zones(source.view))

    one: Responses = {200: ok_text("The zone", "us-west-2a"), 404: NOT_FOUND}

    @router.get("/state/zone/tasks/{task}", tags=["state"], responses=one)
    async def show_zone(task: TaskName) -> Response:
        """The zone of one task."""
        known = zones(source.view)
        need("task in a zone", task, known.keys())
        return as_text(known[task])

    @router.get("/state/zone/{pod_type}/{ip}", tags=["state"], responses=one)
    async def show_zone_of_address(pod_type: PodType, ip: Address) -> Response:
        """The zone of the pod instance of a type at an IP address."""
        known = {
            pod.reservation.ip: pod.reservation.zone
            for pod in source.view.pods.values()
            if pod.type == pod_type and pod.reservation and pod.reservation.zone
        }
        need(f"instance of {pod_type} in a zone at address", ip, known.keys())
        return as_text(known[ip])


def properties(view: View) -> dict[str, str | bool]:
    """What dcos-commons keeps as properties, derived from the records."""
    done: dict[str, str | bool] = {}
    if view.deployed is not None:
        updated = view.updating and view.deployed == view.target_id
        done["last-completed-update-type"] = "UPDATE" if updated else "DEPLOY"
    files = {f"{FILE_PROPERTY}{name}": content for name, content in sorted(view.files.items())}
    return {**done, "suppressed": view.suppressed, **files}


def zones(view: View) -> dict[str, str]:
    """Task name -> zone."""
    return {
        f"{pod.name}-{task.name}": pod.reservation.zone
        for pod in view.pods.values()
        if pod.reservation and pod.reservation.zone
        for task in pod.tasks
    }


def _check_name(name: str) -> None:
    if name in (".", "..") or not name.isprintable() or "/" in name or len(name) > NAME_LENGTH:
        raise HTTPException(
            400,
            f"{name[:NAME_LENGTH]!r} is no name of a file: expected at most {NAME_LENGTH} printable"
            " characters without a slash. Nothing was changed.",
        )


async def _uploaded(request: Request) -> str:
    """The text in the field `file`. Raises HTTPException (400)."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise _bad(f"Content-Type is {kind!r}" if kind else "there is no Content-Type")
    try:
        async with request.form(max_files=1, max_fields=1) as form:
            file = form.get("file")
            if file is None:
                raise _bad("it has no field `file`")
            content = await file.read() if isinstance(file, UploadFile) else file.encode()
    except HTTPException as error:
        if error.status_code != 400 or error.detail.endswith("Nothing was changed."):
            raise
        raise _bad(error.detail.rstrip(".")) from None
    if len(content) > FILE_BYTES:
        raise HTTPException(
            400,
            f"The file has {len(content)} bytes; it may have {FILE_BYTES}. The state is for marks,"
            " not for data. Nothing was changed.",
        )
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _bad("the file is no UTF-8 text") from None


def _bad(what: str) -> HTTPException:
    return HTTPException(
        400,
        f"Expected a multipart/form-data body with one text file in the field `file`: {what}."
        " Nothing was changed.",
    )
