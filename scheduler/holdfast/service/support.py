"""What the rest of the program can run today: all that svc.yml can say, without what is here.

To wire a feature is to delete its function here. Each is given the model and yields the path of
what it found, and what to do instead.
"""

from collections.abc import Callable, Iterator

from holdfast.service.model import (
    ANY_ROLE,
    LimitsSpec,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    SeccompSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    VolumeKind,
    VolumeSpec,
)
from holdfast.service.places import Locate, Path, nowhere
from holdfast.service.problems import Problem

Finding = tuple[Path, str, str]
"""Where, what it is ("" when the path says it), and what to do instead."""

Findings = Iterator[Finding]

_HOST = "pods run in the agent's own namespaces; remove the key"
_SUPPORTED_OPERATORS = (Operator.UNIQUE, Operator.MAX_PER)
_SUPPORTED_STRATEGIES = (Strategy.SERIAL, Strategy.PARALLEL)


def unsupported(spec: ServiceSpec, locate: Locate = nowhere) -> tuple[Problem, ...]:
    """What `spec` asks for and this version cannot do; `locate` finds it in the file."""
    problems = []
    for path, what, advice in _findings(spec):
        line, shown = locate(path)
        subject = f"{what} is known" if what else "known"
        message = f"{subject} but not supported by this version; {advice}"
        problems.append(Problem(line, shown, message))
    return tuple(problems)


def _findings(spec: ServiceSpec) -> Findings:
    for pod in spec.pods:
        at: Path = ("pods", pod.type)
        for of_pod in POD_CHECKS:
            yield from of_pod(at, pod)
        for resources in pod.resource_sets:
            inside = (*at, "resource-sets", resources.id)
            yield from _of_ports(inside, resources.ports)
            yield from _of_volumes(inside, resources.volumes)
        for task in pod.tasks:
            inside = (*at, "tasks", task.name)
            for of_task in TASK_CHECKS:
                yield from of_task(inside, task)
            yield from _of_ports(inside, task.ports)
            yield from _of_volumes(inside, task.volumes)
    for plan in (spec.deploy, *spec.plans):
        for of_plan in PLAN_CHECKS:
            yield from of_plan(("plans", plan.name), plan)
        for phase in plan.phases:
            for of_phase in PHASE_CHECKS:
                yield from of_phase(("plans", plan.name, "phases", phase.name), phase)


def _of_ports(at: Path, ports: tuple[PortSpec, ...]) -> Findings:
    for port in ports:
        for of_port in PORT_CHECKS:
            yield from of_port((*at, "ports", port.name), port)


def _of_volumes(at: Path, volumes: tuple[VolumeSpec, ...]) -> Findings:
    for number, volume in enumerate(volumes):
        for of_volume in VOLUME_CHECKS:
            yield from of_volume((*at, "volumes", number), volume)


# Pods


def _decommission(at: Path, pod: PodSpec) -> Findings:
    if pod.allow_decommission:
        advice = "instances cannot be taken away yet; remove the key"
        yield (*at, "allow-decommission"), "", advice


def _max_unavailable(at: Path, pod: PodSpec) -> Findings:
    if pod.max_unavailable != 1:
        yield (*at, "max-unavailable"), "", "one instance at a time is taken down; remove the key"


def _image(at: Path, pod: PodSpec) -> Findings:
    if pod.image is not None:
        yield (
            (*at, "image"),
            "",
            "tasks use the agent's file system; install the software on the agents or fetch it "
            "with `uris`",
        )


def _networks(at: Path, pod: PodSpec) -> Findings:
    if pod.networks:
        yield (*at, "networks"), "", "pods use the agent's network; remove the key"


def _shared_volumes(at: Path, pod: PodSpec) -> Findings:
    for number, _ in enumerate(pod.shared_volumes):
        yield (*at, "volumes", number), "", "move the volume into the task that uses it"


def _resource_sets(at: Path, pod: PodSpec) -> Findings:
    if pod.resource_sets:
        advice = "give each task its own cpus, memory, ports and volumes"
        yield (*at, "resource-sets"), "", advice


def _pre_reserved_role(at: Path, pod: PodSpec) -> Findings:
    if pod.pre_reserved_role != ANY_ROLE:
        advice = "resources are reserved as they are offered; remove the key"
        yield (*at, "pre-reserved-role"), "", advice


def _secrets(at: Path, pod: PodSpec) -> Findings:
    if pod.secrets:
        advice = "bring secrets to the agents as files, outside of this definition"
        yield (*at, "secrets"), "", advice


def _host_volumes(at: Path, pod: PodSpec) -> Findings:
    if pod.host_volumes:
        yield (*at, "host-volumes"), "", "use a volume of type ROOT in a task"


def _external_volumes(at: Path, pod: PodSpec) -> Findings:
    if pod.external_volumes:
        yield (*at, "external-volumes"), "", "use a volume of type ROOT in a task"


def _share_pid_namespace(at: Path, pod: PodSpec) -> Findings:
    if pod.share_pid_namespace:
        yield (*at, "share-pid-namespace"), "", _HOST


def _seccomp(at: Path, pod: PodSpec) -> Findings:
    if pod.seccomp != SeccompSpec():
        key = "seccomp-unconfined" if pod.seccomp.unconfined else "seccomp-profile-name"
        yield (*at, key), "", _HOST


def _ipc_of_pod(at: Path, pod: PodSpec) -> Findings:
    if pod.ipc_mode is not None:
        yield (*at, "ipc-mode"), "", _HOST
    if pod.shm_size_mb is not None:
        yield (*at, "shm-size"), "", _HOST


def _operators(at: Path, pod: PodSpec) -> Findings:
    found = {c.operator: c for c in pod.placement if c.operator not in _SUPPORTED_OPERATORS}
    for operator, constraint in found.items():
        advice = f"allowed: {', '.join(_SUPPORTED_OPERATORS)}"
        yield (*at, "placement"), f"operator {operator} in rule '{constraint}'", advice


def _hooks(at: Path, pod: PodSpec) -> Findings:
    # The executor runs a hook before one task; the others would not wait for it.
    if len(pod.tasks) > 1 and (pod.hooks.create or pod.hooks.replace):
        yield (*at, "hooks"), "a hook in a pod of several tasks", "give it one task"


# Tasks


def _resource_set(at: Path, task: TaskSpec) -> Findings:
    if task.resource_set is not None:
        advice = "put cpus, memory, ports and volumes into the task"
        yield (*at, "resource-set"), "", advice


def _essential(at: Path, task: TaskSpec) -> Findings:
    if not task.essential:
        advice = "the failure of any task of a pod restarts the pod; remove the key"
        yield (*at, "essential"), "", advice


def _gpus(at: Path, task: TaskSpec) -> Findings:
    if task.gpus:
        yield (*at, "gpus"), "", "remove the key"


def _labels(at: Path, task: TaskSpec) -> Findings:
    if task.labels:
        yield (*at, "labels"), "", "remove the key"


def _limits(at: Path, task: TaskSpec) -> Findings:
    if task.limits != LimitsSpec():
        advice = "tasks get what `cpus` and `memory` say; remove the key"
        yield (*at, "resource-limits"), "", advice


def _discovery(at: Path, task: TaskSpec) -> Findings:
    if task.discovery is not None:
        yield (*at, "discovery"), "", "endpoints are named by their ports; remove the key"


def _transport_encryption(at: Path, task: TaskSpec) -> Findings:
    if task.transport_encryption:
        advice = "bring keys and certificates to the agents as files"
        yield (*at, "transport-encryption"), "", advice


def _ipc_of_task(at: Path, task: TaskSpec) -> Findings:
    if task.ipc_mode is not None:
        yield (*at, "ipc-mode"), "", _HOST
    if task.shm_size_mb is not None:
        yield (*at, "shm-size"), "", _HOST


# Ports and volumes


def _vip(at: Path, port: PortSpec) -> Findings:
    if port.vip is not None:
        yield (*at, "vip"), "", "clients use the advertised endpoints; remove the key"


def _ranges(at: Path, port: PortSpec) -> Findings:
    if port.ranges:
        yield (*at, "ranges"), "", "give one port, or 0 for any free one"


def _kinds(at: Path, volume: VolumeSpec) -> Findings:
    if volume.kind is not VolumeKind.ROOT:
        yield (*at, "type"), volume.kind, "use ROOT"


def _profiles(at: Path, volume: VolumeSpec) -> Findings:
    if volume.profiles and volume.kind is VolumeKind.MOUNT:
        yield (*at, "profiles"), "", "profiles are of MOUNT disks; remove it"


# Plans


def _other_plans(at: Path, plan: PlanSpec) -> Findings:
    if plan.name != "deploy":
        advice = "updates and recovery need no plan here, remove it"
        yield at, "a plan other than 'deploy'", advice


def _canary(at: Path, phase: PhaseSpec) -> Findings:
    if phase.strategy not in _SUPPORTED_STRATEGIES:
        yield (*at, "strategy"), repr(str(phase.strategy)), "use serial or parallel"


def _steps(at: Path, phase: PhaseSpec) -> Findings:
    if phase.steps:
        advice = "each pod instance is one step with all its tasks; remove the key"
        yield (*at, "steps"), "", advice


POD_CHECKS: tuple[Callable[[Path, PodSpec], Findings], ...] = (
    *(_decommission, _max_unavailable, _image, _networks, _shared_volumes, _resource_sets),
    *(_pre_reserved_role, _secrets, _host_volumes, _external_volumes, _share_pid_namespace),
    *(_seccomp, _ipc_of_pod, _operators, _hooks),
)
TASK_CHECKS: tuple[Callable[[Path, TaskSpec], Findings], ...] = (
    *(_resource_set, _essential, _gpus, _labels, _limits, _discovery, _transport_encryption),
    _ipc_of_task,
)
PORT_CHECKS: tuple[Callable[[Path, PortSpec], Findings], ...] = (_vip, _ranges)
VOLUME_CHECKS: tuple[Callable[[Path, VolumeSpec], Findings], ...] = (_kinds, _profiles)
PLAN_CHECKS: tuple[Callable[[Path, PlanSpec], Findings], ...] = (_other_plans,)
PHASE_CHECKS: tuple[Callable[[Path, PhaseSpec], Findings], ...] = (_canary, _steps)
