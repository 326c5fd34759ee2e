"""What the leading master knows to be reserved and running, asked on demand (GET_STATE).

https://mesos.apache.org/documentation/latest/operator-http-api/#get_state
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import requests

from holdfast.mesos.access import Access
from holdfast.mesos.messages import Json, Resource
from holdfast.mesos.parse import parse_resource
from holdfast.mesos.stream import CONNECT_TIMEOUT_SECONDS, connection_problem

ANSWER_SECONDS = 20.0
MOST_OF_A_REASON = 200


class NoInventory(Exception):
    """The master did not tell; why."""


@dataclass(frozen=True, slots=True)
class Held:
    """A resource of an agent that is reserved for one of the roles asked about."""

    agent_id: str
    hostname: str
    resource: Resource


@dataclass(frozen=True, slots=True)
class Running:
    """A task or an executor; `since` is seconds since the epoch, where known."""

    kind: str
    id: str
    framework_id: str
    agent_id: str
    hostname: str
    roles: frozenset[str]
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """`silent` are agents, by hostname, that have yet to come back to this master."""

    held: tuple[Held, ...]
    running: tuple[Running, ...]
    agents: frozenset[str]
    silent: tuple[str, ...]


def ask_master(access: Access, master_url: str | None, roles: Collection[str]) -> Inventory:
    """Ask once. Raises NoInventory with what the network or the master did."""
    if master_url is None:
        raise NoInventory("no master is connected at the moment")
    try:
        with access.session() as session:
            answer = session.post(
                f"{master_url}/api/v1",
                json={"type": "GET_STATE"},
                headers={"Accept": "application/json"},
                timeout=(CONNECT_TIMEOUT_SECONDS, ANSWER_SECONDS),
                allow_redirects=False,
            )
            if answer.status_code != 200:
                text = answer.text.strip()[:MOST_OF_A_REASON] or answer.reason
                raise NoInventory(f"{master_url} refuses: HTTP {answer.status_code}, {text}")
            return parse_state(answer.json()["get_state"], frozenset(roles))
    except requests.JSONDecodeError as error:
        raise NoInventory(f"{master_url} answers with something else than JSON") from error
    except requests.RequestException as error:
        raise NoInventory(f"{master_url} does not answer: {connection_problem(error)}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise NoInventory(f"the answer of {master_url} is not understood: {error!r}") from error


def parse_state(state: Json, roles: frozenset[str]) -> Inventory:
    """Of the answer to GET_STATE. Raises KeyError, TypeError or ValueError."""
    known = state.get("get_agents", {})
    agents = known.get("agents", [])
    hosts = {a["agent_info"]["id"]["value"]: a["agent_info"]["hostname"] for a in agents}
    held = [
        Held(agent["agent_info"]["id"]["value"], agent["agent_info"]["hostname"], resource)
        for agent in agents
        for resource in map(parse_resource, agent.get("total_resources", []))
        if resource.role in roles and not resource.is_static
    ]
    return Inventory(
        tuple(held),
        tuple(_running(state, hosts)),
        frozenset(hosts),
        tuple(sorted(one["hostname"] for one in known.get("recovered_agents", []))),
    )


def _running(state: Json, hosts: dict[str, str]) -> Iterator[Running]:
    tasks = state.get("get_tasks", {})
    for task in [*tasks.get("tasks", []), *tasks.get("unreachable_tasks", [])]:
        times = [one["timestamp"] for one in task.get("statuses", []) if "timestamp" in one]
        yield _one("task", task["task_id"]["value"], task, hosts, min(times, default=None))
    for executor in state.get("get_executors", {}).get("executors", []):
        info = executor["executor_info"]
        merged = {**info, "agent_id": executor["agent_id"]}
        yield _one("executor", info["executor_id"]["value"], merged, hosts, None)


def _one(kind: str, id_: str, body: Any, hosts: dict[str, str], since: float | None) -> Running:
    agent_id = body["agent_id"]["value"]
    resources = map(parse_resource, body.get("resources", []))
    return Running(
        kind=kind,
        id=id_,
        framework_id=body["framework_id"]["value"],
        agent_id=agent_id,
        hostname=hosts.get(agent_id, agent_id),
        roles=frozenset(resource.role for resource in resources if resource.role),
        since=since,
    )
