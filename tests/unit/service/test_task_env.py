"""The environment of tasks."""

from dataclasses import replace

import pytest

from holdfast.service.model import (
    ConfigSpec,
    Constraint,
    Goal,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ResourceSetSpec,
    ServiceSpec,
    TaskSpec,
)
from holdfast.service.task_env import Domains, env_name, routed_settings, task_environment

TASK = TaskSpec(
    name="server",
    goal=Goal.RUNNING,
    cmd="run",
    cpus=1,
    memory_mb=32,
    env={"MINE": "1", "TASK_NAME": "overridden", "EMPTY": ""},
    ports=(PortSpec("web", 0, "WEB_PORT"), PortSpec("quiet", 80)),
    configs=(ConfigSpec("app.conf", "t", "conf/app.conf", "x"),),
)
POD = PodSpec("my-db", 3, (TASK,), (Constraint("@zone", Operator.UNIQUE),))
SERVICE = ServiceSpec(
    name="/prod/data.base",
    user="root",
    principal="p",
    zookeeper="z:1",
    pods=(POD,),
    deploy=PlanSpec("deploy", (PhaseSpec("my-db", "my-db"),)),
)


def env(
    pod: PodSpec = POD,
    index: int = 1,
    region: str | None = "eu",
    zone: str | None = "a",
    peers: dict[str, str] | None = None,
) -> dict[str, str]:
    return task_environment(
        SERVICE,
        pod,
        index,
        TASK,
        ports={"web": 31000, "quiet": 80},
        region=region,
        zone=zone,
        scheduler_host="10.0.0.1",
        scheduler_port=8080,
        peers=peers or {},
    )


def test_all_of_it() -> None:
    assert env(peers={"my-db-1": "10.0.0.3", "my-db-0": "10.0.0.2"}) == {
        "MINE": "1",
        "EMPTY": "",
        "POD_INSTANCE": "my-db-1",
        "POD_INSTANCE_INDEX": "1",
        "POD_PEERS": "my-db-0=10.0.0.2",
        "FRAMEWORK_NAME": "/prod/data.base",
        "FRAMEWORK_HOST": "proddata-base.autoip.dcos.thisdcos.directory",
        "FRAMEWORK_VIP_HOST": "proddata.base.l4lb.thisdcos.directory",
        "SCHEDULER_API_HOSTNAME": "10.0.0.1",
        "SCHEDULER_API_PORT": "8080",
        "TASK_NAME": "my-db-1-server",
        "my-db-1-server": "true",
        "PLACEMENT_REFERENCED_REGION": "false",
        "PLACEMENT_REFERENCED_ZONE": "true",
        "REGION": "eu",
        "ZONE": "a",
        "CONFIG_TEMPLATE_APP_CONF": "config-templates/app.conf,conf/app.conf",
        "WEB_PORT": "31000",
    }


def test_without_fault_domain_and_placement() -> None:
    found = env(pod=replace(POD, placement=()), region=None, zone=None)
    assert not {"REGION", "ZONE"} & found.keys()
    assert found["PLACEMENT_REFERENCED_ZONE"] == "false"
    assert found["POD_PEERS"] == ""


def test_peers_are_those_of_the_type_in_order() -> None:
    peers = {f"my-db-{index}": f"10.0.0.{index}" for index in (10, 2, 1, 0)}
    found = env(index=0, peers={**peers, "other-0": "10.1.0.1", "db-1": "10.1.0.2"})
    assert found["POD_PEERS"] == "my-db-1=10.0.0.1,my-db-2=10.0.0.2,my-db-10=10.0.0.10"


@pytest.mark.parametrize(
    ("settings", "routed"),
    [
        ({}, {}),
        ({"A": "1", "TASKCFG_A": "1"}, {}),
        ({"TASKCFG_ALL_A": "1"}, {"A": "1"}),
        ({"TASKCFG_MY_DB_A": "1"}, {"A": "1"}),
        ({"TASKCFG_MY_DB_A": "mine", "TASKCFG_ALL_A": "all"}, {"A": "mine"}),
        ({"TASKCFG_OTHER_A": "1"}, {}),
        ({"TASKCFG_ALL_": "1"}, {}),
    ],
)
def test_routed_settings(settings: dict[str, str], routed: dict[str, str]) -> None:
    assert routed_settings(settings, "my-db") == routed


def test_env_name() -> None:
    assert env_name("a-b.C_1") == "A_B_C_1"


def test_ports_of_a_resource_set() -> None:
    task = replace(TASK, cpus=0, memory_mb=0, ports=(), resource_set="main")
    pod = replace(POD, tasks=(task,), resource_sets=(ResourceSetSpec("main", 1, ports=TASK.ports),))
    found = task_environment(
        SERVICE,
        pod,
        0,
        task,
        ports={"web": 1025, "quiet": 80},
        region=None,
        zone=None,
        scheduler_host="h",
        scheduler_port=1,
        peers={},
    )
    assert found["WEB_PORT"] == "1025"


@pytest.mark.parametrize(
    ("operator", "field", "region", "zone"),
    [
        (Operator.IS, "@region", "true", "false"),
        (Operator.GROUP_BY, "@zone", "false", "true"),
        (Operator.UNIQUE, "zone", "false", "false"),
    ],
)
def test_what_placement_refers_to(operator: Operator, field: str, region: str, zone: str) -> None:
    found = env(pod=replace(POD, placement=(Constraint(field, operator, "3"),)))
    assert found["PLACEMENT_REFERENCED_REGION"] == region
    assert found["PLACEMENT_REFERENCED_ZONE"] == zone


def test_parameters_of_a_plan_and_other_domains() -> None:
    found = task_environment(
        SERVICE,
        POD,
        0,
        TASK,
        ports={"web": 31000, "quiet": 80},
        region=None,
        zone=None,
        scheduler_host="h",
        scheduler_port=1,
        peers={},
        parameters={"MINE": "2", "NEW": "3", "WEB_PORT": "4"},
        domains=Domains("tasks.example", "vips.example"),
    )
    assert (found["MINE"], found["NEW"], found["WEB_PORT"]) == ("2", "3", "31000")
    assert found["FRAMEWORK_HOST"] == "proddata-base.tasks.example"
    assert found["FRAMEWORK_VIP_HOST"] == "proddata.base.vips.example"
