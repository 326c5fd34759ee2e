"""Whose reservations these are, and for which roles."""

from dataclasses import dataclass
from typing import Any

from holdfast.mesos import operations
from holdfast.placement.pool import FRAMEWORK_ID, POD, RESOURCE_ID, SERVICE
from holdfast.records import Volume
from holdfast.service.model import ANY_ROLE, ServiceSpec

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExecutorShare:
    """What the executor itself takes, once per pod instance; by default as in dcos-commons."""

    cpus: float = 0.1
    memory_mb: float = 32.0


USUAL_SHARE = ExecutorShare()


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose reservations these are: they carry it as labels. `executor` is its executors' share."""

    service: ServiceSpec
    framework_id: str
    executor: ExecutorShare = USUAL_SHARE

    def role(self, pre_reserved_role: str = ANY_ROLE) -> str:
        """The role of reservations refined from those of a pre-reserved role (dcos-commons)."""
        return role_for(self.service, pre_reserved_role)

    def reserved(
        self, resource: Json, pod: str, resource_id: str, pre_reserved_role: str = ANY_ROLE
    ) -> Json:
        """The free resource with the reservation that says so pushed on its stack."""
        if pre_reserved_role != ANY_ROLE:
            resource = operations.statically_reserved(resource, pre_reserved_role)
        return operations.reserved(
            resource,
            role=self.role(pre_reserved_role),
            principal=self.service.principal,
            labels={
                RESOURCE_ID: resource_id,
                FRAMEWORK_ID: self.framework_id,
                SERVICE: self.service.name,
                POD: pod,
            },
        )

    def disk(self, volume: Volume, pod: str, pre_reserved_role: str = ANY_ROLE) -> Json:
        """The reserved disk under a volume."""
        free = operations.disk(volume.size_mb, volume.source, volume.provider_id)
        return self.reserved(free, pod, volume.resource_id, pre_reserved_role)

    def volume(self, disk: Json, volume: Volume) -> Json:
        """The volume on its reserved disk."""
        return operations.volume(
            disk,
            persistence_id=volume.id,
            container_path=volume.path,
            principal=self.service.principal,
        )


def role_for(service: ServiceSpec, pre_reserved_role: str = ANY_ROLE) -> str:
    if pre_reserved_role == ANY_ROLE:
        return service.role
    return f"{pre_reserved_role}/{service.role}"


def roles(service: ServiceSpec) -> tuple[str, ...]:
    """The roles the framework must subscribe to be offered what its pods need."""
    return tuple(sorted({role_for(service, pod.pre_reserved_role) for pod in service.pods}))


def uses_gpus(service: ServiceSpec) -> bool:
    """Whether the framework must say that it can use gpus, to be offered any."""
    return any(of.gpus for pod in service.pods for of in pod.reserved_sets)
