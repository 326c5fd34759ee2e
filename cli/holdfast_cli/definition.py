"""Reading a service definition on this machine, as the scheduler would. Loaded when needed."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast_cli import output
from holdfast_cli.errors import Invalid

if TYPE_CHECKING:
    from holdfast.service.load import Definition
    from holdfast.service.problems import Problem

svc_yml_argument = click.argument(
    "svc_yml", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
env_file_option = click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The scheduler's environment, a NAME=VALUE a line; without it, that of this shell.",
)


def environment(env_file: Path | None) -> Mapping[str, str]:
    """The variables a definition is rendered with: those of the file alone when there is one."""
    from holdfast.service.env_file import EnvFileError, read_env_file

    if env_file is None:
        return os.environ
    try:
        return read_env_file(env_file)
    except EnvFileError as error:
        raise Invalid(str(error)) from None


def read(svc_yml: Path, variables: Mapping[str, str]) -> "tuple[Definition | None, list[Problem]]":
    """The definition, None when it cannot be used, and all there is to say about it."""
    from holdfast.service.advice import advice
    from holdfast.service.load import load, open_file, read_definition
    from holdfast.service.problems import ServiceError

    try:
        load(svc_yml, variables)  # also judges what this version can do
        text, read_template = open_file(svc_yml)
        definition = read_definition(
            text, source=str(svc_yml), read_template=read_template, environment=variables
        )
    except ServiceError as error:
        return None, [*error.errors, *error.warnings]
    remarks = [*definition.warnings, *advice(definition.spec, definition.locate)]
    return definition, sorted(remarks, key=lambda problem: problem.line)


def show_problems(svc_yml: Path, problems: "Iterable[Problem]") -> None:
    """A line for each, as compilers have it: `file:line: error: path: what and why`."""
    from rich.text import Text

    for problem in problems:
        source = problem.source or str(svc_yml)
        place = f"{source}:{problem.line}" if problem.line else source
        text = ": ".join(filter(None, (problem.path, problem.message)))
        kind = output.status(problem.kind.value)
        output.show(Text(f"{place}: ").append_text(kind).append(f": {text}"))


def problems_body(svc_yml: Path, problems: "Iterable[Problem]") -> list[dict[str, Any]]:
    """The same for programs; `line` is null where there is none."""
    return [
        {
            "kind": problem.kind.value,
            "file": problem.source or str(svc_yml),
            "line": problem.line or None,
            "path": problem.path,
            "message": problem.message,
        }
        for problem in problems
    ]


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
