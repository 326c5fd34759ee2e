"""What the simulated master remembers, and the messages it makes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.simulation import resources
from tests.simulation.agent import Agent
from tests.simulation.resources import Bag, Json


@dataclass(slots=True)
class MasterTask:
    """A task as the master knows it. `reported` is the state of its oldest open update."""

    id: str
    agent_id: str
    executor_id: str
    used: Bag
    state: str
    reported: str
    check: Json | None = None


@dataclass(slots=True)
class Filter:
    role: str
    what: Bag
    until: float


@dataclass(slots=True)
class Known:
    """A registered agent as the master knows it.

    `incomplete` when operations of the last ACCEPT were dropped for no reason of the framework's.
    """

    id: str
    agent: Agent
    total: Bag
    executors: dict[str, Bag] = field(default_factory=dict)
    infos: dict[str, Json] = field(default_factory=dict)
    offered_before_its_end: set[str] = field(default_factory=set)
    connected: bool = True
    incomplete: bool = False
    hogged: Bag = field(default_factory=dict)
    filters: list[Filter] = field(default_factory=list)
    kills: set[str] = field(default_factory=set)
    silences: int = 0

    def filtered(self, role: str, free: Bag, now: float) -> bool:
        """Whether the framework declined all of it and does not want to see it again yet."""
        self.filters = [f for f in self.filters if f.until > now]
        return any(
            f.role == role and resources.minus(f.what, free) is not None for f in self.filters
        )

    def send(self, action: Callable[[], None]) -> None:
        """A message to the agent; nobody takes it once the machine has another agent id."""
        if self.agent.id == self.id:
            self.agent.receive(action)


def offer_message(
    offer_id: str, known: Known, what: Bag, framework_id: str | None, role: str
) -> Json:
    """A mesos.v1.Offer."""
    agent = known.agent
    return {
        "id": {"value": offer_id},
        "framework_id": {"value": framework_id},
        "agent_id": {"value": known.id},  # its machine may have another by now, unheard of
        "hostname": agent.hostname,
        "allocation_info": {"role": role},
        "url": {"scheme": "http", "address": {"ip": f"10.0.0.{agent.number}", "port": 5051}},
        "domain": {
            "fault_domain": {"region": {"name": agent.region}, "zone": {"name": agent.zone}}
        },
        "resources": resources.messages(what, role),
    }


def allocatable(free: Bag) -> bool:
    """Mesos' default min_allocatable_resources: cpus:0.01|mem:32."""
    cpus = sum(a for kind, a in free.items() if kind[0] == "cpus" and isinstance(a, int))
    mem = sum(a for kind, a in free.items() if kind[0] == "mem" and isinstance(a, int))
    return cpus >= 10 or mem >= 32_000


def task_infos(operations: Sequence[Json]) -> list[Json]:
    return [
        info
        for operation in operations
        if operation["type"] == "LAUNCH"
        for info in operation["launch"]["task_infos"]
    ]


def same_executor(one: Json, other: Json) -> bool:
    """Mesos' equality of two ExecutorInfos: their resources in any order, the rest as it is."""
    rest = [{k: v for k, v in info.items() if k != "resources"} for info in (one, other)]
    return rest[0] == rest[1] and resources.bag(one["resources"]) == resources.bag(
        other["resources"]
    )


def question(task_id: str, agent_id: str | None) -> Json:
    result: Json = {"task_id": {"value": task_id}}
    if agent_id is not None:
        result["agent_id"] = {"value": agent_id}
    return result


def words(what: Bag) -> str:
    parts = []
    for kind in sorted(what):
        id_ = resources.persistence_id(kind)
        parts.append(f"volume {id_}" if id_ else kind[0])
    return ", ".join(parts)
