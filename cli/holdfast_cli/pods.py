"""`holdfast pod` and `holdfast explain`."""

from typing import Any

import click

from holdfast_cli import output, watched
from holdfast_cli.completion import completes
from holdfast_cli.connection import Connection, Reply
from holdfast_cli.output import Shown


@click.group()
def pod() -> None:
    """The pod instances of the service."""


@pod.command("list")
@click.pass_obj
@output.reads
def list_pods(api: Connection) -> Shown:
    """The names of all pod instances."""
    return api.get("pod"), lambda names: click.echo("\n".join(names))


@pod.command("status")
@click.argument("pod", required=False, shell_complete=completes("pod"))
@click.pass_obj
@output.reads
def show_pods(api: Connection, pod: str | None) -> Shown:
    """Where each pod instance is, what its tasks do, and why it does not run."""
    if pod is not None:
        return api.get("pod", pod, "status"), _show_one
    return api.get("pod", "status"), _show_all


def _show_all(body: dict[str, Any]) -> None:
    if "disaster" in body:
        click.echo(
            f"DISASTER: {body['disaster']}. Nothing is replaced by policy: `holdfast recover`"
        )
        click.echo()
    instances = [instance for group in body["pods"] for instance in group["instances"]]
    output.show_table(
        ("pod", "state", "tasks", "agent", "zone", "reason"),
        (
            (
                instance["name"],
                output.status(instance["state"]),
                ", ".join(_task(instance, task) for task in instance["tasks"]),
                instance["agent"] or "-",
                instance["zone"] or "-",
                instance["reason"] or "",
            )
            for instance in instances
        ),
    )
    decided = [instance["decision"] for instance in instances if "decision" in instance]
    if decided:
        click.echo()
        _show_decisions(decided)


def _show_decisions(decisions: list[dict[str, Any]]) -> None:
    """What becomes of failed instances, and when."""
    output.show_table(
        ("failed", "decision", "at", "reason"),
        (
            (
                each["pod"],
                each["choice"],
                output.moment(each["deadline"]) if "deadline" in each else "-",
                each["reason"],
            )
            for each in decisions
        ),
    )


def _task(instance: dict[str, Any], task: dict[str, Any]) -> str:
    short = task["name"].removeprefix(f"{instance['name']}-")
    return f"{short} {_task_status(task)}"


def _task_status(task: dict[str, Any]) -> str:
    status: str = task.get("status", "not launched")
    return f"{status}, not ready" if status == "RUNNING" and not task["ready"] else status


def _show_one(instance: dict[str, Any]) -> None:
    output.show_table(
        ("pod", "state", "agent", "zone", "reason"),
        [
            (
                instance["name"],
                output.status(instance["state"]),
                instance["agent"] or "-",
                instance["zone"] or "-",
                instance["reason"] or "",
            )
        ],
    )
    click.echo()
    output.show_table(
        ("task", "status", "id", "message"),
        (
            (
                task["name"],
                output.status(_task_status(task)),
                task["id"] or "-",
                task.get("message", ""),
            )
            for task in instance["tasks"]
        ),
    )
    if "decision" in instance:
        click.echo()
        _show_decisions([instance["decision"]])
    if instance["volumes"]:
        click.echo()
        output.show_table(
            ("volume", "path", "size"),
            (
                (volume["id"], volume["path"], output.megabytes(volume["size"]))
                for volume in instance["volumes"]
            ),
        )


@pod.command("info")
@click.argument("pod", shell_complete=completes("pod"))
@click.pass_obj
@output.reads
def show_info(api: Connection, pod: str) -> Shown:
    """The last launch and status of each task of POD, as Mesos has them: always JSON."""
    return api.get("pod", pod, "info"), output.show_document


_force = click.option(
    "--force", is_flag=True, help="Also when too many would be down, or its check says no."
)


def _query(force: bool) -> dict[str, str] | None:
    return {"force": "true"} if force else None


def _instance(api: Connection, pod: str, **_options: object) -> watched.Watched:
    return watched.instance(api, pod)


@pod.command("restart")
@click.argument("pod", shell_complete=completes("pod"))
@_force
@click.pass_obj
@watched.orders(_instance)
def restart_pod(api: Connection, pod: str, force: bool) -> Reply:
    """Stop the tasks of POD and start them again, on the same agent and volumes."""
    return api.post("pod", pod, "restart", query=_query(force))


@pod.command("replace")
@click.argument("pod", shell_complete=completes("pod"))
@click.option("--yes", is_flag=True, help="Do not ask.")
@_force
@click.pass_obj
@watched.orders(_instance)
def replace_pod(api: Connection, pod: str, yes: bool, force: bool) -> Reply:
    """Start POD anew wherever it fits, with empty volumes; its present ones are kept, unused.

    For a pod instance whose agent will not come back.
    """
    if not yes:
        meant = _what_replacing_means(api.get("pod", pod, "status").data)
        output.confirm(meant, f"Replace {pod}?", "--yes")
    return api.post("pod", pod, "replace", query=_query(force))


def _what_replacing_means(instance: dict[str, Any]) -> str:
    name, agent = instance["name"], instance["agent"]
    lines = [f"{name} will be started anew on whatever agent fits, with new, empty volumes."]
    if agent:
        lines.append(f"Its tasks on agent {agent} are stopped first, if they run.")
    if instance["volumes"]:
        kept = ", ".join(
            f"{volume['id']} ({volume['path']}, {output.megabytes(volume['size'])})"
            for volume in instance["volumes"]
        )
        lines.append(f"Its data is kept on agent {agent}, but {name} will not use it again: {kept}")
        lines.append("It stays there until you run `holdfast volumes destroy`.")
    return "\n".join(lines)


@click.command()
@click.argument("pod", required=False, shell_complete=completes("pod"))
@click.pass_obj
@output.reads
def explain(api: Connection, pod: str | None) -> Shown:
    """Why POD, or any pod instance, does not run: each agent's first failing rule."""
    if pod is not None:
        return api.get("explain", pod), _explain_one
    return api.get("explain"), _explain_all


def _explain_all(body: dict[str, Any]) -> None:
    if not body["pods"]:
        click.echo("No pod instance waits for anything.")
    for number, explanation in enumerate(body["pods"]):
        if number:
            click.echo()
        _explain_one(explanation)


def _explain_one(explanation: dict[str, Any]) -> None:
    click.echo(f"{explanation['name']}: {explanation['reason'] or 'waits for nothing'}")
    if explanation["agents"]:
        output.show_table(("agent", "first failing rule"), sorted(explanation["agents"].items()))
