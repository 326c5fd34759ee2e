"""JSON of the v1 scheduler API -> the facts of `holdfast.mesos.messages`.

Plain functions without reflection: an event can hold thousands of offers. Every function raises
ParseError when the message lacks what the API promises.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from holdfast.mesos.messages import (
    DiskSource,
    InverseOffer,
    Json,
    MasterInfo,
    Offer,
    OperationStatus,
    Resource,
    TaskState,
    TaskStatus,
    Unavailability,
)

_NO_LABELS: Mapping[str, str] = MappingProxyType({})
NANOSECONDS = 1_000_000_000
_MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError)


class ParseError(ValueError):
    """A message of the master does not have the form the v1 API documents."""


def parse_offers(event: Json) -> tuple[Offer, ...]:
    """The offers of an OFFERS event."""
    try:
        return tuple([_offer(offer) for offer in event["offers"].get("offers", ())])
    except _MALFORMED as error:
        raise _malformed("OFFERS event", error) from error


def parse_inverse_offers(event: Json) -> tuple[InverseOffer, ...]:
    """The inverse offers of an INVERSE_OFFERS event; those that name no agent are left out."""
    try:
        offers = event["inverse_offers"].get("inverse_offers", ())
        return tuple([_inverse_offer(offer) for offer in offers if "agent_id" in offer])
    except _MALFORMED as error:
        raise _malformed("INVERSE_OFFERS event", error) from error


def parse_offer(message: Json) -> Offer:
    """One mesos.v1.Offer."""
    try:
        return _offer(message)
    except _MALFORMED as error:
        raise _malformed("offer", error) from error


def parse_resource(message: Json) -> Resource:
    """One mesos.v1.Resource, in the reservation-refinement format or the older one."""
    try:
        return _resource(message)
    except _MALFORMED as error:
        raise _malformed("resource", error) from error


def parse_task_status(message: Json) -> TaskStatus:
    """One mesos.v1.TaskStatus, as found in an UPDATE event."""
    try:
        check = message.get("check_status")
        return TaskStatus(
            task_id=message["task_id"]["value"],
            state=TaskState(message["state"]),
            agent_id=_value(message.get("agent_id")),
            executor_id=_value(message.get("executor_id")),
            uuid=message.get("uuid"),
            message=message.get("message", ""),
            reason=message.get("reason", ""),
            source=message.get("source", ""),
            has_check=check is not None,
            check_exit_code=check.get("command", {}).get("exit_code") if check else None,
            healthy=message.get("healthy"),
            timestamp=float(message.get("timestamp", 0.0)),
            container_ip=_container_ip(message),
        )
    except _MALFORMED as error:
        raise _malformed("task status", error) from error


def parse_operation_status(message: Json) -> OperationStatus:
    """One mesos.v1.OperationStatus; its uuid is a message, unlike that of a task status.

    An operation without an id gets no such event, so a missing id is malformed.
    """
    try:
        return OperationStatus(
            operation_id=message["operation_id"]["value"],
            state=message["state"],
            uuid=_value(message.get("uuid")),
            agent_id=_value(message.get("agent_id")),
            resource_provider_id=_value(message.get("resource_provider_id")),
            message=message.get("message", ""),
        )
    except _MALFORMED as error:
        raise _malformed("operation status", error) from error


def parse_master(message: Json, *, scheme: str = "http", url: str | None = None) -> MasterInfo:
    """A mesos.v1.MasterInfo, from SUBSCRIBED or from the masters' ZooKeeper node.

    `url` replaces the address in the message: what was really connected to.
    """
    try:
        region, zone = _domain(message.get("domain"))
        return MasterInfo(
            id=message.get("id", ""),
            url=url or f"{scheme}://{_master_address(message)}",
            version=message.get("version", ""),
            region=region,
            zone=zone,
        )
    except _MALFORMED as error:
        raise _malformed("master info", error) from error


def _offer(message: Json) -> Offer:
    allocation = message.get("allocation_info")
    if not allocation or "role" not in allocation:
        raise ParseError(
            f"offer {_value(message.get('id'))} has no allocation_info.role: the framework must "
            "subscribe with the MULTI_ROLE capability"
        )
    region, zone = _domain(message.get("domain"))
    hostname: str = message["hostname"]
    url = message.get("url")
    executors = message.get("executor_ids")
    return Offer(
        id=message["id"]["value"],
        agent_id=message["agent_id"]["value"],
        hostname=hostname,
        ip=(url["address"].get("ip") if url else None) or hostname,
        role=allocation["role"],
        region=region,
        zone=zone,
        attributes={a["name"]: _attribute(a) for a in message.get("attributes", ())},
        executor_ids=frozenset([e["value"] for e in executors]) if executors else frozenset(),
        resources=tuple([_resource(r) for r in message.get("resources", ())]),
        agent_url=_agent_url(url) if url else "",
        unavailability=_unavailability(message.get("unavailability")),
    )


def _inverse_offer(message: Json) -> InverseOffer:
    when = _unavailability(message["unavailability"])
    assert when is not None
    return InverseOffer(message["id"]["value"], message["agent_id"]["value"], when)


def _unavailability(message: Json | None) -> Unavailability | None:
    """Mesos tells a start and, if it is known, a duration, both in nanoseconds."""
    if not message:
        return None
    start = int(message["start"]["nanoseconds"])
    duration = message.get("duration")
    end = (start + int(duration["nanoseconds"])) / NANOSECONDS if duration else None
    return Unavailability(start / NANOSECONDS, end)


def _agent_url(url: Json) -> str:
    """The base of the agent's own API, as http://10.0.0.5:5051/slave(1)."""
    address = url["address"]
    host = address.get("ip") or address["hostname"]
    host = f"[{host}]" if ":" in host else host
    return f"{url['scheme']}://{host}:{address['port']}{url.get('path', '')}"


def _resource(message: Json) -> Resource:
    name: str = message["name"]
    role, principal, labels = _reservation(message)
    persistence_id = container_path = source = None
    is_root_disk = name == "disk"
    disk = message.get("disk")
    if disk:
        persistence = disk.get("persistence")
        if persistence:
            persistence_id = persistence["id"]
        volume = disk.get("volume")
        if volume:
            container_path = volume["container_path"]
        if "source" in disk:
            is_root_disk = False
            source = _disk_source(disk["source"])
    if "shared" in message or "provider_id" in message:
        is_root_disk = False
    scalar = message.get("scalar")
    ranges = message.get("ranges")
    return Resource(
        name=name,
        amount=float(scalar["value"]) if scalar else 0.0,
        ranges=tuple([(int(r["begin"]), int(r["end"])) for r in ranges.get("range", ())])
        if ranges
        else (),
        role=role,
        principal=principal,
        labels=labels,
        persistence_id=persistence_id,
        container_path=container_path,
        is_root_disk=is_root_disk,
        raw=message,
        source=source,
        provider_id=_value(message.get("provider_id")),
        is_static=role is not None and _is_static(message),
        is_shared="shared" in message,
    )


def _disk_source(message: Json) -> DiskSource:
    kind = message["type"]
    where = message.get(kind.lower()) or {}
    return DiskSource(
        kind=kind,
        root=where.get("root"),
        id=message.get("id"),
        profile=message.get("profile"),
        raw=message,
    )


def _is_static(message: Json) -> bool:
    stack = message.get("reservations")
    return stack[-1].get("type") == "STATIC" if stack else "reservation" not in message


def _reservation(message: Json) -> tuple[str | None, str | None, Mapping[str, str]]:
    """Role, principal and labels of the innermost reservation.

    `reservations` is a stack whose last entry is the most refined. The format before refinement
    has `role` ("*" when unreserved) and, for a dynamic reservation, `reservation`.
    """
    stack = message.get("reservations")
    if stack:
        last = stack[-1]
        return last["role"], last.get("principal"), _labels(last.get("labels"))
    role = message.get("role", "*")
    if role == "*":
        return None, None, _NO_LABELS
    dynamic = message.get("reservation") or {}
    return role, dynamic.get("principal"), _labels(dynamic.get("labels"))


def _labels(message: Json | None) -> Mapping[str, str]:
    if not message:
        return _NO_LABELS
    return {label["key"]: label.get("value", "") for label in message.get("labels", ())}


def _domain(message: Json | None) -> tuple[str | None, str | None]:
    fault_domain = message.get("fault_domain") if message else None
    if not fault_domain:
        return None, None
    return fault_domain["region"]["name"], fault_domain["zone"]["name"]


def _attribute(message: Json) -> str:
    """The text an operator would write for the attribute's value."""
    kind = message["type"]
    if kind == "TEXT":
        return str(message["text"]["value"])
    if kind == "SCALAR":
        return f"{message['scalar']['value']:g}"
    if kind == "RANGES":
        ranges = message["ranges"].get("range", ())
        return "[" + ",".join(f"{r['begin']}-{r['end']}" for r in ranges) + "]"
    if kind == "SET":
        return "{" + ",".join(message["set"].get("item", ())) + "}"
    raise ParseError(f"attribute {message['name']} has the unknown type {kind}")


def _container_ip(message: Json) -> str | None:
    for network in (message.get("container_status") or {}).get("network_infos", ()):
        for address in network.get("ip_addresses", ()):
            if "ip_address" in address:
                return str(address["ip_address"])
    return None


def _master_address(message: Json) -> str:
    address = message.get("address") or {}
    host = address.get("ip") or address.get("hostname") or message["hostname"]
    port = int(address.get("port") or message["port"])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _value(message: Any) -> str | None:
    return None if message is None else str(message["value"])


def _malformed(what: str, error: Exception) -> ParseError:
    if isinstance(error, ParseError):
        return error
    if isinstance(error, KeyError):
        return ParseError(f"{what} without the field {error.args[0]!r}")
    return ParseError(f"{what} not understood: {error}")
