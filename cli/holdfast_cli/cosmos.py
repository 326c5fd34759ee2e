"""What Cosmos, the package service of DC/OS, knows and does about the service (dcos-api,
package-manager.yaml): its options, an update of them, the versions it may change to."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from holdfast_cli import output
from holdfast_cli.connection import CONNECT_SECONDS, Access, Reply
from holdfast_cli.errors import Invalid, NotAllowed, NotFound, Refused, Unknown, Unreachable
from holdfast_cli.update import update as steering

if TYPE_CHECKING:
    from requests import Response

UPDATE_SECONDS = 60.0
"""Cosmos renders the package and waits for Marathon before it answers."""


@dataclass(frozen=True, slots=True)
class Cosmos:
    """Cosmos of the cluster at `url`, asked about the app of one service."""

    url: str
    service: str
    access: Access

    def describe(self) -> Reply:
        """The package of the service, its options, and the versions it may change to."""
        return self._ask("describe", {})

    def update(self, changed: Mapping[str, Any]) -> Reply:
        """Have the scheduler started anew with other options or of another version."""
        return self._ask("update", changed)

    def _ask(self, what: str, body: Mapping[str, Any]) -> Reply:
        import requests

        kind = "application/vnd.dcos.service.{}-{}+json;charset=utf-8;version=v1"
        headers = {
            **self.access.headers,
            "Content-Type": kind.format(what, "request"),
            "Accept": kind.format(what, "response"),
        }
        url = f"{self.url}/cosmos/service/{what}"
        try:
            response = requests.post(
                url,
                data=json.dumps({"appId": f"/{self.service}", **body}),
                headers=headers,
                timeout=(CONNECT_SECONDS, UPDATE_SECONDS),
                verify=self.access.verify,
                auth=lambda prepared: prepared,  # nothing of ~/.netrc
            )
        except requests.ReadTimeout:
            raise Unreachable(
                f"Cosmos did not answer within {UPDATE_SECONDS:g} s. It may have done what it was"
                " asked: look with `update status` before you repeat it."
            ) from None
        except requests.RequestException as error:
            raise Unreachable(
                f"Cosmos does not answer at {url} ({type(error).__name__}). {self.access.elsewhere}"
            ) from None
        return self._understood(response)

    def _understood(self, response: "Response") -> Reply:
        if response.status_code in (401, 403):
            raise (Unknown if response.status_code == 401 else NotAllowed)(
                f"{self.url} wants to know who asks (HTTP {response.status_code})."
                f" {self.access.login}"
            )
        try:
            data = response.json()
        except ValueError:
            raise Unreachable(
                f"What answers at {self.url}/cosmos is not Cosmos (HTTP {response.status_code})."
                " This needs a cluster of DC/OS 1.10 or later."
            ) from None
        if response.status_code == 200:
            return Reply(response.status_code, response.text, data)
        self._refuse(data if isinstance(data, dict) else {})

    def _refuse(self, error: Mapping[str, Any]) -> NoReturn:
        kind, message = error.get("type"), error.get("message", "no reason given")
        data = error.get("data") or {}
        if kind == "MarathonAppNotFound":
            raise NotFound(
                f"There is no service {self.service!r} on this cluster: name another with"
                " --name=NAME. `dcos package list` shows what is installed."
            )
        if kind == "JsonSchemaMismatch":
            faults = "; ".join(_fault(one) for one in data.get("errors", ())) or message
            raise Invalid(f"The options do not fit the package: {faults}. Nothing was changed.")
        if kind == "BadVersionUpdate":
            valid = ", ".join(data.get("validVersions", ())) or "none"
            raise Invalid(f"{message} It can change to: {valid}. Nothing was changed.")
        raise Refused(f"Cosmos refuses: {message}")


def _fault(error: Mapping[str, Any]) -> str:
    place = error.get("instance", {}).get("pointer", "") or "/"
    return f"{place}: {error.get('message', '')}"


_KEY = __name__


def use(context: click.Context, cosmos: Cosmos | None) -> None:
    """For the commands below this context; None while no cluster is attached."""
    context.meta[_KEY] = cosmos


def _cosmos() -> Cosmos:
    found: Cosmos | None = click.get_current_context().meta[_KEY]
    if found is None:
        raise Unreachable("No cluster is attached: run `dcos cluster setup` or `attach`.")
    return found


def _show(as_json: bool, reply: Reply, show: Callable[[Any], None]) -> None:
    if as_json:
        output.show_json(reply)
    else:
        show(reply.data)


@click.command()
@output.json_option
def describe(as_json: bool) -> None:
    """The options of the service, set and defaults: always JSON.

    With --json all that Cosmos says, the package too.
    """
    reply = _cosmos().describe()
    _show(as_json, reply, lambda body: output.show_document(body.get("resolvedOptions", {})))


@click.command("start")
@click.option(
    "--options", type=click.File(), help="A JSON file of options to change; `-` is standard input."
)
@click.option("--package-version", metavar="VERSION", help="Change to this version of the package.")
@click.option("--replace", is_flag=True, help="Forget options that were set before.")
@output.json_option
def start_update(
    options: TextIO | None, package_version: str | None, replace: bool, as_json: bool
) -> None:
    """Begin an update: the scheduler starts anew with these options; tasks run on meanwhile."""
    if options is None and package_version is None:
        raise click.UsageError("give --options, --package-version, or both; nothing was changed")
    changed: dict[str, Any] = {"replace": replace}
    if options is not None:
        changed["options"] = _read(options)
    if package_version is not None:
        changed["packageVersion"] = package_version
    _show(
        as_json,
        _cosmos().update(changed),
        lambda _body: click.echo("The update has begun. Follow it: `update status --watch`."),
    )


def _read(options: TextIO) -> Mapping[str, Any]:
    try:
        found = json.load(options)
    except ValueError as error:
        raise Invalid(f"{options.name} is no JSON: {error}. Nothing was changed.") from None
    if not isinstance(found, dict):
        raise Invalid(
            f"{options.name} holds a {type(found).__name__}; expected a JSON object of options."
            " Nothing was changed."
        )
    return found


@click.command("package-versions")
@output.json_option
def package_versions(as_json: bool) -> None:
    """The version of the package, and those it can change to."""
    _show(as_json, _cosmos().describe(), _show_versions)


def _show_versions(body: Mapping[str, Any]) -> None:
    output.show_table(
        ("version", "what"),
        [
            (body["package"]["version"], "installed"),
            *((version, "upgrade") for version in body.get("upgradesTo", ())),
            *((version, "downgrade") for version in body.get("downgradesTo", ())),
        ],
    )


update = click.Group(
    "update",
    {**steering.commands, "start": start_update, "package-versions": package_versions},
    help=steering.help,
)
