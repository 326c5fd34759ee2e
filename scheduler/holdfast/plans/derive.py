"""The plans of a service, derived from what it asks for, from the records and from the orders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holdfast.plans.goals import (
    Aim,
    SameConfig,
    planned_tasks,
    recovery_status,
    step_status,
    unwell,
)
from holdfast.plans.orders import Orders
from holdfast.plans.plan import Phase, Plan, Status, Step
from holdfast.records import Pod
from holdfast.service.model import PhaseSpec, PlanSpec, PodSpec, ServiceSpec, Strategy

DEPLOY = "deploy"
UPDATE = "update"
RECOVERY = "recovery"
DECOMMISSION = "decommission"


@dataclass(frozen=True, slots=True)
class Situation:
    """All that plans are derived from.

    `target` tells for a pod type which configurations ask the same as the target, `spec_of` what
    a pod instance was launched as, `reasons` what each waiting pod instance waits for, `errors`
    why a changed svc.yml was refused; `updating` whether the service was deployed before.
    """

    service: ServiceSpec
    target_id: str
    pods: Mapping[str, Pod]
    orders: Mapping[str, Orders]
    target: Callable[[str], SameConfig]
    spec_of: Callable[[Pod], PodSpec]
    reasons: Mapping[str, str]
    errors: tuple[str, ...]
    updating: bool
    now: float


def all_plans(situation: Situation) -> tuple[Plan, ...]:
    """Every plan, in the order in which they have a claim on the pods."""
    plans = [deploy_plan(situation), recovery_plan(situation)]
    decommission = decommission_plan(situation)
    if decommission.phases:
        plans.append(decommission)
    plans += [
        custom_plan(situation, spec) for spec in situation.service.plans if spec.name != UPDATE
    ]
    return tuple(plans)


def deploy_spec(service: ServiceSpec, updating: bool) -> PlanSpec:
    """The plan of svc.yml that deploys: `update` if there is one, once the service was deployed."""
    if updating:
        for spec in service.plans:
            if spec.name == UPDATE:
                return spec
    return service.deploy


def deploy_plan(situation: Situation) -> Plan:
    """The plan that brings every pod instance to the target configuration."""
    spec = deploy_spec(situation.service, situation.updating)
    orders = situation.orders.get(DEPLOY, Orders(DEPLOY))
    if orders.about != situation.target_id:
        orders = Orders(DEPLOY, orders.interrupted, orders.phases)
    return Plan(
        DEPLOY,
        spec.strategy,
        tuple(_phase(situation, phase, orders, run=False) for phase in spec.phases),
        situation.errors,
        orders.interrupted,
    )


def custom_plan(situation: Situation, spec: PlanSpec) -> Plan:
    """A plan that does nothing until an operator starts it, with parameters perhaps."""
    orders = situation.orders.get(spec.name, Orders(spec.name, interrupted=True))
    phases = tuple(_phase(situation, phase, orders, run=True) for phase in spec.phases)
    return Plan(spec.name, spec.strategy, phases, (), orders.interrupted)


def recovery_plan(situation: Situation) -> Plan:
    """The plan that brings back what ran before; one phase for each pod that is not well."""
    phases = []
    for spec, index in situation.service.instances():
        pod = situation.pods.get(f"{spec.type}-{index}")
        if pod is None:
            continue
        tasks = recovery_tasks(situation, pod, index)
        if not tasks:
            continue
        status = recovery_status(pod, tasks, situation.now)
        name = step_name(pod.name, tasks)
        reason = situation.reasons.get(pod.name, "")
        phases.append(Phase(name, Strategy.SERIAL, (Step(name, pod.name, tasks, status, reason),)))
    orders = situation.orders.get(RECOVERY, Orders(RECOVERY))
    return Plan(RECOVERY, Strategy.PARALLEL, tuple(phases), (), orders.interrupted)


def recovery_tasks(situation: Situation, pod: Pod, index: int) -> tuple[str, ...]:
    """What is to be recovered of a pod instance.

    After a replace that is all that was deployed in it, until each task has reached its goal again.
    """
    owed: tuple[str, ...] = ()
    if pod.deployed is not None:
        planned = planned_tasks(situation.service, pod.type, index)
        owed = tuple(n for n in planned if (t := pod.task(n)) is None or t.reached is None)
    ill = unwell(situation.spec_of(pod), pod) if pod.tasks else ()
    return tuple(dict.fromkeys([*ill, *owed]))


def decommission_plan(situation: Situation) -> Plan:
    """The plan that ends pod instances the service no longer asks for, the last ones first."""
    phases = []
    for pod in surplus(situation.service, situation.pods):
        steps = [
            Step(
                f"kill-{pod.name}-{task.name}",
                pod.name,
                (task.name,),
                Status.COMPLETE if task.dead else Status.IN_PROGRESS,
            )
            for task in pod.tasks
        ]
        held = sorted(pod.reservation.resource_ids) if pod.reservation else []
        steps += [Step(f"unreserve-{id_}", pod.name, (), Status.PENDING) for id_ in held]
        steps.append(Step(f"erase-{pod.name}", pod.name, (), Status.PENDING))
        phases.append(Phase(pod.name, Strategy.SERIAL, tuple(steps)))
    return Plan(DECOMMISSION, Strategy.SERIAL, tuple(phases))


def surplus(service: ServiceSpec, pods: Mapping[str, Pod]) -> list[Pod]:
    """The pod instances nobody asks for any more, in the order in which they are to go.

    Unknown types first, by name; then the types from the last to the first; higher indexes first.
    """
    order = {spec.type: number for number, spec in enumerate(service.pods)}
    counts = {spec.type: spec.count for spec in service.pods}
    unwanted = [pod for pod in pods.values() if pod.index >= counts.get(pod.type, 0)]
    return sorted(unwanted, key=lambda p: (-order.get(p.type, len(order)), p.type, -p.index))


def step_name(pod: str, tasks: tuple[str, ...]) -> str:
    """As dcos-commons writes it: `etcd-0:[member]`."""
    return f"{pod}:[{', '.join(tasks)}]"


def _phase(situation: Situation, phase: PhaseSpec, orders: Orders, run: bool) -> Phase:
    spec = situation.service.pod(phase.pod)
    aim = Aim(situation.target(phase.pod), orders.run_id if run else "", first_run=orders.run <= 1)
    canary = orders.canaries.get(phase.name)
    steps = []
    for index in range(spec.count):
        pod = situation.pods.get(f"{phase.pod}-{index}")
        for tasks in phase.steps_of(spec, index):
            name = step_name(f"{phase.pod}-{index}", tasks)
            status = step_status(spec, pod, tasks, aim, situation.now)
            if (phase.name, name) in orders.forced:
                status = Status.COMPLETE
            held = canary is not None and name in canary.held and status is not Status.COMPLETE
            reason = situation.reasons.get(f"{phase.pod}-{index}", "")
            message = reason if status is not Status.COMPLETE else ""
            steps.append(Step(name, f"{phase.pod}-{index}", tasks, status, message, held))
    return Phase(phase.name, phase.strategy, tuple(steps), phase.name in orders.phases)
