"""The plans of a service, derived from what it asks for, from the records and from the orders."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from holdfast.plans.goals import (
    Aim,
    SameConfig,
    any_plan_tasks,
    planned_tasks,
    recovery_status,
    step_status,
    unwell,
)
from holdfast.plans.orders import Orders
from holdfast.plans.plan import Phase, Plan, Status, Step
from holdfast.plans.single import (
    LEAVE,
    REPLACE,
    has_left,
    leave_steps,
    replace_steps,
    single_status,
)
from holdfast.records import Pod
from holdfast.service.model import Goal, PhaseSpec, PlanSpec, PodSpec, ServiceSpec, Strategy

DEPLOY = "deploy"
UPDATE = "update"
RECOVERY = "recovery"
DECOMMISSION = "decommission"
BUILT_IN = frozenset({DEPLOY, RECOVERY, DECOMMISSION})


@dataclass(frozen=True, slots=True)
class Situation:
    """All that plans are derived from.

    `target` tells for a pod type which configurations ask the same as the target, `spec_of` what
    a pod instance was launched as, `deployed_tasks` what of an instance was deployed when
    `Pod.deployed` says that it was, `reasons` what each waiting pod instance waits for, `errors`
    why a changed svc.yml was refused; `updating` whether the service was deployed before.
    """

    service: ServiceSpec
    target_id: str
    pods: Mapping[str, Pod]
    orders: Mapping[str, Orders]
    target: Callable[[str], SameConfig]
    spec_of: Callable[[Pod], PodSpec]
    deployed_tasks: Callable[[Pod], Collection[str]]
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
    plans += [custom_plan(situation, spec) for spec in custom_specs(situation.service)]
    return tuple(plans)


def custom_specs(service: ServiceSpec) -> list[PlanSpec]:
    """The plans of svc.yml that an operator starts."""
    return [spec for spec in service.plans if spec.name not in (UPDATE, REPLACE, *BUILT_IN)]


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
    orders = deploy_orders(situation)
    return Plan(
        DEPLOY,
        spec.strategy,
        tuple(_phase(situation, phase, orders, run=False) for phase in spec.phases),
        situation.errors,
        orders.interrupted,
    )


def deploy_orders(situation: Situation) -> Orders:
    """The orders on the deploy plan, without those about another configuration."""
    orders = situation.orders.get(DEPLOY, Orders(DEPLOY))
    if orders.about == situation.target_id:
        return orders
    return Orders(DEPLOY, orders.interrupted, orders.phases)


def custom_plan(situation: Situation, spec: PlanSpec) -> Plan:
    """A plan that does nothing until an operator starts it, with parameters perhaps."""
    orders = custom_orders(situation, spec.name)
    phases = tuple(_phase(situation, phase, orders, run=True) for phase in spec.phases)
    return Plan(spec.name, spec.strategy, phases, (), orders.interrupted)


def custom_orders(situation: Situation, name: str) -> Orders:
    """The orders on a plan of one's own, which nobody has started as long as there are none."""
    return situation.orders.get(name, Orders(name, interrupted=True))


def recovery_plan(situation: Situation) -> Plan:
    """The plan that brings back what ran before; one phase for each pod that is not well.

    One that is being replaced goes by the steps of `replace`, if there are any. What must be
    restarted after a replacement has its phase until it is stopped, and then as what is not well.
    """
    orders = situation.orders.get(RECOVERY, Orders(RECOVERY))
    phases = (
        recovery_phase(situation, f"{spec.type}-{index}")
        for spec, index in situation.service.instances()
    )
    found = tuple(phase for phase in phases if phase is not None)
    return Plan(RECOVERY, Strategy.PARALLEL, found, (), orders.interrupted)


def recovery_phase(situation: Situation, name: str) -> Phase | None:
    """What is to be recovered of a wanted pod instance; None when it is well."""
    pod = situation.pods.get(name)
    if pod is None:
        return None
    orders = situation.orders.get(RECOVERY, Orders(RECOVERY))
    reason = situation.reasons.get(name, "")
    by_steps = replace_steps(situation.service, pod)
    if by_steps:
        spec = situation.service.pod(pod.type)
        steps = tuple(
            Step(
                step_name(name, names),
                name,
                names,
                status := single_status(spec, pod, names, "", situation.now),
                reason if status is not Status.COMPLETE else "",
            )
            for names in by_steps
        )
        title = f"{REPLACE} {name}"
        return Phase(title, Strategy.SERIAL, steps, title in orders.phases)
    tasks = _recovery_tasks(situation, pod)
    if tasks:
        status = recovery_status(pod, tasks, situation.now)
    elif pod.restart and (tasks := restarted_tasks(situation.spec_of(pod), pod)):
        status, reason = Status.PENDING, reason or f"it waits for its turn: {pod.restart}"
    else:
        return None
    title = step_name(name, tasks)
    step = Step(title, name, tasks, status, reason)
    return Phase(title, Strategy.SERIAL, (step,), title in orders.phases)


def _recovery_tasks(situation: Situation, pod: Pod) -> tuple[str, ...]:
    """What is to be recovered of a pod instance.

    After a replace that is all that was deployed in it, until each task has reached its goal again.
    """
    owed: tuple[str, ...] = ()
    if pod.deployed is not None:
        deployed = situation.deployed_tasks(pod)
        planned = planned_tasks(situation.service, pod.type, pod.index)
        lacking = (
            n
            for n in planned
            if n not in pod.spared and ((t := pod.task(n)) is None or t.reached is None)
        )
        owed = tuple(name for name in lacking if name in deployed)
    ill: tuple[str, ...] = ()
    if pod.tasks:
        launched = any_plan_tasks(situation.service, pod.type, pod.index)
        ill = unwell(situation.spec_of(pod), pod, launched, _forced_tasks(situation, pod))
    return tuple(dict.fromkeys([*ill, *owed]))


def restarted_tasks(spec: PodSpec, pod: Pod) -> tuple[str, ...]:
    """The tasks that a restart is about: those that run for ever, and do run."""
    names = [task.name for task in spec.tasks if task.goal is Goal.RUNNING]
    return tuple(n for n in names if (task := pod.task(n)) is not None and task.live)


def _forced_tasks(situation: Situation, pod: Pod) -> set[str]:
    """What is launched in the instance by steps of the deploy plan that were forced."""
    orders = deploy_orders(situation)
    if not orders.forced:
        return set()
    spec = situation.service.pod(pod.type)
    return {
        task
        for phase in deploy_spec(situation.service, situation.updating).phases
        if phase.pod == pod.type
        for tasks in phase.steps_of(spec, pod.index)
        if (phase.name, step_name(pod.name, tasks)) in orders.forced
        for task in tasks
    }


def decommission_plan(situation: Situation) -> Plan:
    """The plan that ends pod instances the service no longer asks for, the last ones first."""
    orders = situation.orders.get(DECOMMISSION, Orders(DECOMMISSION))
    leaving = surplus(situation.service, situation.pods)
    phases = tuple(decommission_phase(situation, pod) for pod in leaving)
    return Plan(DECOMMISSION, Strategy.SERIAL, phases, (), orders.interrupted)


def decommission_phase(situation: Situation, pod: Pod) -> Phase:
    """What is done with one of them: what it runs to leave, its end, and its records."""
    orders = situation.orders.get(DECOMMISSION, Orders(DECOMMISSION))
    service, spec_of, now = situation.service, situation.spec_of, situation.now
    steps = list(leaving_steps(service, spec_of, pod, orders, now))
    reason = situation.reasons.get(pod.name, "")
    steps += [
        Step(
            f"kill-{pod.name}-{task.name}",
            pod.name,
            (task.name,),
            Status.COMPLETE if task.dead else Status.IN_PROGRESS,
            "" if task.dead else reason,
        )
        for task in pod.tasks
    ]
    held = sorted(pod.reservation.resource_ids) if pod.reservation else []
    steps += [Step(f"unreserve-{id_}", pod.name, (), Status.PENDING) for id_ in held]
    steps.append(Step(f"erase-{pod.name}", pod.name, (), Status.PENDING))
    return Phase(pod.name, Strategy.SERIAL, tuple(steps), pod.name in orders.phases)


def leaving_steps(
    service: ServiceSpec,
    spec_of: Callable[[Pod], PodSpec],
    pod: Pod,
    orders: Orders,
    now: float,
) -> Iterator[Step]:
    """The steps of an instance before it is ended; none if it never ran.

    What runs for ever is wanted only for as long as a task that ends has not.
    """
    if not pod.tasks:
        return
    spec = spec_of(pod)
    named = [(step_name(pod.name, names), names) for names in leave_steps(service, pod)]
    open_ = [
        number
        for number, (name, names) in enumerate(named)
        if (pod.name, name) not in orders.forced and not has_left(spec, pod, names, now)
    ]
    for number, (name, names) in enumerate(named):
        status = Status.COMPLETE
        if any(other >= number for other in open_) and (pod.name, name) not in orders.forced:
            status = single_status(spec, pod, names, LEAVE, now)
        yield Step(name, pod.name, names, status)


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
    aim = aim_of(situation, phase, orders, run)
    steps = tuple(
        step
        for index in phase.indexes(spec)
        for step in instance_steps(situation, phase, spec, orders, aim, index)
    )
    return Phase(phase.name, phase.strategy, steps, phase.name in orders.phases)


def aim_of(situation: Situation, phase: PhaseSpec, orders: Orders, run: bool) -> Aim:
    """What counts as done in the phase; `run` for a plan that is run by an operator."""
    return Aim(situation.target(phase.pod), orders.run_id if run else "", orders.run <= 1)


def instance_steps(
    situation: Situation, phase: PhaseSpec, spec: PodSpec, orders: Orders, aim: Aim, index: int
) -> Iterator[Step]:
    """The steps of the phase for one pod instance of the pod `spec`, in order."""
    instance = f"{phase.pod}-{index}"
    pod = situation.pods.get(instance)
    canary = orders.canaries.get(phase.name)
    deployed: Collection[str] = ()
    if pod is not None and pod.deployed and aim.same_config(pod.deployed):
        deployed = situation.deployed_tasks(pod)
    for tasks in phase.steps_of(spec, index):
        name = step_name(instance, tasks)
        status = step_status(spec, pod, tasks, aim, deployed, situation.now)
        if (phase.name, name) in orders.forced or (phase.name, name) in orders.done:
            status = Status.COMPLETE
        held = canary is not None and name in canary.held and status is not Status.COMPLETE
        reason = situation.reasons.get(instance, "") if status is not Status.COMPLETE else ""
        yield Step(name, instance, tasks, status, reason, held)
