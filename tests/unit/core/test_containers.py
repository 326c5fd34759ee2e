"""ContainerInfo of executors and tasks."""

from dataclasses import replace

import pytest

from holdfast.core.containers import executor_container, external_volume_name, task_container
from holdfast.records import Port
from holdfast.service.model import (
    AccessMode,
    ExternalVolumeSpec,
    Goal,
    HostVolumeSpec,
    IpcMode,
    NetworkSpec,
    PodSpec,
    SeccompSpec,
    TaskSpec,
)

TASK = TaskSpec("node", Goal.RUNNING, "run", 0.5, 128)
POD = PodSpec("db", 1, (TASK,))
PRIVATE, SHARED = IpcMode.PRIVATE, IpcMode.SHARE_PARENT
HOST = HostVolumeSpec("h", "/etc", "etc", AccessMode.RO)
DISK = ExternalVolumeSpec("e", "rexray", "disk", driver_options={"size": "5"})
HOST_MESSAGE = {
    "container_path": "etc",
    "mode": "RO",
    "source": {"type": "HOST_PATH", "host_path": {"path": "/etc"}},
}


def test_without_wishes_there_is_no_container_info() -> None:
    assert executor_container("svc", POD, 0, ()) == {}
    assert task_container("svc", POD, 0, TASK) is None


def test_a_network_with_addresses_of_its_own_maps_no_ports() -> None:
    pod = replace(POD, networks=(NetworkSpec("dcos", labels={"a": "b"}),))
    ports = (Port("node", "web", 1025, on_host=False),)
    assert executor_container("svc", pod, 0, ports) == {
        "type": "MESOS",
        "network_infos": [{"name": "dcos", "labels": {"labels": [{"key": "a", "value": "b"}]}}],
    }


def test_a_bridge_maps_each_port_to_itself_unless_told_otherwise() -> None:
    bridge = NetworkSpec("mesos-bridge", host_ports=(4000,), container_ports=(80,))
    ports = (Port("node", "web", 4000), Port("node", "peer", 2000))
    (network,) = executor_container("svc", replace(POD, networks=(bridge,)), 0, ports)[
        "network_infos"
    ]
    assert network == {
        "name": "mesos-bridge",
        "port_mappings": [
            {"host_port": 2000, "container_port": 2000, "protocol": "tcp"},
            {"host_port": 4000, "container_port": 80, "protocol": "tcp"},
        ],
    }


@pytest.mark.parametrize(
    ("seccomp", "message"),
    [
        (SeccompSpec(unconfined=True), {"unconfined": True}),
        (SeccompSpec(profile="strict.json"), {"profile_name": "strict.json"}),
    ],
)
def test_seccomp_is_of_the_container_that_runs_the_tasks(
    seccomp: SeccompSpec, message: dict[str, object]
) -> None:
    pod = replace(POD, seccomp=seccomp)
    expected = {"type": "MESOS", "linux_info": {"seccomp": message}}
    assert executor_container("svc", pod, 0, ()) == expected
    assert executor_container("svc", replace(pod, image="busybox"), 0, ()) == {}
    container = task_container("svc", replace(pod, image="busybox"), 0, TASK)
    assert container is not None
    assert container["linux_info"] == {"seccomp": message, "share_cgroups": False}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (replace(POD, ipc_mode=PRIVATE), {"ipc_mode": "PRIVATE"}),
        (replace(POD, shm_size_mb=64), {"ipc_mode": "PRIVATE", "shm_size": 64}),
        (
            replace(POD, shm_size_mb=64, tasks=(replace(TASK, ipc_mode=SHARED),)),
            {"ipc_mode": "PRIVATE", "shm_size": 64},
        ),
        (
            replace(POD, shm_size_mb=64, tasks=(replace(TASK, shm_size_mb=128),)),
            {"ipc_mode": "PRIVATE", "shm_size": 128},
        ),
        (
            replace(POD, image="x", shm_size_mb=64, tasks=(replace(TASK, shm_size_mb=128),)),
            {"ipc_mode": "PRIVATE", "shm_size": 64},
        ),
    ],
)
def test_shared_memory_of_the_pod(pod: PodSpec, expected: dict[str, object]) -> None:
    assert executor_container("svc", pod, 0, ())["linux_info"] == expected


def test_a_task_under_an_image_has_its_own() -> None:
    task = replace(TASK, ipc_mode=SHARED)
    pod = replace(POD, image="x", share_pid_namespace=True, host_volumes=(HOST,))
    assert task_container("svc", pod, 0, task) == {
        "type": "MESOS",
        "mesos": {"image": {"type": "DOCKER", "docker": {"name": "x"}}},
        "volumes": [HOST_MESSAGE],
        "linux_info": {
            "ipc_mode": "SHARE_PARENT",
            "share_pid_namespace": True,
            "share_cgroups": False,
        },
    }
    assert executor_container("svc", pod, 0, ()) == {}


def test_foreign_volumes() -> None:
    pod = replace(POD, host_volumes=(HOST,), external_volumes=(DISK,))
    assert executor_container("/a/svc", pod, 2, ())["volumes"] == [
        HOST_MESSAGE,
        {
            "container_path": "disk",
            "mode": "RW",
            "source": {
                "type": "DOCKER_VOLUME",
                "docker_volume": {
                    "driver": "rexray",
                    "name": "a__svc_db_2",
                    "driver_options": {"parameter": [{"key": "size", "value": "5"}]},
                },
            },
        },
    ]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "svc_db_1"),
        ({"volume_name": "a/b"}, "a__b_1"),
        ({"driver_name": "pxd"}, "svc-db-1"),
        ({"driver_name": "pxd", "volume_name": "v"}, "v-1"),
        ({"driver_name": "pxd", "driver_options": {"shared": "true"}}, "svc-db"),
        ({"driver_options": {"shared": "true"}}, "svc_db_1"),
    ],
)
def test_names_of_external_volumes(changes: dict[str, str], name: str) -> None:
    volume = replace(DISK, **changes)  # type: ignore[arg-type]
    assert external_volume_name("svc", "db", 1, volume) == name


def test_portworx_is_asked_for_volumes_of_the_node_itself() -> None:
    pod = replace(POD, external_volumes=(replace(DISK, driver_name="pxd"),))
    (volume,) = executor_container("svc", pod, 0, ())["volumes"]
    options = volume["source"]["docker_volume"]["driver_options"]["parameter"]
    assert {"key": "nodes", "value": "LocalNode"} in options
