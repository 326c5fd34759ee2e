"""`holdfast update`: the deploy plan under way to a changed definition, and how to begin one."""

from pathlib import Path

import click

from holdfast_cli import output, plans, watched
from holdfast_cli.completion import completes_phase, completes_step
from holdfast_cli.connection import Connection, Reply
from holdfast_cli.errors import Refused

DEPLOY = "deploy"


@click.group()
def update() -> None:
    """Update the service: begin, follow and steer it. `plan preview` tells beforehand."""


@update.command("start")
@click.argument("svc_yml", required=False, type=click.Path(path_type=Path))
def start_here(svc_yml: Path | None) -> None:
    """How to begin an update to the definition SVC_YML; this changes nothing itself."""
    file = svc_yml or "SVC_YML"
    raise Refused(
        "A scheduler reads its definition when it starts, not over its API: nothing was changed."
        f" See what would happen with `holdfast plan preview {file}`, put the file (and changed"
        " variables) where the scheduler finds it and restart the scheduler: tasks run on"
        " meanwhile. Then follow it with `holdfast update status --watch`."
    )


@update.command("status")
@plans.shows
@click.pass_obj
def show_update(api: Connection, as_json: bool, watch: bool, timeout: float | None) -> None:
    """How far the update is: the deploy plan."""
    plans.show(api, DEPLOY, as_json, watch, timeout)


def _deploy(api: Connection, **_arguments: object) -> watched.Watched:
    return watched.plan(api, DEPLOY)


@update.command("pause")
@click.pass_obj
@output.orders
def pause_update(api: Connection) -> Reply:
    """Have the update take up no more steps; what it started goes on."""
    return plans.order(api, DEPLOY, "interrupt")


@update.command("resume")
@click.pass_obj
@watched.orders(_deploy)
def resume_update(api: Connection) -> Reply:
    """Let the update go on."""
    return plans.order(api, DEPLOY, "continue")


@update.command("force-restart")
@click.argument("phase", required=False, shell_complete=completes_phase)
@click.argument("step", required=False, shell_complete=completes_step)
@click.pass_obj
@watched.orders(_deploy)
def restart_update(api: Connection, phase: str | None, step: str | None) -> Reply:
    """Begin the update, a PHASE or a STEP of it anew: its tasks are launched again in turn."""
    return plans.order(api, DEPLOY, "restart", phase, step)


@update.command("force-complete")
@click.argument("phase", shell_complete=completes_phase)
@click.argument("step", required=False, shell_complete=completes_step)
@click.pass_obj
@watched.orders(_deploy)
def force_update(api: Connection, phase: str, step: str | None) -> Reply:
    """Count a STEP, or all of PHASE, of the update as complete, whatever its tasks do."""
    return plans.order(api, DEPLOY, "forceComplete", phase, step)
