"""The plans of a service, derived from what it asks for and from the records."""

from collections.abc import Callable, Mapping

from holdfast.plans.goals import SameConfig, recovery_status, step_status
from holdfast.plans.plan import Phase, Plan, Step
from holdfast.records import Pod
from holdfast.service.model import PodSpec, ServiceSpec, Strategy


def deploy_plan(
    service: ServiceSpec,
    pods: Mapping[str, Pod],
    target: Callable[[str], SameConfig],
    reasons: Mapping[str, str],
    errors: tuple[str, ...],
    now: float,
) -> Plan:
    """The plan that brings every pod instance to the target configuration.

    `target` says for a pod type which configurations ask the same as the target, `reasons` what
    each waiting pod instance waits for, `errors` why a changed svc.yml was refused.
    """
    phases = tuple(
        Phase(
            phase.name,
            phase.strategy,
            tuple(
                _deploy_step(service.pod(phase.pod), index, pods, target, reasons, now)
                for index in range(service.pod(phase.pod).count)
            ),
        )
        for phase in service.deploy.phases
    )
    return Plan(service.deploy.name, service.deploy.strategy, phases, errors)


def recovery_plan(
    service: ServiceSpec,
    pods: Mapping[str, Pod],
    target: Callable[[str], SameConfig],
    reasons: Mapping[str, str],
    now: float,
) -> Plan:
    """The plan that brings deployed pod instances back; one phase for each that is not well."""
    phases = []
    for spec, index in service.instances():
        pod = pods.get(f"{spec.type}-{index}")
        if pod is None or pod.deployed is None or not target(spec.type)(pod.deployed):
            continue
        status = recovery_status(spec, pod, now)
        if status is not None:
            step = Step(step_name(spec, index), pod.name, status, reasons.get(pod.name, ""))
            phases.append(Phase(step.name, Strategy.SERIAL, (step,)))
    return Plan("recovery", Strategy.PARALLEL, tuple(phases))


def step_name(spec: PodSpec, index: int) -> str:
    """As dcos-commons writes it: `etcd-0:[member]`."""
    return f"{spec.type}-{index}:[{', '.join(task.name for task in spec.tasks)}]"


def _deploy_step(
    spec: PodSpec,
    index: int,
    pods: Mapping[str, Pod],
    target: Callable[[str], SameConfig],
    reasons: Mapping[str, str],
    now: float,
) -> Step:
    name = f"{spec.type}-{index}"
    pod = pods.get(name)
    status = step_status(spec, pod, target(spec.type), now)
    return Step(step_name(spec, index), name, status, reasons.get(name, ""))
