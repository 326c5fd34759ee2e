"""Which changes of a running service the rest of the program cannot carry out yet.

To wire a change is to delete its function here. What would lose data is not here: `changes`
refuses it for good.
"""

from collections.abc import Callable, Iterable, Iterator

from holdfast.service.model import PodSpec, ResourceSetSpec, ServiceSpec, TaskSpec

Refusals = Iterator[tuple[str, str]]
"""The path in svc.yml, and why."""

_LATER = "not supported by this version yet"


def unsupported_changes(old: ServiceSpec, new: ServiceSpec) -> Refusals:
    """The path and reason of every change from `old` to `new` that is not wired."""
    pods = {pod.type: pod for pod in new.pods}
    for pod in old.pods:
        if pod.type not in pods:
            yield from _removed_pod(pod)
            continue
        found = _all(POD_CHANGES, f"pods.{pod.type}", pod, pods[pod.type])
        yield from sorted({*found, *_resources(pod, pods[pod.type])})


def resources_path(pod: PodSpec, task: TaskSpec) -> str:
    """Where in svc.yml the resources of a task are."""
    if task.resource_set is not None:
        return f"pods.{pod.type}.resource-sets.{task.resource_set}"
    return f"pods.{pod.type}.tasks.{task.name}"


def _all(
    checks: Iterable[Callable[[str, PodSpec, PodSpec], Refusals]],
    path: str,
    old: PodSpec,
    new: PodSpec,
) -> Refusals:
    """What all `checks` of a pod say."""
    for check in checks:
        yield from check(path, old, new)


def _resources(old: PodSpec, new: PodSpec) -> Refusals:
    kept = {task.name: task for task in new.tasks}
    for task in old.tasks:
        if task.name not in kept:
            continue
        path = resources_path(old, task)
        was, now = old.resources(task), new.resources(kept[task.name])
        if was.id == now.id:
            for check in RESOURCE_CHANGES:
                yield from check(path, was, now)
        else:
            where = f"pods.{old.type}.tasks.{task.name}.resource-set"
            yield _changed(where, was.id, now.id)


# Pods


def _removed_pod(pod: PodSpec) -> Refusals:
    yield f"pods.{pod.type}", f"removing a pod is {_LATER}: its volumes would be left behind"


def _fewer_instances(path: str, old: PodSpec, new: PodSpec) -> Refusals:
    if new.count < old.count:
        yield (
            f"{path}.count",
            f"fewer instances ({new.count} instead of {old.count}) is {_LATER}: the volumes of the "
            "others would be left behind",
        )


def _tasks_added_or_removed(path: str, old: PodSpec, new: PodSpec) -> Refusals:
    was, now = ({task.name for task in pod.tasks} for pod in (old, new))
    for name in was - now:
        yield f"{path}.tasks.{name}", f"removing a task is {_LATER}"
    for name in now - was:
        yield f"{path}.tasks.{name}", f"adding a task is {_LATER}"


def _pod_volumes(path: str, old: PodSpec, new: PodSpec) -> Refusals:
    if set(old.shared_volumes) != set(new.shared_volumes):
        volumes = _told(old.shared_volumes), _told(new.shared_volumes)
        yield _changed(f"{path}.volumes", *volumes)


# What tasks run on


def _cpus(path: str, old: ResourceSetSpec, new: ResourceSetSpec) -> Refusals:
    if old.cpus != new.cpus:
        yield _changed(f"{path}.cpus", f"{old.cpus:g}", f"{new.cpus:g}")


def _gpus(path: str, old: ResourceSetSpec, new: ResourceSetSpec) -> Refusals:
    if old.gpus != new.gpus:
        yield _changed(f"{path}.gpus", f"{old.gpus:g}", f"{new.gpus:g}")


def _memory(path: str, old: ResourceSetSpec, new: ResourceSetSpec) -> Refusals:
    if old.memory_mb != new.memory_mb:
        yield _changed(f"{path}.memory", f"{old.memory_mb} MB", f"{new.memory_mb} MB")


def _ports(path: str, old: ResourceSetSpec, new: ResourceSetSpec) -> Refusals:
    """Only what is reserved: a port's env-key, advertise and vip change with a restart."""
    was, now = ({f"{port.name} {port.port}": port for port in each.ports} for each in (old, new))
    if was.keys() != now.keys():
        yield _changed(f"{path}.ports", _told(was), _told(now))
    elif any(set(was[key].ranges) != set(now[key].ranges) for key in was):
        yield _changed(f"{path}.ports", "some ranges", "others")


def _volumes(path: str, old: ResourceSetSpec, new: ResourceSetSpec) -> Refusals:
    if set(old.volumes) != set(new.volumes):
        yield _changed(f"{path}.volumes", _told(old.volumes), _told(new.volumes))


def _changed(path: str, was: str, now: str) -> tuple[str, str]:
    return path, f"changing it from {was} to {now} is {_LATER}"


def _told(things: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, things))) or "none"


POD_CHANGES: tuple[Callable[[str, PodSpec, PodSpec], Refusals], ...] = (
    _fewer_instances,
    _tasks_added_or_removed,
    _pod_volumes,
)
RESOURCE_CHANGES: tuple[Callable[[str, ResourceSetSpec, ResourceSetSpec], Refusals], ...] = (
    *(_cpus, _gpus, _memory, _ports, _volumes),
)
