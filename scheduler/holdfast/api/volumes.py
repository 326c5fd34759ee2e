"""Every volume the service knows of, and what else is reserved for it without being its own."""

from collections.abc import Iterator
from enum import StrEnum

from holdfast.api.shapes import QuarantinedBody, VolumeBody
from holdfast.core.view import View
from holdfast.records import Reservation


class VolumeState(StrEnum):
    """Whose a volume is; the last is on an operator's word alone."""

    IN_USE = "in-use"
    RETIRED = "retired"
    QUARANTINED = "quarantined"
    TO_BE_DESTROYED = "to-be-destroyed"


def volumes_body(view: View, now: float) -> list[VolumeBody]:
    """Volumes in use first, then those kept. `now` is seconds since the epoch."""
    return list(_volumes(view, now))


def _volumes(view: View, now: float) -> Iterator[VolumeBody]:
    for pod in view.pods.values():
        yield from _held(view, pod.reservation, VolumeState.IN_USE, pod.name, None, None, now)
    for left in view.retired.values():
        yield from _held(
            view, left.reservation, VolumeState.RETIRED, left.pod, left.reason, left.at, now
        )
    for item in view.quarantined.values():
        if item.kind == "volume":
            body: VolumeBody = {
                "id": item.id,
                "state": VolumeState.QUARANTINED.value,
                "pod": item.labels.get("pod"),
                "agent": item.hostname,
                "path": None,
                "size": item.size,
                "reason": "no record knows it",
                "since": item.since,
                "age": now - item.since,
            }
            yield _ordered(view, body, now)


def _held(
    view: View,
    held: Reservation | None,
    state: VolumeState,
    pod: str,
    reason: str | None,
    since: float | None,
    now: float,
) -> Iterator[VolumeBody]:
    if held is None:
        return
    for volume in held.volumes:
        body: VolumeBody = {
            "id": volume.id,
            "state": state.value,
            "pod": pod,
            "agent": held.hostname,
            "path": volume.path,
            "size": volume.size_mb,
            "reason": reason,
            "since": since,
            "age": None if since is None else now - since,
        }
        yield _ordered(view, body, now)


def _ordered(view: View, body: VolumeBody, now: float) -> VolumeBody:
    """The same volume, marked when an operator ordered it destroyed."""
    intent = view.intents.get(body["id"])
    if intent is None:
        return body
    return {
        **body,
        "state": VolumeState.TO_BE_DESTROYED.value,
        "since": intent.at,
        "age": now - intent.at,
    }


def quarantine_body(view: View, now: float) -> list[QuarantinedBody]:
    """All that is reserved for the service and explained by no record, volumes or not."""
    return [
        {
            "id": item.id,
            "kind": item.kind,
            "size": item.size,
            "agent": item.hostname,
            "labels": dict(item.labels),
            "since": item.since,
            "age": max(0.0, now - item.since),
        }
        for item in view.quarantined.values()
    ]
