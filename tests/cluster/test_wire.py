"""The wire against a real Mesos master."""

import getpass
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from holdfast.mesos import calls, operations
from holdfast.mesos.access import Access
from holdfast.mesos.channel import CallChannel, Outcome
from holdfast.mesos.connection import SCHEDULER_PATH, SchedulerConnection
from holdfast.mesos.detector import detector_for
from holdfast.mesos.leader import MasterAddressError
from holdfast.mesos.messages import Json, Offer, OperationStatus, TaskState, TaskStatus
from holdfast_playground.cluster import Cluster, ClusterSpec, running
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.playground.minimal_framework import EXECUTOR
from tests.unit.mesos.recorder import Recorder, until

SECONDS = 60.0
_numbers = itertools.count(1)


class Framework:
    """A connection with its own role, and what it heard; torn down at the end unless ended."""

    def __init__(self, address: str, role: str, **options: Any) -> None:
        self.role = role
        self.heard = Recorder()
        self._read = 0
        info = calls.framework_info(role, roles=[role], user=getpass.getuser(), principal=role)
        self.connection = SchedulerConnection(
            lambda: info, detector_for(address), self.heard, **options
        )

    def start(self) -> "Framework":
        self.connection.start()
        return self

    def subscribed(self, times: int = 1) -> "Framework":
        until(lambda: len(self.heard.of("subscribed")) >= times, SECONDS)
        return self

    def send(self, message: Json) -> None:
        result = self.connection.call(message)
        assert result.outcome is Outcome.SENT, result

    def offer(self, wanted: Callable[[Offer], bool] = lambda offer: True) -> Offer:
        """An offer that is wanted and was not taken before; others are declined for a moment."""
        wanted_offers: list[Offer] = []

        def look() -> bool:
            news = self.heard.told[self._read :]
            self._read += len(news)
            for kind, details in news:
                if kind == "disconnected":
                    wanted_offers.clear()
                for offer in details if kind == "offers" else ():
                    if wanted(offer):
                        wanted_offers.append(offer)
                    else:
                        self.send(calls.decline([offer.id], 0.1))
            return bool(wanted_offers)

        until(look, SECONDS)
        return wanted_offers[0]

    def status(self, wanted: Callable[[TaskStatus], bool]) -> TaskStatus:
        found: list[TaskStatus] = []

        def look() -> bool:
            found[:] = [status for status in self.heard.of("status") if wanted(status)]
            return bool(found)

        until(look, SECONDS)
        return found[-1]

    def operation(self, operation_id: str) -> OperationStatus:
        found: list[OperationStatus] = []

        def look() -> bool:
            statuses = self.heard.of("operation_status")
            found[:] = [status for status in statuses if status.operation_id == operation_id]
            return bool(found)

        until(look, SECONDS)
        return found[-1]

    def reserved(self, name: str, amount: float) -> Json:
        return operations.reserved(
            operations.scalar(name, amount),
            role=self.role,
            principal=self.role,
            labels={"pod": "db-0", "service": self.role},
        )

    def close(self) -> None:
        if self.connection.connected:
            assert self.connection.teardown().outcome is Outcome.SENT
        self.connection.stop()


@pytest.fixture(scope="module")
def one_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("wire") / "cluster", ClusterSpec(agents=1)) as cluster:
        yield cluster


@pytest.fixture
def frameworks() -> Iterator[list[Framework]]:
    opened: list[Framework] = []
    yield opened
    for framework in opened:
        framework.close()


@pytest.fixture
def role() -> str:
    return f"wire-{next(_numbers)}"


@pytest.fixture
def framework(one_agent: Cluster, frameworks: list[Framework], role: str) -> Framework:
    frameworks.append(Framework(one_agent.master_url, role))
    return frameworks[-1].start().subscribed()


def test_the_leader_is_found_either_way(one_agent: Cluster) -> None:
    by_zookeeper = detector_for(one_agent.master_url)
    by_address = detector_for(one_agent.leader())
    try:
        found = by_zookeeper.detect(None, SECONDS)
        asked = by_address.detect(None, SECONDS)
        assert found is not None
        assert asked is not None
        assert found.url == asked.url == one_agent.leader()
        assert found.version == "1.11.0"
    finally:
        by_zookeeper.close()
        by_address.close()


def test_wrong_addresses_around_a_real_cluster(one_agent: Cluster) -> None:
    zookeeper = one_agent.zookeeper_address
    for address, complaint in [
        (zookeeper, "No Mesos master at"),
        (f"zk://{zookeeper}/not-mesos", "/not-mesos does not exist"),
        (f"zk://{zookeeper}/", "names no leading Mesos master"),
    ]:
        detector = detector_for(address)
        try:
            with pytest.raises(MasterAddressError, match=complaint):
                detector.detect(None, 3.0)
        finally:
            detector.close()


def test_subscription_and_offers(one_agent: Cluster, framework: Framework) -> None:
    ((framework_id, master),) = framework.heard.of("subscribed")
    assert framework_id == framework.connection.framework_id
    assert master.url == one_agent.leader()
    assert (master.version, master.region) == ("1.11.0", "local")
    offer = framework.offer()
    agent = one_agent.agents[0]
    assert (offer.ip, offer.agent_id) == (agent.ip, one_agent.agent_ids()[1])
    assert (offer.role, offer.region, offer.zone) == (framework.role, "local", "a")
    amounts = {resource.name: resource.amount for resource in offer.resources}
    assert (amounts["cpus"], amounts["mem"], amounts["disk"]) == (4.0, 4096.0, 10240.0)
    (ports,) = [resource for resource in offer.resources if resource.name == "ports"]
    assert (8082, 8180) in ports.ranges
    assert all(resource.role is None for resource in offer.resources)


def test_suppressed_from_the_first_moment(
    one_agent: Cluster, frameworks: list[Framework], role: str
) -> None:
    framework = Framework(one_agent.master_url, role, suppressed_roles=lambda: [role])
    frameworks.append(framework)
    framework.start().subscribed()
    framework.send(calls.reconcile([]))
    other = Framework(one_agent.master_url, role + "-other")
    frameworks.append(other)
    other.start().subscribed().offer()
    assert framework.heard.of("offers") == []
    other.close()
    framework.send(calls.revive())
    framework.offer()


def test_the_second_scheduler_with_an_id_ends_the_first(
    one_agent: Cluster, framework: Framework, frameworks: list[Framework], role: str
) -> None:
    framework_id = framework.connection.framework_id
    second = Framework(one_agent.master_url, role, framework_id=framework_id)
    frameworks.append(second)
    second.start().subscribed()
    until(lambda: framework.heard.of("failed_over"), SECONDS)
    assert second.connection.framework_id == framework_id
    assert f"took over framework {framework_id}" in framework.heard.of("failed_over")[0]
    second.offer()
    refused = framework.connection.call(calls.revive())
    assert refused.outcome is Outcome.REJECTED
    assert len(framework.heard.of("subscribed")) == 1
    assert second.connection.connected
    assert second.heard.of("disconnected") == []


def test_operations_are_confirmed_and_acknowledged(
    one_agent: Cluster, framework: Framework
) -> None:
    offer = framework.offer()
    disk = framework.reserved("disk", 64.0)
    volume = operations.volume(
        disk, persistence_id=f"{framework.role}-v", container_path="data", principal=framework.role
    )
    framework.send(
        calls.accept(
            [offer.id],
            [
                operations.reserve([framework.reserved("cpus", 0.5), disk], "op-reserve"),
                operations.create([volume], "op-create"),
            ],
            0.0,
        )
    )
    for operation_id in ("op-reserve", "op-create"):
        status = framework.operation(operation_id)
        assert status.state == "OPERATION_FINISHED"
        assert status.uuid is not None
        wrong = calls.acknowledge_operation(operation_id, status.uuid, status.agent_id)
        wrong["acknowledge_operation_status"]["uuid"] = {"value": status.uuid}
        refused = framework.connection.call(wrong)
        assert (refused.outcome, refused.stale) == (Outcome.REJECTED, False)
        framework.send(
            calls.acknowledge_operation(
                operation_id, status.uuid, status.agent_id, status.resource_provider_id
            )
        )
    until(lambda: _operations(one_agent.leader()) == [], SECONDS)

    offer = framework.offer(lambda o: any(r.persistence_id for r in o.resources))
    ours = [resource for resource in offer.resources if resource.role == framework.role]
    assert {resource.name for resource in ours} == {"cpus", "disk"}
    assert all(r.labels == {"pod": "db-0", "service": framework.role} for r in ours)
    (kept,) = [resource for resource in ours if resource.persistence_id]
    assert (kept.container_path, kept.amount, kept.is_root_disk) == ("data", 64.0, True)
    bare = {key: value for key, value in kept.raw.items() if key != "disk"}
    cpus = [resource.raw for resource in ours if resource.name == "cpus"]
    framework.send(
        calls.accept(
            [offer.id],
            [operations.destroy([kept.raw]), operations.unreserve([bare, *cpus])],
            0.0,
        )
    )
    framework.offer(lambda o: all(resource.role is None for resource in o.resources))


def _operations(master: str) -> list[Any]:
    answer = requests.post(f"{master}/api/v1", json={"type": "GET_OPERATIONS"}, timeout=10)
    operations_now: list[Any] = answer.json()["get_operations"].get("operations", [])
    return operations_now


def test_a_task_runs_is_acknowledged_reconciled_and_killed(
    one_agent: Cluster, framework: Framework
) -> None:
    offer = framework.offer()
    volume = operations.volume(
        framework.reserved("disk", 32.0),
        persistence_id=f"{framework.role}-v",
        container_path="data",
        principal=framework.role,
    )
    task = f"{framework.role}-task"
    executor_needs = [framework.reserved("cpus", 0.1), framework.reserved("mem", 32.0)]
    info = {
        "name": task,
        "task_id": {"value": task},
        "agent_id": {"value": offer.agent_id},
        "resources": [*executor_needs, volume],
        "executor": {
            "type": "CUSTOM",
            "executor_id": {"value": f"{task}-executor"},
            "framework_id": {"value": framework.connection.framework_id},
            "command": {"value": str(EXECUTOR)},
            "resources": executor_needs,
        },
    }
    everything = [
        framework.reserved("cpus", 0.2),
        framework.reserved("mem", 64.0),
        framework.reserved("disk", 32.0),
    ]
    framework.send(
        calls.accept(
            [offer.id],
            [
                operations.reserve(everything),
                operations.create([volume]),
                operations.launch([info]),
            ],
            0.0,
        )
    )
    status = framework.status(lambda s: s.task_id == task and s.state is TaskState.RUNNING)
    assert status.uuid is not None
    assert status.agent_id == offer.agent_id
    assert status.executor_id == f"{task}-executor"
    assert status.timestamp > 1_600_000_000
    framework.send(calls.acknowledge(task, offer.agent_id, status.uuid))
    framework.send(calls.reconcile([(task, offer.agent_id), ("never-launched", None)]))
    known = framework.status(lambda s: s.task_id == task and s.uuid is None)
    assert (known.state, known.reason) == (TaskState.RUNNING, "REASON_RECONCILIATION")
    framework.status(lambda s: s.task_id == "never-launched")
    framework.send(calls.kill(task, offer.agent_id))
    ended = framework.status(lambda s: s.task_id == task and s.state is not TaskState.RUNNING)
    assert ended.uuid is not None
    framework.send(calls.acknowledge(task, offer.agent_id, ended.uuid))


def test_a_removed_framework_is_told_so(
    one_agent: Cluster, framework: Framework, frameworks: list[Framework], role: str
) -> None:
    framework_id = framework.connection.framework_id
    assert framework.connection.teardown().outcome is Outcome.SENT
    again = Framework(one_agent.master_url, role, framework_id=framework_id)
    frameworks.append(again)
    again.start()
    until(lambda: again.heard.of("removed"), SECONDS)
    assert f"no longer accepts framework {framework_id}" in again.heard.of("removed")[0]
    assert again.heard.of("subscribed") == []


def test_stale_and_unknown_subscriptions_are_recognised(
    one_agent: Cluster, framework: Framework
) -> None:
    channel = CallChannel(Access())
    url = one_agent.leader() + SCHEDULER_PATH
    framework_id = framework.connection.framework_id
    message = calls.revive() | {"framework_id": {"value": framework_id}}
    stale = channel.send(url, "00000000-0000-0000-0000-000000000000", message)
    assert (stale.outcome, stale.stale) == (Outcome.REJECTED, True)
    framework.close()
    gone = channel.send(url, "00000000-0000-0000-0000-000000000000", message)
    assert (gone.outcome, gone.stale) == (Outcome.REJECTED, True)
    wrong = channel.send(url, "x", {"type": "NO_SUCH_CALL", "framework_id": {"value": "f"}})
    assert (wrong.outcome, wrong.stale) == (Outcome.REJECTED, False)
    channel.close()


def test_another_master_takes_over(cluster_factory: ClusterFactory, role: str) -> None:
    cluster = cluster_factory(ClusterSpec(agents=1, masters=2))
    framework = Framework(cluster.master_url, role).start().subscribed()
    try:
        framework_id = framework.connection.framework_id
        framework.offer()
        killed = cluster.master_kill()
        until(lambda: framework.heard.of("disconnected"), SECONDS)
        framework.subscribed(times=2)
        (_, first), (again, second) = framework.heard.of("subscribed")
        assert again == framework_id
        assert second.url != first.url
        cluster.wait_for_agents([1])
        framework.offer()
        cluster.master_start(killed)
    finally:
        framework.close()


def test_the_master_is_restarted(cluster_factory: ClusterFactory, role: str) -> None:
    cluster = cluster_factory(ClusterSpec(agents=1))
    framework = Framework(cluster.leader(), role).start().subscribed()
    try:
        framework_id = framework.connection.framework_id
        cluster.master_kill()
        until(lambda: framework.heard.of("disconnected"), SECONDS)
        until(lambda: framework.heard.of("waiting"), SECONDS)
        assert not framework.connection.connected
        cluster.master_start()
        framework.subscribed(times=2)
        assert framework.connection.framework_id == framework_id
        cluster.wait_for_agents([1])
        framework.offer()
    finally:
        framework.close()
