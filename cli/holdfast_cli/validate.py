"""`holdfast validate`."""

import json
from pathlib import Path

import click

from holdfast_cli import definition, output
from holdfast_cli.errors import EXIT_INVALID


@click.command()
@definition.svc_yml_argument
@definition.env_file_option
@output.json_option
@click.pass_context
def validate(context: click.Context, svc_yml: Path, env_file: Path | None, as_json: bool) -> None:
    """Everything that is wrong with the service definition SVC_YML, or puts its data at risk.

    Needs no scheduler. Exits with 9 when a scheduler would refuse it; warnings alone are no fault.
    """
    found, problems = definition.read(svc_yml, definition.environment(env_file))
    if as_json:
        body = {
            "valid": found is not None,
            "problems": definition.problems_body(svc_yml, problems),
        }
        click.echo(json.dumps(body, indent=2))
    else:
        definition.show_problems(svc_yml, problems)
        warnings = sum(problem.kind == "warning" for problem in problems)
        errors = definition.counted(len(problems) - warnings, "error")
        told = f"{errors}, {definition.counted(warnings, 'warning')}"
        click.echo(f"{svc_yml} is {'valid' if found else 'refused'}: {told}.")
    context.exit(0 if found else EXIT_INVALID)
