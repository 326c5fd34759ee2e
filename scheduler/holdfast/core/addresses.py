"""Where the pod instances of a service are, as the variables of templates and URLs."""

from collections.abc import Mapping

from holdfast.records import Pod, Reservation
from holdfast.service.model import PodSpec, ServiceSpec
from holdfast.service.task_env import Domains, env_name, service_domain


def values(service: ServiceSpec, pods: Mapping[str, Pod], domains: Domains) -> dict[str, str]:
    """Facts of the service and of each instance that has a place, by the variable's name."""
    known = {"FRAMEWORK_NAME": service.name, "FRAMEWORK_HOST": service_domain(service, domains)}
    for pod in service.pods:
        type_ = env_name(pod.type)
        ips = []
        for index in range(pod.count):
            held, ip = place(pods, pod, index)
            if held is None or ip is None:
                continue
            ips.append(ip)
            name = f"{type_}_{index}"
            known |= {f"{name}_IP": ip, f"{name}_HOSTNAME": held.hostname}
            known |= {f"{name}_ZONE": held.zone} if held.zone else {}
            known |= {f"{name}_PORT_{env_name(p.name)}": str(p.number) for p in held.ports}
        known |= {f"{type_}_COUNT": str(pod.count), f"{type_}_IPS": ",".join(ips)}
    return known


def place(
    pods: Mapping[str, Pod], spec: PodSpec, index: int
) -> tuple[Reservation | None, str | None]:
    """The place of an instance, and its address: the agent's, or its own in a container network."""
    pod = pods.get(f"{spec.type}-{index}")
    if pod is None or pod.reservation is None:
        return None, None
    own = next((task.ip for task in pod.tasks if task.ip and not task.dead), None)
    return pod.reservation, pod.reservation.ip if spec.uses_host_ports else own
