"""Services and offers for the tests of the core."""

from typing import Any

from holdfast.mesos.messages import Offer
from holdfast.mesos.parse import parse_offer
from holdfast.service.model import (
    Constraint,
    Goal,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    VolumeSpec,
)

UNIQUE_HOST = Constraint("hostname", Operator.UNIQUE)


def service(
    count: int = 3,
    *,
    placement: tuple[Constraint, ...] = (UNIQUE_HOST,),
    strategy: Strategy = Strategy.SERIAL,
    tasks: tuple[TaskSpec, ...] | None = None,
    **changes: Any,
) -> ServiceSpec:
    """A service of one pod type, `db`, with one task and one volume unless told otherwise."""
    task = TaskSpec(
        name="node",
        goal=Goal.RUNNING,
        cmd="run",
        cpus=0.5,
        memory_mb=128,
        volumes=(VolumeSpec("data", 100),),
        ports=(PortSpec("client", 2379, "PORT_CLIENT"),),
    )
    pod = PodSpec(type="db", count=count, tasks=tasks or (task,), placement=placement)
    plan = PlanSpec("deploy", (PhaseSpec("db", "db", strategy),), strategy)
    values: dict[str, Any] = {
        "name": "db",
        "user": "root",
        "principal": "db-principal",
        "zookeeper": "zk:2181",
        "pods": (pod,),
        "deploy": plan,
    } | changes
    return ServiceSpec(**values)


def offer(
    number: int,
    *,
    id_: str | None = None,
    reserved: list[dict[str, Any]] | None = None,
    zone: str | None = None,
    region: str = "here",
    cpus: float = 4,
    mem: float = 4096,
    disk: float = 10000,
    ports: tuple[int, int] = (2000, 3000),
) -> Offer:
    """An offer of agent `number`, with unreserved resources and those given as reserved."""
    free: list[dict[str, Any]] = [
        {"name": name, "type": "SCALAR", "scalar": {"value": value}}
        for name, value in (("cpus", cpus), ("mem", mem), ("disk", disk))
        if value
    ]
    ranges = {"range": [{"begin": ports[0], "end": ports[1]}]}
    free.append({"name": "ports", "type": "RANGES", "ranges": ranges})
    return parse_offer(
        {
            "id": {"value": id_ or f"offer-{number}"},
            "framework_id": {"value": "framework"},
            "agent_id": {"value": f"agent-{number}"},
            "hostname": f"host-{number}",
            "allocation_info": {"role": "db-role"},
            "url": {"scheme": "http", "address": {"ip": f"10.0.0.{number}", "port": 5051}},
            "domain": {
                "fault_domain": {
                    "region": {"name": region},
                    "zone": {"name": zone or f"zone-{number}"},
                }
            },
            "resources": free + (reserved or []),
        }
    )
