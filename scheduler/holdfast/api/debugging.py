"""What dcos-commons shows under `debug`: plans, statuses and reservations at a glance."""

import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator

from holdfast.api.names import Unknown
from holdfast.api.plans import find_phase, find_plan, find_step, step_status
from holdfast.api.shapes import (
    DebugElementBody,
    DebugOffersBody,
    DebugPhaseBody,
    DebugPlanBody,
    DebugPlansBody,
    DebugStatusBody,
    DebugStatusPhaseBody,
    DebugStatusPlanBody,
    OfferOutcomeBody,
)
from holdfast.core.view import View
from holdfast.plans.derive import BUILT_IN, DECOMMISSION, DEPLOY, RECOVERY
from holdfast.plans.plan import Phase, Plan, Status, Step

Chosen = list[tuple[Plan, list[tuple[Phase, list[Step]]]]]


def choose(view: View, plan: str | None, phase: str | None, step: str | None) -> Chosen:
    """All plans, phases and steps, or those named. Raises Unknown."""
    plans = [find_plan(view, plan)] if plan else list(view.plans)
    chosen: Chosen = []
    for a_plan in plans:
        phases = [find_phase(view.service.name, a_plan, phase)] if phase else list(a_plan.phases)
        chosen.append(
            (
                a_plan,
                [
                    (p, [find_step(view.service.name, a_plan, p, step)] if step else list(p.steps))
                    for p in phases
                ],
            )
        )
    return chosen


def plans_body(view: View, plan: str | None, phase: str | None, step: str | None) -> DebugPlansBody:
    return {
        "schedulerState": _state(view),
        "activePlans": [each.name for each in view.plans if _is_active(each)],
        "plans": [_plan(a_plan, phases) for a_plan, phases in choose(view, plan, phase, step)],
        "serviceTopology": [_topology(each) for each in view.plans],
    }


def invalid_input(view: View, plan: str | None, phase: str | None, step: str | None) -> str | None:
    """Why nothing can be chosen so, or None. dcos-commons says that with a 200."""
    if step and not (plan and phase):
        return "Step specified without parent Phase and Plan values."
    if phase and not plan:
        return "Phase specified without parent Plan."
    try:
        choose(view, plan, phase, step)
    except Unknown as error:
        return str(error.detail)
    return None


def _plan(plan: Plan, phases: list[tuple[Phase, list[Step]]]) -> DebugPlanBody:
    steps = [step for phase in plan.phases for step in phase.steps]
    return {
        "name": plan.name,
        "status": plan.status.value,
        "strategy": plan.strategy.value,
        "phases": [_phase(phase, chosen) for phase, chosen in phases],
        "totalSteps": len(steps),
        "completedSteps": sum(1 for step in steps if step.status is Status.COMPLETE),
    }


def _phase(phase: Phase, steps: list[Step]) -> DebugPhaseBody:
    return {
        "name": phase.name,
        "status": phase.status.value,
        "strategy": phase.strategy.value,
        "steps": [
            {"name": step.name, "status": step_status(step).value, "errors": []} for step in steps
        ],
    }


def _topology(plan: Plan) -> DebugElementBody:
    return {
        "name": plan.name,
        "type": "plan",
        "children": [
            {
                "name": phase.name,
                "type": "phase",
                "children": [
                    {"name": step.name, "type": "step", "children": None} for step in phase.steps
                ],
            }
            for phase in plan.phases
        ],
    }


def _is_active(plan: Plan) -> bool:
    return not plan.interrupted and plan.status not in (
        Status.COMPLETE,
        Status.ERROR,
        Status.WAITING,
    )


def _state(view: View) -> str:
    """What is under way, the last of these first."""
    under_way = {plan.name for plan in view.plans if plan.name in BUILT_IN and _is_active(plan)}
    for name, state in (
        (DECOMMISSION, "DECOMMISSIONING"),
        (RECOVERY, "RECOVERING"),
        (DEPLOY, "DEPLOYING"),
    ):
        if name in under_way:
            return state
    return "RUNNING" if view.deployed is None else "DEPLOYED"


def statuses_body(
    view: View, plan: str | None, phase: str | None, step: str | None
) -> list[DebugStatusPlanBody]:
    """The state of the tasks of each step, plan by plan."""
    return [
        {"name": a_plan.name, "phases": [_statuses(view, p, steps) for p, steps in phases]}
        for a_plan, phases in choose(view, plan, phase, step)
    ]


def _statuses(view: View, phase: Phase, steps: list[Step]) -> DebugStatusPhaseBody:
    return {
        "name": phase.name,
        "steps": [{"name": step.name, "taskStatus": list(_tasks(view, step))} for step in steps],
    }


def _tasks(view: View, step: Step) -> Iterator[DebugStatusBody]:
    pod = view.pods.get(step.pod)
    for name in step.tasks:
        task = pod.task(name) if pod else None
        yield {
            "name": f"{step.pod}-{name}",
            "taskStatus": task.state.value if task else "TASK_UNKNOWN",
            "taskId": task.id if task else "",
        }


def reservations_body(view: View) -> dict[str, list[str]]:
    """Host name of each agent -> the resource ids of what is reserved there for pod instances."""
    found: dict[str, set[str]] = {}
    for pod in view.pods.values():
        if pod.reservation:
            found.setdefault(pod.reservation.hostname, set()).update(pod.reservation.resource_ids)
    return {host: sorted(ids) for host, ids in sorted(found.items())}


def offers_body(view: View, now: float) -> DebugOffersBody:
    """Where pod instances that wait were refused, agent by agent, with the rule that failed."""
    refusals = [
        (name, agent, rule)
        for name, explanation in view.explanations.items()
        for agent, rule in explanation.agents.items()
    ]
    outcomes: list[OfferOutcomeBody] = [
        {
            "timestamp": int(now * 1000),
            "pod-instance-name": name,
            "outcome": "fail",
            "explanation": [rule],
            "offer": agent,
        }
        for name, agent, rule in refusals
    ]
    return {
        "acceptedCount": view.counters.get("operation.launch", 0)
        + view.counters.get("operation.launch_group", 0),
        "rejectedCount": view.counters.get("declines", 0),
        "failureReasons": dict(Counter(rule.partition(":")[0] for _, _, rule in refusals)),
        "rejectedAgents": dict(Counter(agent for _, agent, _ in refusals)),
        "offers": outcomes,
    }


def threads_text() -> str:
    """Where each thread of the scheduler is: file, line and code, without values."""
    frames = sys._current_frames()
    parts = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident) if thread.ident else None
        stack = "".join(traceback.format_stack(frame)) if frame else "  (not running)\n"
        parts.append(f"{thread.name} (daemon={thread.daemon})\n{stack}")
    return "\n".join(parts)
