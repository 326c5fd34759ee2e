"""What TaskInfos are made of: the portions of resource sets, discovery and virtual addresses."""

from dataclasses import replace
from typing import Any

import pytest

from holdfast.core.discovery import discovery
from holdfast.core.launch import Launch, LaunchSettings, executor_info, task_infos
from holdfast.mesos.messages import TaskState
from holdfast.placement.evaluate import Owner, Placement, place
from holdfast.placement.pool import AgentPool
from holdfast.records import Pod, Task
from holdfast.service.model import (
    DiscoverySpec,
    Goal,
    LimitsSpec,
    NetworkSpec,
    PodSpec,
    PortSpec,
    ResourceSetSpec,
    RLimitSpec,
    TaskSpec,
    VipSpec,
    Visibility,
)
from holdfast_executor.contract import TaskLaunch

from .offers import offer, service

WEB = PortSpec("web", 0, advertise=True, vip=VipSpec("front", 80))
NODE = TaskSpec("node", Goal.RUNNING, "run", 0.5, 128, ports=(WEB,), gpus=1.0)
SIDE = TaskSpec("side", Goal.ONCE, "run", 0.0, 0, resource_set="side")
SETS = (ResourceSetSpec("side", 0.2, 0.0, 32, (PortSpec("admin", 0),), limits=LimitsSpec(1.0)),)
POD = PodSpec("db", 1, (NODE, SIDE), resource_sets=SETS)


def infos(wanted: PodSpec = POD) -> list[dict[str, Any]]:
    spec = service(pods=(wanted,))
    gpus = {"name": "gpus", "type": "SCALAR", "scalar": {"value": 2}}
    pool = AgentPool([offer(1, reserved=[gpus])])
    numbers = iter(range(100))
    found = place(Owner(spec, "fw"), wanted, "db-0", pool, [], None, lambda: f"id{next(numbers)}")
    assert isinstance(found, Placement), found
    tasks = tuple(Task(t.name, f"task-{t.name}", "config", TaskState.STAGING) for t in wanted.tasks)
    settings = LaunchSettings("http://s/e", "s", 8080)
    executor = executor_info(
        spec, wanted, found.reservation, 0, "executor", "fw", found.holding, settings
    )
    pod = Pod("db", 0, found.reservation, tasks, executor)
    return task_infos(
        Launch(spec, wanted, pod, wanted.tasks, found.holding, {}, "fw", {}), settings
    )


def amounts(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {r["name"]: r["scalar"]["value"] if "scalar" in r else r["ranges"] for r in resources}


def test_a_task_gets_what_its_resource_set_has() -> None:
    node, side = infos()
    first = {"range": [{"begin": 2000, "end": 2000}]}
    second = {"range": [{"begin": 2001, "end": 2001}]}
    assert amounts(node["resources"]) == {"cpus": 0.5, "mem": 128, "gpus": 1.0, "ports": first}
    assert amounts(side["resources"]) == {"cpus": 0.2, "mem": 32, "ports": second}
    assert amounts(node["executor"]["resources"]) == {"cpus": 0.1, "mem": 32}
    assert node["executor"] == side["executor"]
    assert "limits" not in node
    assert side["limits"] == {"cpus": {"value": 1.0}}
    assert [port["name"] for port in side["discovery"]["ports"]["ports"]] == ["admin"]


@pytest.mark.parametrize(
    ("networks", "scope"),
    [((), None), (("mesos-bridge",), "host"), (("dcos",), "container")],
)
def test_a_virtual_address(networks: tuple[str, ...], scope: str | None) -> None:
    pod = replace(POD, networks=tuple(NetworkSpec(name) for name in networks))
    found = discovery(pod, 0, NODE, {"web": 2000}, "task-1")
    (port,) = found["ports"]["ports"]
    labels = {label["key"]: label["value"] for label in port["labels"]["labels"]}
    assert labels.pop("network-scope", None) == scope
    ((key, value),) = labels.items()
    assert key.startswith("VIP_")
    assert value == "front:80"
    other = discovery(pod, 0, NODE, {"web": 2000}, "task-2")["ports"]["ports"][0]
    assert other["labels"] != port["labels"], "each launch has a label of its own"


def test_the_name_to_be_discovered_by() -> None:
    spec = replace(NODE, discovery=DiscoverySpec("front", Visibility.EXTERNAL), ports=())
    pod = replace(POD, tasks=(spec,))
    assert discovery(pod, 3, spec, {}, "task") == {
        "name": "front-3",
        "visibility": "EXTERNAL",
        "ports": {"ports": []},
    }
    assert discovery(POD, 3, NODE, {"web": 1}, "task")["name"] == "db-3-node"


def test_tasks_with_an_image_have_containers_of_their_own() -> None:
    limits = (RLimitSpec("RLIMIT_NOFILE", 10, 20), RLimitSpec("RLIMIT_CORE", None, None))
    pod = replace(POD, image="queue:1.4", rlimits=limits)
    for info in infos(pod):
        assert "container" not in info["executor"], "the executor runs on the agent itself"
        launch = TaskLaunch.decode(info["data"])
        assert launch.rlimits == ()
        assert launch.container == {
            "type": "MESOS",
            "mesos": {"image": {"type": "DOCKER", "docker": {"name": "queue:1.4"}}},
            "linux_info": {"share_cgroups": False},
            "rlimit_info": {
                "rlimits": [{"type": "RLMT_NOFILE", "soft": 10, "hard": 20}, {"type": "RLMT_CORE"}]
            },
        }
    assert all(TaskLaunch.decode(info["data"]).container is None for info in infos())
