"""Builders of the operations of an ACCEPT call, and of the resources they work on; pure.

Resources are in the reservation-refinement format: RESERVE pushes the last entry of a resource's
`reservations`, UNRESERVE pops it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.mesos.messages import Json


def scalar(name: str, amount: float) -> Json:
    """An unreserved amount of cpus, gpus, mem (MB) or disk (MB)."""
    return {"name": name, "type": "SCALAR", "scalar": {"value": amount}}


def port_ranges(ranges: Sequence[tuple[int, int]]) -> Json:
    """Unreserved ports, as inclusive ranges."""
    return {
        "name": "ports",
        "type": "RANGES",
        "ranges": {"range": [{"begin": begin, "end": end} for begin, end in ranges]},
    }


def disk(
    amount: float, source: Mapping[str, Any] | None = None, provider_id: str | None = None
) -> Json:
    """An unreserved amount of disk (MB): of the root disk, or of the disk that `source` tells."""
    result = scalar("disk", amount)
    if source is not None:
        result["disk"] = {"source": dict(source)}
    if provider_id is not None:
        result["provider_id"] = {"value": provider_id}
    return result


def statically_reserved(resource: Mapping[str, Any], role: str) -> Json:
    """The resource as an agent offers it whose settings reserve it for `role`."""
    return {**resource, "reservations": [{"type": "STATIC", "role": role}]}


def reserved(
    resource: Mapping[str, Any], *, role: str, principal: str | None, labels: Mapping[str, str]
) -> Json:
    """The resource with a dynamic reservation pushed on its stack.

    The principal must be the framework's. Resources merge only when all labels are equal.
    """
    reservation: Json = {
        "type": "DYNAMIC",
        "role": role,
        "labels": {"labels": [{"key": key, "value": value} for key, value in labels.items()]},
    }
    if principal is not None:
        reservation["principal"] = principal
    return {**resource, "reservations": [*resource.get("reservations", ()), reservation]}


def volume(
    disk: Mapping[str, Any], *, persistence_id: str, container_path: str, principal: str | None
) -> Json:
    """The persistent volume that CREATE makes of a reserved disk; `container_path` is relative."""
    persistence: Json = {"id": persistence_id}
    if principal is not None:
        persistence["principal"] = principal
    return {
        **disk,
        "disk": {
            **disk.get("disk", {}),
            "persistence": persistence,
            "volume": {"container_path": container_path, "mode": "RW"},
        },
    }


def reserve(resources: Sequence[Mapping[str, Any]], operation_id: str | None = None) -> Json:
    """RESERVE resources, which carry the reservation they are to get."""
    return _operation("RESERVE", {"resources": list(resources)}, operation_id)


def unreserve(resources: Sequence[Mapping[str, Any]], operation_id: str | None = None) -> Json:
    """UNRESERVE resources exactly as offered; a disk only after its volume is destroyed."""
    return _operation("UNRESERVE", {"resources": list(resources)}, operation_id)


def create(volumes: Sequence[Mapping[str, Any]], operation_id: str | None = None) -> Json:
    """CREATE persistent volumes on reserved disks."""
    return _operation("CREATE", {"volumes": list(volumes)}, operation_id)


def destroy(volumes: Sequence[Mapping[str, Any]], operation_id: str | None = None) -> Json:
    """DESTROY volumes exactly as offered: their data is deleted, the reservation stays."""
    return _operation("DESTROY", {"volumes": list(volumes)}, operation_id)


def launch(task_infos: Sequence[Mapping[str, Any]]) -> Json:
    """LAUNCH tasks. It takes no operation id: the master would answer TASK_ERROR."""
    return _operation("LAUNCH", {"task_infos": list(task_infos)}, None)


def _operation(kind: str, body: Json, operation_id: str | None) -> Json:
    operation: Json = {"type": kind, kind.lower(): body}
    if operation_id is not None:
        operation["id"] = {"value": operation_id}
    return operation
