"""How tasks are found: DiscoveryInfo, with the virtual addresses of DC/OS as labels of ports."""

import hashlib
from collections.abc import Mapping
from typing import Any

from holdfast.service.model import PodSpec, PortSpec, TaskSpec

Json = dict[str, Any]


def labels(pairs: Mapping[str, str]) -> Json:
    """mesos.v1.Labels."""
    return {"labels": [{"key": key, "value": value} for key, value in pairs.items()]}


def discovery(
    pod: PodSpec, index: int, task: TaskSpec, ports: Mapping[str, int], task_id: str
) -> Json:
    """DiscoveryInfo of a task; `ports` are the numbers of its ports by name.

    It has the name of its `discovery` section, or else the task's own.
    """
    name, visibility = f"{pod.type}-{index}-{task.name}", "CLUSTER"
    if task.discovery:
        name = f"{task.discovery.prefix}-{index}"
        visibility = task.discovery.visibility.value
    listed = [_port(pod, port, ports[port.name], task_id) for port in pod.resources(task).ports]
    return {"visibility": visibility, "name": name, "ports": {"ports": listed}}


def _port(pod: PodSpec, port: PortSpec, number: int, task_id: str) -> Json:
    result: Json = {
        "number": number,
        "name": port.name,
        "protocol": "tcp",
        "visibility": "EXTERNAL" if port.advertise else "CLUSTER",
    }
    if port.vip:
        # DC/OS takes any label that starts with VIP_; what follows must differ between ports.
        unique = hashlib.sha256(f"{task_id} {port.name}".encode()).hexdigest()
        parts = (unique[:8], unique[8:12], unique[12:16], unique[16:20], unique[20:32])
        pairs = {f"VIP_{'-'.join(parts)}": f"{port.vip.prefix}:{port.vip.port}"}
        if pod.networks:
            pairs["network-scope"] = "host" if pod.uses_host_ports else "container"
        result["labels"] = labels(pairs)
    return result
