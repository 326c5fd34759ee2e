"""Whether an agent can do what a pod asks for beyond resources, as far as its settings tell."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from holdfast.mesos.messages import AgentFeatures
from holdfast.placement.constraints import Refusal
from holdfast.service.model import LimitsSpec, PodSpec, SeccompSpec

RULE = "agent"
NESTED_RESOURCES_SINCE = (1, 10)
"""The version of Mesos that lets nested containers have cpus and memory of their own."""
LIMITS_SINCE = (1, 10)
"""The version of Mesos that brought TaskInfo.limits; agents before it refuse such tasks."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something of svc.yml that an agent must be set up for, and how to do that."""

    what: str
    advice: str
    met: Callable[[AgentFeatures], bool]


def _isolators(what: str, *names: str, further: str = "") -> Need:
    flag = f"--isolation=...,{','.join(names)}{further}"
    return Need(what, f"start it with {flag}", lambda agent: agent.isolation.issuperset(names))


_IMAGE = Need(
    "image",
    "it needs Mesos 1.10 or later, with --image_providers=docker --isolation=...,filesystem/linux,"
    "docker/runtime,volume/sandbox_path",
    lambda agent: (
        "docker" in agent.image_providers
        and agent.isolation >= {"filesystem/linux", "docker/runtime", "volume/sandbox_path"}
        and agent.version >= NESTED_RESOURCES_SINCE
    ),
)
_RLIMITS = _isolators("rlimits of tasks with an image", "posix/rlimits")
_NETWORKS = Need(
    "networks",
    "start it with --isolation=...,network/cni --network_cni_config_dir=...",
    lambda agent: "network/cni" in agent.isolation and agent.has_cni,
)
_LIMITS = Need(
    "resource-limits", "it needs Mesos 1.10 or later", lambda agent: agent.version >= LIMITS_SINCE
)
_HOST_VOLUMES = _isolators("host-volumes", "filesystem/linux", "volume/host_path")
_EXTERNAL_VOLUMES = _isolators(
    "external-volumes",
    *("filesystem/linux", "docker/volume"),
    further=" and dvdcli in its PATH",
)
_SECCOMP = _isolators("seccomp", "linux/seccomp")
_IPC = _isolators("ipc-mode and shm-size", "filesystem/linux", "namespaces/ipc")


def needs(pod: PodSpec) -> tuple[Need, ...]:
    """What an agent must be set up for, for instances of `pod` to run there as asked."""
    return tuple(_needs(pod))


def _needs(pod: PodSpec) -> Iterator[Need]:
    if pod.image is not None:
        yield _IMAGE
        if pod.rlimits:
            yield _RLIMITS
    if pod.networks:
        yield _NETWORKS
    if pod.host_volumes:
        yield _HOST_VOLUMES
    if pod.external_volumes:
        yield _EXTERNAL_VOLUMES
    if pod.seccomp != SeccompSpec():
        yield _SECCOMP
    if pod.ipc != (None, None) or any(task.has_own_ipc for task in pod.tasks):
        yield _IPC
    if any(of.limits != LimitsSpec() for of in pod.reserved_sets):
        yield _LIMITS


def cannot(wanted: tuple[Need, ...], agent: AgentFeatures) -> Refusal | None:
    """What of it the agent cannot do; None when it can do all."""
    lacking = [f"{need.what} ({need.advice})" for need in wanted if not need.met(agent)]
    return Refusal(RULE, f"cannot: {'; '.join(lacking)}") if lacking else None
