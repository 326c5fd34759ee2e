"""The service in the body of a request, in whichever form it came."""

import orjson
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from holdfast.core.hosted import Hosted, service_key
from holdfast.framework import Framework
from holdfast.service.model import ServiceSpec
from holdfast.service.problems import ServiceError

UNCHANGED = "Nothing was changed."
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def given_service(
    name: str, request: Request, framework: Framework
) -> tuple[Hosted, ServiceSpec]:
    """What is to be hosted under the name in the path. Raises HTTPException for what is wrong."""
    yaml, environment, files = await _parts(request)
    known = {
        "FRAMEWORK_ZOOKEEPER": framework.zookeeper,
        "FRAMEWORK_PRINCIPAL": framework.principal,
        "FRAMEWORK_USER": framework.user,
    }
    hosted = Hosted(name, yaml, {**known, **environment}, files)
    try:
        spec = hosted.spec(framework.principal)
    except ServiceError as error:
        raise HTTPException(400, str(error)) from None
    if service_key(name.replace(".", "/")) != service_key(spec.name.replace(".", "/")):
        raise HTTPException(400, f"The path names {name!r}, and svc.yml {spec.name!r}. {UNCHANGED}")
    return Hosted(spec.name, yaml, hosted.environment, files), spec


async def _parts(request: Request) -> tuple[str, dict[str, str], dict[str, str]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in FORMS:
        async with request.form(max_files=1, max_fields=10) as form:
            field = form.get("yaml")
            text = await field.read() if isinstance(field, UploadFile) else field
        if text is None:
            raise HTTPException(400, f"Expected a form with the field `yaml`. {UNCHANGED}")
        return _text(text), {}, {}
    content = await request.body()
    if kind != "application/json":
        return _text(content), {}, {}
    try:
        given = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise _not_json() from None
    if not isinstance(given, dict) or not {"yaml"} <= set(given) <= {
        "yaml",
        "environment",
        "files",
    }:
        raise _not_json()
    if not isinstance(given["yaml"], str):
        raise _not_json()
    return given["yaml"], _texts(given, "environment"), _texts(given, "files")


def _texts(given: dict[str, object], key: str) -> dict[str, str]:
    value = given.get(key, {})
    if not isinstance(value, dict):
        raise _not_json()
    texts = {str(name): text for name, text in value.items() if isinstance(text, str)}
    if len(texts) != len(value):
        raise _not_json()
    return texts


def _text(content: str | bytes) -> str:
    try:
        return content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError:
        raise HTTPException(400, f"The svc.yml is no UTF-8 text. {UNCHANGED}") from None


def _not_json() -> HTTPException:
    return HTTPException(
        400,
        "Expected a JSON object with the text of a svc.yml as `yaml` and, if need be, `environment`"
        f" and `files`, objects whose values are texts. {UNCHANGED}",
    )
