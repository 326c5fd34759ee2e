"""What this version refuses although the format has it; rows go as features come."""

import pytest

from holdfast.service.document import parse
from holdfast.service.places import nowhere, places_in
from holdfast.service.problems import Report, ServiceError
from holdfast.service.support import unsupported
from tests.unit.service.definitions import TASK, definition, model, read

KNOWN = "known but not supported by this version; "


def refused(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ServiceError) as caught:
        read(text)
    return [(p.line, p.path, p.message) for p in caught.value.errors]


def line_of(part: str, text: str) -> int:
    return [line.strip() for line in text.split("\n")].index(part) + 1


@pytest.mark.parametrize(
    ("pod", "path", "message"),
    [
        ("allow-decommission: true", "allow-decommission", "instances cannot be taken away"),
        ("max-unavailable: 2", "max-unavailable", "one instance at a time"),
        ("image: ubuntu", "image", "install the software on the agents"),
        ("networks: {dcos: {labels: 'a:b'}}", "networks", "pods use the agent's network"),
        ("volume: {path: a, type: ROOT, size: 1}", "volume", "move the volume into the task"),
        ("volumes: {a: {path: a, type: ROOT, size: 1}}", "volumes.a", "move the volume into"),
        ("pre-reserved-role: slave_public", "pre-reserved-role", "as they are offered"),
        ("secrets: {s: {secret: x}}", "secrets", "as files, outside of this definition"),
        (
            "host-volumes: {h: {host-path: /a, container-path: a}}",
            "host-volumes",
            "use a volume of type ROOT",
        ),
        (
            "external-volumes: {e: {type: DOCKER, driver-name: pxd, container-path: a}}",
            "external-volumes",
            "use a volume of type ROOT",
        ),
        ("share-pid-namespace: true", "share-pid-namespace", "the agent's own namespaces"),
        ("seccomp-unconfined: true", "seccomp-unconfined", "the agent's own namespaces"),
        ("seccomp-profile-name: p", "seccomp-profile-name", "the agent's own namespaces"),
        ("ipc-mode: PRIVATE", "ipc-mode", "the agent's own namespaces"),
        ("shm-size: 5", "shm-size", "the agent's own namespaces"),
    ],
)
def test_in_a_pod(pod: str, path: str, message: str) -> None:
    text = definition(pod=pod)
    ((line, found_path, found),) = refused(text)
    assert (line, found_path) == (line_of(pod, text), f"pods.node.{path}")
    assert found.startswith(KNOWN)
    assert message in found


@pytest.mark.parametrize(
    ("task", "path", "message"),
    [
        ("essential: false", "essential", "any task of a pod restarts the pod"),
        ("gpus: 1", "gpus", "remove the key"),
        ("labels: 'a:b'", "labels", "remove the key"),
        ("resource-limits: {cpus: 1}", "resource-limits", "what `cpus` and `memory` say"),
        ("discovery: {prefix: a}", "discovery", "named by their ports"),
        ("transport-encryption: [{name: a, type: TLS}]", "transport-encryption", "keys and"),
        ("ipc-mode: PRIVATE", "ipc-mode", "the agent's own namespaces"),
        ("shm-size: 1", "shm-size", "the agent's own namespaces"),
        ("ports: {a: {port: 8, vip: {port: 1}}}", "ports.a.vip", "the advertised endpoints"),
        ("ports: {a: {port: 0, ranges: [{begin: 1}]}}", "ports.a.ranges", "or 0 for any free"),
        ("volume: {path: a, type: MOUNT, size: 1}", "volume.type", "use ROOT"),
        ("volumes: {v: {path: a, type: PATH, size: 1}}", "volumes.v.type", "use ROOT"),
    ],
)
def test_in_a_task(task: str, path: str, message: str) -> None:
    text = definition(task=task)
    ((line, found_path, found),) = refused(text)
    assert (line, found_path) == (line_of(task, text), f"{TASK}.{path}")
    assert KNOWN in found
    assert message in found


@pytest.mark.parametrize(
    ("plans", "path", "what"),
    [
        ("deploy: {phases: {a: {pod: node, strategy: canary}}}", "strategy", "'serial-canary' is"),
        ("deploy: {phases: {a: {pod: node, strategy: parallel-canary}}}", "strategy", "'parallel-"),
        ("deploy: {phases: {a: {pod: node, steps: [{default: [[server]]}]}}}", "steps", "known"),
    ],
)
def test_in_a_plan(plans: str, path: str, what: str) -> None:
    ((_, found_path, found),) = refused(definition(top=f"plans: {{{plans}}}"))
    assert found_path == f"plans.deploy.phases.a.{path}"
    assert found.startswith(what)
    assert KNOWN in found


def test_other_plans() -> None:
    plans = "plans: {deploy: {phases: {a: {pod: node}}}, backup: {phases: {a: {pod: node}}}}"
    ((_, path, message),) = refused(definition(top=plans))
    assert path == "plans.backup"
    assert message.startswith("a plan other than 'deploy' is known but not supported")


@pytest.mark.parametrize(
    "rule", ["a:CLUSTER:b", "a:IS:b", "a:IS_NOT:b", "a:LIKE:b", "a:UNLIKE:b", "a:GROUP_BY"]
)
def test_operators(rule: str) -> None:
    ((_, path, message),) = refused(definition(pod=f"placement: '{rule},hostname:UNIQUE'"))
    assert path == "pods.node.placement"
    assert message == (
        f"operator {rule.split(':')[1]} in rule '{rule}' is {KNOWN}allowed: UNIQUE, MAX_PER"
    )


def test_resource_sets() -> None:
    text = """\
        name: data
        pods:
          node:
            count: 1
            resource-sets:
              main: {cpus: 1, volumes: {v: {path: a, type: MOUNT, size: 1, profiles: [p]}}}
            tasks:
              server: {goal: RUNNING, cmd: run, resource-set: main}
        """
    assert [(line, path) for line, path, _ in refused(text)] == [
        (5, "pods.node.resource-sets"),
        (6, "pods.node.resource-sets.main.volumes.v.type"),
        (6, "pods.node.resource-sets.main.volumes.v.profiles"),
        (8, "pods.node.tasks.server.resource-set"),
    ]


def test_hook_in_a_pod_of_several_tasks() -> None:
    text = """\
        name: data
        pods:
          node:
            count: 1
            hooks: {create: {cmd: make}}
            tasks:
              one: {goal: RUNNING, cmd: run, cpus: 0.1, memory: 32}
              two: {goal: RUNNING, cmd: run, cpus: 0.1, memory: 32}
        """
    ((line, path, message),) = refused(text)
    assert (line, path) == (5, "pods.node.hooks")
    assert message.startswith("a hook in a pod of several tasks is known but not supported")


def test_faults_are_told_beside_what_is_not_supported() -> None:
    found = refused(definition(task="labels: 'a:b'\nenv: [a]"))
    assert [path for _, path, _ in found] == [f"{TASK}.labels", f"{TASK}.env"]


def test_without_a_file_the_path_is_told_alone() -> None:
    spec = model(definition(task="volume: {path: a, type: MOUNT, size: 1}"))
    (problem,) = unsupported(spec)
    assert (problem.line, problem.path) == (0, f"{TASK}.volumes[0].type")
    assert unsupported(model(definition())) == ()


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
