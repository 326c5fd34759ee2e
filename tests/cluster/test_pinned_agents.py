"""What the simulation takes for granted of agents and masters that fail, seen on real ones.

tests/simulation/README.md says which test is about which assumption.
"""

import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from holdfast.mesos import calls, operations
from holdfast.mesos.channel import Outcome
from holdfast.mesos.messages import Offer
from holdfast_playground.cluster import Cluster, ClusterSpec, running
from tests.cluster.playground import traces
from tests.cluster.raw_framework import RawFramework, amount, volumes
from tests.unit.mesos.recorder import until

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    spec = ClusterSpec(agents=2, ping_timeout_seconds=1, max_ping_timeouts=3)
    folder = tmp_path_factory.mktemp("agents") / "cluster"
    with running(folder, spec, keep_logs=True) as cluster:
        yield cluster


@pytest.fixture
def framework(agents: Cluster, program: Path) -> Iterator[RawFramework]:
    role = f"agents-{next(_numbers)}"
    started = RawFramework(agents.master_url, role, program)
    started.start().subscribed()
    yield started
    started.close()


def offer_of(framework: RawFramework, cluster: Cluster, number: int = 1) -> Offer:
    ip = cluster.agents[number - 1].ip
    return framework.offer(lambda offer: offer.ip == ip)


def back(cluster: Cluster, number: int = 1) -> str:
    """Start an agent that is dead; its id once it is registered."""
    cluster.agent_start(number)
    cluster.wait_for_agents([number])
    return cluster.agent_ids()[number]


def operator(cluster: Cluster, kind: str, **fields: Any) -> None:
    body = {"type": kind, kind.lower(): fields}
    answer = requests.post(f"{cluster.leader()}/api/v1", json=body, timeout=30)
    assert answer.status_code == 200, answer.text


def is_task(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    except OSError:
        return False


def with_volume(framework: RawFramework, offer: Offer, name: str, volume_id: str) -> None:
    """Launch a task whose executor has a new volume."""
    volume = framework.volume(volume_id)
    info = framework.task(name, offer.agent_id, framework.executor(f"{name}-executor", [volume]))
    framework.accept(
        offer,
        operations.reserve([framework.reserved("disk", 32.0)]),
        operations.create([volume]),
        operations.launch([info]),
    )


def test_an_agent_that_does_not_answer_is_unreachable_and_returns(
    framework: RawFramework, agents: Cluster
) -> None:
    offer = framework.run("t1", offer_of(framework, agents))
    here = offer.agent_id
    held = offer_of(framework, agents)
    agents.agent_stop(1)
    try:
        lost = framework.told("t1", "UNREACHABLE")
        assert (lost.reason, lost.source, lost.uuid) == (
            "REASON_AGENT_REMOVED",
            "SOURCE_MASTER",
            None,
        )
        framework.hears("agent_failed", (here, None))
        framework.hears("rescinded", held.id)
        assert framework.answer("t1", here).state == "TASK_UNREACHABLE"
        assert framework.answer("never", here).state == "TASK_UNREACHABLE"
        before = len(framework.statuses("t1"))
        framework.send(calls.kill("t1", here))
        framework.told("t1", "UNREACHABLE", after=before)
    finally:
        agents.agent_continue(1)
    again = framework.told("t1", "RUNNING", after=before)
    assert (again.reason, again.source) == ("REASON_AGENT_REREGISTERED", "SOURCE_MASTER")
    assert agents.agent_ids()[1] == here
    framework.told("t1", "RUNNING", after=before)


def test_a_kill_waits_for_an_agent_that_is_down(framework: RawFramework, agents: Cluster) -> None:
    offer = framework.run("t1", offer_of(framework, agents))
    held = offer_of(framework, agents)
    agents.agent_crash(1)
    framework.hears("rescinded", held.id)
    framework.send(calls.kill("t1", offer.agent_id))
    assert framework.answer("t1", offer.agent_id).state == "TASK_RUNNING"
    back(agents)
    framework.told("t1", "KILLED")


def test_what_an_agent_did_not_get_before_it_died_was_never_done(
    framework: RawFramework, agents: Cluster
) -> None:
    """Though the master took it for done."""
    offer = offer_of(framework, agents)
    agents.agent_stop(1)
    with_volume(framework, offer, "t1", "v-never")
    asked = framework.answer("t1", offer.agent_id)
    assert asked.state == "TASK_STAGING"
    agents.agent_crash(1)
    assert back(agents) == offer.agent_id
    dropped = framework.told("t1", "DROPPED")
    assert (dropped.reason, dropped.source) == ("REASON_RECONCILIATION", "SOURCE_AGENT")
    again = offer_of(framework, agents)
    assert (volumes(again), amount(again, "disk", reserved=True)) == ([], 0)


def test_after_a_power_loss_the_agent_tells_what_it_had_to_and_has_its_volumes(
    framework: RawFramework, agents: Cluster
) -> None:
    """It keeps its id; updates that nobody acknowledged come first."""
    framework.silent = True
    offer = offer_of(framework, agents)
    with_volume(framework, offer, "t1", "v-kept")
    first = framework.told("t1", "RUNNING")
    agents.agent_kill(1)
    assert back(agents) == offer.agent_id
    until(lambda: [s.uuid for s in framework.statuses("t1")].count(first.uuid) > 1, 30)
    assert "FAILED" not in framework.states("t1")
    framework.acknowledge(first)
    failed = framework.told("t1", "FAILED")
    assert (failed.reason, failed.source) == ("REASON_EXECUTOR_TERMINATED", "SOURCE_AGENT")
    framework.acknowledge(failed)
    again = framework.offer(lambda offer: bool(volumes(offer)))
    assert (again.agent_id, volumes(again)) == (offer.agent_id, ["v-kept"])
    framework.accept(again, operations.destroy([framework.volume("v-kept")]))


def test_under_a_new_id_its_tasks_are_gone_and_its_volumes_are_there(
    framework: RawFramework, agents: Cluster
) -> None:
    offer = offer_of(framework, agents)
    with_volume(framework, offer, "t1", "v-kept")
    framework.told("t1", "RUNNING")
    agents.agent_kill(1)
    (agents.agents[0].work_dir / "meta" / "slaves" / "latest").unlink()
    fresh = back(agents)
    assert fresh != offer.agent_id
    lost = framework.told("t1", "LOST")
    assert (lost.reason, lost.source) == ("REASON_AGENT_REMOVED", "SOURCE_MASTER")
    assert lost.uuid is None
    framework.hears("agent_failed", (offer.agent_id, None))
    assert framework.answer("t1", offer.agent_id).state == "TASK_UNKNOWN"
    assert framework.answer("t1", fresh).state == "TASK_GONE"
    again = framework.offer(lambda offer: bool(volumes(offer)))
    assert (again.agent_id, volumes(again)) == (fresh, ["v-kept"])
    framework.accept(again, operations.destroy([framework.volume("v-kept")]))


def test_without_its_records_an_agent_offers_no_volume(
    framework: RawFramework, agents: Cluster
) -> None:
    """The folder `meta` has both what runs and what is reserved: nothing is offered twice."""
    offer = offer_of(framework, agents)
    with_volume(framework, offer, "t1", "v-forgotten")
    framework.told("t1", "RUNNING")
    agents.agent_kill(1)
    shutil.rmtree(agents.agents[0].work_dir / "meta")
    fresh = back(agents)
    assert fresh != offer.agent_id
    again = framework.offer(lambda offer: offer.agent_id == fresh)
    assert (volumes(again), amount(again, "disk", reserved=True)) == ([], 0)
    folder = agents.agents[0].work_dir / "volumes" / "roles" / framework.role / "v-forgotten"
    assert folder.is_dir()


def test_a_drained_agent_kills_its_tasks_and_offers_nothing(
    framework: RawFramework, agents: Cluster
) -> None:
    offer = framework.run("t1", offer_of(framework, agents))
    held = offer_of(framework, agents)
    here = {"value": offer.agent_id}
    operator(agents, "DRAIN_AGENT", agent_id=here)
    killed = framework.told("t1", "KILLED")
    assert (killed.reason, killed.source) == ("REASON_AGENT_DRAINING", "SOURCE_EXECUTOR")
    framework.hears("rescinded", held.id)
    framework.nothing_offered(lambda offer: offer.agent_id == here["value"])
    operator(agents, "REACTIVATE_AGENT", agent_id=here)
    framework.offer(lambda offer: offer.agent_id == here["value"])


def test_what_is_scheduled_for_maintenance_is_asked_for_again_and_again(
    framework: RawFramework, agents: Cluster
) -> None:
    """Of those who use something there or have an offer; offers are made anew and say when."""
    offer = framework.run("t1", offer_of(framework, agents))
    other = offer_of(framework, agents, 2)
    framework.send(calls.decline([other.id], 3600.0))
    held = offer_of(framework, agents)
    schedule(agents, 1, 2)
    try:
        framework.hears("rescinded", held.id)
        framework.offer(lambda o: o.agent_id == held.agent_id and o.unavailability is not None)
        until(lambda: framework.heard.of("inverse_offers"), 30)
        first = framework.heard.of("inverse_offers")[0][0]
        assert first.agent_id == offer.agent_id
        framework.send(calls.decline_inverse_offers([first.id], 0.5))
        until(lambda: len(framework.heard.of("inverse_offers")) > 1, 30)
        (again,) = framework.heard.of("inverse_offers")[1]
        assert asked_about(framework) == {offer.agent_id}
        framework.send(calls.revive())
        until(lambda: other.agent_id in asked_about(framework), 30)
    finally:
        schedule(agents)
    framework.hears("inverse_rescinded", again.id)
    framework.offer(lambda o: o.agent_id == held.agent_id and o.unavailability is None)


def asked_about(framework: RawFramework) -> set[str]:
    return {one.agent_id for batch in framework.heard.of("inverse_offers") for one in batch}


def schedule(cluster: Cluster, *numbers: int) -> None:
    """These agents' machines, and no others, are to be serviced in half an hour."""
    start = {"nanoseconds": int((time.time() + 1800) * 1e9)}
    ips = [cluster.agents[number - 1].ip for number in numbers]
    window = {
        "machine_ids": [{"hostname": ip, "ip": ip} for ip in ips],
        "unavailability": {"start": start},
    }
    windows = [window] if ips else []
    operator(cluster, "UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": windows})


def test_an_agent_marked_gone_is_told_to_end_and_never_returns(
    framework: RawFramework, agents: Cluster
) -> None:
    """Even when it could not be reached at that time."""
    offer = framework.run("t1", offer_of(framework, agents))
    here, machine = offer.agent_id, str(agents.layout.agent(1))
    agents.agent_stop(1)
    try:
        operator(agents, "MARK_AGENT_GONE", agent_id={"value": here})
        gone = framework.told("t1", "GONE_BY_OPERATOR")
        assert gone.reason == "REASON_AGENT_REMOVED_BY_OPERATOR"
        assert (gone.source, gone.uuid) == ("SOURCE_MASTER", None)
        framework.hears("agent_failed", (here, None))
        for task in ("t1", "never"):
            assert framework.answer(task, here).state == "TASK_GONE_BY_OPERATOR"
        assert [pid for pid in traces.mentioning(machine) if is_task(pid)]
    finally:
        agents.agent_continue(1)
    until(lambda: not [pid for pid in traces.mentioning(machine) if is_task(pid)], 30)
    framework.nothing_offered(lambda offer: offer.agent_id == here)
    agents.agent_remove(1)
    assert back(agents) != here


def test_a_new_master_knows_agents_and_waits_for_their_word(
    framework: RawFramework, agents: Cluster, program: Path
) -> None:
    """It answers nothing of an agent that has yet to register, nor of a task anywhere.

    And it has forgotten which frameworks were removed.
    """
    removed = RawFramework(agents.master_url, f"{framework.role}-removed", program)
    removed.start().subscribed()
    removed_id = removed.id
    assert removed.connection.teardown().outcome is Outcome.SENT
    first = framework.run("t1", offer_of(framework, agents, 1)).agent_id
    second = framework.run("t2", offer_of(framework, agents, 2)).agent_id
    held = offer_of(framework, agents, 2)
    agents.agent_stop(1)
    try:
        agents.master_kill()
        until(lambda: framework.heard.of("disconnected"), 60)
        agents.master_start()
        framework.subscribed(times=2)
        agents.wait_for_agents([2])
        assert framework.answer("t2", second).state == "TASK_RUNNING"
        counts = {name: len(framework.statuses(name)) for name in ("t1", "never", "nowhere")}
        framework.send(calls.reconcile([("t1", first), ("never", first), ("nowhere", None)]))
        framework.send(calls.reconcile([]))
        framework.send(calls.kill("t1", first))
        assert framework.answer("never-there", second).state == "TASK_GONE"
        time.sleep(0.5)
        assert {name: len(framework.statuses(name)) for name in counts} == counts
        launch = operations.launch([framework.task("t3", second, framework.executor("e3"))])
        framework.accept(held, launch)
        assert framework.told("t3", "DROPPED").reason == "REASON_INVALID_OFFERS"
    finally:
        agents.agent_continue(1)
    agents.wait_for_agents([1])
    assert framework.answer("t1", first).state == "TASK_RUNNING"
    again = RawFramework(agents.master_url, removed.role, program, framework_id=removed_id)
    again.start().subscribed()
    again.close()
