"""How clients connect to the service: its advertised ports, and where they are now."""

from holdfast.api.shapes import EndpointBody
from holdfast.core.view import View
from holdfast.service.task_env import service_domain


def endpoint_names(view: View) -> list[str]:
    """The names of all advertised ports, whether something listens on them now or not, and of the
    endpoints the service defines itself."""
    return sorted(
        {
            port.name
            for pod in view.service.pods
            for task in pod.tasks
            for port in pod.resources(task).ports
            if port.advertise
        }
        | {endpoint.name for endpoint in view.service.endpoints}
    )


def endpoint_body(view: View, name: str) -> EndpointBody:
    """Where the port of that name is: of every task that is not known to be dead.

    The names under `dns` are those DC/OS gives to tasks; they resolve on DC/OS only.
    """
    body: EndpointBody = {"address": [], "dns": []}
    domain = service_domain(view.service, view.domains)
    for spec, index in view.service.instances():
        pod = view.pods.get(f"{spec.type}-{index}")
        if pod is None or pod.reservation is None:
            continue
        for task in spec.tasks:
            ports = spec.resources(task).ports
            port = next((port for port in ports if port.name == name and port.advertise), None)
            number = pod.reservation.task_ports(task.name).get(name)
            record = pod.task(task.name)
            if port is None or number is None or record is None or record.dead:
                continue
            host = f"{pod.name}-{task.name}".replace(".", "-")
            address = pod.reservation.ip if spec.uses_host_ports else record.ip
            if address is not None:
                body["address"].append(f"{address}:{number}")
            body["dns"].append(f"{host}.{domain}:{number}")
            if port.vip:
                service = view.service.name.replace("/", "")
                body["vip"] = f"{port.vip.prefix}.{service}.{view.domains.vips}:{port.vip.port}"
    return body
