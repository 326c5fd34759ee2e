"""What a service may ask for and its operator should know: settings that put data at risk.

For `holdfast validate`; nothing here is refused.
"""

from collections.abc import Callable, Iterator

from holdfast.service.model import Goal, Operator, PodSpec, ServiceSpec, TaskSpec
from holdfast.service.places import Locate, Path, nowhere
from holdfast.service.problems import Kind, Problem

Remarks = Iterator[tuple[Path, str]]


def advice(spec: ServiceSpec, locate: Locate = nowhere) -> tuple[Problem, ...]:
    """Remarks on the pods of `spec` that keep data, in their order; `locate` finds their lines."""
    problems = []
    for pod in spec.pods:
        if not pod.volumes or not pod.count:
            continue
        for check in CHECKS:
            for path, message in check(("pods", pod.type), pod):
                line, shown = locate(path)
                problems.append(Problem(line, shown, message, kind=Kind.WARNING))
    return tuple(problems)


def _one_replica(at: Path, pod: PodSpec) -> Remarks:
    if pod.count == 1:
        yield (
            (*at, "count"),
            "one instance is the only copy of its data: the service is down while it restarts, and "
            "the data is lost with its agent's disk",
        )


def _spread(at: Path, pod: PodSpec) -> Remarks:
    if pod.count == 1 or _apart(pod):
        return
    per_host = [c.limit for c in pod.placement if (c.field, c.operator) == _MAX_PER_HOST]
    how = f"up to {min(per_host)} instances" if per_host else "all instances"
    yield (
        (*at, "placement"),
        f'{how} may be on one agent and lost with it; to keep them apart use [["hostname", '
        '"UNIQUE"]]',
    )


_MAX_PER_HOST = ("hostname", Operator.MAX_PER)


def _apart(pod: PodSpec) -> bool:
    """Whether two instances cannot be on one agent, which has one value for every field."""
    if any(
        c.operator in (Operator.UNIQUE, Operator.MAX_PER) and c.limit == 1 for c in pod.placement
    ):
        return True
    ports = (port for resources in pod.reserved_sets for port in resources.ports)
    return pod.uses_host_ports and any(port.port for port in ports)


def _all_unavailable(at: Path, pod: PodSpec) -> Remarks:
    if 1 < pod.count <= pod.max_unavailable:
        yield (
            (*at, "max-unavailable"),
            f"all {pod.count} instances may be taken down at a time; no copy of the data is left "
            "to serve",
        )


def _no_readiness_check(at: Path, pod: PodSpec) -> Remarks:
    for task in _serving(pod):
        if task.readiness_check is None:
            yield (
                (*at, "tasks", task.name),
                "has no readiness-check: a plan goes on to the next instance as soon as this one's "
                "process runs, even if it does not serve yet",
            )


def _killed_at_once(at: Path, pod: PodSpec) -> Remarks:
    for task in _serving(pod):
        if task.kill_grace_period == 0:
            yield (
                (*at, "tasks", task.name, "kill-grace-period"),
                "is 0: the task is killed without time to write what it has in memory",
            )


def _serving(pod: PodSpec) -> Iterator[TaskSpec]:
    """The tasks that keep data: they run for ever, and have a volume."""
    for task in pod.tasks:
        if task.goal is Goal.RUNNING and (pod.shared_volumes or pod.resources(task).volumes):
            yield task


CHECKS: tuple[Callable[[Path, PodSpec], Remarks], ...] = (
    *(_one_replica, _spread, _all_unavailable, _no_readiness_check, _killed_at_once),
)
