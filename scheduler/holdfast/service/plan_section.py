"""The plans of svc.yml as models."""

import re
from collections.abc import Sequence
from itertools import combinations

from holdfast.service import vocabulary
from holdfast.service.document import ListNode, MapNode, Scalar
from holdfast.service.model import InstanceSteps, PhaseSpec, PlanSpec, PodSpec, Strategy
from holdfast.service.section import Entry, Section, open_section

DEPLOY = "deploy"
UPDATE = "update"
DECOMMISSION = "decommission"
_DEFAULT = "default"
_INDEX = re.compile(r"(0|[1-9][0-9]{0,8})\Z")
_STEPS = "a list of steps, each a list of task names, such as [[a, b], [c]]"


def read_plans(section: Section, pods: Sequence[PodSpec]) -> tuple[PlanSpec, tuple[PlanSpec, ...]]:
    """`deploy`, which is generated when there are no plans, and the other plans in their order."""
    deploy = PlanSpec(DEPLOY, tuple(PhaseSpec(pod.type, pod.type) for pod in pods))
    plans: list[PlanSpec] = []
    entries = section.named("plans", what="plan")
    for entry in entries:
        plan = open_section(entry, vocabulary.PLAN, section.report)
        if plan is None:
            continue
        if entry.name == DEPLOY:
            deploy = _plan(plan, entry.name, pods)
        else:
            plans.append(_plan(plan, entry.name, pods))
    if not entries:
        for pod in pods:
            if fault := _all_at_once(pod):
                line = section.node.lines["pods"]
                section.report.error(line, f"pods.{pod.type}.tasks", f"{fault}, in a `deploy` plan")
    elif all(entry.name != DEPLOY for entry in entries):
        section.error("plans", "has no 'deploy'; add it, or remove `plans` to have it generated")
    return deploy, tuple(plans)


def _plan(plan: Section, name: str, pods: Sequence[PodSpec]) -> PlanSpec:
    types = {pod.type: pod for pod in pods}
    phases: list[PhaseSpec] = []
    for entry in plan.named("phases", what="phase", required=True):
        phase = open_section(entry, vocabulary.PHASE, plan.report)
        if phase is None:
            continue
        type_ = phase.choice("pod", tuple(types)) if types else phase.text("pod")
        steps = _steps(phase, types.get(type_), of_those_leaving=name == DECOMMISSION)
        if name in (DEPLOY, UPDATE):
            for other in phases:
                # With steps, phases may share a pod; without, one has no work left.
                if type_ and type_ == other.pod and not steps and not other.steps:
                    phase.error("pod", f"{type_!r} is already deployed by phase {other.name!r}")
        strategy = _strategy(phase, vocabulary.PHASE_STRATEGIES)
        reverse = phase.choice("order", vocabulary.ORDERS, "forward") == "reverse"
        phases.append(PhaseSpec(entry.name, type_, strategy, steps, reverse))
    strategy = _strategy(plan, vocabulary.PLAN_STRATEGIES)
    missed = {DEPLOY: "will not be deployed", UPDATE: "updates will not change it"}
    for type_ in types if name in missed else ():
        if phases and all(phase.pod != type_ for phase in phases):
            plan.warn("phases", f"pod {type_!r} is in no phase and {missed[name]}")
    return PlanSpec(name, tuple(phases), strategy)


def _all_at_once(pod: PodSpec) -> str:
    """Why a phase without steps cannot launch all tasks of a pod together; "" when it can."""
    fault = _clash(pod, [task.name for task in pod.tasks])
    return f"{fault}; without `steps` all tasks start together: give them steps" if fault else ""


def _strategy(section: Section, known: tuple[str, ...]) -> Strategy:
    chosen = section.choice("strategy", known, "serial")
    return Strategy.SERIAL_CANARY if chosen == "canary" else Strategy(chosen)


def _steps(
    phase: Section, pod: PodSpec | None, of_those_leaving: bool
) -> tuple[InstanceSteps, ...]:
    found: dict[int | None, InstanceSteps] = {}
    faults = len(phase.report.errors)
    entries = phase.items("steps", "mappings such as default: [[task]]")
    if pod and not entries and len(phase.report.errors) == faults and (fault := _all_at_once(pod)):
        phase.error("", fault)
    for entry in entries:
        match entry.node:
            case MapNode(entries=only) if len(only) == 1:
                ((key, node),) = only.items()
            case _:
                phase.unexpected(entry, "a mapping of one pod index, or default, to its steps")
                continue
        inner = Entry(key, node, entry.node.lines[key], f"{entry.path}.{key}")
        if key != _DEFAULT and not _INDEX.match(key):
            phase.report.error(inner.line, inner.path, f"expected {_DEFAULT} or a pod index")
            continue
        index = None if key == _DEFAULT else int(key)
        if index in found:
            phase.report.error(inner.line, inner.path, "is already given in this phase")
        if pod and index is not None and index >= pod.count and not of_those_leaving:
            phase.report.warn(
                inner.line, inner.path, f"has no effect, as there are {pod.count} of {pod.type!r}"
            )
        steps = _launches(phase, inner, pod)
        found.setdefault(index, InstanceSteps(index, steps))
    for index in range(pod.count if pod and found and None not in found else 0):
        if index not in found:
            phase.error("steps", f"has none for instance {index} and no `{_DEFAULT}`")
            break
    return tuple(found.values())


def _launches(phase: Section, entry: Entry, pod: PodSpec | None) -> tuple[tuple[str, ...], ...]:
    if not isinstance(entry.node, ListNode):
        phase.unexpected(entry, _STEPS)
        return ()
    steps: list[tuple[str, ...]] = []
    for number, node in enumerate(entry.node.items):
        inner = Entry("", node, node.line, f"{entry.path}[{number}]")
        step = (
            [item.text for item in node.items if isinstance(item, Scalar)]
            if (isinstance(node, ListNode))
            else []
        )
        if not step or not isinstance(node, ListNode) or len(step) < len(node.items):
            phase.unexpected(inner, "a list of one or more task names")
            continue
        if pod is not None:
            _check_step(phase, inner, pod, tuple(step))
        steps.append(tuple(step))
    return tuple(steps)


def _check_step(phase: Section, entry: Entry, pod: PodSpec, step: tuple[str, ...]) -> None:
    known = [task.name for task in pod.tasks]
    unknown = [name for name in step if name not in known]
    if unknown:
        fault = f"pod {pod.type!r} has no task {unknown[0]!r}; it has {', '.join(known)}"
    elif len(set(step)) < len(step):
        fault = "launches a task twice"
    else:
        fault = _clash(pod, step)
    if fault:
        phase.report.error(entry.line, entry.path, fault)


def _clash(pod: PodSpec, step: Sequence[str]) -> str:
    """Why the tasks cannot be launched together; "" when they can (DefaultStepFactory)."""
    for one, two in combinations((pod.task(name) for name in step), 2):
        if one.resource_set is not None and one.resource_set == two.resource_set:
            return (
                f"tasks {one.name!r} and {two.name!r} use the same resource set "
                f"{one.resource_set!r}, which runs one task at a time"
            )
        if one.discovery and two.discovery and one.discovery.prefix == two.discovery.prefix:
            return (
                f"tasks {one.name!r} and {two.name!r} have the same discovery prefix "
                f"{one.discovery.prefix!r}, which names one running task"
            )
    return ""
