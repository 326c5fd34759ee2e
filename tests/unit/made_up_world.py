"""A cluster and a scheduler that are made up: both answer over HTTP, as the real ones where all is
well. A test changes one thing in that."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import requests

from holdfast_playground.cluster import Cluster
from tests.cluster import invariants
from tests.web_server import WebServer, answering

OWN = "5d8b3a1e-0000"
AGENT = "5d8b3a1e-S0"
VOLUME = "volume-of-node-0"


class Pages(Mapping[str, bytes]):
    """The bodies as they are when they are asked for."""

    def __init__(self, bodies: Mapping[str, Any]) -> None:
        self._bodies = bodies

    def __getitem__(self, path: str) -> bytes:
        return json.dumps(self._bodies[path]).encode()

    def __iter__(self) -> Iterator[str]:
        return iter(self._bodies)

    def __len__(self) -> int:
        return len(self._bodies)


@dataclass
class World:
    """A service called db, of three instances on one agent; `bodies` are by the path of the URL.

    It is asked as the scheduler is; `volume` is the folder of a volume that node-0 has.
    """

    cluster: Cluster
    url: str
    server: WebServer
    bodies: dict[str, Any]
    volume: Path
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str) -> Any:
        return self.session.get(f"{self.url}/v1/{path}", timeout=10).json()

    def look(self) -> list[str]:
        """What is violated now."""
        return invariants.look(self, invariants.Volumes(self.cluster))

    def instance(self, name: str) -> dict[str, Any]:
        """An instance in the answer of /v1/pod/status."""
        instances: list[dict[str, Any]] = self.bodies["/v1/pod/status"]["pods"][0]["instances"]
        return next(one for one in instances if one["name"] == name)

    @property
    def frameworks(self) -> list[dict[str, Any]]:
        """All that Mesos has."""
        return cast(list[dict[str, Any]], self.bodies["/frameworks"]["frameworks"])

    @property
    def reserved(self) -> list[dict[str, Any]]:
        """All that Mesos has reserved on the agent."""
        (agent,) = self.bodies["/slaves"]["slaves"]
        return cast(list[dict[str, Any]], agent["reserved_resources_full"]["db-role"])

    @property
    def operations(self) -> list[dict[str, Any]]:
        """All that Mesos tells of."""
        told = self.bodies["/api/v1"]["get_operations"]["operations"]
        return cast(list[dict[str, Any]], told)

    @property
    def orphans(self) -> list[dict[str, Any]]:
        """What the scheduler says that Mesos has for it."""
        return cast(list[dict[str, Any]], self.bodies["/v1/orphans"]["items"])


def framework(id_: str, name: str = "db", active: bool = True) -> dict[str, Any]:
    return {"id": id_, "name": name, "active": active}


def reservation(resource_id: str, service: str = "db") -> dict[str, Any]:
    labels = {"service": service, "resource_id": resource_id}
    pairs = [{"key": key, "value": value} for key, value in labels.items()]
    return {"name": "cpus", "reservations": [{"labels": {"labels": pairs}}]}


def held(resource_id: str, class_: str = "explained", **more: Any) -> dict[str, Any]:
    """What the scheduler says of a reservation."""
    return {
        "name": f"{resource_id}-cpus",
        "kind": "reservation",
        "class": class_,
        "agent": "10.0.0.1",
        "labels": {"service": "db", "resource_id": resource_id},
        "applicable": class_ != "explained",
        "hint": "`holdfast orphans --apply` with its name",
        **more,
    }


def operation(state: str, agent: str = AGENT, framework_id: str = OWN) -> dict[str, Any]:
    return {
        "framework_id": {"value": framework_id},
        "agent_id": {"value": agent},
        "info": {"type": "RESERVE"},
        "latest_status": {"state": state},
    }


@contextmanager
def where_all_is_well(folder: Path) -> Iterator[World]:
    """Of which the agent's disk is in `folder`."""
    volume = folder / "agent-1" / "work" / "volumes" / "roles" / "db-role" / VOLUME
    volume.mkdir(parents=True)
    agents = [
        {
            "hostname": "10.0.0.1",
            "reserved_resources_full": {"db-role": [reservation("r1"), reservation("r2")]},
        }
    ]
    running = [
        {
            "name": f"node-{number}",
            "state": "running",
            "agent": f"10.0.0.{number + 1}",
            "decision": None,
            "reason": None,
            "tasks": [{"name": f"node-{number}-server", "id": f"t{number}", "status": "RUNNING"}],
        }
        for number in range(3)
    ]
    unique = {"field": "hostname", "operator": "UNIQUE", "parameter": ""}
    pod = {"type": "node", "count": 3, "max_unavailable": 1, "placement": [unique]}
    bodies = {
        "/frameworks": {"frameworks": [framework(OWN), framework("5d8b3a1e-0001", "another")]},
        "/slaves": {"slaves": agents},
        "/api/v1": {"get_operations": {"operations": [operation("OPERATION_FINISHED")]}},
        "/v1/multi": {"message": "this scheduler is of one service"},
        "/v1/state/frameworkId": [OWN],
        "/v1/state/properties/suppressed": True,
        "/v1/configurations/target": {"name": "db", "pods": [pod]},
        "/v1/orphans": {"items": [held("r1"), held("r2")]},
        "/v1/quarantine": [],
        "/v1/volumes": [{"id": VOLUME}],
        "/v1/uninstall": {"state": "none"},
        "/v1/events?kind=command&limit=500": {"events": []},
        "/v1/pod/status": {"pods": [{"name": "node", "instances": running}]},
    }
    with answering() as server:
        server.pages = Pages(bodies)
        agent = SimpleNamespace(number=1, work_dir=folder / "agent-1" / "work")
        cluster = SimpleNamespace(
            directory=folder,
            agents=(agent,),
            leader=lambda: server.url,
            agent_ids=lambda: {1: AGENT},
        )
        yield World(cast(Cluster, cluster), server.url, server, bodies, volume)
