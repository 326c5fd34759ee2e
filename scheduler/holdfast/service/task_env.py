"""The environment every task gets, as dcos-commons names it, and two variables of our own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.service.instance_names import type_and_index, type_of
from holdfast.service.model import PodSpec, ServiceSpec, TaskSpec
from holdfast_executor import contract

_SETTING = "TASKCFG_"
_NOT_IN_ENV_NAME = re.compile(r"[^A-Z0-9_]")


@dataclass(frozen=True, slots=True)
class Domains:
    """The DNS domains of tasks and of virtual addresses; the settings SERVICE_TLD and VIP_TLD."""

    tasks: str = "autoip.dcos.thisdcos.directory"
    vips: str = "l4lb.thisdcos.directory"


USUAL_DOMAINS = Domains()


def env_name(text: str) -> str:
    """`text` as part of a variable's name: upper case, everything else than A-Z, 0-9, _ as _."""
    return _NOT_IN_ENV_NAME.sub("_", text.upper())


def routed_settings(settings: Mapping[str, str], pod_type: str) -> dict[str, str]:
    """The variables the scheduler's environment sets for the tasks of a pod type.

    `TASKCFG_ALL_X=1` sets X in all tasks, `TASKCFG_<POD TYPE>_X=1` in those of one type, and the
    latter wins. They are part of the service: changing one is an update (dcos-commons likewise).
    """
    routed = {}
    for prefix in (f"{_SETTING}ALL_", f"{_SETTING}{env_name(pod_type)}_"):
        for key in sorted(settings):
            if key.startswith(prefix) and key != prefix:
                routed[key.removeprefix(prefix)] = settings[key]
    return routed


def task_instance_name(pod: PodSpec, index: int, task: TaskSpec) -> str:
    """`<pod type>-<index>-<task>`, the name operators and tasks know a task by."""
    return f"{pod.type}-{index}-{task.name}"


def task_environment(
    service: ServiceSpec,
    pod: PodSpec,
    index: int,
    task: TaskSpec,
    *,
    ports: Mapping[str, int],
    region: str | None,
    zone: str | None,
    scheduler_host: str,
    scheduler_port: int,
    peers: Mapping[str, str],
    parameters: Mapping[str, str] | None = None,
    domains: Domains | None = None,
) -> dict[str, str]:
    """All variables of one task. `ports` are the numbers assigned to the task's ports by name.

    A port's number is that on the agent, also where a bridge leads it to another in the container,
    and that in the container on other networks (dcos-commons' PortEvaluationStage).
    `parameters` are those its plan was started with, for the task's command alone: its checks get
    the variables without them. Variables made of secrets are not here, as Mesos fills those in.

    `peers` are the placed pod instances of the service and their IP addresses; those of the same
    type, without this one, become POD_PEERS (`etcd-0=10.0.0.5,etcd-2=10.0.0.7`). POD_INSTANCE is
    this one's own name. Where names clash the injected ones win over svc.yml's, port keys over all.

    SCHEDULER_API_HOSTNAME is `scheduler_host`, an address at which the API answers. dcos-commons
    puts a name of DC/OS's own DNS there, which resolves nowhere else; FRAMEWORK_HOST and
    FRAMEWORK_VIP_HOST keep their DC/OS form, and resolve on DC/OS only.
    """
    name = task_instance_name(pod, index, task)
    flat = service.name.replace("/", "")
    domains = domains or Domains()
    fields = {constraint.field for constraint in pod.placement}
    instance = f"{pod.type}-{index}"
    env = dict(task.env)
    env |= {
        "POD_INSTANCE": instance,
        "POD_INSTANCE_INDEX": str(index),
        "POD_PEERS": ",".join(
            f"{peer}={peers[peer]}"
            for peer in sorted(peers, key=type_and_index)
            if peer != instance and type_of(peer) == pod.type
        ),
        "FRAMEWORK_NAME": service.name,
        "FRAMEWORK_HOST": service_domain(service, domains),
        "FRAMEWORK_VIP_HOST": f"{flat}.{domains.vips}",
        "SCHEDULER_API_HOSTNAME": scheduler_host,
        "SCHEDULER_API_PORT": str(scheduler_port),
        "TASK_NAME": name,
        name: "true",
        "PLACEMENT_REFERENCED_REGION": str("@region" in fields).lower(),
        "PLACEMENT_REFERENCED_ZONE": str("@zone" in fields).lower(),
    }
    if region is not None:
        env["REGION"] = region
    if zone is not None:
        env["ZONE"] = zone
    for config in task.configs:
        key = f"{contract.CONFIG_TEMPLATE_PREFIX}{env_name(config.name)}"
        env[key] = f"{contract.CONFIG_TEMPLATE_FOLDER}/{config.name},{config.dest}"
    env |= parameters or {}
    for port in pod.resources(task).ports:
        if port.env_key is not None:
            env[port.env_key] = str(ports[port.name])
    return env


def service_domain(service: ServiceSpec, domains: Domains) -> str:
    """The domain DC/OS gives to the tasks: no slashes, and dashes for dots (EndpointUtils)."""
    return f"{service.name.replace('/', '').replace('.', '-')}.{domains.tasks}"
