"""What this version refuses although the format has it."""

from collections.abc import Iterator

import pytest

from holdfast.service import support
from holdfast.service.document import parse
from holdfast.service.model import PodSpec
from holdfast.service.places import Path, nowhere, places_in
from holdfast.service.problems import Report, ServiceError
from tests.unit.service.definitions import TASK, definition, model, read

KNOWN = "known but not supported by this version; "

# The function of `support` that refuses it, where it is, what is written there, the path, and what
# is said. A feature whose function is gone is wired: then its definition must be accepted.
IN_PODS = [
    ("_decommission", "allow-decommission: true", "allow-decommission", "instances cannot be"),
    ("_max_unavailable", "max-unavailable: 2", "max-unavailable", "one instance at a time"),
    ("_image", "image: ubuntu", "image", "install the software on the agents"),
    ("_networks", "networks: {dcos: {labels: 'a:b'}}", "networks", "the agent's network"),
    ("_shared_volumes", "volume: {path: a, type: ROOT, size: 1}", "volume", "into the task"),
    ("_pre_reserved_role", "pre-reserved-role: a", "pre-reserved-role", "as they are offered"),
    ("_secrets", "secrets: {s: {secret: x}}", "secrets", "as files, outside of this definition"),
    (
        "_host_volumes",
        "host-volumes: {h: {host-path: /a, container-path: a}}",
        "host-volumes",
        "use a volume of type ROOT",
    ),
    (
        "_external_volumes",
        "external-volumes: {e: {type: DOCKER, driver-name: pxd, container-path: a}}",
        "external-volumes",
        "use a volume of type ROOT",
    ),
    ("_share_pid_namespace", "share-pid-namespace: true", "share-pid-namespace", "own namespaces"),
    ("_seccomp", "seccomp-unconfined: true", "seccomp-unconfined", "own namespaces"),
    ("_seccomp", "seccomp-profile-name: p", "seccomp-profile-name", "own namespaces"),
    ("_ipc_of_pod", "ipc-mode: PRIVATE", "ipc-mode", "own namespaces"),
    ("_ipc_of_pod", "shm-size: 5", "shm-size", "own namespaces"),
    ("_operators", "placement: 'a:LIKE:b'", "placement", "operator LIKE in rule 'a:LIKE:b' is"),
]
IN_TASKS = [
    ("_essential", "essential: false", "essential", "any task of a pod restarts the pod"),
    ("_gpus", "gpus: 1", "gpus", "remove the key"),
    ("_labels", "labels: 'a:b'", "labels", "remove the key"),
    ("_limits", "resource-limits: {cpus: 1}", "resource-limits", "what `cpus` and `memory` say"),
    ("_discovery", "discovery: {prefix: a}", "discovery", "named by their ports"),
    (
        "_transport_encryption",
        "transport-encryption: [{name: a, type: TLS}]",
        "transport-encryption",
        "bring keys and certificates",
    ),
    ("_ipc_of_task", "ipc-mode: PRIVATE", "ipc-mode", "own namespaces"),
    ("_ipc_of_task", "ipc-mode: SHARE_PARENT", "ipc-mode", "own namespaces"),
    ("_ipc_of_task", "shm-size: 1", "shm-size", "own namespaces"),
    ("_vip", "ports: {a: {port: 8, vip: {port: 1}}}", "ports.a.vip", "advertised endpoints"),
    ("_ranges", "ports: {a: {port: 0, ranges: [{begin: 1}]}}", "ports.a.ranges", "any free one"),
    ("_kinds", "volumes: {v: {path: a, type: PATH, size: 1}}", "volumes.v.type", "PATH is known"),
    ("_kinds", "volume: {path: a, type: MOUNT, size: 1}", "volume.type", "MOUNT is known"),
]
IN_PHASES = [
    ("_canary", "strategy: canary", "strategy", "'serial-canary' is known"),
    ("_canary", "strategy: parallel-canary", "strategy", "'parallel-canary' is known"),
    ("_steps", "steps: [{default: [[server]]}]", "steps", "each pod instance is one step"),
]
SEVERAL_TASKS = """\
name: data
pods:
  node:
    count: 1
    %s
    tasks:
      one: {goal: RUNNING, cmd: run, cpus: 0.1, memory: 32}
      two: {goal: ONCE, cmd: run, %s}
plans:
  deploy: {phases: {all: {pod: node}}}
  %s
"""
ELSEWHERE = [
    (
        "_same_secret_file",
        SEVERAL_TASKS
        % (
            "secrets: {s: {secret: x, file: a.truststore}}",
            "cpus: 1, transport-encryption: [{name: a, type: KEYSTORE}]",
            "",
        ),
        8,
        "pods.node.tasks.two.transport-encryption[0].name",
        "a file that secret s has too is known but not supported",
    ),
    (
        "_hooks",
        SEVERAL_TASKS % ("hooks: {create: {cmd: make}}", "cpus: 1", ""),
        5,
        "pods.node.hooks",
        "a hook in a pod of several tasks is known",
    ),
    (
        "_own_ipc",
        (SEVERAL_TASKS % ("", "cpus: 1", "")).replace("memory: 32", "memory: 32, shm-size: 5"),
        7,
        "pods.node.tasks.one.shm-size",
        "a /dev/shm of its own in a pod of several tasks without an image is",
    ),
    (
        "_own_ipc",
        SEVERAL_TASKS % ("", "cpus: 1, ipc-mode: PRIVATE", ""),
        8,
        "pods.node.tasks.two.ipc-mode",
        "give `ipc-mode` and `shm-size` to the pod",
    ),
    (
        "_resource_sets",
        SEVERAL_TASKS % ("resource-sets: {main: {cpus: 1}}", "cpus: 1", ""),
        5,
        "pods.node.resource-sets",
        "give each task its own",
    ),
    (
        "_resource_set",
        SEVERAL_TASKS % ("resource-sets: {main: {cpus: 1}}", "resource-set: main", ""),
        8,
        "pods.node.tasks.two.resource-set",
        "put cpus, memory, ports and volumes into the task",
    ),
    (
        "_other_plans",
        SEVERAL_TASKS % ("", "cpus: 1", "backup: {phases: {all: {pod: node}}}"),
        11,
        "plans.backup",
        "a plan other than 'deploy' is known",
    ),
]


def check(function: str, text: str, line: int, path: str, message: str) -> None:
    if not hasattr(support, function):
        assert read(text) == model(text)
        return
    with pytest.raises(ServiceError) as caught:
        read(text)
    (problem,) = [p for p in caught.value.errors if p.path == path]
    assert problem.line == line
    assert KNOWN in problem.message
    assert message in problem.message


def line_of(part: str, text: str) -> int:
    return [line.strip() for line in text.split("\n")].index(part) + 1


@pytest.mark.parametrize(("function", "pod", "path", "message"), IN_PODS)
def test_in_a_pod(function: str, pod: str, path: str, message: str) -> None:
    text = definition(pod=pod)
    check(function, text, line_of(pod, text), f"pods.node.{path}", message)


@pytest.mark.parametrize(("function", "task", "path", "message"), IN_TASKS)
def test_in_a_task(function: str, task: str, path: str, message: str) -> None:
    text = definition(task=task)
    check(function, text, line_of(task, text), f"{TASK}.{path}", message)


@pytest.mark.parametrize(("function", "phase", "path", "message"), IN_PHASES)
def test_in_a_phase(function: str, phase: str, path: str, message: str) -> None:
    text = definition(top=f"plans: {{deploy: {{phases: {{a: {{pod: node, {phase}}}}}}}}}")
    check(function, text, 2, f"plans.deploy.phases.a.{path}", message)


@pytest.mark.parametrize(("function", "text", "line", "path", "message"), ELSEWHERE)
def test_elsewhere(function: str, text: str, line: int, path: str, message: str) -> None:
    check(function, text, line, path, message)


def test_everything_refused_is_tested() -> None:
    tables = [value for name, value in vars(support).items() if name.endswith("_CHECKS")]
    refused = {function.__name__ for table in tables for function in table}
    tested = {row[0] for rows in (IN_PODS, IN_TASKS, IN_PHASES, ELSEWHERE) for row in rows}
    assert tables
    assert refused - {"_profiles"} <= tested


def on_the_volume(at: Path, pod: PodSpec) -> Iterator[tuple[Path, str, str]]:
    yield (*at, "tasks", "server", "volumes", 0, "type"), "a volume", "use none"


def test_what_is_said_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "POD_CHECKS", (on_the_volume,))
    text = definition(task="volume:\n  path: a\n  type: ROOT\n  size: 1\nenv: [a]")
    with pytest.raises(ServiceError) as caught:
        read(text)
    assert [str(problem) for problem in caught.value.errors] == [
        f"svc.yml:15: {TASK}.volume.type: a volume is known but not supported by this version; "
        "use none",
        f"svc.yml:17: {TASK}.env: expected a mapping of variable names, found a list",
    ]
    spec = model(text.replace("[a]", "{}"))
    (problem,) = support.unsupported(spec)
    assert (problem.line, problem.path) == (0, f"{TASK}.volumes[0].type")


def test_places() -> None:
    text = """\
a:
  volume: {path: x}
  volumes:
    v.1: {path: y}
    w:
      path: z
b: [1,
  2]
"""
    root = parse(text, range(1, 10), Report("svc.yml"))
    assert root is not None
    locate = places_in(root)
    assert locate(("a", "volumes", 0, "path")) == (2, "a.volume.path")
    assert locate(("a", "volumes", 1, "path")) == (4, "a.volumes.v.1.path")
    assert locate(("a", "volumes", 2, "path")) == (6, "a.volumes.w.path")
    assert locate(("a", "volumes", 3, "path")) == (3, "a.volumes[3].path")
    assert locate(("b", 1)) == (8, "b[1]")
    assert locate(("b", 2, "c")) == (7, "b[2].c")
    assert locate(("a", "none", "at all")) == (1, "a.none.at all")
    assert locate(("c",)) == nowhere(("c",)) == (0, "c")
