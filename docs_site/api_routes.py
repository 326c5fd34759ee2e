"""The last part of docs/api.md: every route, as the OpenAPI documents of the API tell of it.

`python -m docs_site.api_routes` writes it anew, below the heading `Every route`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from holdfast.api.answers import ANSWER_SECONDS
from holdfast.api.app import create_app
from holdfast.api.multi import MultiSource, framework_app
from holdfast.api.openapi import NOBODY, ROLE
from holdfast.api.source import ServiceSource
from holdfast.framework import Framework
from holdfast.vitals import Vitals

PAGE = Path(__file__).parent.parent / "docs" / "api.md"
HEADING = "## Every route\n"
MANY_HEADING = "## Every route of a framework of many services\n"
AT = "http://127.0.0.1:8080"

Document = Mapping[str, Any]
Operation = Mapping[str, Any]

OF_ALL = ("401", "403", "500", "default")
"""Answers of every route, told of once."""

MADE = """
Made by `python -m docs_site.api_routes` from the scheduler's own OpenAPI document, which is at
`/openapi.json`. Roles count where the scheduler has [credentials](security.md#the-api); `operator`
may do what `read-only` may. Besides the answers named below, each route has: 401 and 403, if who
asks is not known or has not the role; 500, a fault of the scheduler's own. Each of these, and every
other error, is `{"message": "..."}`.
"""


def document() -> Document:
    """What a scheduler of one service answers at /openapi.json; no service is asked for it."""
    return create_app(cast(ServiceSource, None), {}).openapi()


def framework_document() -> Document:
    """What one of many services answers there, but for the paths of each service."""
    framework = Framework("many", "root", "many-principal", "zk:2181")
    return framework_app(cast(MultiSource, None), {}, framework, ANSWER_SECONDS, Vitals).openapi()


def page(text: str) -> str:
    """The page with its last part made anew."""
    return text.partition(HEADING)[0] + routes()


def routes() -> str:
    one, many = document(), framework_document()
    same = {path for path in one["paths"] if path in many["paths"]}
    parts = [f"{HEADING}{MADE}", *_part(one)]
    parts.append(f"\n{MANY_HEADING}\nThose above are under `/v1/service/{{name}}`.\n")
    parts += _part({**many, "paths": {p: o for p, o in many["paths"].items() if p not in same}})
    told = [path for path in sorted(same) if many["paths"][path] == one["paths"][path]]
    parts.append(f"\nAs of a single service: {', '.join(f'`{path}`' for path in told)}.\n")
    parts += [
        _route(f"{method.upper()} {path}", operation, " of a framework")
        for path in sorted(same.difference(told))
        for method, operation in many["paths"][path].items()
    ]
    return "".join(parts)


def _part(of: Document) -> Iterator[str]:
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in of["paths"].items()
        for method, operation in methods.items()
    }
    yield "\n| route | | role |\n| --- | --- | --- |\n"
    for name, operation in operations.items():
        said = _first_sentence(operation["description"])
        yield f"| [`{name}`](#{_anchor(name)}) | {_cell(said)} | {_role(operation)} |\n"
    for name, operation in operations.items():
        yield _route(name, operation)


def _route(name: str, operation: Operation, which: str = "") -> str:
    parts = [f"\n### {name}{which}\n\n"]
    if operation.get("deprecated"):
        parts.append("Deprecated. ")
    said = re.sub(r"(?<!\n)\n(?!\n)", " ", operation["description"])
    parts.append(f"{said}\n\nRole: {_role(operation)}.\n")
    if parameters := operation.get("parameters", []):
        parts.append("\n| parameter | in | |\n| --- | --- | --- |\n")
        parts += [
            f"| `{each['name']}` | {each['in']} | {_cell(each['description'])} |\n"
            for each in parameters
        ]
    body = operation.get("requestBody")
    if body:
        optional = "" if body["required"] else " May be left out."
        parts.append(f"\nBody: {body['description']}{optional}\n")
    parts.append("\n| status | |\n| --- | --- |\n")
    answers = operation["responses"]
    parts += [
        f"| {code} | {_cell(answers[code]['description'])} |\n"
        for code in answers
        if code not in OF_ALL
    ]
    parts.append(f"\n```sh\n{_request(name, operation)}\n```\n")
    parts.append(_answer(answers))
    return "".join(parts)


def _request(name: str, operation: Operation) -> str:
    """A request as curl makes it, with an example in the place of each name."""
    method, path = name.split(" ")
    query = {}
    for parameter in operation.get("parameters", []):
        examples = parameter["schema"].get("examples", ())
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(examples[0], safe=""))
        elif examples:
            query[parameter["name"]] = examples[0]
    url = f"{AT}{path}{'?' if query else ''}{urlencode(query)}"
    shown = f"'{url}'" if "?" in url else url
    parts = [f"curl {shown}" if method == "GET" else f"curl -X {method} {shown}"]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        example = content["example"]
        if kind == "application/json":
            parts += [f"-H 'Content-Type: {kind}'", f"-d '{json.dumps(example)}'"]
        else:
            parts += [f"-F {key}=@{key.upper()}" for key in example]
        break
    return " \\\n    ".join(parts)


def _answer(answers: Mapping[str, Any]) -> str:
    """The example of the first answer that is a success."""
    answer = next(answers[code] for code in answers if code.startswith("2"))
    kind, content = next(iter(answer["content"].items()))
    example = content["example"]
    if kind == "application/json":
        return f"\n```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```\n"
    return f"\n```text\n{example.strip()}\n```\n"


def _role(operation: Operation) -> str:
    role: str = operation[ROLE]
    return "anybody" if role == NOBODY else role


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0].replace("\n", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _anchor(heading: str) -> str:
    """How both mkdocs and GitHub name the heading."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
