"""Which secrets and certificates a launch needs, by name: their values never come here.

A service's secrets are delivered in one of two ways. The agents resolve references that stand in
the ExecutorInfo; or the scheduler puts the values into TaskInfo.data when it sends the launch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from holdfast.records import Certified, Json, Reservation, Task
from holdfast.service.model import PodSpec, ServiceSpec, TaskSpec
from holdfast.service.task_env import Domains, task_instance_name
from holdfast_executor.confidential import Certificate, Secret
from holdfast_executor.contract import ENV_SECRET_FILES, ENV_SECRET_VARIABLES

VALIDITY_SECONDS = 365 * 86400.0
"""How long a task's certificate is valid, from its launch on."""

AUTHORITY_PATH = "certificate-authority"
"""The record of the scheduler's own authority, whose key is encrypted in it."""

COMMON_NAME_MAX = 64
"""RFC 5280 ub-common-name; dcos-commons keeps the end of what is longer."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The paths of secrets, and whether certificates are needed, all over a service."""

    secrets: frozenset[str] = frozenset()
    certificates: bool = False


def needs(services: Iterable[ServiceSpec]) -> Needs:
    """What any pod of the services needs."""
    pods = [pod for service in services for pod in service.pods]
    return Needs(
        frozenset(secret.secret for pod in pods for secret in pod.secrets),
        any(task.transport_encryption for pod in pods for task in pod.tasks),
    )


class Stage(StrEnum):
    """How far the scheduler's own authority is on its way to another one."""

    ALONE = "alone"
    COMING = "the next one is trusted already"
    FORMER = "the former one is trusted still"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs certificates: `id` stands for it and for all that tasks are told to trust.

    `ends` is when its own certificate does, in seconds since the epoch; `stage` is None of an
    authority that the operator gave.
    """

    id: str
    ends: float
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Shortage:
    """What cannot be delivered now: `secrets` by their path with the reason, and why no
    `certificates` can be made, "" if they can; `signer` makes them."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    certificates: str = ""
    signer: Signer | None = None

    def of(self, spec: PodSpec, tasks: Iterable[str]) -> str | None:
        """Why those tasks of the pod cannot be launched now; None when nothing is short."""
        lacking = [
            f"for secret {secret.secret}: {self.secrets[secret.secret]}"
            for secret in spec.secrets
            if secret.secret in self.secrets
        ]
        names = set(tasks)
        if self.certificates and any(
            task.transport_encryption for task in spec.tasks if task.name in names
        ):
            lacking.append(f"for a certificate: {self.certificates}")
        return "it waits " + "; ".join(dict.fromkeys(lacking)) if lacking else None


def with_references(executor: Json, spec: PodSpec, space: str) -> dict[str, Any]:
    """The ExecutorInfo with references to the pod's secrets, and the label that says whose it is.

    The secret store of DC/OS gives a service what is at or above its `space`.
    """
    info = dict(executor)
    if not spec.secrets:
        return info
    labels = {"labels": [*info.get("labels", {}).get("labels", ())]}
    labels["labels"].append({"key": "DCOS_SPACE", "value": space})
    info["labels"] = labels
    command = dict(info["command"])
    variables = [*command.get("environment", {}).get("variables", ())]
    variables += (
        {"name": secret.env_key, "type": "SECRET", "secret": _reference(secret.secret)}
        for secret in spec.secrets
        if secret.env_key
    )
    for name, values in (
        (ENV_SECRET_VARIABLES, [secret.env_key for secret in spec.secrets if secret.env_key]),
        (ENV_SECRET_FILES, [secret.file for secret in spec.secrets if secret.file]),
    ):
        if values:
            variables.append({"name": name, "type": "VALUE", "value": ",".join(values)})
    info["command"] = {**command, "environment": {"variables": variables}}
    volumes = reference_volumes(spec)
    if volumes:
        container = {"type": "MESOS", **info.get("container", {})}
        container["volumes"] = [*container.get("volumes", ()), *volumes]
        info["container"] = container
    return info


def reference_volumes(spec: PodSpec) -> list[Json]:
    """The secrets' files that the agent makes in a container, as mesos.v1.Volume."""
    return [
        {
            "mode": "RO",
            "container_path": secret.file,
            "source": {"type": "SECRET", "secret": _reference(secret.secret)},
        }
        for secret in spec.secrets
        if secret.file
    ]


def _reference(path: str) -> dict[str, Any]:
    return {"type": "REFERENCE", "reference": {"name": path}}


def has_references(executor: Json) -> bool:
    """Whether the agent resolves the secrets of this executor."""
    labels = executor.get("labels", {}).get("labels", ())
    return any(label["key"] == "DCOS_SPACE" for label in labels)


def secrets(spec: PodSpec, executor: Json) -> tuple[Secret, ...]:
    """What the scheduler has to hand to each task of the pod, unless the agent does."""
    if has_references(executor):
        return ()
    return tuple(
        Secret(secret.secret, secret.env_key or "", secret.file or "") for secret in spec.secrets
    )


def certificates(
    service: ServiceSpec,
    pod: PodSpec,
    index: int,
    task: TaskSpec,
    held: Reservation,
    expires: float,
    domains: Domains | None = None,
) -> tuple[Certificate, ...]:
    """The certificates of a task, named as by dcos-commons (CertificateNamesGenerator).

    The agent's host name and address are added, since the others resolve on DC/OS only. Tasks of
    the pod with the same entry share its files: a certificate is then good for each of them.
    """
    domains = domains or Domains()
    own = task_instance_name(pod, index, task)
    made = []
    for wanted in task.transport_encryption:
        sharing = [each for each in pod.tasks if wanted in each.transport_encryption]
        # Its own names come first: what reads only one of them finds the task that was launched.
        sharing.sort(key=lambda each: each.name != task.name)
        names = [name for each in sharing for name in _names(service, pod, index, each, domains)]
        names += [held.hostname, held.ip]
        made.append(
            Certificate(
                name=wanted.name,
                form=wanted.type.value,
                common_name=f"{_label(own)}.{_dashed(service)}"[-COMMON_NAME_MAX:],
                names=tuple(dict.fromkeys(name for name in names if name)),
                expires=expires,
            )
        )
    return tuple(made)


def _names(
    service: ServiceSpec, pod: PodSpec, index: int, task: TaskSpec, domains: Domains
) -> list[str]:
    """What a task is found by on DC/OS: its name there, and those of its VIPs."""
    flat = service.name.replace("/", "")
    own = task_instance_name(pod, index, task)
    found_by = f"{task.discovery.prefix}-{index}" if task.discovery else own
    return [
        f"{_label(found_by)}.{_dashed(service)}.{domains.tasks}",
        *(
            f"{port.vip.prefix}.{flat}.{domains.vips}"
            for port in pod.resources(task).ports
            if port.vip
        ),
    ]


def _dashed(service: ServiceSpec) -> str:
    return _label(service.name)


def certificate_expiry(
    configs: Mapping[str, ServiceSpec], pod_type: str, task: Task
) -> float | None:
    """When the certificates of a launched task expire; None of one that has none."""
    service = configs.get(task.config_id)
    encrypted = any(
        spec.transport_encryption
        for pod in (service.pods if service else ())
        if pod.type == pod_type
        for spec in pod.tasks
        if spec.name == task.name
    )
    return certificates_end(task) if encrypted else None


def certificates_end(task: Task) -> float:
    """When the certificates end that a task was, or is to be, launched with."""
    return task.certified.ends if task.certified else task.launched + VALIDITY_SECONDS


def certified(spec: TaskSpec, signer: Signer | None, launched: float) -> Certified | None:
    """What is noted of the certificates of a task that is launched now."""
    if not spec.transport_encryption or signer is None:
        return None
    return Certified(min(launched + VALIDITY_SECONDS, signer.ends), signer.id)


def _label(name: str) -> str:
    return name.replace(".", "-").replace("/", "")
