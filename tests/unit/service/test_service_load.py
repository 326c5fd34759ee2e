"""svc.yml from file to model: values, defaults, templates, lines."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.service.encode import config_id, from_json, to_json
from holdfast.service.load import load
from holdfast.service.model import (
    ConfigSpec,
    Constraint,
    Goal,
    HealthCheckSpec,
    HookSpec,
    HooksSpec,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ReadinessCheckSpec,
    RLimitSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    VolumeSpec,
)
from holdfast.service.problems import Problem, ServiceError
from holdfast.service.template_lines import render
from tests.unit.service.definitions import SERVICES, TASK, definition, model, only, problems, read


def test_minimal_definition_has_the_defaults_of_the_format() -> None:
    assert read(definition()) == ServiceSpec(
        name="data",
        user="root",
        principal="data-principal",
        zookeeper="master.mesos:2181",
        pods=(PodSpec("node", 2, (TaskSpec("server", Goal.RUNNING, "run", 0.5, 256),)),),
        deploy=PlanSpec("deploy", (PhaseSpec("node", "node"),), Strategy.SERIAL),
    )


def test_what_was_read_before_the_whole_format_was() -> None:
    spec = read(
        """
        name: /prod/data
        web-url: http://data.example
        scheduler:
          principal: keeper
          user: nobody
          zookeeper: zk-1:2181,[::1]:2182
        pods:
          node:
            count: "3"
            placement: '[["@zone", "UNIQUE"]]'
            uris: [http://files.example/a.tgz]
            rlimits:
              RLIMIT_NOFILE: {soft: 1024, hard: 2048}
              RLIMIT_CORE: {soft: -1, hard: -1}
              RLIMIT_AS:
            hooks:
              create: {cmd: make, timeout: 10}
              replace: {cmd: take over}
            tasks:
              server:
                goal: running
                cmd: run
                env: {A: 1.10, B: yes, C: , D: "", E: 007}
                cpus: "0.5"
                memory: "256"
                kill-grace-period: 3600
                ports:
                  web: {port: 80, env-key: PORT_WEB, advertise: TRUE}
                  any: {port: 0}
                volumes:
                  a: {path: data, type: ROOT, size: 100}
                  b: {path: log-1_x, type: ROOT, size: 50}
                configs:
                  app: {template: app.conf, dest: conf/app.conf}
                health-check:
                  {cmd: c, interval: 5, grace-period: 30, max-consecutive-failures: 3, delay: 0,
                   timeout: 10}
                readiness-check: {cmd: r, interval: 5, timeout: 10}
          setup:
            count: 1
            tasks:
              wait: {goal: FINISH, cmd: wait, cpus: 0.1, memory: 32}
              once: {goal: ONCE, cmd: format, cpus: 0.1, memory: 32}
        plans:
          deploy:
            strategy: parallel
            phases:
              all: {strategy: parallel, pod: node}
              first: {pod: setup}
        """
    )
    server = TaskSpec(
        name="server",
        goal=Goal.RUNNING,
        cmd="run",
        cpus=0.5,
        memory_mb=256,
        env={"A": "1.10", "B": "yes", "C": "", "D": "", "E": "007"},
        ports=(PortSpec("web", 80, "PORT_WEB", True), PortSpec("any", 0)),
        volumes=(VolumeSpec("data", 100), VolumeSpec("log-1_x", 50)),
        configs=(ConfigSpec("app", "app.conf", "conf/app.conf", "port={{PORT}}\n"),),
        health_check=HealthCheckSpec("c", 5, 30, 3, 0, 10),
        readiness_check=ReadinessCheckSpec("r", 5, 0, 10),
        kill_grace_period=3600,
    )
    assert spec == ServiceSpec(
        name="/prod/data",
        user="nobody",
        principal="keeper",
        zookeeper="zk-1:2181,[::1]:2182",
        pods=(
            PodSpec(
                type="node",
                count=3,
                tasks=(server,),
                placement=(Constraint("@zone", Operator.UNIQUE),),
                uris=("http://files.example/a.tgz",),
                rlimits=(
                    RLimitSpec("RLIMIT_NOFILE", 1024, 2048),
                    RLimitSpec("RLIMIT_CORE", None, None),
                    RLimitSpec("RLIMIT_AS", None, None),
                ),
                hooks=HooksSpec(HookSpec("make", 10), HookSpec("take over", 300)),
            ),
            PodSpec(
                type="setup",
                count=1,
                tasks=(
                    TaskSpec("wait", Goal.FINISH, "wait", 0.1, 32),
                    TaskSpec("once", Goal.ONCE, "format", 0.1, 32),
                ),
            ),
        ),
        deploy=PlanSpec(
            "deploy",
            (PhaseSpec("all", "node", Strategy.PARALLEL), PhaseSpec("first", "setup")),
            Strategy.PARALLEL,
        ),
        web_url="http://data.example",
    )
    # As releases before knew it: a running service must not look changed.
    assert config_id(spec) == "54efd80a503b18ac1e7d99e3d4bc9876"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (
            "- a\n- b\n",
            "endpoints, validation, replacement-failure-policy, disaster, found a list",
        ),
        ("name: data\n", "is required; expected a mapping of pod names"),
        ("name: data\npods: {}\n", "must have at least one pod"),
        ("name: [", "not YAML:"),
        ("name: &a b\npods: *c\n", "not YAML: found undefined alias 'c'"),
        ("a: &x [*x]\n", "contains itself"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("name: a\n---\nname: b\n", "expected a single document"),
        ("name: \x01", "not YAML"),
        ("{{#X}}\n", "not a Mustache template: line 1"),
    ],
)
def test_broken_files(text: str, message: str) -> None:
    assert any(message in problem.message for problem in problems(text))


def test_a_pod_needs_tasks() -> None:
    base = "name: data\npods:\n  node:\n    count: 1\n"
    assert only(base)[1] == "is required; expected a mapping of task names"
    assert only(base + "    tasks: {}\n")[1] == "must have at least one task"


def test_duplicate_keys_name_both_lines() -> None:
    (problem,) = problems(definition() + "        memory: 300\n")
    assert problem.path == f"{TASK}.memory"
    assert problem.message == "given twice, first in line 12; keep one of the two"
    assert problem.line == 14


def test_merge_keys_are_refused() -> None:
    path, message = only(definition(task="<<: {cpus: 1}"))
    assert path == TASK
    assert "merge keys" in message


def test_lines_are_those_of_the_file_before_rendering() -> None:
    text = """\
        {{! a comment
            over two lines }}
        name: {{NAME}}
        {{#SCHEDULER}}
        scheduler:
          user: {{SCHEDULER}}
        {{/SCHEDULER}}
        {{#MANY}}
        pods: {{{MANY}}}
        {{/MANY}}
        wrong: 1
        """
    many = "\n  node:\n    count: x\n    tasks: {t: {goal: ONCE, cmd: c, cpus: 1}}"
    found = problems(text, {"NAME": "data", "MANY": many})
    assert [(problem.line, problem.path) for problem in found] == [
        (9, "pods.node.count"),
        (11, "wrong"),
    ]


def test_template_values() -> None:
    text = definition(task="env: {A: '{{A}}', B: '{{{B}}}', C: '{{#T}}on{{/T}}{{^F}}off{{/F}}'}")
    warnings: list[Problem] = []
    spec = read(text, {"B": '["x"]', "T": "TRUE", "F": "False"}, warnings)
    assert spec.pod("node").task("server").env == {"A": "", "B": '["x"]', "C": "onoff"}
    assert [w.message for w in warnings] == ["not set in the environment, so left empty: A"]


def test_settings_routed_to_pods_are_part_of_the_service() -> None:
    settings = {"TASKCFG_ALL_A": "all", "TASKCFG_NODE_B": "node", "TASKCFG_OTHER_C": "other"}
    spec = read(definition(task="env: {A: file, D: file}"), settings)
    assert spec.pod("node").task("server").env == {"A": "all", "B": "node", "D": "file"}


def test_missing_values_are_told_with_the_faults_they_may_explain() -> None:
    with pytest.raises(ServiceError) as caught:
        read(definition(pod="count: {{COUNT}}"))
    assert str(caught.value) == (
        "svc.yml cannot be used, 1 problem; nothing of it was applied:\n"
        "  svc.yml:5: pods.node.count: has no value; expected a whole number of at least 0\n"
        "This may explain it:\n"
        "  svc.yml: not set in the environment, so left empty: COUNT"
    )


def test_load_reads_templates_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "svc.yml"
    path.write_text(definition(task="configs: {c: {template: sub/x.conf, dest: x.conf}}"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/x.conf").write_text("x={{X}}\n")
    (config,) = load(path, {}).pod("node").task("server").configs
    assert config.content == "x={{X}}\n"


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"cannot be read: No such file"):
        load(tmp_path / "none.yml", {})
    (tmp_path / "bytes.yml").write_bytes(b"name: \xff")
    with pytest.raises(ServiceError, match=r"not UTF-8 text: .* at byte 6"):
        load(tmp_path / "bytes.yml", {})


@pytest.mark.parametrize("path", sorted(SERVICES.glob("*/*.yml")), ids=str)
def test_ready_made_services_load_without_settings(path: Path) -> None:
    warnings: list[Problem] = []
    assert load(path, {}, warn=warnings.append).pods
    assert warnings == []


def test_settings_of_the_ready_made_etcd() -> None:
    settings = {
        "FRAMEWORK_NAME": "/prod/kv",
        "FRAMEWORK_USER": "etcd",
        "FRAMEWORK_ZOOKEEPER": "zk:2181",
        "NODE_COUNT": "5",
        "NODE_CPUS": "2",
        "NODE_MEM": "1024",
        "NODE_DISK": "4096",
        "CLIENT_PORT": "1",
        "PEER_PORT": "2",
        "PLACEMENT_CONSTRAINT": '[["hostname", "UNIQUE"]]',
    }
    spec = load(SERVICES / "etcd/svc.yml", settings)
    pod = spec.pod("etcd")
    task = pod.task("member")
    assert (spec.name, spec.user, spec.zookeeper, pod.count) == ("/prod/kv", "etcd", "zk:2181", 5)
    assert (task.cpus, task.memory_mb, task.env) == (2, 1024, {"DISK_MB": "4096"})
    assert [port.port for port in task.ports] == [1, 2]
    assert task.volumes == (VolumeSpec("data", 4096),)
    assert pod.placement == (Constraint("hostname", Operator.UNIQUE),)


# Pieces that stress the readers: kinds of values where others are expected, and odd numbers.
PIECES = ["", "~", "1_", "9" * 5000, "-", "[]", "{a: b}", "{{X}}", "'", "*a", "&a", "\ue0f01\ue0f1"]


DEFINITIONS = [
    (SERVICES / "etcd/svc.yml").read_text(),
    (Path(__file__).parent / "golden/containers-and-plans.yml").read_text(),
]


@given(st.data())
def test_any_definition_is_read_or_refused(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(DEFINITIONS)).split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(lines) - 1))
        piece = data.draw(st.sampled_from(PIECES) | st.text(max_size=10))
        key = lines[number].partition(":")[0]
        lines[number] = data.draw(st.sampled_from([piece, f"{key}: {piece}", f"{piece}:"]))
    try:
        spec = model("\n".join(lines))
    except ServiceError:
        return
    assert from_json(to_json(spec)) == spec


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ue0f0\ue0f1")))
def test_rendering_keeps_text_without_tags(text: str) -> None:
    plain = text.replace("{{", "{ {")
    rendered = render(plain, {})
    assert rendered.text == plain
    assert list(rendered.lines) == list(range(1, plain.count("\n") + 2))
