"""Resource sets, and the ports, volumes and limits in them and in tasks."""

import pytest

from holdfast.service.model import (
    UNLIMITED,
    LimitsSpec,
    PodSpec,
    PortRange,
    PortSpec,
    ResourceSetSpec,
    VipSpec,
    VolumeKind,
    VolumeSpec,
)
from holdfast.service.problems import Problem
from tests.unit.service.definitions import TASK, definition, model, only, problems, task_of


def with_sets(sets: str, *tasks: str, pod: str = "") -> str:
    named = "".join(f"      t{i}: {{goal: RUNNING, cmd: run, {t}}}\n" for i, t in enumerate(tasks))
    steps = "".join(f"[t{i}], " for i, _ in enumerate(tasks))
    return (
        f"name: data\npods:\n  node:\n    count: 2\n    {pod}\n    resource-sets: {{{sets}}}\n"
        f"    tasks:\n{named}plans:\n  deploy:\n    phases:\n"
        f"      all: {{pod: node, steps: [{{default: [{steps}]}}]}}\n"
    )


def pod_with(sets: str, *tasks: str, pod: str = "") -> PodSpec:
    return model(with_sets(sets, *tasks, pod=pod)).pod("node")


def test_what_a_place_must_have() -> None:
    pod = pod_with(
        "main: {cpus: 1, memory: 512, volume: {path: data, type: ROOT, size: 10}},"
        " spare: {cpus: 9}",
        "resource-set: main",
        "cpus: 0.5, memory: 32, ports: {web: {port: 80}}",
        "resource-set: main",
        pod="volume: {path: shared, type: MOUNT, size: 5}",
    )
    main = ResourceSetSpec("main", cpus=1, memory_mb=512, volumes=(VolumeSpec("data", 10),))
    own = ResourceSetSpec("t1-resource-set", cpus=0.5, memory_mb=32, ports=(PortSpec("web", 80),))
    assert pod.resource_sets == (main, ResourceSetSpec("spare", cpus=9))
    assert pod.reserved_sets == (main, own)
    assert [pod.resources(task) for task in pod.tasks] == [main, own, main]
    assert pod.volumes == (VolumeSpec("shared", 5, VolumeKind.MOUNT), VolumeSpec("data", 10))
    first = pod.task("t0")
    assert (first.cpus, first.memory_mb, first.ports, first.volumes) == (0, 0, (), ())
    with pytest.raises(KeyError):
        pod.resources(task_of(definition()).__class__("x", first.goal, "", 0, 0, resource_set="x"))


def test_resources_beside_a_resource_set_are_ignored_with_a_word() -> None:
    warnings: list[Problem] = []
    text = with_sets("main: {cpus: 1}", "resource-set: main, cpus: 2, ports: {a: {port: 1}}")
    pod = model(text, warnings=warnings).pod("node")
    assert pod.task("t0").cpus == 0
    assert [(w.path, w.message) for w in warnings] == [
        ("pods.node.tasks.t0.cpus", "ignored, as the task has the resources of 'main'"),
        ("pods.node.tasks.t0.ports", "ignored, as the task has the resources of 'main'"),
    ]


def test_a_volume_beside_a_resource_set_is_refused_as_its_data_would_be_lost() -> None:
    text = with_sets(
        "main: {cpus: 1}", "resource-set: main, volume: {path: a, type: ROOT, size: 1}"
    )
    path, message = only(text)
    assert path == "pods.node.tasks.t0.volume"
    assert message == "would be ignored, as the task has the volumes of 'main'"


def test_a_blank_resource_set_is_none() -> None:
    assert task_of(definition(task="resource-set: ' '")).resource_set is None


def test_unused_sets_are_told() -> None:
    warnings: list[Problem] = []
    model(with_sets("main: {cpus: 1}, rest: {cpus: 1}", "resource-set: main"), warnings=warnings)
    assert [(w.path, w.message) for w in warnings] == [
        ("pods.node.resource-sets.rest", "is used by no task and will not be reserved")
    ]


@pytest.mark.parametrize(
    ("sets", "tasks", "path", "message"),
    [
        ("main: {}", ["resource-set: main"], "resource-sets.main", "at least one of cpus, gpus"),
        ("main: {cpus: 0}", ["resource-set: main"], "resource-sets.main.cpus", "above 0"),
        ("main: {disk: 1, cpus: 1}", ["resource-set: main"], "resource-sets.main.disk", "unknown"),
        ("-a: {cpus: 1}", ["cpus: 1"], "resource-sets.-a", "a name may have"),
        ("main: {cpus: 1}", ["resource-set: mian"], "tasks.t0.resource-set", "mean 'main'?"),
        ("", ["resource-set: main"], "tasks.t0.resource-set", "the pod has no `resource-sets`"),
        (
            "t0-resource-set: {cpus: 1}",
            ["cpus: 1", "resource-set: t0-resource-set"],
            "resource-sets.t0-resource-set",
            "is the name of the resources of task 't0'",
        ),
        (
            "main: {cpus: 1, volume: {path: a, type: ROOT, size: 1}, volumes: {}}",
            ["resource-set: main"],
            None,
            "",
        ),
        (
            "main: {cpus: 1, volume: {path: a, type: ROOT, size: 1},"
            " volumes: {b: {path: b, type: ROOT, size: 1}}}",
            ["resource-set: main"],
            "resource-sets.main.volume",
            "not both",
        ),
        (
            "main: {ports: {a: {port: 8}}}",
            ["resource-set: main", "ports: {b: {port: 8}}"],
            "tasks.t1.ports",
            "port 8 is already used by resource set 'main' of the pod",
        ),
        (
            "main: {ports: {a: {port: 8, advertise: true}}}",
            ["ports: {a: {port: 9, advertise: true}}", "resource-set: main"],
            "tasks.t0.ports.a",
            "already advertised by resource set 'node.main'",
        ),
    ],
)
def test_broken_sets(sets: str, tasks: list[str], path: str | None, message: str) -> None:
    text = with_sets(sets, *tasks)
    if path is None:
        text = text.replace("volumes: {}", "volumes: {b: {path: a, type: ROOT, size: 1}}")
        assert [p.path for p in problems(text)] == [
            "pods.node.resource-sets.main.volume",
            "pods.node.resource-sets.main.volumes.b.path",
        ]
        return
    found_path, found = only(text)
    assert found_path == f"pods.node.{path}"
    assert message in found


def test_volumes_of_one_path_in_a_pod() -> None:
    mount = "volume: {path: d, type: MOUNT, size: 5, profiles: [fast]}"
    path, message = only(
        with_sets(f"main: {{cpus: 1, {mount}}}", "resource-set: main", f"cpus: 1, {mount[:-18]}}}")
    )
    assert path == "pods.node.tasks.t1.volume"
    assert "also in resource set 'main' with another type or profiles" in message
    path, message = only(definition(pod=mount, task=mount))
    assert path == f"{TASK}.volume"
    assert "one of the pod's own" in message


def test_a_pod_may_have_both_kinds_of_volume_keys() -> None:
    pod = model(
        definition(
            pod="volume: {path: a, type: ROOT, size: 1}\nvolumes: {x: {path: b, type: PATH,"
            " size: 2}, y: {path: c, type: MOUNT, size: 3, profiles: [p.q, r]}}"
        )
    ).pod("node")
    assert pod.shared_volumes == (
        VolumeSpec("a", 1),
        VolumeSpec("b", 2, VolumeKind.PATH),
        VolumeSpec("c", 3, VolumeKind.MOUNT, ("p.q", "r")),
    )


def test_ports() -> None:
    task = task_of(
        definition(
            task="""
            ports:
              a: {port: 0, ranges: [{begin: , end: 21}, {begin: 5000}, {begin: 1, end: 0}, {}]}
              b: {port: 8, vip: {port: 80}}
              c: {port: "9", vip: {port: 81, prefix: ""}}
              d: {port: 10, vip: {port: 82, prefix: d}}
              e: {port: 11, vip: {port: 83, prefix: shared}}
              f: {port: 12, vip: {port: 84, prefix: shared}}
            """
        )
    )
    assert task.ports == (
        PortSpec(
            "a",
            0,
            ranges=(
                PortRange(0, 21),
                PortRange(5000, 65535),
                PortRange(1, 65535),
                PortRange(0, 65535),
            ),
        ),
        PortSpec("b", 8, vip=VipSpec("b", 80)),
        PortSpec("c", 9, vip=VipSpec("c", 81)),
        PortSpec("d", 10, vip=VipSpec("d", 82)),
        PortSpec("e", 11, vip=VipSpec("shared", 83)),
        PortSpec("f", 12, vip=VipSpec("shared", 84)),
    )


def test_ranges_of_a_fixed_port_are_ignored_with_a_word() -> None:
    warnings: list[Problem] = []
    text = definition(task="ports: {a: {port: 8, ranges: [{begin: 1}]}}")
    assert model(text, warnings=warnings).pod("node").task("server").ports == (PortSpec("a", 8),)
    assert [w.path for w in warnings] == [f"{TASK}.ports.a.ranges"]


def test_limits() -> None:
    def limits(text: str) -> LimitsSpec:
        return task_of(definition(task=f"cpus: 1\nresource-limits: {text}")).limits

    assert limits("") == limits("{}") == limits("{cpus: , memory: ''}") == LimitsSpec()
    assert limits("{cpus: '1.5', memory: 512}") == LimitsSpec(1.5, 512)
    assert limits("{cpus: unlimited, memory: unlimited}") == LimitsSpec(UNLIMITED, UNLIMITED)
    assert limits("{memory: 256}") == LimitsSpec(None, 256)


@pytest.mark.parametrize(
    ("task", "path", "message"),
    [
        ("gpus: 0.5", "gpus", "Mesos gives whole GPUs only, found 0.5"),
        ("gpus: -1", "gpus", "at least 0"),
        ("resource-limits: {mem: 512}", "resource-limits.mem", "did you mean 'memory'?"),
        ("cpus: 1\nresource-limits: {cpus: 0.9}", "resource-limits.cpus", "reserved, 1, found 0.9"),
        ("resource-limits: {memory: 128}", "resource-limits.memory", "reserved, 256, found 128"),
        ("resource-limits: {cpus: 0}", "resource-limits.cpus", "above 0 or unlimited, found '0'"),
        ("resource-limits: {cpus: inf}", "resource-limits.cpus", "or unlimited, found 'inf'"),
        ("resource-limits: {memory: Unlimited}", "resource-limits.memory", "or unlimited, found"),
        ("ports: {a: {port: 0, vip: {prefix: x}}}", "ports.a.vip.port", "is required"),
        ("ports: {a: {port: 0, vip: {port: 0}}}", "ports.a.vip.port", "from 1 to 65535"),
        ("ports: {a: {port: 0, vip: {port: 1, prefix: 'a:b'}}}", "ports.a.vip.prefix", "'a:b'"),
        (
            "ports: {a: {port: 0, vip: {port: 1, prefix: b}}, b: {port: 0}}",
            "ports.a.vip.prefix",
            "'b' is the name of another port of this task",
        ),
        ("ports: {a: {port: 0, ranges: {begin: 1}}}", "ports.a.ranges", "a list of mappings"),
        ("ports: {a: {port: 0, ranges: [{end: 65536}]}}", "ports.a.ranges[0].end", "to 65535"),
        (
            "ports: {a: {port: 0, ranges: [{begin: 1}, {begin: 3, end: 2}]}}",
            "ports.a.ranges[1].begin",
            "must not be more than end, found 3 and 2",
        ),
        (
            "volume: {path: a, type: ROOT, size: 1, profiles: [x]}",
            "volume.profiles",
            "are of volumes of type MOUNT, this one is of type ROOT",
        ),
        (
            "volume: {path: a, type: PATH, size: 1, profiles: [x]}",
            "volume.profiles",
            "this one is of type PATH",
        ),
        ("volume: {path: a, type: MOUNT, size: 1, profiles: [a b]}", "volume.profiles[0]", "'a b'"),
        (
            "volume: {path: a, type: MOUNT, size: 1, profiles: [a, a]}",
            "volume.profiles[1]",
            "'a' is given twice",
        ),
        (f"volume: {{path: a, type: MOUNT, size: 1, profiles: [{'a' * 129}]}}", None, "1 to 128"),
        ("volume: {path: a, type: RAW, size: 1}", "volume.type", "expected ROOT, MOUNT or PATH"),
        ("volume: {path: a, type: '', size: 1}", "volume.type", "found ''"),
    ],
)
def test_broken_resources_of_a_task(task: str, path: str | None, message: str) -> None:
    found_path, found = only(definition(task=task))
    assert found_path == f"{TASK}.{path or 'volume.profiles[0]'}"
    assert message in found
