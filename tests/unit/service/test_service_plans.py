"""Plans, phases and steps."""

import pytest

from holdfast.service.model import InstanceSteps, PhaseSpec, PlanSpec, ServiceSpec, Strategy
from holdfast.service.problems import Problem
from tests.unit.service.definitions import model, only, problems

PODS = """\
name: data
pods:
  node:
    count: 2
    resource-sets:
      main: {cpus: 1, memory: 32}
    tasks:
      format: {goal: ONCE, cmd: format, resource-set: main}
      server: {goal: RUNNING, cmd: run, resource-set: main, discovery: {prefix: db}}
      helper: {goal: RUNNING, cmd: help, cpus: 1, discovery: {prefix: db}}
  web:
    count: 1
    tasks:
      serve: {goal: RUNNING, cmd: serve, cpus: 1}
"""


def with_plans(plans: str) -> str:
    return f"{PODS}plans:\n  {plans}\n"


def with_steps(steps: str, strategy: str = "serial", pod: str = "node") -> str:
    phase = f"{{pod: {pod}, strategy: {strategy}, steps: {steps}}}"
    return with_plans(f"deploy: {{phases: {{first: {phase}}}}}")


def phase_of(spec: ServiceSpec) -> PhaseSpec:
    return spec.deploy.phases[0]


def test_any_number_of_plans() -> None:
    spec = model(
        with_plans(
            """update:
    strategy: parallel
    phases:
      web: {pod: web}
  deploy:
    phases:
      web: {pod: web, strategy: parallel}
  backup:
    phases:
      one: {pod: web}
      two: {pod: web, strategy: serial}"""
        )
    )
    web = PhaseSpec("web", "web")
    update = PlanSpec("update", (web,), Strategy.PARALLEL)
    backup = PlanSpec("backup", (PhaseSpec("one", "web"), PhaseSpec("two", "web")))
    assert spec.deploy == PlanSpec("deploy", (PhaseSpec("web", "web", Strategy.PARALLEL),))
    assert spec.plans == (update, backup)
    assert (spec.plan("deploy"), spec.plan("backup")) == (spec.deploy, backup)
    with pytest.raises(KeyError):
        spec.plan("restore")


@pytest.mark.parametrize(
    ("word", "strategy"),
    [
        ("serial", Strategy.SERIAL),
        ("parallel", Strategy.PARALLEL),
        ("canary", Strategy.SERIAL_CANARY),
        ("serial-canary", Strategy.SERIAL_CANARY),
        ("parallel-canary", Strategy.PARALLEL_CANARY),
        ("", Strategy.SERIAL),
    ],
)
def test_strategies_of_phases(word: str, strategy: Strategy) -> None:
    assert phase_of(model(with_steps("[{default: [[server]]}]", word))).strategy is strategy


def test_steps() -> None:
    spec = model(
        with_steps('[{default: [[format], [server]]}, {"0": [[helper, format], [server]]}]')
    )
    phase, pod = phase_of(spec), spec.pod("node")
    assert phase.steps == (
        InstanceSteps(None, (("format",), ("server",))),
        InstanceSteps(0, (("helper", "format"), ("server",))),
    )
    assert phase.steps_of(pod, 0) == (("helper", "format"), ("server",))
    assert phase.steps_of(pod, 1) == (("format",), ("server",))


def test_instances_may_be_left_alone() -> None:
    spec = model(with_steps("[{1: [[format]]}, {default: []}]"))
    phase, pod = phase_of(spec), spec.pod("node")
    assert phase.steps_of(pod, 0) == ()
    assert phase.steps_of(pod, 1) == (("format",),)


@pytest.mark.parametrize("steps", ["", "[]"])
def test_without_steps_an_instance_is_one_step_of_all_tasks(steps: str) -> None:
    spec = model(with_steps(steps, pod="web"))
    assert phase_of(spec).steps == ()
    assert phase_of(spec).steps_of(spec.pod("web"), 0) == (("serve",),)


def test_steps_of_instances_there_are_not_have_no_effect() -> None:
    warnings: list[Problem] = []
    spec = model(with_steps("[{default: []}, {2: [[server]]}]"), warnings=warnings)
    assert phase_of(spec).steps[1] == InstanceSteps(2, (("server",),))
    assert ("plans.deploy.phases.first.steps[1].2", "has no effect, as there are 2 of 'node'") in [
        (w.path, w.message) for w in warnings
    ]


@pytest.mark.parametrize(
    ("steps", "at", "message"),
    [
        ("{default: [[server]]}", "", "expected a list of mappings such as default: [[task]]"),
        ("[[server]]", "[0]", "expected a mapping of one pod index, or default"),
        ("[{default: [], 1: []}]", "[0]", "expected a mapping of one pod index, or default"),
        ("[{}]", "[0]", "expected a mapping of one pod index, or default"),
        ("[{defualt: []}, {default: []}]", "[0].defualt", "expected default or a pod index"),
        ("[{-1: []}, {default: []}]", "[0].-1", "expected default or a pod index"),
        ("[{00: []}, {default: []}]", "[0].00", "expected default or a pod index"),
        ("[{0: []}, {0: []}, {default: []}]", "[1].0", "is already given in this phase"),
        ("[{default: []}, {default: []}]", "[1].default", "is already given in this phase"),
        ("[{0: [[server]]}]", "", "has none for instance 1 and no `default`"),
        ("[{default: }]", "[0].default", "expected a list of steps, each a list of task names"),
        ("[{default: server}]", "[0].default", "expected a list of steps"),
        ("[{default: [server]}]", "[0].default[0]", "a list of one or more task names"),
        ("[{default: [[]]}]", "[0].default[0]", "a list of one or more task names"),
        ("[{default: [[[server]]]}]", "[0].default[0]", "a list of one or more task names"),
        (
            "[{default: [[server], [srever]]}]",
            "[0].default[1]",
            "pod 'node' has no task 'srever'; it has format, server, helper",
        ),
        ("[{default: [[server, server]]}]", "[0].default[0]", "launches a task twice"),
        (
            "[{default: [[format, server]]}]",
            "[0].default[0]",
            "tasks 'format' and 'server' use the same resource set 'main'",
        ),
        (
            "[{default: [[helper, server]]}]",
            "[0].default[0]",
            "tasks 'helper' and 'server' have the same discovery prefix 'db'",
        ),
    ],
)
def test_broken_steps(steps: str, at: str, message: str) -> None:
    path, found = only(with_steps(steps))
    assert path == f"plans.deploy.phases.first.steps{at}"
    assert message in found


def test_generated_steps_must_be_possible_too() -> None:
    path, message = only(PODS)
    assert path == "pods.node.tasks"
    assert message == (
        "tasks 'format' and 'server' use the same resource set 'main', which runs one task at a "
        "time; without `steps` all tasks start together: give them steps, in a `deploy` plan"
    )
    path, message = only(with_plans("deploy: {phases: {all: {pod: node}}}"))
    assert path == "plans.deploy.phases.all"
    assert "the same resource set 'main'" in message


def test_a_pod_of_no_instances_needs_no_steps() -> None:
    text = with_steps("[{0: [[server]]}]").replace("count: 2", "count: 0")
    assert phase_of(model(text)).steps


def test_plans_without_deploy_are_refused() -> None:
    path, message = only(with_plans("backup: {phases: {a: {pod: web}}}"))
    assert path == "plans"
    assert "has no 'deploy'; add it, or remove `plans`" in message


@pytest.mark.parametrize("plans", ["deploy:", "backup:", "deploy: x"])
def test_plans_that_are_none(plans: str) -> None:
    assert problems(with_plans(plans))


def test_a_pod_may_be_in_two_phases_with_steps() -> None:
    steps = "steps: [{default: [[%s]]}]"
    text = (
        f"deploy: {{phases: {{a: {{pod: node, {steps % 'format'}}},"
        f" b: {{pod: node, {steps % 'server'}}}}}}}"
    )
    assert [phase.pod for phase in model(with_plans(text)).deploy.phases] == ["node", "node"]


def test_faults_of_phases() -> None:
    found = problems(with_plans("deploy: {strategy: canary, phases: {a: {strategy: x}, b: }}"))
    assert [(p.path, p.message) for p in found] == [
        ("plans.deploy.phases.a.pod", "is required; expected a text"),
        (
            "plans.deploy.phases.a.strategy",
            "expected serial, parallel, serial-canary, canary or parallel-canary, found 'x'",
        ),
        (
            "plans.deploy.phases.b",
            "expected a mapping with strategy, pod, steps, order, found nothing",
        ),
        ("plans.deploy.strategy", "expected serial or parallel, found 'canary'"),
    ]
