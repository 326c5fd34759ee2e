"""Orders that can be watched: `--watch` follows what they set going until it is done."""

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec

import click

from holdfast_cli import output
from holdfast_cli.connection import Connection, Reply
from holdfast_cli.trees import hints, tree

P = ParamSpec("P")
Plan = Mapping[str, Any]

RECOVERY = "recovery"
PLAN_STATUSES = (200, 202, 417)
"""Complete, under way, with errors: all are answers."""

watch_option = click.option("-w", "--watch", is_flag=True, help="Follow it until it is complete.")
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="With --watch: give up after so long.",
)


@dataclass(frozen=True, slots=True)
class Watched:
    """What is followed: `read` tells how far it is, `look` the commands that tell more.

    `hints` are what in it waits for an operator.
    """

    name: str
    read: Callable[[], Plan]
    look: str
    hints: Callable[[Plan], Iterable[str]]


def plan(api: Connection, name: str, *below: str) -> Watched:
    """A plan: of the service at the path `below`, or else of the one at the URL."""

    def read() -> Plan:
        found: Plan = api.get(*below, "plans", name, good=PLAN_STATUSES).data
        return found

    look = f"`holdfast plan show {name}` and `holdfast explain`"
    return Watched(name, read, look, lambda body: hints(name, body))


def instance(api: Connection, pod: str) -> Watched:
    """What the recovery plan does with a pod instance, until that runs as it should."""
    seen: dict[str, Plan] = {}

    def read() -> Plan:
        recovery = api.get("plans", RECOVERY, good=PLAN_STATUSES).data
        state = api.get("pod", pod, "status").data
        now = {each["name"]: each for each in recovery["phases"] if _is_of(each, pod)}
        # A phase is gone from the plan once it is complete.
        seen.update({name: _complete(phase) for name, phase in seen.items() if name not in now})
        seen.update(now)
        done = not now and state["state"] == "running"
        waits = [] if now or done else [_waiting(state)]
        return {
            "strategy": recovery["strategy"],
            "status": "COMPLETE" if done else "IN_PROGRESS",
            "errors": recovery["errors"],
            "interrupted": recovery["interrupted"],
            "phases": [*seen.values(), *waits],
        }

    look = f"`holdfast pod status {pod}` and `holdfast explain {pod}`"
    return Watched(pod, read, look, lambda body: hints(RECOVERY, body))


def _is_of(phase: Plan, pod: str) -> bool:
    return any(step["name"].startswith(f"{pod}:") for step in phase["steps"])


def _complete(phase: Plan) -> Plan:
    steps = [{**step, "status": "COMPLETE", "message": ""} for step in phase["steps"]]
    return {**phase, "status": "COMPLETE", "steps": steps}


def _waiting(instance: Mapping[str, Any]) -> Plan:
    """For what no phase of the recovery plan is about, such as the end of the first deployment."""
    status = instance["state"].upper()
    step = {"name": instance["name"], "status": status, "message": instance["reason"] or ""}
    return {
        "name": instance["name"],
        "strategy": "serial",
        "status": status,
        "interrupted": False,
        "steps": [step],
    }


def follow(watched: Watched, timeout: float | None, as_json: bool) -> None:
    """Show how far it is until it is done."""
    from holdfast_cli import watch

    watch.watch(watched, lambda body: tree(watched.name, body), timeout, as_json)


def check(watch: bool, timeout: float | None) -> None:
    """Raises click.UsageError for a timeout of nothing."""
    if timeout is not None and not watch:
        raise click.UsageError("--timeout is for --watch")


def orders(
    watched: Callable[..., Watched],
) -> Callable[[Callable[Concatenate[Connection, P], Reply]], Callable[..., None]]:
    """As `output.orders`, and `--watch` follows what `watched` makes of the same arguments."""

    def decorate(command: Callable[Concatenate[Connection, P], Reply]) -> Callable[..., None]:
        @watch_option
        @timeout_option
        @output.json_option
        @functools.wraps(command)
        def run(api: Connection, /, *args: P.args, **kwargs: P.kwargs) -> None:
            as_json, watch = bool(kwargs.pop("as_json")), bool(kwargs.pop("watch"))
            timeout: Any = kwargs.pop("timeout")
            check(watch, timeout)
            output.may_ask(not as_json)
            reply = command(api, *args, **kwargs)
            if as_json and watch:  # documents on lines of their own
                click.echo(json.dumps(reply.data, ensure_ascii=False))
            elif as_json:
                output.show_json(reply)
            else:
                output.show_message(reply)
            if watch:
                follow(watched(api, *args, **kwargs), timeout, as_json)

        return run

    return decorate
