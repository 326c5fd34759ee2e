"""Which changes of a running service the rest of the program cannot carry out yet.

To wire a change is to delete its function here. What would lose data is not here: `changes`
refuses it for good.
"""

from collections.abc import Callable, Iterator

from holdfast.service.model import PodSpec, ServiceSpec, TaskSpec

Refusals = Iterator[tuple[str, str]]
"""The path in svc.yml, and why."""

_LATER = "not supported by this version yet"


def unsupported_changes(old: ServiceSpec, new: ServiceSpec) -> Refusals:
    """The path and reason of every change from `old` to `new` that is not wired."""
    pods = {pod.type: pod for pod in new.pods}
    for pod in old.pods:
        if pod.type in pods:
            found = {each for check in POD_CHANGES for each in check(pod, pods[pod.type])}
            yield from sorted(found)


def resources_path(pod: PodSpec, task: TaskSpec) -> str:
    """Where in svc.yml the resources of a task are."""
    if task.resource_set is not None:
        return f"pods.{pod.type}.resource-sets.{task.resource_set}"
    return f"pods.{pod.type}.tasks.{task.name}"


def _another_resource_set(old: PodSpec, new: PodSpec) -> Refusals:
    for task, kept in _kept_tasks(old, new):
        was, now = old.resources(task).id, new.resources(kept).id
        if was != now:
            path = f"pods.{old.type}.tasks.{task.name}.resource-set"
            yield path, f"changing it from {was} to {now} is {_LATER}"


def _grown_volumes(old: PodSpec, new: PodSpec) -> Refusals:
    pairs = [(f"pods.{old.type}", old.shared_volumes, new.shared_volumes)]
    for task, kept in _kept_tasks(old, new):
        volumes = old.resources(task).volumes, new.resources(kept).volumes
        pairs.append((resources_path(old, task), *volumes))
    for path, before, after in pairs:
        sizes = {volume.path: volume.size_mb for volume in before}
        for volume in after:
            was = sizes.get(volume.path, volume.size_mb)
            if volume.size_mb > was:
                how = f"growing {volume.path} from {was} to {volume.size_mb} MB"
                yield f"{path}.volumes", f"{how} is {_LATER}"


def _kept_tasks(old: PodSpec, new: PodSpec) -> Iterator[tuple[TaskSpec, TaskSpec]]:
    now = {task.name: task for task in new.tasks}
    return ((task, now[task.name]) for task in old.tasks if task.name in now)


POD_CHANGES: tuple[Callable[[PodSpec, PodSpec], Refusals], ...] = (
    _another_resource_set,
    _grown_volumes,
)
