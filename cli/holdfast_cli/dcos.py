"""`dcos holdfast`: the command as a plugin of the DC/OS command line.

The conventions are those of dcos-cli 1.2 (design/plugin.md): the command's own name comes first,
the attached cluster and `dcos config` come as variables, and the way to the scheduler is Admin
Router's /service/<name>.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NoReturn
from urllib.parse import quote

import click

from holdfast_cli import cosmos
from holdfast_cli.connection import CONNECT_SECONDS, DEFAULT_URL, Access, Connection
from holdfast_cli.cosmos import Cosmos
from holdfast_cli.errors import Failure, Unreachable
from holdfast_cli.exchanges import show_exchanges
from holdfast_cli.main import PLAYGROUND
from holdfast_cli.main import main as holdfast

INFO = "Operate a stateful service run by Holdfast"
CONFIG_SCHEMA = {
    "$schema": "http://json-schema.org/schema#",
    "type": "object",
    "properties": {
        "service_name": {
            "type": "string",
            "title": "Service name",
            "description": "The service that `dcos holdfast` is about when --name is not given.",
        }
    },
    "additionalProperties": False,
    "required": [],
}


def main() -> None:
    """Entry point: argv is the plugin, the command's name, and the user's arguments."""
    noun, arguments = (sys.argv[1:2] or ["holdfast"])[0], sys.argv[2:]
    if "--info" in (noun, *arguments[:1]):
        click.echo(INFO)
    elif "--config-schema" in (noun, *arguments[:1]):
        click.echo(json.dumps(CONFIG_SCHEMA))
    else:
        name, rest = hoisted(arguments)
        name = name if name is not None else default_name(noun, os.environ)
        command(name, os.environ).main(rest, prog_name=f"dcos {noun}")


def command(name: str, environment: Mapping[str, str]) -> click.Group:
    """The commands of `holdfast`, about the service of that name on the attached cluster."""

    @click.group(
        commands=_commands(),
        context_settings={"help_option_names": ["-h", "--help"]},
        help=f"{INFO}.",
        epilog=holdfast.help.rpartition("\n\n")[2] if holdfast.help else None,
    )
    @click.option(
        "--name",
        default=name,
        show_default=True,
        help="The service, at any place among the arguments.",
    )
    @click.option(
        "-v",
        "--verbose",
        is_flag=True,
        default=bool(environment.get("DCOS_VERBOSITY")),
        help="Tell each HTTP exchange, without secrets.",
    )
    @click.pass_context
    def group(context: click.Context, name: str, verbose: bool) -> None:
        if verbose:
            show_exchanges()
        context.obj = connection(name, environment)
        cosmos.use(context, package_service(name, environment))

    return group


def _commands() -> dict[str, click.Command]:
    """Those of `holdfast`; what Cosmos does on DC/OS is done by it."""
    left_out = (PLAYGROUND, "completion")  # `dcos` completes by itself
    ours = {key: one for key, one in holdfast.commands.items() if key not in left_out}
    return {**ours, "describe": cosmos.describe, "update": cosmos.update}


def hoisted(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The last --name among the arguments, wherever it is before a `--`, and the others."""
    name, rest, left = None, list[str](), list(arguments)
    while left:
        one = left.pop(0)
        if one == "--":
            return name, [*rest, one, *left]
        if one.startswith("--name="):
            name = one.removeprefix("--name=")
        elif one == "--name" and left:
            name = left.pop(0)
        else:
            rest.append(one)
    return name, rest


def default_name(noun: str, environment: Mapping[str, str]) -> str:
    """`dcos config set holdfast.service_name`, or the command's name."""
    setting = f"DCOS_{noun.upper().replace('-', '_')}_SERVICE_NAME"
    return environment.get(setting) or noun.removeprefix("beta-")


class _Detached(Connection):
    """No cluster is attached: what needs none, as `validate`, works, all else says so."""

    def __init__(self) -> None:
        super().__init__(DEFAULT_URL)

    def _exchange(self, *_arguments: object, **_options: object) -> NoReturn:
        raise Unreachable("No cluster is attached: run `dcos cluster setup` or `attach`.")


class _Attached(Connection):
    """The way through Admin Router, which has other services when it has not this one."""

    def __init__(self, cluster: str, name: str, access: Access) -> None:
        super().__init__(f"{cluster}/service/{quote(name)}", access)
        self._cluster = cluster
        self._name = name

    def _stranger(self, method: str, url: str, status: int) -> Failure:
        told = super()._stranger(method, url, status)
        near = get_close_matches(self._name, self._services(), n=1)
        return Unreachable(f"{told.message} Did you mean --name={near[0]}?") if near else told

    def _services(self) -> list[str]:
        """Names of the active frameworks, none where Mesos does not tell them."""
        import requests

        try:
            answer = requests.get(
                f"{self._cluster}/mesos/state-summary",
                headers=self._access.headers,
                timeout=CONNECT_SECONDS,
                verify=self._access.verify,
                auth=lambda prepared: prepared,  # nothing of ~/.netrc
            )
            summary = answer.json()
        except (requests.RequestException, ValueError):
            return []  # it is advice, beside an error that is told in any case
        frameworks = summary.get("frameworks", ()) if isinstance(summary, dict) else ()
        return [str(one["name"]).strip("/") for one in frameworks if one["active"]]


def connection(name: str, environment: Mapping[str, str]) -> Connection:
    """The way to a service through Admin Router."""
    cluster = _cluster(environment)
    if not cluster:
        return _Detached()
    return _Attached(cluster, name.strip("/"), _access(environment))


def package_service(name: str, environment: Mapping[str, str]) -> Cosmos | None:
    """Cosmos of the attached cluster, None while there is none."""
    cluster = _cluster(environment)
    return Cosmos(cluster, name.strip("/"), _access(environment)) if cluster else None


def _cluster(environment: Mapping[str, str]) -> str:
    return (environment.get("DCOS_URL") or environment.get("DCOS_DCOS_URL") or "").rstrip("/#")


def _access(environment: Mapping[str, str]) -> Access:
    token = environment.get("DCOS_ACS_TOKEN")
    return Access(
        headers={"Authorization": f"token={token}"} if token else {},
        verify=verification(environment),
        elsewhere="Is this the right cluster? See `dcos config show core.dcos_url`.",
        stranger="its scheduler does not run now, or you mean another service: --name=NAME",
        login="Run `dcos auth login`, or ask for the permission.",
        certificate="See `dcos config show core.ssl_verify`.",
    )


def verification(environment: Mapping[str, str]) -> bool | str | None:
    """Whose certificates are trusted, as requests has it; None where nothing is said."""
    if environment.get("DCOS_TLS_INSECURE") == "1":
        return False
    bundle = environment.get("DCOS_TLS_CA_PATH") or environment.get("DCOS_SSL_VERIFY")
    return {"true": None, "false": False}.get((bundle or "true").lower(), bundle)


if __name__ == "__main__":
    main()
