"""Every rule of the format, each with a definition that keeps it and one that breaks it.

The rules are those of dcos-commons' readers, in the order of a file. What is said of a broken one
is in the tests of its part of the format; here is that none is without both.
"""

from dataclasses import dataclass

import pytest

from holdfast.service.problems import ServiceError
from tests.unit.service.definitions import definition, model

HEALTH = "health-check: {cmd: check, interval: 1, grace-period: 1, delay: 0, timeout: 1, %s}"
READY = "readiness-check: {cmd: check, interval: %s, timeout: 1}"
ONE = "volumes: {a: {path: a, type: ROOT, size: 1}, b: {path: %s, type: ROOT, size: 1}}"
VOLUME = "volume: {path: %s, type: %s, size: %s%s}"
STEPS = "plans: {deploy: {phases: {p: {pod: node, steps: %s}}}}"
PHASE = "plans: {deploy: {strategy: %s, phases: {p: {pod: %s, strategy: %s}}}}"
HOST = "host-volumes: {h: {host-path: %s, container-path: %s, mode: %s}}"
EXTERNAL = (
    "external-volumes: {e: {type: %s, driver-name: d, container-path: c, volume-mode: %s,"
    " driver-options: '%s'}}"
)
RLIMIT = "rlimits: {%s: {soft: %s, hard: %s}}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What stands where (`task`, `pod` or `top`), kept and broken, and the key that is blamed."""

    name: str
    where: str
    kept: str
    broken: str
    blamed: str


RULES = (
    Rule("a name has no double underscore", "top", "name: a_b", "name: a__b", "name"),
    Rule("a name is at most 63 long", "top", "name: /a/b", "name: " + "a" * 64, "name"),
    Rule("no key is given twice", "task", "env: {A: x}", "env: {A: x, A: y}", "env.A"),
    Rule("no key is unknown", "task", "essential: true", "esential: true", "esential"),
    Rule("no top key is unknown", "top", "web-url: http://a", "role: a", "role"),
    Rule("a scheduler's keys are known", "top", "scheduler: {user: a}", "scheduler: {x: a}", "x"),
    Rule("a pod has a count", "pod", "count: 0", "count: -1", "count"),
    Rule("a count is whole", "pod", "count: '2'", "count: 1.5", "count"),
    Rule(
        "a placement can be read", "pod", "placement: 'a:IS:b'", "placement: 'a:B:c'", "placement"
    ),
    Rule("an image is not blank", "pod", "image: ubuntu", "image: ''", "image"),
    Rule(
        "only a bridge maps ports",
        *("pod", "networks: {mesos-bridge: {host-ports: [1], container-ports: [2]}}"),
        *("networks: {dcos: {host-ports: [1], container-ports: [2]}}", "networks.dcos.host-ports"),
    ),
    Rule(
        "mapped ports come in pairs",
        *("pod", "networks: {mesos-bridge: {host-ports: [1, 2], container-ports: [3, 4]}}"),
        *("networks: {mesos-bridge: {host-ports: [1], container-ports: [2, 3]}}", "mesos-bridge"),
    ),
    Rule(
        "labels of networks are pairs",
        *("pod", "networks: {dcos: {labels: 'a:b,c:d'}}", "networks: {dcos: {labels: 'a,b'}}"),
        "networks.dcos.labels",
    ),
    Rule(
        "limits have names",
        *("pod", RLIMIT % ("RLIMIT_NOFILE", 1, 2), RLIMIT % ("RLIMIT_X", 1, 2), "rlimits.RLIMIT_X"),
    ),
    Rule(
        "soft is at most hard",
        *("pod", RLIMIT % ("RLIMIT_AS", 2, 2), RLIMIT % ("RLIMIT_AS", 3, 2), "RLIMIT_AS.soft"),
    ),
    Rule(
        "both are unlimited or none",
        *("pod", RLIMIT % ("RLIMIT_AS", -1, -1), RLIMIT % ("RLIMIT_AS", -1, 2), "RLIMIT_AS"),
    ),
    Rule(
        "both of a limit are given",
        *("pod", "rlimits: {RLIMIT_AS: {}}", "rlimits: {RLIMIT_AS: {soft: 1}}", "RLIMIT_AS"),
    ),
    Rule(
        "a secret has a path",
        *("pod", "secrets: {s: {secret: a/b}}", "secrets: {s: {env-key: A}}", "secrets.s.secret"),
    ),
    Rule(
        "a secret's file is in the sandbox",
        *("pod", "secrets: {s: {secret: a, file: b/c}}", "secrets: {s: {secret: a, file: /b}}"),
        "secrets.s.file",
    ),
    Rule(
        "a host path is absolute",
        *("pod", HOST % ("/a", "b", "RO"), HOST % ("a", "b", "RO"), "host-volumes.h.host-path"),
    ),
    Rule(
        "a host volume's place is relative",
        *("pod", HOST % ("/a", "b", "RW"), HOST % ("/a", "/b", "RW"), "h.container-path"),
    ),
    Rule("a mode is RO or RW", "pod", HOST % ("/a", "b", "RO"), HOST % ("/a", "b", "X"), "mode"),
    Rule(
        "external volumes are Docker's",
        *("pod", EXTERNAL % ("DOCKER", "RW", ""), EXTERNAL % ("CSI", "RW", ""), "e.type"),
    ),
    Rule(
        "options of drivers are pairs",
        *("pod", EXTERNAL % ("DOCKER", "RO", "a=b;c=d"), EXTERNAL % ("DOCKER", "RO", "a=b=c")),
        "e.driver-options",
    ),
    Rule(
        "seccomp is by profile or not at all",
        *("pod", "seccomp-profile-name: a", "{seccomp-profile-name: a, seccomp-unconfined: true}"),
        "seccomp-profile-name",
    ),
    Rule(
        "a pod's IPC is private", "pod", "ipc-mode: PRIVATE", "ipc-mode: SHARE_PARENT", "ipc-mode"
    ),
    Rule("a goal is one of three", "task", "goal: ONCE", "goal: FINISHED", "goal"),
    Rule("a task has a command", "task", "cmd: x", "cmd:", "cmd"),
    Rule("a task has resources", "task", "cpus: 0.1", "cpus: 0", "cpus"),
    Rule("memory is whole", "task", "gpus: 1", "gpus: 0.5", "gpus"),
    Rule("a resource set is known", "task", "resource-set: ''", "resource-set: x", "resource-set"),
    Rule("labels are pairs", "task", "labels: 'a:b:c,d:e'", "labels: a", "labels"),
    Rule(
        "a limit is not below what is reserved",
        *("task", "resource-limits: {memory: unlimited}", "resource-limits: {memory: 9}"),
        "resource-limits.memory",
    ),
    Rule(
        "a limit of memory is called memory",
        *("task", "resource-limits: {memory: 256}", "resource-limits: {mem: 256}", "mem"),
    ),
    Rule(
        "a port is used once in a task",
        *("task", "ports: {a: {port: 0}, b: {port: 0}}", "ports: {a: {port: 8}, b: {port: 8}}"),
        "ports.b.port",
    ),
    Rule("a port is needed", "task", "ports: {a: {port: 0}}", "ports: {a: {env-key: A}}", "a.port"),
    Rule(
        "a prefix is not another port's name",
        *("task", "ports: {a: {port: 8, vip: {port: 1}}, b: {port: 9}}"),
        *("ports: {a: {port: 8, vip: {port: 1, prefix: b}}, b: {port: 9}}", "a.vip.prefix"),
    ),
    Rule(
        "a range begins before its end",
        *("task", "ports: {a: {port: 0, ranges: [{begin: 5}]}}"),
        *("ports: {a: {port: 0, ranges: [{begin: 5, end: 4}]}}", "ranges[0]"),
    ),
    Rule(
        "a volume's path is one name",
        *("task", VOLUME % ("a", "ROOT", 1, ""), VOLUME % ("a/b", "ROOT", 1, ""), "volume.path"),
    ),
    Rule(
        "a volume's type is known",
        *("task", VOLUME % ("a", "MOUNT", 1, ""), VOLUME % ("a", "BLOCK", 1, ""), "volume.type"),
    ),
    Rule(
        "a volume has a size",
        *("task", VOLUME % ("a", "ROOT", 1, ""), VOLUME % ("a", "ROOT", 0, ""), "volume.size"),
    ),
    Rule(
        "profiles are of mounted disks",
        *("task", VOLUME % ("a", "MOUNT", 1, ", profiles: [f]")),
        *(VOLUME % ("a", "ROOT", 1, ", profiles: [f]"), "volume.profiles"),
    ),
    Rule(
        "profiles differ",
        *("task", VOLUME % ("a", "MOUNT", 1, ", profiles: [f, g]")),
        *(VOLUME % ("a", "MOUNT", 1, ", profiles: [f, f]"), "volume.profiles"),
    ),
    Rule("paths of volumes differ", "task", ONE % "b", ONE % "a", "path"),
    Rule(
        "a task has one volume or several",
        *("task", ONE % "b", VOLUME % ("c", "ROOT", 1, "") + "\n" + ONE % "b", "volume"),
    ),
    Rule(
        "a task may fail once before it is ill",
        *("task", HEALTH % "max-consecutive-failures: 1", HEALTH % "max-consecutive-failures: 0"),
        "health-check.max-consecutive-failures",
    ),
    Rule("a check has all its times", "task", READY % 1, READY % "", "readiness-check.interval"),
    Rule(
        "who may discover is one of three",
        *("task", "discovery: {prefix: a, visibility: EXTERNAL}"),
        *("discovery: {prefix: a, visibility: ALL}", "discovery.visibility"),
    ),
    Rule(
        "encryption is of one of two types",
        *("task", "transport-encryption: [{name: a, type: TLS}]"),
        *("transport-encryption: [{name: a, type: PEM}]", "transport-encryption[0].type"),
    ),
    Rule(
        "a task has an hour to end at most",
        *("task", "kill-grace-period: 3600", "kill-grace-period: 3601", "kill-grace-period"),
    ),
    Rule(
        "a task shares a /dev/shm or has its size",
        *("task", "shm-size: 5", "{ipc-mode: SHARE_PARENT, shm-size: 5}", "shm-size"),
    ),
    Rule(
        "a config's template is there",
        *("task", "configs: {c: {template: app.conf, dest: a}}"),
        *("configs: {c: {template: nowhere, dest: a}}", "configs.c.template"),
    ),
    Rule(
        "configs are written to different files",
        *("task", "configs: {a: {template: app.conf, dest: a}, b: {template: app.conf, dest: b}}"),
        "configs: {a: {template: app.conf, dest: a}, b: {template: app.conf, dest: a}}",
        "configs.b.dest",
    ),
    Rule(
        "a plan is serial or parallel",
        *("top", PHASE % ("parallel", "node", "serial"), PHASE % ("canary", "node", "serial")),
        "plans.deploy.strategy",
    ),
    Rule(
        "a phase is of one of five strategies",
        *("top", PHASE % ("serial", "node", "canary"), PHASE % ("serial", "node", "random")),
        "phases.p.strategy",
    ),
    Rule(
        "a phase is of a pod there is",
        *("top", PHASE % ("serial", "node", "serial"), PHASE % ("serial", "data", "serial")),
        "phases.p.pod",
    ),
    Rule(
        "steps are of tasks there are",
        *("top", STEPS % "[default: [[server]]]", STEPS % "[default: [[client]]]", "default[0]"),
    ),
    Rule(
        "every instance has its steps",
        *("top", STEPS % "[0: [[server]], 1: []]", STEPS % "[0: [[server]]]", "phases.p.steps"),
    ),
    Rule(
        "an instance has its steps once",
        *(
            "top",
            STEPS % "[0: [[server]], default: []]",
            STEPS % "[0: [], 0: [], 1: []]",
            "steps[1]",
        ),
    ),
)


def text_of(rule: Rule, part: str) -> str:
    """A definition with the part in its place; one in braces is the keys in them."""
    if part.startswith("{"):
        part = "\n".join(part.strip("{}").split(", "))
    return definition(**{rule.where: part})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name.replace(" ", "-"))
def test_it_is_kept_and_broken(rule: Rule) -> None:
    assert model(text_of(rule, rule.kept)).pods
    with pytest.raises(ServiceError) as caught:
        model(text_of(rule, rule.broken))
    assert rule.blamed in caught.value.errors[0].path, [str(e) for e in caught.value.errors]


def test_rules_are_told_apart() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
