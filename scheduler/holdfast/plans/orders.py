"""What operators ordered of plans: the one part of a plan that is stored.

Pure functions from one set of orders to the next. The result codes are those of dcos-commons
(PlansQueries): 208 where there is nothing to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.plans.plan import Phase, Plan, Status, Step

OK = 200
ALREADY = 208

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Canary:
    """The canaries of a phase: its first steps not yet done, and how many were let go."""

    steps: tuple[str, ...]
    released: int = 0

    @property
    def held(self) -> tuple[str, ...]:
        return self.steps[self.released :]


@dataclass(frozen=True, slots=True)
class Orders:
    """The operators' word on one plan.

    `interrupted` stops the plan, `phases` single phases of it. `forced` are (phase, step) declared
    complete, `canaries` those of each canary phase. Both are about one configuration or run,
    named by `about`: with another they are void. `run` counts the runs of a custom plan, which
    has `parameters`; `done` are the steps it has completed: other plans may launch their tasks
    again, which must not set it back.
    """

    plan: str
    interrupted: bool = False
    phases: frozenset[str] = frozenset()
    forced: frozenset[tuple[str, str]] = frozenset()
    canaries: Mapping[str, Canary] = field(default_factory=dict)
    about: str = ""
    run: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    done: frozenset[tuple[str, str]] = frozenset()

    @property
    def run_id(self) -> str:
        """What marks the tasks launched by this run of a custom plan."""
        return f"{self.plan}/{self.run}"


def proceed(orders: Orders, plan: Plan, phase: Phase | None) -> tuple[Orders, int]:
    """`plan continue`: let the plan, or the phase, go on; a canary phase takes one step more.

    For a whole plan it does not let canaries go: those are named by their phase.
    """
    if phase is None:
        if not orders.interrupted or plan.status is Status.COMPLETE:
            return orders, ALREADY
        return replace(orders, interrupted=False), OK
    if phase.status is Status.COMPLETE:
        return orders, ALREADY
    canary = orders.canaries.get(phase.name)
    if phase.name in orders.phases:
        return replace(orders, phases=orders.phases - {phase.name}), OK
    if canary is not None and canary.held:
        released = replace(canary, released=canary.released + 1)
        return replace(orders, canaries={**orders.canaries, phase.name: released}), OK
    return orders, ALREADY


def interrupt(orders: Orders, plan: Plan, phase: Phase | None) -> tuple[Orders, int]:
    """`plan interrupt`: take up no more steps. What runs, or is starting, goes on."""
    if phase is None:
        if orders.interrupted or plan.status is Status.COMPLETE:
            return orders, ALREADY
        return replace(orders, interrupted=True), OK
    if phase.name in orders.phases or phase.status is Status.COMPLETE:
        return orders, ALREADY
    return replace(orders, phases=orders.phases | {phase.name}), OK


def force_complete(
    orders: Orders, plan: Plan, phase: Phase | None, step: Step | None
) -> tuple[Orders, int]:
    """`plan force-complete`: count steps as done, whatever they are."""
    chosen = {
        (a_phase.name, a_step.name)
        for a_phase in plan.phases
        if phase is None or a_phase.name == phase.name
        for a_step in a_phase.steps
        if (step is None or a_step.name == step.name) and a_step.status is not Status.COMPLETE
    }
    if not chosen:
        return orders, ALREADY
    return replace(orders, forced=orders.forced | chosen), OK


def start(orders: Orders, plan: Plan, parameters: Mapping[str, str]) -> Orders:
    """`plan start` of a custom plan: from the beginning when it is done, else go on."""
    again = plan.status is Status.COMPLETE or orders.run == 0
    return replace(
        orders,
        interrupted=False,
        parameters=dict(parameters),
        run=orders.run + 1 if again else orders.run,
        forced=frozenset() if again else orders.forced,
        done=frozenset() if again else orders.done,
    )


def stop(orders: Orders) -> Orders:
    """`plan stop` of a custom plan: interrupted, and back at its beginning."""
    nothing: frozenset[tuple[str, str]] = frozenset()
    return replace(orders, interrupted=True, run=orders.run + 1, forced=nothing, done=nothing)


def restart(orders: Orders, phase: Phase | None, step: Step | None) -> Orders:
    """`plan restart`: what was done or forced of the plan, phase or step is to be done again.

    What is restarted also goes on, if it was interrupted (dcos-commons).
    """

    def others(steps: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        return frozenset(
            (a_phase, a_step)
            for a_phase, a_step in steps
            if (phase is not None and a_phase != phase.name)
            or (step is not None and a_step != step.name)
        )

    new = replace(orders, forced=others(orders.forced), done=others(orders.done))
    if phase is None:
        return replace(new, interrupted=False)
    return new if step else replace(new, phases=new.phases - {phase.name})


def orders_to_json(orders: Orders) -> dict[str, Any]:
    """The orders as a record; `orders_from_json` is its inverse."""
    return {
        "plan": orders.plan,
        "interrupted": orders.interrupted,
        "phases": sorted(orders.phases),
        "forced": _pairs(orders.forced),
        "canaries": {
            name: {"steps": list(canary.steps), "released": canary.released}
            for name, canary in orders.canaries.items()
        },
        "about": orders.about,
        "run": orders.run,
        "parameters": dict(orders.parameters),
        "done": _pairs(orders.done),
    }


def orders_from_json(data: Json) -> Orders:
    """Raises KeyError, TypeError or ValueError when `data` is not such a record."""
    return Orders(
        plan=data["plan"],
        interrupted=data["interrupted"],
        phases=frozenset(data["phases"]),
        forced=frozenset((phase, step) for phase, step in data["forced"]),
        canaries={
            name: Canary(tuple(canary["steps"]), canary["released"])
            for name, canary in data["canaries"].items()
        },
        about=data["about"],
        run=data["run"],
        parameters=data["parameters"],
        done=frozenset((phase, step) for phase, step in data["done"]),
    )


def _pairs(steps: frozenset[tuple[str, str]]) -> list[list[str]]:
    return sorted([phase, step] for phase, step in steps)
