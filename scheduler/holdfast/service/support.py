"""What the rest of the program can run today: all that svc.yml can say, without what is here.

To wire a feature is to delete its function here. Each is given the model and yields the path of
what it found, and what to do instead.
"""

from collections.abc import Callable, Iterator

from holdfast.service.model import (
    PodSpec,
    SeccompSpec,
    ServiceSpec,
    TaskSpec,
)
from holdfast.service.places import Locate, Path, nowhere
from holdfast.service.problems import Problem

Finding = tuple[Path, str, str]
"""Where, what it is ("" when the path says it), and what to do instead."""

Findings = Iterator[Finding]

_HOST = "pods run in the agent's own namespaces; remove the key"


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


# Pods


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


# Tasks


def _transport_encryption(at: Path, task: TaskSpec) -> Findings:
    if task.transport_encryption:
        advice = "bring keys and certificates to the agents as files"
        yield (*at, "transport-encryption"), "", advice


def _ipc_of_task(at: Path, task: TaskSpec) -> Findings:
    if task.ipc_mode is not None:
        yield (*at, "ipc-mode"), "", _HOST
    if task.shm_size_mb is not None:
        yield (*at, "shm-size"), "", _HOST


POD_CHECKS: tuple[Callable[[Path, PodSpec], Findings], ...] = (
    *(_image, _networks, _secrets, _host_volumes, _external_volumes),
    *(_share_pid_namespace, _seccomp, _ipc_of_pod),
)
TASK_CHECKS: tuple[Callable[[Path, TaskSpec], Findings], ...] = (
    _transport_encryption,
    _ipc_of_task,
)
