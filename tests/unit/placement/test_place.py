"""What a new instance takes of an offer, and why it does not fit."""

from typing import Any

import pytest

from holdfast.placement.constraints import Refusal
from holdfast.placement.evaluate import Placement, place
from holdfast.placement.owner import roles
from holdfast.records import Pod, pod_from_json, pod_to_json
from holdfast.service.model import (
    NetworkSpec,
    PodSpec,
    PortRange,
    PortSpec,
    ResourceSetSpec,
    VolumeKind,
    VolumeSpec,
)

from .agent import Agent, disk, new_id, owner, pod, ports, scalar, task, wanted

PLENTY = (scalar("cpus", 8), scalar("mem", 8192), scalar("disk", 10000), ports(1000, 1100))
MOUNT, PATH = VolumeKind.MOUNT, VolumeKind.PATH


def on(agent: Agent, spec: PodSpec, role: str = "db-role") -> Placement | Refusal:
    return place(owner(spec), spec, "db-0", agent.pool(role), [], None, new_id)


def placed(agent: Agent, spec: PodSpec, role: str = "db-role") -> Placement:
    found = on(agent, spec, role)
    assert isinstance(found, Placement), found
    agent.apply(found)
    assert agent.reserved(found.reservation) == wanted(found.reservation)
    return found


def with_volumes(*volumes: VolumeSpec) -> PodSpec:
    return pod(task(volumes=volumes))


def test_all_resource_sets_are_reserved_once_with_what_the_executor_and_the_pod_need() -> None:
    shared = ResourceSetSpec(
        "side", 0.25, 0.0, 64, (PortSpec("admin", 0),), (VolumeSpec("log", 20),)
    )
    spec = pod(
        task(cpus=1, memory_mb=100, volumes=(VolumeSpec("data", 30),)),
        task("backup", cpus=0, memory_mb=0, resource_set="side"),
        task("restore", cpus=0, memory_mb=0, resource_set="side"),
        resource_sets=(shared, ResourceSetSpec("unused", 5.0, 0.0, 4096)),
        shared_volumes=(VolumeSpec("all", 10),),
    )
    held = placed(Agent(*PLENTY), spec).reservation
    assert (held.cpus, held.memory_mb) == (1.35, 196)
    assert {v.path: v.size_mb for v in held.volumes} == {"all": 10, "data": 30, "log": 20}
    assert held.task_ports("backup") == held.task_ports("restore") == {"admin": 1000}
    assert held.host_ports == {1000}


@pytest.mark.parametrize(
    ("has", "spec", "expected"),
    [
        ((), pod(task(gpus=2)), "gpus: needs 2, the agent offers none"),
        ((scalar("gpus", 1),), pod(task(gpus=2)), "gpus: needs 2, the agent offers 1"),
        ((), pod(task(cpus=8)), "cpus: needs 8.1, the agent offers 8"),
        ((), pod(task(ports=(PortSpec("a", 80),))), "ports: port 80 is not on offer"),
        (
            (),
            pod(task(ports=(PortSpec("a", 0, ranges=(PortRange(5, 9), PortRange(20, 30))),))),
            "ports: no port is left in 5-9, 20-30 for node.a",
        ),
        ((), with_volumes(VolumeSpec("a", 10001)), "disk: needs 10001, the agent offers 10000"),
        (
            (disk("PATH", "/p", 50), disk("MOUNT", "/m", 500, "ssd")),
            with_volumes(VolumeSpec("a", 100, MOUNT)),
            "disk: volume a needs a disk of type MOUNT with 100, the agent offers 500 at /m"
            " (profile ssd)",
        ),
        (
            (disk("PATH", "/p", 50),),
            with_volumes(VolumeSpec("a", 100, PATH)),
            "disk: volume a needs a share of a disk of type PATH with 100, the agent offers 50 at"
            " /p",
        ),
        (
            (),
            with_volumes(VolumeSpec("a", 100, MOUNT, ("ssd", "nvme"))),
            "disk: volume a needs a disk of type MOUNT of profile ssd or nvme with 100, the agent"
            " offers none",
        ),
        (
            (),
            pod(pre_reserved_role="slave_public"),
            "role: these resources are offered to db-role, the pod is of slave_public/db-role",
        ),
    ],
)
def test_no_room_is_explained(has: tuple[Any, ...], spec: PodSpec, expected: str) -> None:
    agent = Agent(*PLENTY, *has)
    assert str(on(agent, spec)) == expected


def test_a_refusal_takes_nothing() -> None:
    spec = pod(task(ports=(PortSpec("a", 0),), volumes=(VolumeSpec("a", 99999),)))
    pool = Agent(*PLENTY).pool()
    assert isinstance(place(owner(spec), spec, "db-0", pool, [], None, new_id), Refusal)
    fits = pod(task(cpus=7.9, ports=(PortSpec("a", 1000),)))
    assert isinstance(place(owner(fits), fits, "db-0", pool, [], None, new_id), Placement)
    again = place(owner(fits), fits, "db-1", pool, [], None, new_id)
    assert str(again) == "ports: port 1000 is not on offer"


def test_dynamic_ports_stay_in_their_ranges_and_off_static_ones() -> None:
    spec = pod(
        task(
            ports=(
                PortSpec("any", 0),
                PortSpec("high", 0, ranges=(PortRange(1050, 1051),)),
                PortSpec("higher", 0, ranges=(PortRange(1050, 1051),)),
                PortSpec("fixed", 1000),
            )
        )
    )
    held = placed(Agent(*PLENTY), spec).reservation
    assert held.task_ports("node") == {"any": 1001, "high": 1050, "higher": 1051, "fixed": 1000}


def test_a_pod_with_an_address_of_its_own_takes_no_ports_of_the_agent() -> None:
    listens = task(ports=(PortSpec("web", 80), PortSpec("any", 0)))
    held = placed(Agent(*PLENTY), pod(listens, networks=(NetworkSpec("dcos"),))).reservation
    assert held.task_ports("node") == {"web": 80, "any": 1025}
    assert not held.host_ports


def test_a_mount_volume_takes_the_smallest_disk_that_is_large_enough_whole() -> None:
    disks = [disk("MOUNT", f"/m{size}", size) for size in (50, 300, 120, 9000)]
    agent = Agent(*PLENTY, *disks, disk("MOUNT", "/fast", 110, "ssd"))
    (volume,) = placed(agent, with_volumes(VolumeSpec("a", 100, MOUNT))).reservation.volumes
    assert (volume.kind, volume.root, volume.size_mb) == (MOUNT, "/m120", 120)
    (volume,) = placed(
        agent, with_volumes(VolumeSpec("b", 100, MOUNT, ("hdd", "ssd")))
    ).reservation.volumes
    assert (volume.root, volume.size_mb, volume.profile) == ("/fast", 110, "ssd")


def test_mount_volumes_make_room_for_each_other() -> None:
    """The first would take the only disk the second can use."""
    agent = Agent(*PLENTY, disk("MOUNT", "/m1", 100, "a"), disk("MOUNT", "/m2", 200, "b"))
    spec = with_volumes(
        VolumeSpec("one", 100, MOUNT, ("a", "b")), VolumeSpec("two", 100, MOUNT, ("a",))
    )
    roots = {v.path: v.root for v in placed(agent, spec).reservation.volumes}
    assert roots == {"one": "/m2", "two": "/m1"}


def test_a_path_volume_takes_a_share_of_the_disk_with_the_most_left() -> None:
    agent = Agent(*PLENTY, disk("PATH", "/p1", 500), disk("PATH", "/p2", 600))
    spec = with_volumes(VolumeSpec("one", 200, PATH), VolumeSpec("two", 450, PATH))
    held = placed(agent, spec).reservation
    assert {v.path: (v.root, v.size_mb) for v in held.volumes} == {
        "one": ("/p1", 200),
        "two": ("/p2", 450),
    }
    record = Pod("db", 0, reservation=held)
    assert pod_from_json(pod_to_json(record)) == record


def test_pre_reserved_resources_are_refined_and_unreserved_ones_left_alone() -> None:
    role = "slave_public"
    own = [scalar("cpus", 2, role), scalar("mem", 512, role), scalar("disk", 100, role)]
    agent = Agent(*PLENTY, *own, ports(80, 90, role))
    spec = pod(
        task(ports=(PortSpec("web", 80),), volumes=(VolumeSpec("a", 100),)), pre_reserved_role=role
    )
    found = placed(agent, spec, f"{role}/db-role")
    for message in found.reserve:
        below, top = message["reservations"]
        assert below == {"type": "STATIC", "role": role}
        assert (top["type"], top["role"]) == ("DYNAMIC", f"{role}/db-role")
    refused = on(agent, spec, f"{role}/db-role")
    assert str(refused) == "ports: port 80 is not on offer"
    other = pod(pre_reserved_role=role)
    placed(agent, other, f"{role}/db-role")
    third = pod(task(cpus=2), pre_reserved_role=role)
    assert str(on(agent, third, f"{role}/db-role")) == (
        "cpus: needs 2.1, the agent offers 0.8 reserved for slave_public"
    )
    assert roles(owner(spec, pod()).service) == ("db-role", "slave_public/db-role")


def test_resources_reserved_dynamically_for_a_role_above_are_left_to_others() -> None:
    theirs = scalar("cpus", 2) | {
        "reservations": [{"type": "DYNAMIC", "role": "slave_public", "principal": "other"}]
    }
    agent = Agent(scalar("mem", 512, "slave_public"), theirs)
    spec = pod(pre_reserved_role="slave_public")
    assert str(on(agent, spec, "slave_public/db-role")).startswith("cpus: needs 0.6, the agent")
    assert not agent.pool("slave_public/db-role").reserved
