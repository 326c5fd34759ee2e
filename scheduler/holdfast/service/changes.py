"""Which changes of a running service are carried out, and which are refused to keep its data."""

from dataclasses import replace
from itertools import chain

from holdfast.service.model import HooksSpec, PodSpec, ServiceSpec, TaskSpec
from holdfast.service.problems import Problem

_LATER = "not supported by this version yet"
_KEEP = "the service runs on as it was"


def refusals(old: ServiceSpec, new: ServiceSpec) -> tuple[Problem, ...]:
    """Why `new` cannot take the place of `old`; empty when it can.

    A refused change leaves the old target in force. Allowed: commands, environment, configs,
    checks, kill grace periods, uris, rlimits, placement, hooks, plans, more instances, new pods.
    """
    return tuple(
        chain(
            _identity(old, new),
            *(_pod(pod, _find(new, pod.type)) for pod in old.pods),
        )
    )


def pod_changed(old: PodSpec, new: PodSpec) -> bool:
    """Whether running instances of `old` must be restarted to be instances of `new`.

    Count and placement concern instances yet to come, and hooks run in new ones only.
    """
    return _running_part(old) != _running_part(new)


def executor_changed(old: PodSpec, new: PodSpec) -> bool:
    """Whether a task of `new` cannot join the executor that runs the tasks of `old`.

    What belongs to the pod's container is given to it once: volumes, files, and all it reserves.
    """
    return _container_part(old) != _container_part(new)


def _container_part(pod: PodSpec) -> tuple[object, ...]:
    bare = replace(_running_part(pod), tasks=(), rlimits=(), secrets=())
    return bare, pod.volumes, pod.reserved_sets


def _running_part(pod: PodSpec) -> PodSpec:
    return replace(pod, count=0, placement=(), hooks=HooksSpec())


def _find(service: ServiceSpec, type_: str) -> PodSpec | None:
    return next((pod for pod in service.pods if pod.type == type_), None)


def _identity(old: ServiceSpec, new: ServiceSpec) -> list[Problem]:
    reasons = (
        ("name", old.name, new.name, "its reservations and records are kept under the name"),
        ("role", old.role, new.role, "its volumes are reserved for the role"),
        ("scheduler.user", old.user, new.user, "its files belong to the user"),
        ("scheduler.principal", old.principal, new.principal, "its volumes are reserved by it"),
    )
    return [
        _problem(path, f"cannot change from {was!r} to {now!r}: {reason}")
        for path, was, now, reason in reasons
        if was != now
    ]


def _pod(old: PodSpec, new: PodSpec | None) -> list[Problem]:
    path = f"pods.{old.type}"
    if new is None:
        return [_problem(path, f"removing a pod is {_LATER}: its volumes would be left behind")]
    problems = []
    if new.count < old.count:
        problems.append(
            _problem(
                f"{path}.count",
                f"fewer instances ({new.count} instead of {old.count}) is {_LATER}: the volumes "
                "of the others would be left behind",
            )
        )
    was = {task.name: task for task in old.tasks}
    now = {task.name: task for task in new.tasks}
    for name in was.keys() - now.keys():
        problems.append(_problem(f"{path}.tasks.{name}", f"removing a task is {_LATER}"))
    for name in now.keys() - was.keys():
        problems.append(_problem(f"{path}.tasks.{name}", f"adding a task is {_LATER}"))
    for name in was.keys() & now.keys():
        problems += _task(f"{path}.tasks.{name}", was[name], now[name])
    return sorted(problems)


def _task(path: str, old: TaskSpec, new: TaskSpec) -> list[Problem]:
    problems = []
    if old.cpus != new.cpus:
        problems.append(_changed(f"{path}.cpus", f"{old.cpus:g}", f"{new.cpus:g}"))
    if old.memory_mb != new.memory_mb:
        problems.append(_changed(f"{path}.memory", f"{old.memory_mb} MB", f"{new.memory_mb} MB"))
    # Only what is reserved: a port's env-key and advertise change with a restart.
    old_ports = ", ".join(sorted(f"{port.name} {port.port}" for port in old.ports))
    new_ports = ", ".join(sorted(f"{port.name} {port.port}" for port in new.ports))
    if old_ports != new_ports:
        problems.append(_changed(f"{path}.ports", old_ports or "none", new_ports or "none"))
    old_volumes = ", ".join(sorted(f"{v.path} {v.size_mb} MB" for v in old.volumes))
    new_volumes = ", ".join(sorted(f"{v.path} {v.size_mb} MB" for v in new.volumes))
    if old_volumes != new_volumes:
        problems.append(_changed(f"{path}.volumes", old_volumes or "none", new_volumes or "none"))
    return problems


def _changed(path: str, was: str, now: str) -> Problem:
    return _problem(path, f"changing it from {was} to {now} is {_LATER}")


def _problem(path: str, message: str) -> Problem:
    return Problem(0, path, f"{message}; {_KEEP}")
