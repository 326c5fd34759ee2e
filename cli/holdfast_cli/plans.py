"""`holdfast plan`: what the scheduler does and waits for, and the operator's word on it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from holdfast_cli import output, watched
from holdfast_cli.completion import completes, completes_phase, completes_step
from holdfast_cli.connection import Connection, Reply
from holdfast_cli.output import Shown
from holdfast_cli.preview import preview
from holdfast_cli.service import HEALTH_STATUSES
from holdfast_cli.trees import hints, line, tree

ORDER_STATUSES = (200, 208)
"""Done, or nothing to do."""


@click.group()
def plan() -> None:
    """What the scheduler is doing: deploying, recovering, and plans of your own."""


@plan.command("list")
@click.pass_obj
@output.reads
def list_plans(api: Connection) -> Shown:
    """All plans, and how far each is."""
    return api.get("plans"), lambda _names: _table(api)


def _table(api: Connection) -> None:
    plans = api.get("health", good=HEALTH_STATUSES).data["plans"]
    output.show_table(
        ("plan", "status"), ((name, output.status(status)) for name, status in plans.items())
    )


def shows(command: Callable[..., None]) -> Callable[..., None]:
    """For a command that shows a plan: adds --json, --watch and --timeout."""
    return output.json_option(watched.watch_option(watched.timeout_option(command)))


@plan.command("show")
@click.argument("name", shell_complete=completes("plans"))
@shows
@click.pass_obj
def show_plan(
    api: Connection, name: str, as_json: bool, watch: bool, timeout: float | None
) -> None:
    """A plan with its phases and steps, and how to let go what waits for you."""
    show(api, name, as_json, watch, timeout)


def show(api: Connection, name: str, as_json: bool, watch: bool, timeout: float | None) -> None:
    """Show a plan once, or until it is complete."""
    watched.check(watch, timeout)
    if watch:
        watched.follow(watched.plan(api, name), timeout, as_json)
        return
    reply = api.get("plans", name, good=watched.PLAN_STATUSES)
    if as_json:
        output.show_json(reply)
    else:
        _show(name, reply.data)


plan.add_command(show_plan, "status")
plan.add_command(preview)


def _show(name: str, body: Mapping[str, Any]) -> None:
    output.show(tree(name, body))
    for error in body["errors"]:
        output.show(line("", "ERROR", error))
    for number, hint in enumerate(hints(name, body)):
        click.echo(hint if number else f"\n{hint}")


# -- orders -----------------------------------------------------------------------------------


def _parameters(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            # The value may be a secret: it is not repeated.
            raise click.BadParameter(
                f"expected NAME=VALUE, with a name of letters, digits and _; its name is {name!r}"
            )
        if name in parameters:
            raise click.BadParameter(f"{name} is given twice")
        parameters[name] = value
    return parameters


def _plan_of(api: Connection, plan: str, **_more: object) -> watched.Watched:
    return watched.plan(api, plan)


@plan.command("start")
@click.argument("plan", shell_complete=completes("plans"))
@click.option(
    *("-p", "--parameter", "parameters"),
    metavar="NAME=VALUE",
    multiple=True,
    callback=_parameters,
    help="A variable for the plan's tasks; may be repeated.",
)
@click.pass_obj
@watched.orders(_plan_of)
def start_plan(api: Connection, plan: str, parameters: Mapping[str, str]) -> Reply:
    """Start PLAN, one of your own: from its beginning when it is complete, else where it is."""
    return order(api, plan, "start", body=parameters)


@plan.command("stop")
@click.argument("plan", shell_complete=completes("plans"))
@click.pass_obj
@output.orders
def stop_plan(api: Connection, plan: str) -> Reply:
    """Stop PLAN, one of your own; it begins anew when it is started again."""
    return order(api, plan, "stop")


@click.command("interrupt")
@click.argument("plan", shell_complete=completes("plans"))
@click.argument("phase", required=False, shell_complete=completes_phase)
@click.pass_obj
@output.orders
def interrupt_plan(api: Connection, plan: str, phase: str | None) -> Reply:
    """Have PLAN, or a PHASE of it, take up no more steps; what it started goes on."""
    return order(api, plan, "interrupt", phase)


@click.command("continue")
@click.argument("plan", shell_complete=completes("plans"))
@click.argument("phase", required=False, shell_complete=completes_phase)
@click.pass_obj
@watched.orders(_plan_of)
def continue_plan(api: Connection, plan: str, phase: str | None) -> Reply:
    """Let PLAN, or a PHASE of it, go on. Canaries are let go one by one, by their PHASE."""
    return order(api, plan, "continue", phase)


@click.command("restart")
@click.argument("plan", shell_complete=completes("plans"))
@click.argument("phase", required=False, shell_complete=completes_phase)
@click.argument("step", required=False, shell_complete=completes_step)
@click.pass_obj
@watched.orders(_plan_of)
def restart_plan(api: Connection, plan: str, phase: str | None, step: str | None) -> Reply:
    """Begin PLAN, a PHASE or a STEP of it anew: its tasks are launched again in turn."""
    return order(api, plan, "restart", phase, step)


@click.command("force-complete")
@click.argument("plan", shell_complete=completes("plans"))
@click.argument("phase", shell_complete=completes_phase)
@click.argument("step", required=False, shell_complete=completes_step)
@click.pass_obj
@watched.orders(_plan_of)
def force_complete_plan(api: Connection, plan: str, phase: str, step: str | None) -> Reply:
    """Count a STEP, or all of PHASE, as complete, whatever its tasks do: the plan goes on."""
    return order(api, plan, "forceComplete", phase, step)


for _order_command, _names in (
    (interrupt_plan, ("interrupt", "pause")),
    (continue_plan, ("continue", "resume")),
    (restart_plan, ("restart", "force-restart")),
    (force_complete_plan, ("force-complete", "force")),
):
    for _name in _names:
        plan.add_command(_order_command, _name)


def order(
    api: Connection,
    plan: str,
    action: str,
    phase: str | None = None,
    step: str | None = None,
    body: Mapping[str, str] | None = None,
) -> Reply:
    """Give an order about a plan, or a phase or step of it."""
    named = {key: value for key, value in (("phase", phase), ("step", step)) if value is not None}
    return api.post("plans", plan, action, query=named, body=body, good=ORDER_STATUSES)
