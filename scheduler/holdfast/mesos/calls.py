"""Builders of the v1 scheduler API's calls; pure, and without the framework id.

The connection adds `framework_id`, which it knows from SUBSCRIBED. Fields follow
mesos/v1/scheduler/scheduler.proto of Mesos 1.11.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.mesos.messages import Json

FAILOVER_TIMEOUT_SECONDS = 14 * 24 * 3600.0
"""How long the master keeps the tasks of a scheduler that stays away."""

CAPABILITIES = ("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE", "REGION_AWARE")


def framework_info(
    name: str,
    *,
    roles: Sequence[str],
    user: str,
    principal: str | None = None,
    hostname: str | None = None,
    webui_url: str | None = None,
    gpus: bool = False,
) -> Json:
    """FrameworkInfo of a stateful framework; only one that uses `gpus` is offered agents with any.

    Tasks are checkpointed, so that they survive an agent's restart, and kept for two weeks while
    no scheduler is connected. Neither can be changed once the framework is registered.
    """
    info: Json = {
        "name": name,
        "user": user,
        "roles": list(roles),
        "checkpoint": True,
        "failover_timeout": FAILOVER_TIMEOUT_SECONDS,
        "capabilities": [
            {"type": capability} for capability in (*CAPABILITIES, *(["GPU_RESOURCES"] * gpus))
        ],
    }
    optional = {"principal": principal, "hostname": hostname, "webui_url": webui_url}
    info.update({key: value for key, value in optional.items() if value is not None})
    return info


def subscribe(
    info: Mapping[str, Any], framework_id: str | None, suppressed_roles: Sequence[str] = ()
) -> Json:
    """SUBSCRIBE; with an id it takes the framework over, which Mesos wants in both places."""
    framework: Json = dict(info)
    subscription: Json = {"framework_info": framework}
    call: Json = {"type": "SUBSCRIBE", "subscribe": subscription}
    if framework_id is not None:
        framework["id"] = {"value": framework_id}
        call["framework_id"] = {"value": framework_id}
    if suppressed_roles:
        subscription["suppressed_roles"] = list(suppressed_roles)
    return call


def update_framework(
    info: Mapping[str, Any], framework_id: str, suppressed_roles: Sequence[str] = ()
) -> Json:
    """UPDATE_FRAMEWORK (Mesos 1.9): roles and capabilities change while the tasks run on.

    Roles not among `suppressed_roles` are offered resources from then on.
    """
    framework: Json = {**info, "id": {"value": framework_id}}
    return {
        "type": "UPDATE_FRAMEWORK",
        "update_framework": {
            "framework_info": framework,
            "suppressed_roles": list(suppressed_roles),
        },
    }


def accept(
    offer_ids: Sequence[str], operations: Sequence[Mapping[str, Any]], refuse_seconds: float
) -> Json:
    """ACCEPT offers of one agent; operations apply in order, but not as one transaction."""
    return {
        "type": "ACCEPT",
        "accept": {
            "offer_ids": [{"value": offer_id} for offer_id in offer_ids],
            "operations": list(operations),
            "filters": {"refuse_seconds": refuse_seconds},
        },
    }


def decline(offer_ids: Sequence[str], refuse_seconds: float) -> Json:
    """DECLINE offers and do not see their resources again for `refuse_seconds`."""
    return {
        "type": "DECLINE",
        "decline": {
            "offer_ids": [{"value": offer_id} for offer_id in offer_ids],
            "filters": {"refuse_seconds": refuse_seconds},
        },
    }


def accept_inverse_offers(offer_ids: Sequence[str], refuse_seconds: float) -> Json:
    """ACCEPT_INVERSE_OFFERS: the agents may be taken down; asked again after `refuse_seconds`."""
    return _answer_inverse_offers("ACCEPT_INVERSE_OFFERS", offer_ids, refuse_seconds)


def decline_inverse_offers(offer_ids: Sequence[str], refuse_seconds: float) -> Json:
    """DECLINE_INVERSE_OFFERS: the agents are needed; asked again after `refuse_seconds`."""
    return _answer_inverse_offers("DECLINE_INVERSE_OFFERS", offer_ids, refuse_seconds)


def _answer_inverse_offers(kind: str, offer_ids: Sequence[str], refuse_seconds: float) -> Json:
    return {
        "type": kind,
        kind.lower(): {
            "inverse_offer_ids": [{"value": offer_id} for offer_id in offer_ids],
            "filters": {"refuse_seconds": refuse_seconds},
        },
    }


def revive(roles: Sequence[str] = ()) -> Json:
    """REVIVE: forget declined filters and send offers again; for all roles when none is given."""
    return _for_roles("REVIVE", roles)


def suppress(roles: Sequence[str] = ()) -> Json:
    """SUPPRESS: send no offers until REVIVE; for all roles when none is given."""
    return _for_roles("SUPPRESS", roles)


def kill(task_id: str, agent_id: str | None) -> Json:
    """KILL a task. With the agent id the master can forward the call to an agent it forgot."""
    body: Json = {"task_id": {"value": task_id}}
    if agent_id is not None:
        body["agent_id"] = {"value": agent_id}
    return {"type": "KILL", "kill": body}


def reconcile(tasks: Sequence[tuple[str, str | None]]) -> Json:
    """RECONCILE (task id, agent id) pairs; an empty sequence asks for every known task."""
    return {
        "type": "RECONCILE",
        "reconcile": {
            "tasks": [
                {"task_id": {"value": task_id}}
                | ({"agent_id": {"value": agent_id}} if agent_id is not None else {})
                for task_id, agent_id in tasks
            ]
        },
    }


def acknowledge(task_id: str, agent_id: str, uuid: str) -> Json:
    """ACKNOWLEDGE a task status; `uuid` exactly as the status carried it (base64 text)."""
    return {
        "type": "ACKNOWLEDGE",
        "acknowledge": {
            "task_id": {"value": task_id},
            "agent_id": {"value": agent_id},
            "uuid": uuid,
        },
    }


def acknowledge_operation(
    operation_id: str,
    uuid: str,
    agent_id: str | None = None,
    resource_provider_id: str | None = None,
) -> Json:
    """ACKNOWLEDGE_OPERATION_STATUS.

    `uuid` is the status' `uuid.value`: the status holds a message, the call plain bytes
    (scheduler.proto, AcknowledgeOperationStatus).
    """
    body: Json = {"operation_id": {"value": operation_id}, "uuid": uuid}
    if agent_id is not None:
        body["agent_id"] = {"value": agent_id}
    if resource_provider_id is not None:
        body["resource_provider_id"] = {"value": resource_provider_id}
    return {"type": "ACKNOWLEDGE_OPERATION_STATUS", "acknowledge_operation_status": body}


def teardown() -> Json:
    """TEARDOWN: kills every task and ends the framework. The last step of an uninstall only."""
    return {"type": "TEARDOWN"}


def _for_roles(kind: str, roles: Sequence[str]) -> Json:
    return {"type": kind, kind.lower(): {"roles": list(roles)}} if roles else {"type": kind}
