"""`holdfast service`: the services of a scheduler that hosts many."""

from pathlib import Path
from typing import Any

import click

from holdfast_cli import definition, output, watched
from holdfast_cli.connection import Connection, Reply
from holdfast_cli.errors import Invalid, NotFound, Refused
from holdfast_cli.output import Shown


@click.group()
def service() -> None:
    """The services of a scheduler that was started with --multi."""


@service.command("list")
@click.pass_obj
@output.reads
def list_services(api: Connection) -> Shown:
    """Every service, and how it is."""
    return api.get("multi"), _table


def _table(services: list[dict[str, Any]]) -> None:
    if not services:
        click.echo("There is no service yet: `holdfast service add SVC_YML`.")
        return
    rows = [
        (
            each["service"],
            output.status("waits for its turn" if each["held"] else each["state"]),
            each["message"],
        )
        for each in services
    ]
    output.show_table(("service", "state", "message"), rows)


_variables = click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The variables of SVC_YML, a NAME=VALUE a line; they are stored by the scheduler.",
)


def _deploy(api: Connection, svc_yml: Path, env_file: Path | None) -> watched.Watched:
    name, _ = _read(svc_yml, env_file)
    return watched.plan(api, "deploy", "service", _key(name))


@service.command()
@definition.svc_yml_argument
@_variables
@click.pass_obj
@watched.orders(_deploy)
def add(api: Connection, svc_yml: Path, env_file: Path | None) -> Reply:
    """Add the service in SVC_YML, which is deployed at once."""
    name, body = _read(svc_yml, env_file)
    if name in _names(api):
        raise Refused(f"{name} is there already; `holdfast service update` changes it.")
    return api.post("multi", _key(name), body=body)


@service.command()
@definition.svc_yml_argument
@_variables
@click.pass_obj
@watched.orders(_deploy)
def update(api: Connection, svc_yml: Path, env_file: Path | None) -> Reply:
    """Give a service that is there the changed SVC_YML."""
    name, body = _read(svc_yml, env_file)
    try:
        api.get("multi", _key(name))
    except NotFound as error:
        text = f"{error.message} `holdfast service add` adds a new one."
        raise NotFound(text) from None
    return api.post("multi", _key(name), body=body)


@service.command()
@click.argument("name")
@click.option("--yes-uninstall", metavar="NAME", help="Do not ask: the name again, for scripts.")
@click.pass_obj
@output.orders
def remove(api: Connection, name: str, yes_uninstall: str | None) -> Reply:
    """Uninstall the service NAME: stop it and destroy its volumes with all data, for good."""
    known = api.get("multi", _key(name)).data["service"]
    if yes_uninstall is None:
        lost = _what_is_lost(known, api.get("service", _key(known), "volumes").data)
        question = "Type the service's name to uninstall it, for good"
        output.confirm_by_name(lost, question, "name", known, f"--yes-uninstall {known}")
    elif yes_uninstall != known:
        raise Refused(f"{yes_uninstall!r} is not the name of {known}. Nothing was changed.")
    return api.delete("multi", _key(known))


def _what_is_lost(name: str, volumes: list[dict[str, Any]]) -> str:
    lines = [f"Removing {name} cannot be undone. Its tasks are killed."]
    lost = [volume for volume in volumes if volume["state"] != "quarantined"]
    if lost:
        lines.append("Its volumes are destroyed, with all data on them:")
    for volume in lost:
        size = output.megabytes(volume["size"])
        lines.append(f"  {volume['id']}  {size} of {volume['pod']} on agent {volume['agent']}")
    return "\n".join(lines)


def _read(svc_yml: Path, env_file: Path | None) -> tuple[str, dict[str, Any]]:
    """The name of the service, and what the scheduler is sent: with every template it names."""
    from holdfast.service.load import open_file, read_definition
    from holdfast.service.problems import ServiceError

    variables = dict(definition.environment(env_file)) if env_file else {}
    files: dict[str, str] = {}
    try:
        text, read_template = open_file(svc_yml)

        def keep(name: str) -> str:
            files[name] = read_template(name)
            return files[name]

        found = read_definition(
            text, source=str(svc_yml), read_template=keep, environment=variables
        )
    except ServiceError as error:
        raise Invalid(str(error)) from None
    return found.spec.name, {"yaml": text, "environment": variables, "files": files}


def _names(api: Connection) -> list[str]:
    return [each["service"] for each in api.get("multi").data]


def _key(name: str) -> str:
    """How a path names it."""
    return name.strip("/").replace("/", "__")
