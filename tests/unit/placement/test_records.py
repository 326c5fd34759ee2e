"""Records of reservations: what is stored is read back, also as it was stored before."""

from dataclasses import replace

from holdfast.mesos.messages import TaskState
from holdfast.records import (
    Pod,
    Port,
    Reservation,
    Seen,
    Task,
    Volume,
    pod_from_json,
    pod_to_json,
)
from holdfast.service.model import VolumeKind

HELD = Reservation(
    resource_id="id",
    agent_id="agent",
    hostname="host",
    ip="10.0.0.1",
    region=None,
    zone=None,
    attributes={},
    cpus=1.1,
    memory_mb=64,
    ports=(Port("node", "web", 80), Port("node", "own", 1025, on_host=False)),
    volumes=(
        Volume("v1", "r1", "data", 10),
        Volume("v2", "r2", "log", 20.5, {"type": "MOUNT", "mount": {"root": "/m"}}, "provider"),
    ),
    confirmed=True,
    gpus=1.0,
    seen=Seen(0.6, 64, 0.0, frozenset({80}), frozenset({"v1"})),
    pre_reserved_role="slave_public",
)


def test_read_back() -> None:
    task = Task("node", "id", "config", TaskState.RUNNING, ip="9.0.0.1")
    record = Pod("db", 0, reservation=HELD, tasks=(task, replace(task, name="b", ip=None)))
    assert pod_from_json(pod_to_json(record)) == record
    first, second = HELD.volumes
    assert (first.kind, first.root, first.profile) == (VolumeKind.ROOT, None, None)
    assert (second.kind, second.root, second.profile) == (VolumeKind.MOUNT, "/m", None)


def test_a_record_of_before_there_were_such_things() -> None:
    data = pod_to_json(Pod("db", 0, reservation=HELD))
    held = data["reservation"]
    for key in ("gpus", "seen", "pre_reserved_role"):
        del held[key]
    held["ports"] = [["node", "web", 80]]
    held["volumes"] = [["v1", "r1", "data", 10]]
    found = pod_from_json(data).reservation
    assert found is not None
    assert (found.gpus, found.seen, found.pre_reserved_role) == (0.0, None, "*")
    assert found.ports == (Port("node", "web", 80),)
    assert found.volumes == (Volume("v1", "r1", "data", 10),)


def test_what_is_certain() -> None:
    assert HELD.certain == HELD.seen
    assert HELD.settled().certain == Seen(1.1, 64, 1.0, frozenset({80}), frozenset({"v1", "v2"}))
