"""svc.yml: every rule of the format, obeyed and broken."""

import pytest

from holdfast.service.model import (
    Goal,
    PhaseSpec,
    Strategy,
    VolumeSpec,
)
from holdfast.service.problems import Problem
from tests.unit.service.definitions import TASK, definition, only, problems, read, task_of


@pytest.mark.parametrize(
    ("task", "path", "message"),
    [
        ("goal: FINISHED", "goal", "the goal of a task that ends is FINISH"),
        ("goal: SOMETIME", "goal", "expected RUNNING, FINISH or ONCE, found 'SOMETIME'"),
        ("goal:", "goal", "has no value; expected a text"),
        ("goal: [RUNNING]", "goal", "expected a text, found a list"),
        ("cmd:", "cmd", "has no value"),
        ("cmd: ''", "cmd", "must not be blank"),
        ("cpus: 0", "cpus", "expected a number above 0, found '0'"),
        ("cpus: -1", "cpus", "expected a number above 0, found '-1'"),
        ("cpus: .nan", "cpus", "expected a number above 0"),
        ("cpus: .inf", "cpus", "expected a number above 0"),
        ("cpus: inf", "cpus", "expected a number above 0"),
        ("env: [a]", "env", "expected a mapping of variable names, found a list"),
        ("env: {A: {b: c}}", "env.A", "expected a text, found a mapping"),
        ("env: {A=B: c}", "env.A=B", "no name of an environment variable"),
        ("kill-grace-period: -1", "kill-grace-period", "a whole number from 0 to 3600"),
        ("kill-grace-period: 3601", "kill-grace-period", "a whole number from 0 to 3600"),
        ("ports: {a: {}}", "ports.a.port", "is required; expected a whole number from 0 to 65535"),
        ("ports: {a: {port: 65536}}", "ports.a.port", "found '65536'"),
        ("ports: {a: {port: 8.5}}", "ports.a.port", "found '8.5'"),
        ("ports: {a: {port: 0x50}}", "ports.a.port", "found '0x50'"),
        ("ports: {a: 80}", "ports.a", "expected a mapping with port, env-key, advertise"),
        ("ports: {a: {port: 8}, b: {port: 8}}", "ports.b.port", "already the port of 'a'"),
        ("ports: {a: {port: 8, env-key: 1A}}", "ports.a.env-key", "found '1A'"),
        ("ports: {a: {port: 0, env-key: A}, b: {port: 0, env-key: A}}", "ports.b.env-key", "'a'"),
        (
            "ports: {a: {port: 8, advertise: yes}}",
            "ports.a.advertise",
            "false, found 'yes'",
        ),
        ("ports: {a: {port: 8, envkey: A}}", "ports.a.envkey", "did you mean 'env-key'?"),
        ("volume: {path: a/b, type: ROOT, size: 1}", "volume.path", "no slash, found 'a/b'"),
        ("volume: {path: _a, type: ROOT, size: 1}", "volume.path", "starting with a letter or"),
        ("volume: {path: '', type: ROOT, size: 1}", "volume.path", "found ''"),
        ("volume: {type: ROOT, size: 1}", "volume.path", "is required"),
        ("volume: {path: a, type: ROOT, size: 0}", "volume.size", "at least 1, found '0'"),
        ("volume: {path: a, type: ROOT}", "volume.size", "is required"),
        ("volume: {path: a, size: 1}", "volume.type", "is required"),
        ("volume: {path: a, type: root, size: 1}", "volume.type", "did you mean 'ROOT'?"),
        (
            "volumes: {a: {path: d, type: ROOT, size: 1}, b: {path: d, type: ROOT, size: 1}}",
            "volumes.b.path",
            "already the path of another volume",
        ),
        (
            "volume: {path: a, type: ROOT, size: 1}\nvolumes: {b: {path: b, type: ROOT, size: 1}}",
            "volume",
            "either `volume` or `volumes`, not both",
        ),
        ("configs: {c: {dest: a}}", "configs.c.template", "is required"),
        ("configs: {c: {template: app.conf}}", "configs.c.dest", "is required"),
        ("configs: {c: {template: nowhere, dest: a}}", "configs.c.template", "No such file"),
        ("configs: {c: {template: empty, dest: a}}", "configs.c.template", "is empty"),
        ("configs: {c: {template: bad, dest: a}}", "configs.c.template", "not a Mustache template"),
        ("configs: {c: {template: binary, dest: a}}", "configs.c.template", "not UTF-8"),
        ("configs: {c: {template: huge, dest: a}}", "configs.c.template", "at most 1048576"),
        ("configs: {c: {template: app.conf, dest: .}}", "configs.c.dest", "the path of a file"),
        ("configs: {c: {template: app.conf, dest: a/..}}", "configs.c.dest", "the path of a file"),
        ("configs: {a/b: {template: app.conf, dest: a}}", "configs.a/b", "config's name"),
        (
            "configs: {a: {template: app.conf, dest: x}, b: {template: app.conf, dest: ./x}}",
            "configs.b.dest",
            "already written by another config",
        ),
        ("readiness-check: {cmd: check, interval: 1}", "readiness-check.timeout", "is required"),
        (
            "readiness-check: {cmd: check, interval: -1, timeout: 1}",
            "readiness-check.interval",
            "a number of at least 0, found '-1'",
        ),
        (
            "health-check: {cmd: check, interval: 1, grace-period: 1, delay: 1, timeout: 1,"
            " max-consecutive-failures: 0}",
            "health-check.max-consecutive-failures",
            "at least 1, found '0'",
        ),
        (
            "health-check: {cmd: check, interval: 1, delay: 1, timeout: 1,"
            " max-consecutive-failures: 1}",
            "health-check.grace-period",
            "is required",
        ),
        ("health_check: {}", "health_check", "did you mean 'health-check'?"),
        ("zzz: 1", "zzz", "unknown key; allowed here: goal, cmd, env,"),
    ],
)
def test_a_broken_task_is_refused(task: str, path: str, message: str) -> None:
    found_path, found = only(definition(task=task))
    assert found_path == f"{TASK}.{path}"
    assert message in found


@pytest.mark.parametrize(
    ("pod", "path", "message"),
    [
        ("count: -1", "count", "a whole number of at least 0, found '-1'"),
        ("count: 1.5", "count", "found '1.5'"),
        ("count: 1_", "count", "found '1_'"),
        ("count: many", "count", "found 'many'"),
        ("count:", "count", "has no value"),
        ("placement: '[[\"a\"]]'", "placement", "has 1 parts"),
        ("placement: [[hostname, UNIQUE]]", "placement", "expected a text, found a list"),
        ("uris: http://x", "uris", "expected a list of texts, found 'http://x'"),
        ("uris: [a, ]\nhooks:\nplacment: x", "placment", "did you mean 'placement'?"),
        ("uris: ['']", "uris[0]", "expected a text, found ''"),
        ("rlimits: {RLIMIT_X: {soft: 1, hard: 1}}", "rlimits.RLIMIT_X", "unknown limit"),
        ("rlimits: {RLIMIT_AS: {soft: 1}}", "rlimits.RLIMIT_AS", "both `soft` and `hard`"),
        ("rlimits: {RLIMIT_AS: {soft: 1, hard: -1}}", "rlimits.RLIMIT_AS", "-1 (unlimited)"),
        ("rlimits: {RLIMIT_AS: {soft: 2, hard: 1}}", "rlimits.RLIMIT_AS.soft", "not be more than"),
        ("rlimits: {RLIMIT_AS: {soft: -2, hard: 1}}", "rlimits.RLIMIT_AS.soft", "at least -1"),
        ("hooks: {create: {}}", "hooks.create.cmd", "is required"),
        ("hooks: {create: run}", "hooks.create", "expected a mapping with cmd, timeout"),
        ("hooks: {create: {cmd: x, timeout: 0}}", "hooks.create.timeout", "a number above 0"),
        ("after-replace: [{restart: nodes}]", "after-replace[0].restart", "there is no pod"),
        ("after-replace: [{index-below: 0}]", "after-replace[0].index-below", "at least 1"),
        ("after-replace: {restart: a}", "after-replace", "a list of mappings"),
        ("after-replace: [{if: 1}]", "after-replace[0].if", "allowed here: restart, index-below"),
        (
            "replacement-failure-policy: {permanent-failure-timeout-secs: 0}",
            "replacement-failure-policy.permanent-failure-timeout-secs",
            "at least 1, found '0'",
        ),
        (
            "replacement-failure-policy: never",
            "replacement-failure-policy",
            "expected a mapping with permanent-failure-timeout-secs,",
        ),
        (
            "replacement-failure-policy: {timeout: 5}",
            "replacement-failure-policy.timeout",
            "unknown key",
        ),
        ("hooks: {destroy: {cmd: x}}", "hooks.destroy", "allowed here: create, replace"),
        (
            "palcement: a",
            "palcement",
            "unknown key, did you mean 'placement'? Allowed here: count,",
        ),
        ("allow_decommission: true", "allow_decommission", "did you mean 'allow-decommission'?"),
    ],
)
def test_a_broken_pod_is_refused(pod: str, path: str, message: str) -> None:
    found_path, found = only(definition(pod=pod))
    assert found_path == f"pods.node.{path}"
    assert message in found


@pytest.mark.parametrize(
    ("top", "path", "message"),
    [
        ("name:", "name", "has no value"),
        ("name: ' '", "name", "must not be blank"),
        ("name: a__b", "name", "must not contain '__'"),
        ("name: a//b", "name", "found 'a//b'"),
        ("name: a b", "name", "found 'a b'"),
        ("name: /", "name", "found '/'"),
        ("name: " + "/abcd" * 16, "name", "at most 63 characters without slashes"),
        ("scheduler: {zookeeper: host}", "scheduler.zookeeper", "found 'host'"),
        ("scheduler: {zookeeper: 'host:0'}", "scheduler.zookeeper", "found 'host:0'"),
        ("scheduler: {zookeeper: 'host:1/path'}", "scheduler.zookeeper", "with no path"),
        ("scheduler: {role: x}", "scheduler.role", "allowed here: principal, user, zookeeper"),
        ("scheduler: {user: ''}", "scheduler.user", "must not be blank"),
        ("scheduler: root", "scheduler", "expected a mapping"),
        ("web-url: {}", "web-url", "expected a text, found a mapping"),
        ("podz: {}", "podz", "did you mean 'pods'?"),
        ("plans: {deploy: {}}", "plans.deploy.phases", "is required"),
        ("plans: {deploy: {phases: {}}}", "plans.deploy.phases", "at least one phase"),
        (
            "plans: {deploy: {phases: {a: {}}}}",
            "plans.deploy.phases.a.pod",
            "is required",
        ),
        (
            "plans: {deploy: {phases: {a: {pod: nod}}}}",
            "plans.deploy.phases.a.pod",
            "expected node, found 'nod', did you mean 'node'?",
        ),
        (
            "plans: {deploy: {strategy: random, phases: {a: {pod: node}}}}",
            "plans.deploy.strategy",
            "expected serial or parallel, found 'random'",
        ),
        (
            "plans: {deploy: {phases: {a: {pod: node}, b: {pod: node}}}}",
            "plans.deploy.phases.b.pod",
            "already deployed by phase 'a'",
        ),
    ],
)
def test_a_broken_service_is_refused(top: str, path: str, message: str) -> None:
    found_path, found = only(definition(top=top))
    assert found_path == path
    assert message in found


def test_what_asks_for_nothing_is_let_pass() -> None:
    spec = read(
        definition(
            task="essential: true\ngpus: 0\nlabels: ''\nresource-set:\ntransport-encryption: []",
            pod="secrets:\nnetworks: {}\nallow-decommission: false\npre-reserved-role: '*'\n"
            "share-pid-namespace: 'false'\nseccomp-unconfined: false\nuris:\nrlimits:\nhooks:\n"
            "placement:",
            top="plans:\nscheduler:\nweb-url:",
        )
    )
    assert spec == read(definition())


@pytest.mark.parametrize("goal", ["RUNNING", "running", "Finish", "once"])
def test_goals_in_any_case(goal: str) -> None:
    assert task_of(definition(task=f"goal: {goal}")).goal is Goal[goal.upper()]


def test_a_task_needs_a_resource() -> None:
    text = definition().replace("        cpus: 0.5\n", "").replace("        memory: 256\n", "")
    assert only(text) == (TASK, "needs at least one of cpus, gpus, memory and ports")
    with_port = text + "        ports: {a: {port: 0}}\n"
    assert (task_of(with_port).cpus, task_of(with_port).memory_mb) == (0.0, 0)


@pytest.mark.parametrize("name", ["a__b", "-a", "a b", "a/b", "", "a."])
def test_bad_names_of_pods_and_tasks(name: str) -> None:
    text = definition()
    (pod,) = problems(text.replace("  node:", f"  '{name}':"))
    (task,) = problems(text.replace("server:", f"'{name}':"))
    assert pod.message == task.message
    assert pod.message.startswith("a name m")


def two_tasks(one: str, two: str) -> str:
    return definition(task=one) + (
        "      other:\n        goal: RUNNING\n        cmd: run\n        cpus: 1\n"
        + f"        {two}\n"
    )


def test_tasks_of_a_pod_share_its_agent_and_volumes() -> None:
    path, message = only(two_tasks("ports: {a: {port: 8}}", "ports: {b: {port: 8}}"))
    assert path == "pods.node.tasks.other.ports"
    assert "port 8 is already used by task 'server'" in message

    volume = "volume: {path: d, type: ROOT, size: 5}"
    path, message = only(two_tasks(volume, volume.replace("5", "6")))
    assert path == "pods.node.tasks.other.volume"
    assert "6 MB here and 5 MB in task 'server'" in message

    warnings: list[Problem] = []
    spec = read(two_tasks(volume, volume), warnings=warnings)
    assert spec.pod("node").volumes == (VolumeSpec("d", 5),)
    assert ["shared with task 'server'" in warning.message for warning in warnings] == [True]


def test_advertised_ports_are_named_once_in_the_service() -> None:
    port = "ports: {a: {port: 0, advertise: %s}}"
    path, message = only(two_tasks(port % "true", port % "true"))
    assert path == "pods.node.tasks.other.ports.a"
    assert "already advertised by task 'node.server'" in message
    assert read(two_tasks(port % "true", port % "false"))

    other_pod = definition(task=port % "true").split("pods:\n")[1].replace("node:", "web:")
    path, _ = only(definition(task=port % "true") + other_pod)
    assert path == "pods.web.tasks.server.ports.a"


def test_pods_whose_tasks_could_get_the_same_name() -> None:
    other = definition().split("pods:\n")[1].replace("node:", "node-1:")
    path, message = only(definition() + other)
    assert path == "pods.node-1"
    assert "'node' and 'node-1'" in message


def test_generated_plan_has_a_serial_phase_for_each_pod_in_order() -> None:
    other = definition().split("pods:\n")[1].replace("node:", "aaa:")
    plan = read(definition() + other).deploy
    assert plan.strategy is Strategy.SERIAL
    assert plan.phases == (PhaseSpec("node", "node"), PhaseSpec("aaa", "aaa"))


def test_a_pod_in_no_phase_is_told() -> None:
    other = definition().split("pods:\n")[1].replace("node:", "aaa:")
    warnings: list[Problem] = []
    phases = "{phases: {a: {pod: node}}}"
    plans = f"plans: {{deploy: {phases}, update: {phases}, backup: {phases}}}"
    read(definition(top=plans) + other, warnings=warnings)
    assert [(w.path, w.message) for w in warnings] == [
        ("plans.deploy.phases", "pod 'aaa' is in no phase and will not be deployed"),
        ("plans.update.phases", "pod 'aaa' is in no phase and updates will not change it"),
    ]
