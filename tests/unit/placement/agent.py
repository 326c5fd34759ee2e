"""A naive model of one agent's resources: what it has, offers, and does on operations."""

import itertools
from collections.abc import Mapping
from typing import Any

from holdfast.core.launch import accept_operations
from holdfast.mesos.parse import parse_offer
from holdfast.placement.evaluate import Owner, Placement
from holdfast.placement.pool import AgentPool, PoolKey, pools
from holdfast.records import Reservation
from holdfast.service.model import (
    ANY_ROLE,
    Goal,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    ServiceSpec,
    TaskSpec,
)
from tests.simulation import resources
from tests.simulation.resources import Bag, Json

ROLE = "db-role"

_ids = (f"id{number}" for number in itertools.count(1))


def new_id() -> str:
    return next(_ids)


def owner(*pods: PodSpec) -> Owner:
    """The owner of the reservations of a service `db` of those pods."""
    plan = PlanSpec("deploy", tuple(PhaseSpec(pod.type, pod.type) for pod in pods))
    return Owner(ServiceSpec("db", "root", "db-principal", "zk:2181", pods, plan), "framework")


def task(name: str = "node", **changes: Any) -> TaskSpec:
    values: dict[str, Any] = {
        "name": name,
        "goal": Goal.RUNNING,
        "cmd": "run",
        "cpus": 0.5,
        "memory_mb": 128,
    } | changes
    return TaskSpec(**values)


def pod(*tasks: TaskSpec, **changes: Any) -> PodSpec:
    values: dict[str, Any] = {"type": "db", "count": 1, "tasks": tasks or (task(),)} | changes
    return PodSpec(**values)


def scalar(name: str, amount: float, role: str = ANY_ROLE) -> Json:
    return _for_role({"name": name, "type": "SCALAR", "scalar": {"value": amount}}, role)


def ports(begin: int, end: int, role: str = ANY_ROLE) -> Json:
    ranges = {"range": [{"begin": begin, "end": end}]}
    return _for_role({"name": "ports", "type": "RANGES", "ranges": ranges}, role)


def disk(
    kind: str, root: str, amount: float, profile: str | None = None, role: str = ANY_ROLE
) -> Json:
    """A disk of type PATH or MOUNT."""
    source: Json = {"type": kind, kind.lower(): {"root": root}}
    if profile:
        source["profile"] = profile
    return scalar("disk", amount, role) | {"disk": {"source": source}}


def _for_role(message: Json, role: str) -> Json:
    if role == ANY_ROLE:
        return message
    return message | {"reservations": [{"type": "STATIC", "role": role}]}


class Agent:
    """Offers all it has that is not `in_use`; raises AssertionError on what it cannot do."""

    def __init__(self, *has: Json) -> None:
        self.bag: Bag = resources.bag(has)
        self.in_use: Bag = {}
        self._offers = itertools.count(1)

    def pool(self, role: str = ROLE) -> AgentPool:
        left = resources.minus(self.bag, self.in_use)
        assert left is not None
        message = {
            "id": {"value": f"offer-{next(self._offers)}"},
            "agent_id": {"value": "agent-1"},
            "hostname": "host-1",
            "allocation_info": {"role": role},
            "resources": resources.messages(left, role),
        }
        return pools([parse_offer(message)])[PoolKey("agent-1", role)]

    def use(self, *messages: Json | None) -> None:
        self.in_use = resources.plus(self.in_use, resources.bag(m for m in messages if m))

    def apply(self, placement: Placement) -> list[str]:
        """Carry out the operations before the launch; returns their types."""
        operations = accept_operations(placement, [])
        assert operations.pop()["type"] == "LAUNCH"
        for operation in operations:
            kind = operation["type"]
            body = operation[kind.lower()]
            having = resources.bag(body["volumes" if kind == "CREATE" else "resources"])
            match kind:
                case "RESERVE":
                    self._exchange(resources.popped(having), having)
                case "UNRESERVE":
                    self._exchange(having, resources.popped(having))
                case "CREATE":
                    self._exchange(resources.bag(map(_disk_below, body["volumes"])), having)
        return [operation["type"] for operation in operations]

    def _exchange(self, given: Bag, got: Bag) -> None:
        left = resources.minus(self.bag, given)
        assert left is not None, f"the agent has no {given}"
        self.bag = resources.plus(left, got)

    def reserved(self, held: Reservation) -> dict[str, Any]:
        """What exists of a reservation: amounts, ports, and volumes by id with size and source."""
        result: dict[str, Any] = {"cpus": 0.0, "mem": 0.0, "gpus": 0.0, "ports": set()}
        volumes: dict[str, tuple[float, Any]] = {}
        for message in resources.messages(self.bag, ROLE):
            top = message.get("reservations", [{}])[-1]
            labels = {x["key"]: x["value"] for x in top.get("labels", {}).get("labels", ())}
            if labels.get("resource_id") not in held.resource_ids:
                continue
            below = message.get("disk", {})
            if message["name"] == "disk":
                assert "persistence" in below, "a disk is reserved without its volume"
                id_ = below["persistence"]["id"]
                assert id_ not in volumes, "one volume twice"
                volumes[id_] = (message["scalar"]["value"], below.get("source"))
            elif message["name"] == "ports":
                result["ports"] |= _numbers(message)
            else:
                result[message["name"]] += message["scalar"]["value"]
        return result | {"volumes": volumes}


def _numbers(message: Mapping[str, Any]) -> set[int]:
    return {
        number
        for part in message["ranges"]["range"]
        for number in range(part["begin"], part["end"] + 1)
    }


def _disk_below(volume: Json) -> Json:
    below = {key: value for key, value in volume["disk"].items() if key == "source"}
    rest = {key: value for key, value in volume.items() if key != "disk"}
    return rest | {"disk": below} if below else rest


def wanted(held: Reservation) -> dict[str, Any]:
    """The same picture as `Agent.reserved`, of what the record says."""
    return {
        "cpus": held.cpus,
        "mem": held.memory_mb,
        "gpus": held.gpus,
        "ports": set(held.host_ports),
        "volumes": {v.id: (v.size_mb, v.source) for v in held.volumes},
    }
