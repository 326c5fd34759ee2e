"""One scheduler and one framework host many services on a real cluster."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: {{{NAME}}}
pods:
  node:
    count: 2
    placement: '[["hostname", "UNIQUE"]]'
    tasks:
      server:
        goal: RUNNING
        cmd: echo {{GREETING}} > data/x; exec sleep 100000
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
"""
FRAMEWORK = "shared"


@pytest.fixture
def cluster(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=2))


@pytest.fixture
def scheduler(cluster: Cluster, tmp_path: Path) -> Iterator[Scheduler]:
    with Scheduler(cluster, None, tmp_path, multi=FRAMEWORK).start() as started:
        wait_until("it is subscribed", lambda: is_subscribed(started))
        yield started


def is_subscribed(scheduler: Scheduler) -> bool:
    return scheduler.answers() and bool(scheduler.get("health")["connected"])


def host(scheduler: Scheduler, name: str, greeting: str = "hello") -> requests.Response:
    body = {"yaml": SVC_YML, "environment": {"NAME": name, "GREETING": greeting}}
    url = f"http://{scheduler.host}:{scheduler.port}/v1/multi/{name.strip('/').replace('/', '__')}"
    return requests.post(url, json=body, timeout=15)


def is_well(scheduler: Scheduler, key: str) -> bool:
    if not scheduler.answers():
        return False
    plans = (scheduler.get(f"service/{key}/plans/{p}") for p in ("deploy", "recovery"))
    return {plan.get("status") for plan in plans} == {"COMPLETE"}


def wait_well(scheduler: Scheduler, *keys: str) -> None:
    for key in keys:
        try:
            wait_until(f"{key} is deployed and well", partial(is_well, scheduler, key), 90)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{scheduler.log[-6000:]}") from None


def task_ids(scheduler: Scheduler, key: str) -> dict[str, str]:
    pods = scheduler.get(f"service/{key}/pod/status")["pods"]
    return {
        task["name"]: task["id"]
        for pod in pods
        for instance in pod["instances"]
        for task in instance["tasks"]
    }


def ask_master(cluster: Cluster, path: str) -> Any:
    return requests.get(f"{cluster.leader()}/{path}", timeout=10).json()


def reserved_roles(cluster: Cluster) -> set[str]:
    agents = ask_master(cluster, "slaves")["slaves"]
    return {role for agent in agents for role in agent["reserved_resources"]}


def framework(cluster: Cluster) -> dict[str, Any]:
    (one,) = ask_master(cluster, "frameworks")["frameworks"]
    return dict(one)


def znodes(cluster: Cluster) -> list[str]:
    client = KazooClient(cluster.zookeeper_address)
    client.start(timeout=10)
    try:
        return [str(name) for name in client.get_children(f"/holdfast/{FRAMEWORK}")]
    finally:
        client.stop()
        client.close()


def test_multiservice_dynamic(cluster: Cluster, scheduler: Scheduler) -> None:
    """Services come, change and go, and leave each other alone."""
    assert scheduler.get("multi") == []
    assert host(scheduler, "one").status_code == 200
    assert host(scheduler, "/team/two").status_code == 200
    wait_well(scheduler, "one", "team__two")
    assert set(framework(cluster)["roles"]) == {"one-role", "team__two-role"}
    assert reserved_roles(cluster) == {"one-role", "team__two-role"}
    framework_id = framework(cluster)["id"]
    ids = {key: task_ids(scheduler, key) for key in ("one", "team__two")}
    assert all(id_.startswith("one__") for id_ in ids["one"].values())
    assert all(id_.startswith("team.two__") for id_ in ids["team__two"].values())

    scheduler.end()  # kill -9
    scheduler.start()
    wait_well(scheduler, "one", "team__two")
    assert {key: task_ids(scheduler, key) for key in ids} == ids
    assert framework(cluster)["id"] == framework_id
    assert "disconnected" not in scheduler.log, "roles change within a subscription"

    answer = host(scheduler, "one", "good morning")
    assert answer.status_code == 200, answer.text
    wait_until(
        "all of one is launched anew",
        lambda: not set(task_ids(scheduler, "one").values()) & set(ids["one"].values()),
    )
    wait_well(scheduler, "one", "team__two")
    assert task_ids(scheduler, "team__two") == ids["team__two"]

    url = f"http://{scheduler.host}:{scheduler.port}/v1/multi/one"
    assert requests.delete(url, timeout=10).status_code == 200
    wait_until("one is gone", lambda: requests.get(url, timeout=10).status_code == 404, 90)
    wait_until("nothing is reserved for it", lambda: reserved_roles(cluster) == {"team__two-role"})
    wait_until("its role has left", lambda: framework(cluster)["roles"] == ["team__two-role"])
    assert is_well(scheduler, "team__two")
    assert task_ids(scheduler, "team__two") == ids["team__two"]
    assert not [name for name in znodes(cluster) if name.startswith("one")]
    assert [one["service"] for one in scheduler.get("multi")] == ["/team/two"]

    scheduler.end()
    scheduler.start()
    wait_well(scheduler, "team__two")
    assert task_ids(scheduler, "team__two") == ids["team__two"]
    assert host(scheduler, "one").status_code == 200
    wait_well(scheduler, "one", "team__two")


def test_what_one_service_has_is_no_orphan_of_another(
    cluster: Cluster, scheduler: Scheduler
) -> None:
    """A task that is named at the wrong service's address runs on, and so its volume stays."""
    for name in ("one", "/team/two"):
        assert host(scheduler, name).status_code == 200
    wait_well(scheduler, "one", "team__two")
    ids = {key: task_ids(scheduler, key) for key in ("one", "team__two")}
    for path in (*(f"service/{key}/orphans" for key in ids), "orphans"):
        items = scheduler.get(path)["items"]
        assert {item["class"] for item in items} == {"explained"}, items
        shown = {item["name"] for item in items if item["kind"] == "task"}
        assert shown == {*ids["one"].values(), *ids["team__two"].values()}
    volumes = scheduler.get("service/team__two/volumes")
    tasks = set(ids["team__two"].values())
    for name in (*tasks, *(volume["id"] for volume in volumes)):
        url = f"{scheduler.url}/v1/service/one/orphans/apply"
        answer = scheduler.session.post(url, json={"names": [name]}, timeout=20)
        assert answer.status_code == (409 if name in tasks else 404), answer.text
        url = f"{scheduler.url}/v1/service/one/volumes/{name}"
        assert scheduler.session.delete(url, timeout=20).status_code == 404
    scheduler.end()  # what was stored is carried out by the next one
    scheduler.start()
    wait_well(scheduler, "one", "team__two")
    assert {key: task_ids(scheduler, key) for key in ids} == ids
    left = {volume["id"] for volume in scheduler.get("service/team__two/volumes")}
    assert left == {volume["id"] for volume in volumes}


def test_what_cannot_be_hosted_changes_nothing(cluster: Cluster, scheduler: Scheduler) -> None:
    url = f"http://{scheduler.host}:{scheduler.port}/v1/multi/one"
    wrong = requests.post(url, data="name: one\npods: {}\n", timeout=10)
    assert wrong.status_code == 400
    assert "pods" in wrong.json()["message"]
    other = requests.post(url, json={"yaml": SVC_YML, "environment": {"NAME": "two"}}, timeout=10)
    assert other.status_code == 400
    assert host(scheduler, "/team/two").status_code == 200
    assert host(scheduler, "team/two").status_code == 409
    assert [one["service"] for one in scheduler.get("multi")] == ["/team/two"]


def test_sdk_uninstall_ends_all_services_and_the_framework(
    cluster: Cluster, scheduler: Scheduler
) -> None:
    """By the plan that Cosmos waits for; once begun there is no start without the word."""
    for name in ("one", "/team/two"):
        assert host(scheduler, name).status_code == 200
    wait_well(scheduler, "one", "team__two")
    framework_id = framework(cluster)["id"]
    metrics = scheduler.session.get(f"{scheduler.url}/v1/metrics/prometheus", timeout=10).text
    assert 'holdfast_pods{service="one",state="running"} 2.0' in metrics
    assert 'holdfast_pods{service="/team/two",state="running"} 2.0' in metrics

    scheduler.end()
    scheduler.set_environment(SDK_UNINSTALL="true")
    scheduler.start()
    wait_until("it has begun", lambda: scheduler.answers() and plan(scheduler).get("phases"))
    scheduler.end()
    scheduler.set_environment(SDK_UNINSTALL=None)
    scheduler.start()
    assert scheduler.exit_code() == 11
    assert "SDK_UNINSTALL=true" in scheduler.log

    scheduler.set_environment(SDK_UNINSTALL="true")
    scheduler.start()
    wait_until(
        "all is uninstalled",
        lambda: scheduler.answers() and plan(scheduler).get("status") == "COMPLETE",
        120,
    )
    assert scheduler.session.get(f"{scheduler.url}/v1/health", timeout=10).status_code == 200
    wait_until("nothing is reserved", lambda: reserved_roles(cluster) == set())
    frameworks = ask_master(cluster, "frameworks")
    assert frameworks["frameworks"] == []
    assert [each["id"] for each in frameworks["completed_frameworks"]] == [framework_id]
    with pytest.raises(NoNodeError):
        znodes(cluster)


def plan(scheduler: Scheduler) -> dict[str, Any]:
    return dict(scheduler.get("plans/deploy"))
