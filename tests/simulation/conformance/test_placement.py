"""Where instances go."""

from collections import Counter
from collections.abc import Mapping

import pytest

from holdfast.core import events as ev
from holdfast.plans.plan import Status
from holdfast_executor.contract import TaskLaunch
from tests.simulation.conformance.cluster import Cluster


def placed(placement: str, count: int = 3) -> Cluster:
    """The service with `count` instances of the pod hello, and one of the other, deployed."""
    return Cluster(
        "svc", HELLO_COUNT=str(count), WORLD_COUNT="1", HELLO_PLACEMENT=placement
    ).deployed()


def zones(cluster: Cluster) -> Counter[str]:
    of_host = {agent.hostname: agent.zone for agent in cluster.world.agents}
    return Counter(of_host[host] for host in cluster.hosts("hello"))


def most(numbers: Mapping[str, int]) -> int:
    return max(numbers.values())


def test_placement_hostname_unique_also_after_replace() -> None:
    cluster = placed('[["hostname", "UNIQUE"]]', 5)
    assert len(set(cluster.hosts("hello"))) == 5
    cluster.order(ev.Verb.POD_REPLACE, "hello-0")
    cluster.run(5.0)
    cluster.until(lambda: len(cluster.hosts("hello")) == 5 and "hello-0-server" in cluster.tasks())
    assert len(set(cluster.hosts("hello"))) == 5
    cluster.end()


@pytest.mark.parametrize("zones_", [True, False])
def test_placement_max_per(zones_: bool) -> None:
    if zones_:
        assert most(zones(placed('[["@zone", "MAX_PER", "2"]]', 6))) == 2
    else:
        assert most(Counter(placed("hostname:MAX_PER:2", 6).hosts("hello"))) <= 2


@pytest.mark.parametrize("zones_", [True, False])
def test_placement_group_by(zones_: bool) -> None:
    if zones_:
        assert set(zones(placed('[["@zone", "GROUP_BY", "3"]]', 6)).values()) == {2}
    else:
        hosts = Counter(placed('[["hostname", "GROUP_BY", "6"]]', 6).hosts("hello"))
        assert set(hosts.values()) == {1}


def test_placement_zone_unique() -> None:
    assert most(zones(placed('[["@zone", "UNIQUE"]]', 3))) == 1


def test_placement_hostname_cluster() -> None:
    assert set(placed("hostname:CLUSTER:host-4", 2).hosts("hello")) == {"host-4"}


def test_placement_that_nothing_matches_waits() -> None:
    """Until it is changed; what runs already is left alone."""
    cluster = Cluster("svc", HELLO_PLACEMENT="rack:LIKE:r[0-9]")
    cluster.run(120.0)
    assert cluster.status("deploy") in (Status.IN_PROGRESS, Status.PENDING)
    assert not cluster.tasks()
    explained = cluster.world.newest.engine.view.explanations["hello-0"]
    assert "rack" in str(explained)
    cluster.update(HELLO_PLACEMENT="")
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE)
    cluster.end()


@pytest.mark.parametrize("named", [True, False])
def test_placement_region_and_zone_in_the_environment(named: bool) -> None:
    cluster = placed('[["@zone", "GROUP_BY"], ["@region", "LIKE", ".*"]]' if named else "", 1)
    agent = cluster.agent_of("hello-0-server")
    variables = cluster.tasks()["hello-0-server"].environment
    assert (variables["REGION"], variables["ZONE"]) == ("here", agent.zone)
    assert variables["PLACEMENT_REFERENCED_ZONE"] == str(named).lower()
    assert variables["PLACEMENT_REFERENCED_REGION"] == str(named).lower()


@pytest.mark.parametrize(
    ("before", "after", "replaced"),
    [
        ("", "hostname:LIKE:host-[56]", "56"),
        ("hostname:LIKE:host-[56]", "hostname:LIKE:host-[12]", "12"),
        ('[["hostname", "UNIQUE"]]', "", "123456"),
        ("", '[["hostname", "UNIQUE"]]', "123456"),
    ],
)
def test_placement_updated_placement_moves_nothing_that_runs(
    before: str, after: str, replaced: str
) -> None:
    """What is replaced later goes where the new rule says."""
    cluster = placed(before, 2)
    tasks, hosts = cluster.ids(), cluster.hosts("hello")
    cluster.update(HELLO_PLACEMENT=after, WORLD_COUNT="1")
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE)
    cluster.run(60.0)
    assert cluster.ids() == tasks
    assert cluster.hosts("hello") == hosts
    cluster.order(ev.Verb.POD_REPLACE, "hello-1")
    cluster.until(
        lambda: cluster.ids().get("hello-1-server", "") not in ("", tasks["hello-1-server"])
    )
    assert cluster.hosts("hello")[1][-1] in replaced
    cluster.end()


def test_region_awareness() -> None:
    """An instance stays in the master's region unless its placement speaks of regions."""
    at_home = placed("", 6)
    elsewhere = Cluster("svc", HELLO_PLACEMENT='[["@region", "IS", "there"]]')
    elsewhere.run(120.0)
    assert len(at_home.hosts("hello")) == 6
    assert not elsewhere.tasks()
    assert "region" in str(elsewhere.world.newest.engine.view.explanations["hello-0"])
    asked = Cluster("svc", service_region="there")
    asked.run(120.0)
    assert not asked.tasks()
    # There is no data yet that stays in a region.
    asked.update(service_region="here")
    asked.until(lambda: asked.status("deploy") is Status.COMPLETE)
    before = asked.ids()
    asked.update(service_region="there")
    (refused,) = asked.plan("deploy").errors
    assert "SERVICE_REGION: cannot change from 'here' to 'there'" in refused
    asked.run(60.0)
    assert asked.ids() == before


def test_multiple_ports() -> None:
    """Static ones, and others within their ranges, which stay the same when it restarts."""
    cluster = Cluster("multiple-ports").deployed()

    def ports() -> list[str]:
        variables = cluster.tasks()["hello-0-server"].environment
        return [variables[f"PORT_{name}"] for name in ("STATIC", "FIRST", "SECOND")]

    found = ports()
    assert found[0] == "1010"
    assert 1001 <= int(found[1]) <= 1003
    assert int(found[2]) >= 1004
    before = cluster.ids()
    cluster.order(ev.Verb.POD_RESTART, "hello-0")
    cluster.until(lambda: len(cluster.ids()) == 1 and cluster.ids() != before)
    assert ports() == found
    cluster.end()


def test_discovery() -> None:
    """The tasks of an instance are found by one name."""
    cluster = Cluster("discovery").deployed()
    task = cluster.tasks()["hello-0-server"]
    (agent,) = [agent for agent in cluster.world.agents if task.id in agent.tasks]
    names = {t.info["discovery"]["name"] for t in agent.tasks.values() if "discovery" in t.info}
    assert names == {"hello-0"}
    assert task.info["discovery"]["visibility"] == "CLUSTER"
    cluster.end()


def test_overlay() -> None:
    """On a network of own addresses no ports of the agent are taken; labels and VIPs are told."""
    cluster = Cluster("overlay").deployed()
    for name in ("overlay-vip", "overlay"):
        executor = cluster.pod(f"{name}-0").executor or {}
        (network,) = executor["container"]["network_infos"]
        assert network["name"] == "dcos"
        assert network["labels"]["labels"] == [
            {"key": "key", "value": "value"},
            {"key": "other", "value": "thing"},
        ]
        info = cluster.tasks()[f"{name}-0-server"].info
        assert not [r for r in info["resources"] if r["name"] == "ports"]
        assert [p["number"] for p in info["discovery"]["ports"]["ports"]] == [4044]
    vip = cluster.tasks()["overlay-vip-0-server"].info["discovery"]["ports"]["ports"][0]
    labels = {label["key"]: label["value"] for label in vip["labels"]["labels"]}
    assert "overlay-vip:80" in labels.values()
    assert labels["network-scope"] == "container"
    for name in ("host-vip", "host"):
        info = cluster.tasks()[f"{name}-0-server"].info
        assert [r for r in info["resources"] if r["name"] == "ports"]
    cluster.end()


def test_resource_limits() -> None:
    info = Cluster("resource-limits").deployed().tasks()["hello-0-server"].info
    assert info["limits"] == {"cpus": {"value": "Infinity"}, "mem": {"value": 256.0}}


def test_seccomp() -> None:
    """Unconfined first, then by a profile: the instances are started in new containers."""
    cluster = Cluster("seccomp").deployed()

    def asked() -> list[object]:
        pods = cluster.world.newest.engine.view.pods.values()
        return [(p.executor or {})["container"]["linux_info"]["seccomp"] for p in pods]

    assert asked() == 2 * [{"unconfined": True}]
    cluster.update(SECCOMP_PROFILE="strict.json")
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE)
    assert asked() == 2 * [{"profile_name": "strict.json"}]
    cluster.end()


def test_shm() -> None:
    executor = Cluster("shm").deployed().pod("hello-0").executor or {}
    assert executor["container"]["linux_info"] == {"ipc_mode": "PRIVATE", "shm_size": 192}


def test_host_volumes() -> None:
    cluster = Cluster("host-volumes").deployed()
    executor = cluster.pod("hello-0").executor or {}
    (plain,) = executor["container"]["volumes"]
    launch = TaskLaunch.decode(cluster.tasks()["world-0-server"].info["data"])
    assert launch.container is not None
    assert launch.container["mesos"]["image"]["docker"] == {"name": "library/ubuntu:22.04"}
    (under_image,) = launch.container["volumes"]
    for volume in (plain, under_image):
        assert volume["mode"] == "RO"
        assert volume["container_path"] == "host-etc"
        assert volume["source"]["host_path"]["path"] == "/etc"
    cluster.end()
