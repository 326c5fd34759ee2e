"""`holdfast plan preview`: what a changed svc.yml would do to the running service."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast_cli import definition, output
from holdfast_cli.connection import Connection
from holdfast_cli.errors import EXIT_INVALID, Trouble

if TYPE_CHECKING:
    from holdfast.service.load import Definition
    from holdfast.service.model import PodSpec, ServiceSpec
    from holdfast.service.problems import Problem

NOTHING = "nothing"
RESTART = "restart"
RESIZE = "resize"
START = "start"
DECOMMISSION = "decommission"
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What becomes of one pod instance, and why."""

    name: str
    action: str
    reason: str


@click.command("preview")
@definition.svc_yml_argument
@definition.env_file_option
@output.json_option
@click.pass_context
def preview(context: click.Context, svc_yml: Path, env_file: Path | None, as_json: bool) -> None:
    """What an update to SVC_YML would do to each pod instance of the running service.

    Changes nothing. Exits with 9 when the update would be refused.
    """
    found, problems = definition.read(svc_yml, definition.environment(env_file))
    outlooks: list[Outlook] = []
    if found is not None:
        target = _target(context.obj)
        refused = _refused(target, found, str(svc_yml))
        problems = [*refused, *problems]
        outlooks = list(outlook(target, _as_shown(found.spec), refused))
    accepted = not any(problem.kind == "error" for problem in problems)
    if as_json:
        body = {
            "accepted": accepted,
            "pods": [
                {"name": each.name, "action": each.action, "reason": each.reason}
                for each in outlooks
            ],
            "problems": definition.problems_body(svc_yml, problems),
        }
        click.echo(json.dumps(body, indent=2))
    else:
        _show(svc_yml, outlooks, problems, accepted)
        if found is not None and _as_shown(found.spec) != found.spec:
            click.echo("\nVariables whose names look like those of secrets are not compared.")
    context.exit(0 if accepted else EXIT_INVALID)


def _show(
    svc_yml: Path, outlooks: "Sequence[Outlook]", problems: "Sequence[Problem]", accepted: bool
) -> None:
    definition.show_problems(svc_yml, problems)
    if outlooks:
        if problems:
            click.echo()
        output.show_table(
            ("pod", "action", "reason"),
            ((each.name, output.status(each.action), each.reason) for each in outlooks),
        )
    if not accepted:
        click.echo(f"\nAn update to {svc_yml} is refused: the service would run on as it is.")


def _target(api: Connection) -> "ServiceSpec":
    from pydantic import ValidationError

    from holdfast.service.encode import from_json

    document = api.get("configurations", "target").data
    try:
        return from_json(document)
    except ValidationError as error:
        raise Trouble(
            f"What the scheduler at {api.url} says of its service is not understood"
            f" ({error.error_count()} differences): it is of another version than this command."
            " Use the command of the scheduler's version."
        ) from None


def _as_shown(spec: "ServiceSpec") -> "ServiceSpec":
    """The service as the API would show it: without the values of what looks secret."""
    from holdfast.service.encode import from_json, to_json
    from holdfast.service.redact import redacted

    return from_json(redacted(to_json(spec)))


def _refused(target: "ServiceSpec", found: "Definition", source: str) -> "list[Problem]":
    """The rules of updating that the change breaks, each with its line in the new file."""
    from holdfast.service.changes import refusals

    # These are the scheduler's environment's, and the same whatever svc.yml says.
    new = replace(found.spec, region=target.region, group_role=target.group_role)
    problems = []
    for problem in refusals(target, new):
        line, _ = found.locate(tuple(problem.path.split(".")))
        problems.append(replace(problem, line=line, source=source))
    return problems


def outlook(
    old: "ServiceSpec", new: "ServiceSpec", refused: "Sequence[Problem]"
) -> Iterator[Outlook]:
    """What becomes of every pod instance, in the order of the new file, then those that go.

    An update is refused as a whole.
    """
    former = {pod.type: pod for pod in old.pods}
    later = {pod.type: pod for pod in new.pods}
    for type_, pod in {**former, **later}.items() if refused else later.items():
        before = former.get(type_)
        if refused:
            yield from _kept(before, refused)
            continue
        action, reason = _change(before, pod)
        had = before.count if before else 0
        for index in range(pod.count):
            new_one = index >= had
            yield Outlook(
                f"{type_}-{index}",
                START if new_one else action,
                "a new instance, on an agent that fits" if new_one else reason,
            )
    if not refused:
        yield from _leaving(former, later)


def _kept(pod: "PodSpec | None", refused: "Sequence[Problem]") -> Iterator[Outlook]:
    if pod is None:
        return
    at = f"pods.{pod.type}"
    paths = [p.path for p in refused if p.path == at or p.path.startswith(f"{at}.")]
    for index in range(pod.count):
        reason = f"must not change: {', '.join(paths)}" if paths else "the update is refused"
        yield Outlook(f"{pod.type}-{index}", REFUSED if paths else NOTHING, reason)


def _leaving(former: "dict[str, PodSpec]", later: "dict[str, PodSpec]") -> Iterator[Outlook]:
    for type_, pod in former.items():
        wanted = later[type_].count if type_ in later else 0
        for index in range(wanted, pod.count):
            reason = "nobody asks for it any more; its volumes are kept until destroyed by name"
            yield Outlook(f"{type_}-{index}", DECOMMISSION, reason)


def _change(old: "PodSpec | None", new: "PodSpec") -> tuple[str, str]:
    from holdfast.service.changes import executor_changed, pod_changed

    if old is None or not pod_changed(old, new):
        return NOTHING, ""
    changed = ", ".join(changes(old, new))
    if _size(old) != _size(new):
        return RESIZE, f"stopped, resized on its agent, started on its data: {changed}"
    if executor_changed(old, new):
        return RESTART, f"the whole pod, on its agent and data: {changed}"
    return RESTART, f"its tasks, on its agent and data: {changed}"


def _size(pod: "PodSpec") -> object:
    """What is reserved for an instance; names and addresses of ports are not."""
    sets = {
        each.id: (
            *(each.cpus, each.gpus, each.memory_mb, each.volumes),
            tuple((port.name, port.port, port.ranges) for port in each.ports),
        )
        for each in pod.reserved_sets
    }
    return pod.shared_volumes, sets


def changes(old: "PodSpec", new: "PodSpec") -> Iterator[str]:
    """The names of what differs and concerns running instances, as in svc.yml."""
    from holdfast.service.changes import pod_changed

    for field in fields(old):
        part = {field.name: getattr(new, field.name)}
        if field.name == "tasks":
            yield from _task_changes(old, new)
        elif part[field.name] != getattr(old, field.name) and pod_changed(
            old, replace(old, **part)
        ):
            yield field.name.replace("_", "-").replace("shared-volumes", "volumes")


def _task_changes(old: "PodSpec", new: "PodSpec") -> Iterator[str]:
    was = {task.name: task for task in old.tasks}
    now = {task.name: task for task in new.tasks}
    for name in {**was, **now}:
        if name not in now:
            yield f"{name} removed"
        elif name not in was:
            yield f"{name} added"
        else:
            for field in fields(was[name]):
                if _differs(field.name, was[name], now[name]):
                    yield f"{name}.{field.name.replace('_mb', '').replace('_', '-')}"


def _differs(field: str, old: Any, new: Any) -> bool:
    return bool(getattr(old, field) != getattr(new, field))
