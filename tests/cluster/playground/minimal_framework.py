"""The smallest v1 framework: one task with a persistent volume, and what Mesos says about it."""

import http.client
import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

EXECUTOR = Path(__file__).with_name("executor.py")
ROLE = "probe"
CAPABILITIES = ("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE", "REGION_AWARE")
VOLUME_ID = "probe-volume"
JSON = {"Content-Type": "application/json", "Accept": "application/json"}


def reserved(name: str, amount: float) -> dict[str, Any]:
    """A dynamically reserved scalar."""
    return {
        "name": name,
        "type": "SCALAR",
        "scalar": {"value": amount},
        "reservations": [{"type": "DYNAMIC", "role": ROLE, "principal": ROLE}],
        "allocation_info": {"role": ROLE},
    }


VOLUME = {
    **reserved("disk", 64.0),
    "disk": {
        "persistence": {"id": VOLUME_ID, "principal": ROLE},
        "volume": {"container_path": "data", "mode": "RW"},
    },
}


def volume_ids(offer: Mapping[str, Any]) -> list[str]:
    """The persistent volumes of an offer."""
    disks = (resource.get("disk", {}) for resource in offer["resources"])
    return [disk["persistence"]["id"] for disk in disks if "persistence" in disk]


class Framework:
    """Subscribed inside a `with` block; torn down, with its tasks, after it."""

    def __init__(self, leader: str, user: str = "root", framework_id: str | None = None) -> None:
        self.leader = urlsplit(leader).netloc
        self.user = user
        self.framework_id = framework_id
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.seen: list[dict[str, Any]] = []
        self.stream = ""

    def __enter__(self) -> Self:
        self.subscribe(self.leader)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.call({"type": "TEARDOWN"})

    def subscribe(self, leader: str) -> None:
        """(Re)subscribe with the master at a URL or "ip:port"."""
        self.leader = urlsplit(leader).netloc or leader
        self.events = queue.Queue()
        info: dict[str, Any] = {
            "user": self.user,
            "name": "probe",
            "roles": [ROLE],
            "principal": ROLE,
            "checkpoint": True,
            "failover_timeout": 3600,
            "capabilities": [{"type": name} for name in CAPABILITIES],
        }
        body: dict[str, Any] = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if self.framework_id:
            info["id"] = body["framework_id"] = {"value": self.framework_id}
        response = self._post(body)
        assert response.status == http.HTTPStatus.OK, response.read()
        self.stream = response.headers["Mesos-Stream-Id"]
        threading.Thread(target=self._read, args=(response, self.events), daemon=True).start()
        subscribed = self.wait_for(lambda event: event["type"] == "SUBSCRIBED")
        self.framework_id = subscribed["subscribed"]["framework_id"]["value"]

    def _read(
        self, response: http.client.HTTPResponse, events: "queue.Queue[dict[str, Any]]"
    ) -> None:
        try:
            while size := response.readline():
                events.put(json.loads(response.read(int(size))))
        except (OSError, http.client.HTTPException, ValueError) as error:
            events.put({"type": "ENDED", "error": repr(error)})

    def _post(self, body: dict[str, Any]) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.leader, timeout=60)
        headers = {**JSON, **({"Mesos-Stream-Id": self.stream} if self.stream else {})}
        if body["type"] == "SUBSCRIBE":
            headers.pop("Mesos-Stream-Id", None)
        connection.request("POST", "/api/v1/scheduler", json.dumps(body), headers)
        return connection.getresponse()

    def call(self, body: dict[str, Any]) -> None:
        """Send a call the master must accept."""
        response = self._post({**body, "framework_id": {"value": self.framework_id}})
        assert response.status == http.HTTPStatus.ACCEPTED, response.read()

    def wait_for(
        self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 60.0
    ) -> dict[str, Any]:
        """The first event that is wanted; acknowledges statuses and declines offers meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            assert left > 0, f"not seen in time; seen {[event['type'] for event in self.seen]}"
            try:
                event = self.events.get(timeout=left)
            except queue.Empty:
                continue
            self.seen.append(event)
            if event["type"] == "UPDATE":
                self._acknowledge(event["update"]["status"])
            if wanted(event):
                return event
            if event["type"] == "OFFERS":
                self._decline(event["offers"]["offers"])

    def _acknowledge(self, status: dict[str, Any]) -> None:
        if "uuid" in status:
            fields = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
            self.call({"type": "ACKNOWLEDGE", "acknowledge": fields})

    def _decline(self, offers: list[dict[str, Any]]) -> None:
        declined = {"offer_ids": [o["id"] for o in offers], "filters": {"refuse_seconds": 0.2}}
        self.call({"type": "DECLINE", "decline": declined})

    def wait_for_offer(
        self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 60.0
    ) -> dict[str, Any]:
        """The first offer that is wanted; all others are declined."""
        found: list[dict[str, Any]] = []

        def look(event: dict[str, Any]) -> bool:
            if event["type"] == "OFFERS":
                found.extend(offer for offer in event["offers"]["offers"] if wanted(offer))
            return bool(found)

        event = self.wait_for(look, seconds)
        others = [o for o in event["offers"]["offers"] if o is not found[0]]
        if others:
            self._decline(others)
        return found[0]

    def wait_for_state(self, task: str, state: str, seconds: float = 60.0) -> dict[str, Any]:
        """The status update that brings a task into that state."""

        def wanted(event: dict[str, Any]) -> bool:
            status = event.get("update", {}).get("status", {})
            return bool(status.get("task_id", {}).get("value") == task and status["state"] == state)

        status: dict[str, Any] = self.wait_for(wanted, seconds)["update"]["status"]
        return status

    def launch(self, task: str, hostname: str | None = None, **command: Any) -> dict[str, Any]:
        """Reserve, create the volume and launch the task; returns the offer it was done with."""
        offer = self.wait_for_offer(lambda o: hostname in (None, o["hostname"]))
        self.launch_in(offer, task, create=True, **command)
        return offer

    def launch_in(self, offer: Mapping[str, Any], task: str, create: bool, **command: Any) -> None:
        """Launch the task in an offer, on a new volume or on the one the offer has."""
        executor = {
            "type": "CUSTOM",
            "executor_id": {"value": f"executor-{task}"},
            "framework_id": {"value": self.framework_id},
            "command": {"value": str(EXECUTOR), **command},
            "resources": [reserved("cpus", 0.1), reserved("mem", 32.0)],
        }
        info = {
            "name": task,
            "task_id": {"value": task},
            "agent_id": offer["agent_id"],
            "resources": [reserved("cpus", 0.1), reserved("mem", 32.0), VOLUME],
            "executor": executor,
        }
        everything = [reserved("cpus", 0.2), reserved("mem", 64.0), reserved("disk", 64.0)]
        preparation = [
            {"type": "RESERVE", "reserve": {"resources": everything}},
            {"type": "CREATE", "create": {"volumes": [VOLUME]}},
        ]
        launch = {"type": "LAUNCH", "launch": {"task_infos": [info]}}
        accepted = {
            "offer_ids": [offer["id"]],
            "filters": {"refuse_seconds": 0},
            "operations": [*(preparation if create else []), launch],
        }
        self.call({"type": "ACCEPT", "accept": accepted})

    def reconcile(self, task: str, agent_id: Mapping[str, Any]) -> dict[str, Any]:
        """What the master says about a task now (the status it answers with)."""
        tasks = [{"task_id": {"value": task}, "agent_id": agent_id}]
        self.call({"type": "RECONCILE", "reconcile": {"tasks": tasks}})
        event = self.wait_for(
            lambda e: e.get("update", {}).get("status", {}).get("reason") == "REASON_RECONCILIATION"
        )
        status: dict[str, Any] = event["update"]["status"]
        return status
