"""The `holdfast` command. Only click is loaded before a command needs more."""

import os
from importlib import import_module

import click

from holdfast_cli.access import access
from holdfast_cli.certificates import certificates
from holdfast_cli.completion import completion
from holdfast_cli.connection import DEFAULT_URL, Connection, access_for
from holdfast_cli.debug import config, debug, former, state
from holdfast_cli.errors import Failure
from holdfast_cli.events import decisions, events
from holdfast_cli.exchanges import show_exchanges
from holdfast_cli.maintenance import maintenance
from holdfast_cli.many import service
from holdfast_cli.orphans import orphans
from holdfast_cli.pausing import debug_pod, pause, resume
from holdfast_cli.plans import plan
from holdfast_cli.pods import explain, pod
from holdfast_cli.recover import recover
from holdfast_cli.service import describe, endpoints, health
from holdfast_cli.uninstall import uninstall
from holdfast_cli.update import update
from holdfast_cli.validate import validate
from holdfast_cli.volumes import volumes

PLAYGROUND = "playground"


class _Root(click.Group):
    """Loads the playground only when it is called, not to list it."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, _playground() if name == PLAYGROUND else command, rest


def _playground() -> click.Command:
    try:
        module = import_module("holdfast_playground.commands")
    except ModuleNotFoundError as error:
        raise Failure(
            f"The playground needs the Python package {error.name!r}, which is not installed:"
            " run `pip install 'holdfast[playground]'`."
        ) from error
    command: click.Command = module.playground
    return command


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--url",
    envvar="HOLDFAST_URL",
    default=DEFAULT_URL,
    show_default=True,
    show_envvar=True,
    metavar="URL",
    help="Where the scheduler's API is.",
)
@click.option("--token", envvar="HOLDFAST_TOKEN", show_envvar=True, help="Sent as Bearer token.")
@click.option(
    "--user", envvar="HOLDFAST_USER", show_envvar=True, metavar="NAME:PASSWORD", help="Or a user."
)
@click.option(
    "--ca",
    envvar=["HOLDFAST_CA", "DCOS_TLS_CA_PATH"],
    type=click.Path(exists=True),
    help="PEM file of the authority that vouches for the API's certificate.",
)
@click.option("-v", "--verbose", is_flag=True, help="Tell each HTTP exchange, without secrets.")
@click.version_option(package_name="holdfast", prog_name="holdfast")
@click.pass_context
def main(
    context: click.Context,
    url: str,
    token: str | None,
    user: str | None,
    ca: str | None,
    verbose: bool,
) -> None:
    """Operate a stateful service on Apache Mesos.

    Every command that asks the scheduler takes --json. Exit codes: 0 done, 1 not done, 2 wrong
    usage, 3 no scheduler reached, 4 no such name, 5 refused, 6 the scheduler or the plan is in
    trouble, 7 credentials are missing or wrong, 8 the role does not suffice, 9 the definition is
    refused, 10 not in the time given.
    """
    if verbose:
        show_exchanges()
    if context.invoked_subcommand != PLAYGROUND:
        context.obj = Connection(url, access_for(url, token, user, ca, os.environ))


for _command in (
    *(plan, pod, endpoints, explain, health, events, decisions, describe, update, volumes, orphans),
    *(recover, maintenance, validate, uninstall, debug, former(config, "config")),
    *(former(state, "state"), completion, access, service, certificates),
):
    main.add_command(_command)
for _command in (pause, resume):
    pod.add_command(_command)
debug.add_command(debug_pod)
main.add_command(
    click.Group(PLAYGROUND, help="A real Mesos cluster and ZooKeeper on this machine.")
)

if __name__ == "__main__":
    main()
