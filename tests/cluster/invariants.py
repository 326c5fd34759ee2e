"""What must be so on a real cluster whatever happened, found out without trusting the scheduler.

I1  One scheduler leads: Mesos has one active framework of the name.
I2  No two executors that live have one volume: by this machine's processes and what they see.
I3  No volume goes, or is made anew, without an order: by the agents' disks and the journal.
I4  Every reservation of the framework is explained by a record, or shown as quarantined.
I5  No operation on a reachable agent stays without an outcome.
I6  No more of a pod are being stopped than `max-unavailable`, unless by force. `taken_down` tells
    those from all that are down by our doing, which takes looks all the time, as in the soak.
I7  No two instances of a pod are on one agent, if each is to have a host of its own.
I10 With nothing to do no offers are asked for; only told by `idle`, since that takes its time.

Without a scheduler that answers, as a test may want it, nobody knows the orders, and only I2 is
left. What the scheduler or Mesos is about to mend is no violation: see `check`.
"""

import os
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import requests

from holdfast_playground.cluster import Cluster
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.processes import environment_of
from tests.cluster.taken_down import FORCED_SECONDS, forced, stopping

SETTLE_SECONDS = 30.0
POLL_SECONDS = 0.5
IDLE_SECONDS = 120.0
EVENTS = "events?kind=command"
MARK = "machine-of-a-test"
VOLUME = re.compile(r"/volumes/roles/[^/]+/([^/]+)$")


class Service(Protocol):
    """The scheduler of a service, as `running_service.Scheduler` is one."""

    cluster: Cluster
    session: requests.Session
    url: str

    def get(self, path: str) -> Any:
        """The JSON at a path below /v1."""


@dataclass(slots=True)
class Volumes:
    """A service's volumes on the agents' disks, as first seen: by id the machine, and the folder.

    A machine is known by a mark that is left on its disk, a folder by its inode.
    """

    cluster: Cluster
    seen: dict[str, tuple[str, int]] = field(default_factory=dict)

    def look(self, service: Service) -> None:
        """Note where the volumes are that the service knows of; it has to answer."""
        for agent in self.cluster.agents:
            disk = agent.work_dir.parent
            if disk.exists() and not (disk / MARK).exists():
                (disk / MARK).write_text(uuid.uuid4().hex)
        known = {one["id"] for base in bases(service) for one in service.get(f"{base}volumes")}
        for machine, folders in self._disks().items():
            for id_ in known & folders.keys():
                self.seen.setdefault(id_, (machine, folders[id_]))

    def lost(self) -> dict[str, str]:
        """What became of volumes seen earlier, by id; of those whose machine is still there."""
        disks = self._disks()
        there = {id_: inode for folders in disks.values() for id_, inode in folders.items()}
        return {
            id_: "gone" if id_ not in there else "made anew"
            for id_, (machine, inode) in self.seen.items()
            if machine in disks and there.get(id_) != inode
        }

    def _disks(self) -> dict[str, dict[str, int]]:
        disks = {}
        for agent in self.cluster.agents:
            with suppress(FileNotFoundError):  # its power is off, or it is another machine by now
                mark = (agent.work_dir.parent / MARK).read_text()
                folders = agent.work_dir.glob("volumes/roles/*/*")
                disks[mark] = {f.name: f.stat().st_ino for f in folders}
        return disks


def holders(cluster: Cluster) -> dict[str, dict[str, set[int]]]:
    """By volume id the executors that live and have it, each with its processes.

    A container has its volumes mounted below its sandbox, or linked to where it has none of its
    own view of the disk; both are looked for.
    """
    found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    inside = os.fsencode(cluster.directory) + b"/"
    for name in filter(str.isdigit, os.listdir("/proc")):
        process = Path("/proc") / name
        with suppress(OSError):  # it ended meanwhile, or is another user's
            environment = environment_of(int(name))
            sandbox = environment.get(b"MESOS_DIRECTORY", b"")
            if not sandbox.startswith(inside):
                continue
            executor = environment.get(b"MESOS_EXECUTOR_ID", sandbox).decode()
            for id_ in _volumes_of(process, os.fsdecode(sandbox)):
                found[id_][executor].add(int(name))
    return found


def _volumes_of(process: Path, sandbox: str) -> Iterator[str]:
    for line in (process / "mountinfo").read_text().splitlines():
        root, point = line.split()[3:5]
        if point.startswith(f"{sandbox}/") and (match := VOLUME.search(root)):
            yield match.group(1)
    for entry in os.scandir(sandbox):
        if entry.is_symlink() and (match := VOLUME.search(os.readlink(entry))):
            yield match.group(1)


def twice_owned(cluster: Cluster) -> list[str]:
    """I2, with processes that were there before and after the look, so that none only followed."""
    shared = {id_: having for id_, having in holders(cluster).items() if len(having) > 1}
    if not shared:
        return []
    still = holders(cluster)
    return [
        f"I2: volume {id_} is used by {len(both)} executors at once: {both}"
        for id_, having in shared.items()
        if len(both := {e: pids for e in having if (pids := having[e] & still[id_][e])}) > 1
    ]


def look(service: Service, volumes: Volumes) -> list[str]:
    """All violations there are at this moment, in words."""
    found = twice_owned(service.cluster)
    try:
        framework = service.get("state/frameworkId")
        if isinstance(framework, list):
            return found + list(_asked(service, volumes, framework[0]))
    except (requests.RequestException, ValueError):
        pass  # it does not answer, or not any more: its session may just have ended
    # So it does, if it stands by, is not subscribed yet or any more, or keeps us out.
    return found


def _asked(service: Service, volumes: Volumes, framework_id: str) -> Iterator[str]:
    yield from _leading(service, framework_id)
    yield from _lost(service, volumes)
    for base in bases(service):
        yield from _unexplained(service, base)
        yield from _stopping(service, base)
        yield from _together(service, base)
    yield from _pending(service.cluster, framework_id)


def check(service: Service, volumes: Volumes, seconds: float = SETTLE_SECONDS) -> None:
    """Fail with what is violated, if something is at each look during `seconds`.

    A reservation may be on its way back, an operation on its way to an agent: both end soon.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look(service, volumes)
        if not found:
            return
        if time.monotonic() > deadline or any(fault.startswith("I3") for fault in found):
            raise AssertionError("\n".join(("invariants are violated:", *found)))
        time.sleep(POLL_SECONDS)


def idle(service: Service, seconds: float = IDLE_SECONDS) -> None:
    """I10: fail unless the scheduler of a service that is well stops asking for offers."""
    deadline = time.monotonic() + seconds
    while not all(service.get(f"{base}state/properties/suppressed") for base in bases(service)):
        if time.monotonic() > deadline:
            raise AssertionError(f"I10: nothing is to be done, and offers come after {seconds:g} s")
        time.sleep(POLL_SECONDS)


def bases(service: Service) -> list[str]:
    """What paths of each service begin with: nothing, unless there are many in the scheduler."""
    many = service.get("multi")
    if not isinstance(many, list):
        return [""]
    return [f"{one['path'].removeprefix('/v1/').rstrip('/')}/" for one in many]


def _leading(service: Service, framework_id: str) -> list[str]:
    frameworks = _master(service.cluster, "frameworks", lambda body: body["frameworks"])
    own = [f for f in frameworks if f["id"] == framework_id]
    names = {f["name"] for f in own}
    twins = [f["id"] for f in frameworks if f["active"] and f["name"] in names]
    if len(twins) > 1:
        return [f"I1: Mesos has {len(twins)} active frameworks called {names}: {twins}"]
    return []


def _lost(service: Service, volumes: Volumes) -> list[str]:
    lost = volumes.lost()
    if not lost:
        return []
    orders = " ".join(
        f"{event['what']} {event.get('text', '')}"
        for event in service.get(f"{EVENTS}&limit=500").get("events", [])
        if event.get("status", 200) < 300
    )
    uninstalled = any(
        service.get(f"{base}uninstall").get("state", "none") != "none" for base in bases(service)
    )
    removed = "uninstall" in orders or "service remove" in orders
    return [
        f"I3: volume {id_} is {what}, and no operator named it; orders were: {orders or 'none'}"
        for id_, what in lost.items()
        if id_ not in orders and not uninstalled and not removed
    ]


def _unexplained(service: Service, base: str) -> list[str]:
    answer = service.get(f"{base}orphans")
    if "items" not in answer:  # the master does not answer now, or this client may not ask
        return []
    quarantined = {item["id"] for item in service.get(f"{base}quarantine")}
    shown = {item["labels"].get("resource_id") for item in answer["items"] if item["labels"]}
    found = [
        f"I4: {item['kind']} {item['name']} on {item['agent']} is {item['class']},"
        f" and not in quarantine: {item['hint']}"
        for item in answer["items"]
        if item["kind"] in ("reservation", "volume")
        and item["class"] != "explained"
        and item["name"] not in quarantined
        and item["applicable"]
    ]
    name = service.get(f"{base}configurations/target").get("name")
    hidden = [
        f"I4: {resource['name']} on {agent['hostname']} is reserved for {name},"
        f" and /v1/orphans does not tell of it: {labels}"
        for agent in _master(service.cluster, "slaves", lambda body: body["slaves"])
        for resources in agent.get("reserved_resources_full", {}).values()
        for resource in resources
        if (labels := _labels(resource)).get("service") == name
        and name is not None
        and labels.get("resource_id") not in shown
    ]
    return found + hidden


def _labels(resource: dict[str, Any]) -> dict[str, str]:
    last = (resource.get("reservations") or [{}])[-1]
    labels = last.get("labels", {}).get("labels", [])
    return {label["key"]: label.get("value", "") for label in labels}


def _pending(cluster: Cluster, framework_id: str) -> list[str]:
    body = _operator(cluster, "GET_OPERATIONS")
    if body is None:
        return []
    reachable = set(cluster.agent_ids().values())
    return [
        f"I5: operation {one['info']['type']} on agent {one['agent_id']['value']} has no outcome"
        for one in body["get_operations"].get("operations", [])
        if one.get("framework_id", {}).get("value") == framework_id
        and one["latest_status"]["state"] == "OPERATION_PENDING"
        and one.get("agent_id", {}).get("value") in reachable
    ]


def _stopping(service: Service, base: str) -> list[str]:
    status = service.get(f"{base}pod/status")
    commands = service.get(f"{EVENTS}&limit=500").get("events", [])
    target = service.get(f"{base}configurations/target")
    lately = time.time() - FORCED_SECONDS
    if "pods" not in target or any(event["at"] > lately for event in forced(commands)):
        return []
    return stopping(target, status)


def _together(service: Service, base: str) -> Iterator[str]:
    target = service.get(f"{base}configurations/target")
    pods = service.get(f"{base}pod/status").get("pods", [])
    apart = {
        pod["type"]: pod["count"]
        for pod in target.get("pods", [])
        if any((c["field"], c["operator"]) == ("hostname", "UNIQUE") for c in pod["placement"])
    }
    for pod in pods:
        on: dict[str, list[str]] = defaultdict(list)
        for one in pod["instances"]:
            wanted = int(one["name"].rpartition("-")[2]) < apart.get(pod["name"], 0)
            if wanted and one["agent"] is not None:
                on[one["agent"]].append(one["name"])
        for agent, names in on.items():
            if len(names) > 1:
                yield f"I7: {names} are on {agent}, and each is to have a host of its own"


def _master(
    cluster: Cluster, path: str, part: Callable[[Any], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """A part of what the leading master says; nothing while it says nothing, or not to us."""
    try:
        answer = requests.get(f"{cluster.leader()}/{path}", timeout=10)
    except (PlaygroundError, requests.RequestException):
        return []
    return part(answer.json()) if answer.ok else []


def _operator(cluster: Cluster, call: str) -> dict[str, Any] | None:
    try:
        answer = requests.post(f"{cluster.leader()}/api/v1", json={"type": call}, timeout=10)
    except (PlaygroundError, requests.RequestException):
        return None
    return dict(answer.json()) if answer.ok else None
