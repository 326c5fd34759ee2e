"""What the rest of the program can run today: all that svc.yml can say, without what is here.

To wire a feature is to delete its function here. Each is given the model and yields the path of
what it found, and what to do instead.
"""

from collections.abc import Callable, Iterator

from holdfast.service.model import (
    PhaseSpec,
    PlanSpec,
    PodSpec,
    SeccompSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
)
from holdfast.service.places import Locate, Path, nowhere
from holdfast.service.problems import Problem

Finding = tuple[Path, str, str]
"""Where, what it is ("" when the path says it), and what to do instead."""

Findings = Iterator[Finding]

_HOST = "pods run in the agent's own namespaces; remove the key"
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
        for task in pod.tasks:
            inside = (*at, "tasks", task.name)
            for of_task in TASK_CHECKS:
                yield from of_task(inside, task)
    for plan in (spec.deploy, *spec.plans):
        for of_plan in PLAN_CHECKS:
            yield from of_plan(("plans", plan.name), plan)
        for phase in plan.phases:
            for of_phase in PHASE_CHECKS:
                yield from of_phase(("plans", plan.name, "phases", phase.name), phase)


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


def _resource_sets(at: Path, pod: PodSpec) -> Findings:
    if pod.resource_sets:
        advice = "give each task its own cpus, memory, ports and volumes"
        yield (*at, "resource-sets"), "", advice


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


def _transport_encryption(at: Path, task: TaskSpec) -> Findings:
    if task.transport_encryption:
        advice = "bring keys and certificates to the agents as files"
        yield (*at, "transport-encryption"), "", advice


def _ipc_of_task(at: Path, task: TaskSpec) -> Findings:
    if task.ipc_mode is not None:
        yield (*at, "ipc-mode"), "", _HOST
    if task.shm_size_mb is not None:
        yield (*at, "shm-size"), "", _HOST


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
    *(_decommission, _max_unavailable, _image, _networks, _resource_sets),
    *(_secrets, _host_volumes, _external_volumes, _share_pid_namespace),
    *(_seccomp, _ipc_of_pod, _hooks),
)
TASK_CHECKS: tuple[Callable[[Path, TaskSpec], Findings], ...] = (
    *(_resource_set, _essential, _transport_encryption),
    _ipc_of_task,
)
PLAN_CHECKS: tuple[Callable[[Path, PlanSpec], Findings], ...] = (_other_plans,)
PHASE_CHECKS: tuple[Callable[[Path, PhaseSpec], Findings], ...] = (_canary, _steps)
