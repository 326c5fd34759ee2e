"""The service in the body of a request, in whichever form it came."""

from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from holdfast.api.bodies import json_of
from holdfast.core.hosted import Hosted, service_key
from holdfast.framework import Framework
from holdfast.service.model import ServiceSpec
from holdfast.service.problems import ServiceError

UNCHANGED = "Nothing was changed."
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_PROPERTIES = {"yaml": {"type": "string"}, "environment": _TEXTS, "files": _TEXTS}
_YAML = "name: web\npods: ..."
SERVICE_BODY = {
    "requestBody": {
        "required": True,
        "description": "The definition, with the variables and the templates it names.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["yaml"],
                    "properties": _PROPERTIES,
                    "additionalProperties": False,
                },
                "example": {
                    "yaml": _YAML,
                    "environment": {"NODE_COUNT": "3"},
                    "files": {"web.conf.mustache": "port={{PORT_HTTP}}"},
                },
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["yaml"],
                    "properties": {"yaml": {"type": "string"}},
                },
                "example": {"yaml": _YAML},
            },
            "text/plain": {"schema": {"type": "string"}, "example": _YAML},
        },
    }
}
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
        spec = hosted.spec(framework.principal, region=framework.region)
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
    if kind != "application/json":
        return _text(await request.body()), {}, {}
    given = await json_of(request, _bad)
    if not isinstance(given, dict):
        raise _bad("the body is no JSON object")
    for key in given.keys() - _PROPERTIES.keys():
        raise _bad(f"there is no key {key!r}")
    if not isinstance(given.get("yaml"), str):
        raise _bad("`yaml` is no text" if "yaml" in given else "there is no `yaml`")
    return given["yaml"], _texts(given, "environment"), _texts(given, "files")


def _texts(given: dict[str, Any], key: str) -> dict[str, str]:
    value = given.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _bad(f"`{key}` is no object whose values are texts")
    return value


def _text(content: str | bytes) -> str:
    try:
        return content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError:
        raise HTTPException(400, f"The svc.yml is no UTF-8 text. {UNCHANGED}") from None


def _bad(what: str) -> HTTPException:
    return HTTPException(
        400,
        "Expected a JSON object with the text of a svc.yml as `yaml` and, if need be, `environment`"
        f" and `files`, objects whose values are texts: {what}. {UNCHANGED}",
    )
