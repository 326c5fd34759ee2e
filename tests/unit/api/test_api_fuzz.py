"""The OpenAPI document against the routes: requests made up from it, each answer held to it.

The engine behind them answers orders with every code an engine answers with.
"""

from concurrent.futures import Future
from itertools import cycle
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode, checks
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from holdfast.api.app import create_app
from holdfast.api.multi import create_multi_app
from holdfast.engine import Answer
from holdfast.mesos.inventory import Inventory

from .many import FRAMEWORK, PATH, ManySource
from .pictures import Given, Source, answered

EXAMPLES = 12
"""Requests for each of the operations, of which there are more than 30."""

KNOWN = {
    "plan": ["deploy", "backup"],
    "phase": ["etcd", "snapshot"],
    "step": ["etcd-0:[member]"],
    "pod": ["etcd-0", "etcd-2"],
    "name": [
        *("etcd-1", "client", "executor.pyz", "VERSION", "etcd.conf", "volume-old"),
        "team__etcd.prod",
    ],
    "key": ["suppressed"],
    "configuration": ["config-1"],
    "task": ["member", "etcd-0-member"],
    "pod_type": ["etcd"],
    "ip": ["10.0.0.1"],
    "id": ["volume-old", "volume-0", "config-1"],
}
"""Names that mean something, by the parameter they are given in."""

_CODES = {True: cycle((200, 208, 400, 404, 409)), False: cycle((200, 404, 409))}


def _each_code_in_turn(given: Given) -> "Future[Answer]":
    return answered(next(_CODES[given.verb.startswith("plan ")]))(given)


def _nothing(roles: object) -> Inventory:
    return Inventory((), (), frozenset(), ())


def _schema(path: str, app: Any) -> BaseSchema:
    generation = GenerationConfig(
        modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE], deterministic=True
    )
    projects = ProjectsConfig(default=ProjectConfig(generation=generation))
    return schemathesis.openapi.from_asgi(
        path, app, config=SchemathesisConfig(projects=projects)
    ).exclude(path="/v1/events/stream")  # it does not end


ONE = _schema(
    "/openapi.json",
    create_app(Source(reply=_each_code_in_turn), {"executor.pyz": b"zip"}, ask_master=_nothing),
)
_many = create_multi_app(
    ManySource(reply=_each_code_in_turn), {"executor.pyz": b"zip"}, FRAMEWORK, ask_master=_nothing
)
MANY = _schema("/openapi.json", _many)
ONE_OF_MANY = _schema(f"{PATH}/openapi.json", _many)

made_up = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@ONE.parametrize()
@made_up
def test_answers_are_as_the_openapi_document_says(case: Case[Any]) -> None:
    hold_to_the_document(case)


@MANY.parametrize()
@made_up
def test_answers_about_a_framework_are_as_the_openapi_document_says(case: Case[Any]) -> None:
    hold_to_the_document(case)


@ONE_OF_MANY.parametrize()
@settings(made_up, max_examples=2)
def test_answers_about_one_of_many_services_are_as_the_openapi_document_says(
    case: Case[Any],
) -> None:
    hold_to_the_document(case)


def hold_to_the_document(case: Case[Any]) -> None:
    """Make the request, with every other name one that is there, and hold the answer to it."""
    for place in (case.path_parameters, case.query):
        for parameter, value in (place or {}).items():
            known = KNOWN.get(parameter)
            if known and len(str(value)) % 2:  # the others stay as made up, mostly unknown
                place[parameter] = known[len(str(value)) // 2 % len(known)]
    response = case.call_and_validate(
        checks=[
            checks.not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ]
    )
    # `default` covers the rest for programs; a made-up path may be that of nothing at all.
    documented = case.operation.definition.raw["responses"]
    assert str(response.status_code) in documented or response.status_code in (404, 405)
