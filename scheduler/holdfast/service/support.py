"""What the rest of the program can run today: all that svc.yml can say, without what is here.

To wire a feature is to delete its function here. Each is given the model and yields the path of
what it found, and what to do instead.
"""

from collections.abc import Callable, Iterator

from holdfast.service.model import PodSpec, ServiceSpec
from holdfast.service.places import Locate, Path, nowhere
from holdfast.service.problems import Problem

Finding = tuple[Path, str, str]
"""Where, what it is ("" when the path says it), and what to do instead."""

Findings = Iterator[Finding]


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


def _same_secret_file(at: Path, pod: PodSpec) -> Findings:
    # The tasks of a pod share the sandbox: one file would be written over the other.
    taken = {secret.file: f"secret {secret.name}" for secret in pod.secrets if secret.file}
    for task in pod.tasks:
        for number, wanted in enumerate(task.transport_encryption):
            clash = next((taken[file] for file in wanted.files if file in taken), None)
            if clash is not None:
                where = (*at, "tasks", task.name, "transport-encryption", number, "name")
                yield where, f"a file that {clash} has too", "give it another name"


POD_CHECKS: tuple[Callable[[Path, PodSpec], Findings], ...] = (_same_secret_file,)
