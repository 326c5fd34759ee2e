"""`holdfast maintenance`."""

from typing import Any

import click

from holdfast_cli import output
from holdfast_cli.connection import Connection, Reply
from holdfast_cli.errors import NotFound

_hosts = click.argument("hosts", nargs=-1, required=True, metavar="HOST...")


@click.group()
def maintenance() -> None:
    """Machines that are to be serviced. A HOST is named as `agent` in `pod status`."""


@maintenance.command("show")
@click.pass_obj
@output.reads
def show(api: Connection) -> output.Shown:
    """Hosts in maintenance, those that Mesos drained, and what it was told about its schedule."""
    return api.get("maintenance"), _show


def _show(body: dict[str, Any]) -> None:
    if not any(body.values()):
        click.echo("No host is in maintenance.")
    tables: list[tuple[tuple[str, ...], list[tuple[str, ...]]]] = [
        (
            ("host", "state", "pods"),
            [(h["host"], _state(h), ", ".join(h["pods"]) or "-") for h in body["hosts"]],
        ),
        (
            ("host that Mesos drained", "pods that wait until it is reactivated"),
            [(d["host"], ", ".join(d["pods"])) for d in body["drained"]],
        ),
        (
            ("host in the schedule of Mesos", "answer", "reason"),
            [(w["host"], "yes" if w["accepted"] else "no", w["reason"]) for w in body["windows"]],
        ),
    ]
    shown = [table for table in tables if table[1]]
    for number, (head, rows) in enumerate(shown):
        if number:
            click.echo()
        output.show_table(head, rows)


def _state(host: dict[str, Any]) -> str:
    if not host["running"]:
        return "all is stopped"
    return f"to be stopped: {', '.join(host['running'])}"


@maintenance.command("check")
@_hosts
@output.json_option
@click.pass_obj
def check(api: Connection, hosts: tuple[str, ...], as_json: bool) -> None:
    """Whether all of these hosts may be taken down together now.

    Exit code 1 when not, 4 when nothing of this service is on any of them.
    """
    reply = api.get("maintenance", "check", query={"hosts": ",".join(hosts)})
    if as_json:
        output.show_json(reply)
    else:
        _show_check(reply.data)
    if not reply.data["safe"]:
        raise click.exceptions.Exit(1)
    if _nothing_there(reply.data):
        raise click.exceptions.Exit(NotFound.exit_code)


def _nothing_there(body: dict[str, Any]) -> bool:
    return set(body["unknown"]) == set(body["hosts"])


def _show_check(body: dict[str, Any]) -> None:
    for host in body["unknown"]:
        click.echo(
            f"Nothing of this service is on {host}: compare the name with `holdfast pod status`."
        )
    if _nothing_there(body):
        return
    if body["down"]:
        click.echo(f"Down already: {', '.join(body['down'])}")
    click.echo(f"Would go down: {', '.join(body['pods']) or 'nothing'}")
    if body["unasked"]:
        click.echo(f"Not asked: the disruption check of {', '.join(body['unasked'])}")
    if body["safe"]:
        hosts = ", ".join(host for host in body["hosts"] if host not in body["unknown"])
        click.echo(
            f"Safe: {hosts} may be taken down now. What goes down stays there with its data, and"
            " starts again when the agent is back."
        )
    else:
        _show_problems(body)
    click.echo("Mesos drains an agent at once when told to: it asks neither this nor any check.")


def _show_problems(body: dict[str, Any]) -> None:
    for problem in body["problems"]:
        click.echo(f"Not safe: {problem}.")
    if body["down"]:
        click.echo("Bring up what is down first (`holdfast explain`), then check again.")
    if len(body["hosts"]) > 1:
        click.echo(f"Or one after the other: holdfast maintenance plan {' '.join(body['hosts'])}")


@maintenance.command("plan")
@_hosts
@click.pass_obj
@output.reads
def plan(api: Connection, hosts: tuple[str, ...]) -> output.Shown:
    """In which order these hosts can be serviced, and which of them together."""
    return api.get("maintenance", "plan", query={"hosts": ",".join(hosts)}), _show_plan


def _show_plan(body: dict[str, Any]) -> None:
    if body["waits_for"]:
        click.echo(f"First bring up {', '.join(body['waits_for'])}: `holdfast explain`")
    output.show_table(
        ("batch", "hosts", "goes down"),
        (
            (str(number), ", ".join(batch["hosts"]), ", ".join(batch["pods"]) or "nothing")
            for number, batch in enumerate(body["batches"], 1)
        ),
    )
    click.echo("Go on to the next batch once `holdfast maintenance check` of its hosts is safe.")
    for host, reason in body["never"].items():
        click.echo(f"{host} can never go down safely: {reason}.")


@maintenance.command("start")
@click.argument("host")
@click.pass_obj
@output.orders
def start(api: Connection, host: str) -> Reply:
    """Stop what is on HOST in turn, as max-unavailable allows, and start nothing there."""
    return api.post("maintenance", host, "start")


@maintenance.command("end")
@click.argument("host")
@click.pass_obj
@output.orders
def end(api: Connection, host: str) -> Reply:
    """Use HOST again: what was stopped starts there, on its volumes."""
    return api.post("maintenance", host, "end")
