"""What the containers of a pod instance are like: ContainerInfo of its executor and of its tasks.

The tasks of a pod without an image are processes in the container of its executor, so that the
executor's is theirs. With an image each task has a container of its own inside that one.
"""

from collections.abc import Sequence
from typing import Any

from holdfast.core.discovery import labels
from holdfast.records import Port
from holdfast.service.model import (
    ExternalVolumeSpec,
    HostVolumeSpec,
    IpcMode,
    NetworkSpec,
    PodSpec,
    RLimitSpec,
    SeccompSpec,
    TaskSpec,
)

Json = dict[str, Any]

MESOS = "MESOS"
"""The containerizer that is meant, not Docker's (ContainerInfo.Type)."""

PORTWORX = "pxd"
"""The driver whose volumes are named with dashes, and asked for on the node itself."""


def executor_container(service: str, pod: PodSpec, index: int, ports: Sequence[Port]) -> Json:
    """ContainerInfo of the executor; empty when the agent's own surroundings will do.

    `ports` are those of all tasks of the instance.
    """
    info: Json = {
        "network_infos": [_network(network, ports) for network in pod.networks],
        # What is under an image is the tasks' to see: their paths need not exist on the agent.
        "volumes": [] if pod.image else foreign_volumes(service, pod, index),
        "linux_info": _linux_info(*pod.ipc, SeccompSpec() if pod.image else pod.seccomp),
    }
    return _container(info)


def task_container(service: str, pod: PodSpec, index: int, task: TaskSpec) -> Json | None:
    """ContainerInfo of a task with an image; None without, when it is a process of the executor.

    It joins the networks of its executor, as every nested container does, and has the cpus and
    memory of its own. The executor adds the sandbox with the instance's volumes.
    """
    if pod.image is None:
        return None
    linux = {
        **_linux_info(task.ipc_mode, task.shm_size_mb, pod.seccomp),
        "share_cgroups": False,
        **({"share_pid_namespace": True} if pod.share_pid_namespace else {}),
    }
    rlimits = [_rlimit(limit) for limit in pod.rlimits]
    return _container(
        {
            "mesos": {"image": {"type": "DOCKER", "docker": {"name": pod.image}}},
            "volumes": foreign_volumes(service, pod, index),
            "linux_info": linux,
            "rlimit_info": {"rlimits": rlimits} if rlimits else {},
        }
    )


def foreign_volumes(service: str, pod: PodSpec, index: int) -> list[Json]:
    """The host's paths and the external volumes, as mesos.v1.Volume."""
    return [
        *map(_host_volume, pod.host_volumes),
        *(_external_volume(service, pod, index, volume) for volume in pod.external_volumes),
    ]


def _container(parts: Json) -> Json:
    given = {key: part for key, part in parts.items() if part}
    return {"type": MESOS, **given} if given else {}


def _linux_info(ipc_mode: IpcMode | None, shm_size: int | None, seccomp: SeccompSpec) -> Json:
    info: Json = {}
    if ipc_mode is not None or shm_size is not None:
        # A /dev/shm of a size of its own is one of its own.
        info["ipc_mode"] = (ipc_mode or IpcMode.PRIVATE).value
    if shm_size is not None:
        info["shm_size"] = shm_size
    if seccomp.unconfined:
        info["seccomp"] = {"unconfined": True}
    elif seccomp.profile is not None:
        info["seccomp"] = {"profile_name": seccomp.profile}
    return info


def _rlimit(limit: RLimitSpec) -> Json:
    """Mesos says RLMT_NOFILE for RLIMIT_NOFILE; without soft and hard there is no limit."""
    info: Json = {"type": limit.name.replace("RLIMIT_", "RLMT_", 1)}
    for key, amount in (("soft", limit.soft), ("hard", limit.hard)):
        if amount is not None:
            info[key] = amount
    return info


def _network(network: NetworkSpec, ports: Sequence[Port]) -> Json:
    info: Json = {"name": network.name}
    if network.labels:
        info["labels"] = labels(network.labels)
    if network.maps_ports:
        inside = {port.number: port.number for port in ports if port.on_host}
        inside |= zip(network.host_ports, network.container_ports, strict=True)
        info["port_mappings"] = [
            {"host_port": host, "container_port": port, "protocol": "tcp"}
            for host, port in sorted(inside.items())
        ]
    return info


def _host_volume(volume: HostVolumeSpec) -> Json:
    return {
        "container_path": volume.container_path,
        "mode": volume.mode.value,
        "source": {"type": "HOST_PATH", "host_path": {"path": volume.host_path}},
    }


def _external_volume(service: str, pod: PodSpec, index: int, volume: ExternalVolumeSpec) -> Json:
    options = dict(volume.driver_options)
    if volume.driver_name == PORTWORX:
        options["nodes"] = "LocalNode"
    docker: Json = {
        "driver": volume.driver_name,
        "name": external_volume_name(service, pod.type, index, volume),
    }
    if options:
        pairs = [{"key": key, "value": value} for key, value in options.items()]
        docker["driver_options"] = {"parameter": pairs}
    return {
        "container_path": volume.container_path,
        "mode": volume.mode.value if volume.mode else "RW",
        "source": {"type": "DOCKER_VOLUME", "docker_volume": docker},
    }


def external_volume_name(
    service: str, pod_type: str, index: int, volume: ExternalVolumeSpec
) -> str:
    """What the driver knows the instance's volume by: the data is found again under it, anywhere.

    As dcos-commons forms it, so that a service that moves here finds its volumes.
    """
    dash = volume.driver_name == PORTWORX
    separator = "-" if dash else "_"
    name = volume.volume_name or f"{service}{separator}{pod_type}"
    name = name.lstrip("/").replace("/", "__")
    if dash and volume.driver_options.get("shared") == "true":
        return name
    return f"{name}{separator}{index}"
