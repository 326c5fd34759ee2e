"""Rules a definition gives itself, about each version of it and about updates."""

from dataclasses import replace

import pytest

from holdfast.service.changes import refusals
from holdfast.service.extra_model import RuleSpec
from holdfast.service.rules import NOWHERE, value_at
from tests.definitions import definition as full
from tests.unit.service.definitions import definition, model, only, problems

TASK = """\
env: {CLUSTER: one, EMPTY: ""}
essential: false
resource-limits: {memory: 512}
volume: {path: data, type: ROOT, size: 50}
ports: {web: {port: 80, env-key: WEB}}
"""


def with_rule(rule: str, task: str = TASK) -> str:
    return definition(task, "placement: 'hostname:UNIQUE'", f"validation:\n- {rule}")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "data"),
        ("scheduler.user", "root"),
        ("pods.node.count", "2"),
        ("pods.node.placement", "hostname:UNIQUE"),
        ("pods.node.image", None),
        ("pods.node.max-unavailable", "1"),
        ("pods.node.tasks.server.cmd", "run"),
        ("pods.node.tasks.server.memory", "256"),
        ("pods.node.tasks.server.cpus", "0.5"),
        ("pods.node.tasks.server.essential", "false"),
        ("pods.node.tasks.server.env.CLUSTER", "one"),
        ("pods.node.tasks.server.env.OTHER", None),
        ("pods.node.tasks.server.volume.data.size", "50"),
        ("pods.node.tasks.server.volumes.data.size", "50"),
        ("pods.node.tasks.server.ports.web.port", "80"),
        ("pods.node.tasks.server.resource-limits.memory", "512"),
        ("pods.node.tasks.other.cmd", NOWHERE),
        ("pods.node.tasks.server.command", NOWHERE),
        ("pods.web.count", NOWHERE),
        ("pods.node.counts", NOWHERE),
        ("pods.node.count.x", NOWHERE),
        ("nothing", NOWHERE),
    ],
)
def test_paths_are_those_of_the_file(path: str, value: object) -> None:
    assert value_at(model(with_rule("{path: name, matches: '.*'}")), path) == value


KEPT = [
    "{path: pods.node.count, at-least: 2, at-most: 2}",
    "{path: pods.node.tasks.server.env.CLUSTER, matches: '[a-z]+', one-of: [one, two]}",
    "{path: pods.node.tasks.server.env.OTHER, matches: 'x'}",
]


@pytest.mark.parametrize("rule", KEPT)
def test_rules_that_are_kept(rule: str) -> None:
    assert len(model(with_rule(rule)).validation) == 1


@pytest.mark.parametrize(
    ("rule", "path", "message"),
    [
        (
            "{path: pods.node.count, at-least: 3, message: a quorum is of three}",
            "pods.node.count",
            "must be at least 3, found '2' (validation[0]): a quorum is of three",
        ),
        ("{path: pods.node.count, at-most: 1}", "pods.node.count", "must be at most 1, found '2'"),
        (
            "{path: pods.node.tasks.server.cmd, at-least: 1}",
            "pods.node.tasks.server.cmd",
            "must be at least 1, found 'run'",
        ),
        (
            "{path: pods.node.tasks.server.env.CLUSTER, matches: on}",
            "pods.node.tasks.server.env.CLUSTER",
            "must match 'on', found 'one'",
        ),
        (
            "{path: pods.node.tasks.server.env.CLUSTER, one-of: [two, three]}",
            "pods.node.tasks.server.env.CLUSTER",
            "must be one of two, three, found 'one'",
        ),
        (
            "{path: pods.nodes.count, unchanged: true}",
            "validation[0].path",
            "'pods.nodes.count' leads to nothing in this file",
        ),
        ("{path: name}", "validation[0]", "asks nothing of the value; give one of unchanged,"),
        ("{unchanged: true}", "validation[0].path", "is required"),
        ("{path: name, matches: '('}", "validation[0].matches", "is no regular expression"),
        ("{path: name, at-least: x}", "validation[0].at-least", "a number of at least 0"),
        ("{path: name, fixed: true}", "validation[0].fixed", "unknown key"),
    ],
)
def test_rules_that_are_broken(rule: str, path: str, message: str) -> None:
    found = [p for p in problems(with_rule(rule)) if p.path == path]
    assert any(message in problem.message for problem in found), problems(with_rule(rule))


def test_a_broken_rule_is_told_at_the_line_of_the_value() -> None:
    text = with_rule("{path: pods.node.count, at-least: 3}")
    (problem,) = problems(text)
    assert text.split("\n")[problem.line - 1].strip() == "count: 2"


def updated(old_rule: str, new_rule: str, task: str) -> list[tuple[str, str]]:
    old = model(with_rule(old_rule))
    new = model(with_rule(new_rule, task))
    return [(problem.path, problem.message) for problem in refusals(old, new)]


CLUSTER = "pods.node.tasks.server.env.CLUSTER"
OTHER = TASK.replace("one", "two")
FIXED = f"{{path: {CLUSTER}, unchanged: true, message: its data has the name}}"
FREE = "{path: name, unchanged: true}"


@pytest.mark.parametrize(("old", "new"), [(FIXED, FIXED), (FREE, FIXED), (FIXED, FREE)])
def test_what_must_not_change(old: str, new: str) -> None:
    ((path, message),) = updated(old, new, OTHER)
    assert path == CLUSTER
    assert message.startswith("must not change, from 'one' to 'two': its data has the name; the")
    assert updated(old, new, TASK) == []
    assert updated(FREE, FREE, OTHER) == []


def test_what_must_not_go_away() -> None:
    ((_, message),) = updated(FIXED, FIXED, TASK.replace("CLUSTER: one, ", ""))
    assert message.startswith("must not change, from 'one' to nothing")


@pytest.mark.parametrize(("now", "refused"), [("60", False), ("50", False), ("40", True)])
def test_what_may_only_grow(now: str, refused: bool) -> None:
    rule = "{path: pods.node.tasks.server.env.SIZE, only-grows: true}"
    task = "env: {SIZE: '%s'}\n"
    old = model(with_rule(rule, task % "50"))
    found = refusals(old, model(with_rule(rule, task % now)))
    assert bool(found) is refused
    assert all("may only grow, from '50' to '40'" in problem.message for problem in found)


def test_a_new_pod_breaks_no_rule_about_changes() -> None:
    new = model(definition(TASK, top=f"validation:\n- {FIXED}"))
    old = replace(new, pods=(), validation=())
    assert refusals(old, new) == ()


def test_definitions_in_full() -> None:
    cassandra, hdfs = full("cassandra"), full("hdfs")
    moved = full("cassandra", RACKS="", PLACEMENT_CONSTRAINT="hostname:UNIQUE")
    (problem,) = refusals(cassandra, moved)
    assert problem.path == "pods.node.placement"
    assert "a node keeps the rack its data was placed for" in problem.message
    assert refusals(hdfs, full("hdfs", DATA_COUNT="5")) == ()
    (problem,) = refusals(hdfs, full("hdfs", JOURNAL_COUNT="5"))
    assert problem.path == "pods.journal.count"
    assert {p.path for p in refusals(hdfs, full("hdfs", DATA_COUNT="2"))} == {"pods.data.count"}


# Endpoints


@pytest.mark.parametrize(
    ("endpoints", "path", "message"),
    [
        ("a: {pod: nodes}", "endpoints.a.pod", "expected node, found 'nodes'"),
        ("a: {}", "endpoints.a.pod", "is required"),
        ("a: {pod: node, count: 0}", "endpoints.a.count", "at least 1"),
        ("a: {pod: node, port: x}", "endpoints.a.port", "no port 'x'; it has web"),
        ("a: {template: nothing}", "endpoints.a.template", "No such file"),
        ("a: {template: bad}", "endpoints.a.template", "not a Mustache template"),
        ("a: {template: app.conf, pod: node}", "endpoints.a.pod", "no meaning beside `template`"),
        ("web: {pod: node}", "endpoints.web", "the name of an advertised port"),
        ("a/b: {pod: node}", "endpoints.a/b", "a name may have letters"),
        ("a: {port_: node}", "endpoints.a.port_", "did you mean 'port'?"),
    ],
)
def test_faults_of_endpoints(endpoints: str, path: str, message: str) -> None:
    task = "ports: {web: {port: 80, advertise: true}}\n"
    found = problems(definition(task, top=f"endpoints:\n  {endpoints}"))
    assert any(p.path == path and message in p.message for p in found), found


def test_one_fault_is_told_once() -> None:
    assert only(definition(top="endpoints: [a]")) == (
        "endpoints",
        "expected a mapping of endpoint names, found a list",
    )


def test_rules_are_compared_as_a_whole() -> None:
    assert RuleSpec("a", unchanged=True) != RuleSpec("a", only_grows=True)
