"""The endpoints a service defines itself: addresses of its instances, or a text made of them."""

from holdfast.api.endpoints import domain_of
from holdfast.api.shapes import EndpointBody
from holdfast.core.view import View
from holdfast.records import Reservation
from holdfast.service.extra_model import EndpointSpec
from holdfast.service.model import PodSpec
from holdfast.service.task_env import env_name
from holdfast_executor import mustache


def endpoint_spec(view: View, name: str) -> EndpointSpec | None:
    """The endpoint of that name, if the service defines one."""
    return next((each for each in view.service.endpoints if each.name == name), None)


def addresses(view: View, spec: EndpointSpec) -> EndpointBody:
    """Where the instances are that have a place, whether they run at the moment or not."""
    body: EndpointBody = {"address": [], "dns": []}
    assert spec.pod is not None
    pod = view.service.pod(spec.pod)
    for index in range(pod.count if spec.count is None else min(spec.count, pod.count)):
        held, ip = _place(view, pod, index)
        if held is None or ip is None:
            continue
        ports = [port for port in held.ports if port.name == spec.port]
        if spec.port is not None and not ports:
            continue
        suffix = f":{ports[0].number}" if ports else ""
        task = ports[0].task if ports else pod.tasks[0].name
        host = f"{pod.type}-{index}-{task}".replace(".", "-")
        body["address"].append(f"{ip}{suffix}")
        body["dns"].append(f"{host}.{domain_of(view)}{suffix}")
    return body


def text(view: View, spec: EndpointSpec) -> str:
    """The template filled in; what has no place yet has no value."""
    values = mustache.env_values(_values(view), booleans=mustache.ONLY_FALSE)
    return mustache.render(spec.content, values, mustache.CONFIG)


def _values(view: View) -> dict[str, str]:
    values = {"FRAMEWORK_NAME": view.service.name, "FRAMEWORK_HOST": domain_of(view)}
    for pod in view.service.pods:
        type_ = env_name(pod.type)
        ips = []
        for index in range(pod.count):
            held, ip = _place(view, pod, index)
            if held is None or ip is None:
                continue
            ips.append(ip)
            name = f"{type_}_{index}"
            values |= {f"{name}_IP": ip, f"{name}_HOSTNAME": held.hostname}
            values |= {f"{name}_ZONE": held.zone} if held.zone else {}
            values |= {f"{name}_PORT_{env_name(p.name)}": str(p.number) for p in held.ports}
        values |= {f"{type_}_COUNT": str(pod.count), f"{type_}_IPS": ",".join(ips)}
    return values


def _place(view: View, spec: PodSpec, index: int) -> tuple[Reservation | None, str | None]:
    """The place of an instance, and its address: the agent's, or its own in a container network."""
    pod = view.pods.get(f"{spec.type}-{index}")
    if pod is None or pod.reservation is None:
        return None, None
    own = next((task.ip for task in pod.tasks if task.ip and not task.dead), None)
    return pod.reservation, pod.reservation.ip if spec.uses_host_ports else own
