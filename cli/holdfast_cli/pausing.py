"""`holdfast pod pause` and `resume`, also below `holdfast debug` as in dcos-commons."""

import click

from holdfast_cli import output
from holdfast_cli.completion import completes
from holdfast_cli.connection import Connection, Reply

_pod = click.argument("pod", shell_complete=completes("pod"))
_tasks = click.option("-t", "--task", "tasks", multiple=True, help="Only this task; repeatable.")


@click.command()
@_pod
@_tasks
@click.option("--force", is_flag=True, help="Also when its check says no.")
@click.pass_obj
@output.orders
def pause(api: Connection, pod: str, tasks: tuple[str, ...], force: bool) -> Reply:
    """Have the tasks of POD do nothing but sleep, on their volumes, until they are resumed."""
    query = {"force": "true"} if force else None
    return api.post("pod", pod, "pause", query=query, body=list(tasks) or None)


@click.command()
@_pod
@_tasks
@click.pass_obj
@output.orders
def resume(api: Connection, pod: str, tasks: tuple[str, ...]) -> Reply:
    """Have the paused tasks of POD do again what they are for."""
    return api.post("pod", pod, "resume", body=list(tasks) or None)


@click.group("pod")
def debug_pod() -> None:
    """Pause and resume pod instances."""


for _each in (pause, resume):
    debug_pod.add_command(_each)
