"""Which changes of a running service are carried out, and which are refused to keep its data."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from holdfast.service.change_support import resources_path, unsupported_changes
from holdfast.service.model import HooksSpec, PodSpec, ServiceSpec, VolumeSpec
from holdfast.service.problems import Problem
from holdfast.service.rules import forbidden_changes

_KEEP = "the service runs on as it was"

Refusal = tuple[str, str]
"""The path in svc.yml, and why."""


def refusals(old: ServiceSpec, new: ServiceSpec) -> tuple[Problem, ...]:
    """Why `new` cannot take the place of `old`; empty when it can.

    A refused change leaves the old target in force. What would lose data, or breaks a rule of the
    definition, is refused for good (the config validators of dcos-commons), the rest only as long
    as it is in `change_support`. Never refused otherwise: commands, environment, configs, checks,
    kill grace periods, uris, rlimits, placement, hooks, plans, more instances, new pods.
    """
    by_rules = forbidden_changes(old, new)
    for_good = list(chain(_identity(old, new), *(_pod(pod, new) for pod in old.pods), by_rules))
    known = {path for path, _ in for_good}
    for_now = [(path, why) for path, why in unsupported_changes(old, new) if path not in known]
    return tuple(Problem(0, path, f"{why}; {_KEEP}") for path, why in (*for_good, *for_now))


def pod_changed(old: PodSpec, new: PodSpec) -> bool:
    """Whether running instances of `old` must be restarted to be instances of `new`.

    Count, placement and the like concern instances yet to come or how changes go about, hooks run
    in new instances only, and nothing runs on a resource set no task uses.
    """
    return _running_part(old) != _running_part(new)


def executor_changed(old: PodSpec, new: PodSpec) -> bool:
    """Whether a task of `new` cannot join the executor that runs the tasks of `old`.

    What belongs to the pod's container is given to it once: volumes, files, and all it reserves.
    Its image is not: each task has a container of its own with it.
    """
    return _container_part(old) != _container_part(new)


def _container_part(pod: PodSpec) -> tuple[object, ...]:
    bare = replace(_running_part(pod), tasks=(), rlimits=(), image=None)
    return bare, pod.ipc, pod.volumes, pod.reserved_sets


def _running_part(pod: PodSpec) -> PodSpec:
    used = {task.resource_set for task in pod.tasks}
    return replace(
        pod,
        count=0,
        placement=(),
        hooks=HooksSpec(),
        allow_decommission=False,
        max_unavailable=1,
        after_replace=(),
        replacement=None,
        disruption_check=None,
        resource_sets=tuple(each for each in pod.resource_sets if each.id in used),
    )


def _identity(old: ServiceSpec, new: ServiceSpec) -> Iterator[Refusal]:
    reasons = (
        ("name", old.name, new.name, "its reservations and records are kept under the name"),
        ("role", old.role, new.role, "its volumes are reserved for the role"),
        ("SERVICE_REGION", old.region, new.region, "its data stays in the region"),
        ("scheduler.user", old.user, new.user, "its files belong to the user"),
        ("scheduler.principal", old.principal, new.principal, "its volumes are reserved by it"),
    )
    for path, was, now, reason in reasons:
        if was != now:
            yield path, f"cannot change from {was!r} to {now!r}: {reason}"


def _pod(old: PodSpec, service: ServiceSpec) -> Iterator[Refusal]:
    path = f"pods.{old.type}"
    new = next((pod for pod in service.pods if pod.type == old.type), None)
    if new is None:
        if not old.allow_decommission:
            yield (
                path,
                "removing a pod gives its volumes up: first deploy it with `allow-decommission: "
                "true`, then remove it",
            )
        return
    if new.count < old.count and not new.allow_decommission:
        yield (
            f"{path}.count",
            f"fewer instances ({new.count} instead of {old.count}) give the volumes of the others "
            "up: that needs `allow-decommission: true`",
        )
    lacking = _lacking_to_leave(old, new, service)
    if lacking:
        yield (
            f"{path}.count",
            f"the plan `decommission` launches {', '.join(lacking)} in instances that leave, and "
            "those there are do not have it: first deploy it, then have fewer",
        )
    if old.pre_reserved_role != new.pre_reserved_role:
        yield (
            f"{path}.pre-reserved-role",
            f"cannot change from {old.pre_reserved_role!r} to {new.pre_reserved_role!r}: its "
            "volumes are reserved from the resources of that role",
        )
    if old.uses_host_ports != new.uses_host_ports:
        was, now = ("the agent's" if p.uses_host_ports else "its own" for p in (old, new))
        yield (
            f"{path}.networks",
            f"cannot change from {was} ports to {now}: running instances hold their ports as they "
            "were placed",
        )
    yield from _volumes(f"{path}.volumes", old.shared_volumes, new.shared_volumes)
    kept = {task.name: task for task in new.tasks}
    seen = set[str]()
    for task in old.tasks:
        if task.name in kept:
            where = resources_path(old, task)
            if where not in seen:
                volumes = old.resources(task).volumes, new.resources(kept[task.name]).volumes
                yield from _volumes(f"{where}.volumes", *volumes)
            seen.add(where)


def _lacking_to_leave(old: PodSpec, new: PodSpec, service: ServiceSpec) -> list[str]:
    """The tasks that instances beyond the new count should run before they go, and have not."""
    has = {task.name for task in old.tasks}
    wanted = {
        name
        for index in range(new.count, old.count)
        for step in service.steps_in("decommission", new.type, index)
        for name in step
    }
    return sorted(wanted - has)


def _volumes(path: str, old: Iterable[VolumeSpec], new: Iterable[VolumeSpec]) -> Iterator[Refusal]:
    now = {volume.path: volume for volume in new}
    for volume in old:
        kept = now.get(volume.path)
        same = kept and replace(kept, size_mb=volume.size_mb) == volume
        if not kept or not same or kept.size_mb < volume.size_mb:
            became = kept or "none"
            yield path, f"cannot change from {volume} to {became}: the data on it would be lost"
