"""The endpoints a service defines itself: addresses of its instances, or a text made of them."""

from holdfast.api.shapes import EndpointBody
from holdfast.core.addresses import place, values
from holdfast.core.view import View
from holdfast.service.extra_model import EndpointSpec
from holdfast.service.task_env import service_domain
from holdfast_executor import mustache


def endpoint_spec(view: View, name: str) -> EndpointSpec | None:
    """The endpoint of that name, if the service defines one."""
    return next((each for each in view.service.endpoints if each.name == name), None)


def addresses(view: View, spec: EndpointSpec) -> EndpointBody:
    """Where the instances are that have a place, whether they run at the moment or not."""
    body: EndpointBody = {"address": [], "dns": []}
    assert spec.pod is not None
    pod, domain = view.service.pod(spec.pod), service_domain(view.service, view.domains)
    for index in range(pod.count if spec.count is None else min(spec.count, pod.count)):
        held, ip = place(view.pods, pod, index)
        if held is None or ip is None:
            continue
        ports = [port for port in held.ports if port.name == spec.port]
        if spec.port is not None and not ports:
            continue
        suffix = f":{ports[0].number}" if ports else ""
        task = ports[0].task if ports else pod.tasks[0].name
        host = f"{pod.type}-{index}-{task}".replace(".", "-")
        body["address"].append(f"{ip}{suffix}")
        body["dns"].append(f"{host}.{domain}{suffix}")
    return body


def text(view: View, spec: EndpointSpec) -> str:
    """The template filled in; what has no place yet has no value."""
    facts = values(view.service, view.pods, view.domains)
    known = mustache.env_values(facts, booleans=mustache.ONLY_FALSE)
    return mustache.render(spec.content, known, mustache.CONFIG)
