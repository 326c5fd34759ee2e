"""What the simulated master takes for granted about calls, asked of a real one.

tests/simulation/README.md says which test is about which assumption.
"""

import getpass
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import requests

from holdfast.mesos import calls, operations
from holdfast.mesos.channel import Outcome
from holdfast_playground.cluster import Cluster, ClusterSpec, running
from tests.cluster.raw_framework import RawFramework, amount, volumes
from tests.unit.mesos.recorder import until

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def one_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("calls") / "cluster"
    with running(folder, ClusterSpec(agents=1), keep_logs=True) as cluster:
        yield cluster


@pytest.fixture
def framework(one_agent: Cluster, program: Path) -> Iterator[RawFramework]:
    role = f"calls-{next(_numbers)}"
    started = RawFramework(one_agent.master_url, role, program)
    started.start().subscribed()
    yield started
    started.close()


def agent_id(cluster: Cluster) -> str:
    return cluster.agent_ids()[1]


# -- offers and filters ---------------------------------------------------------------------------


def test_an_offer_taken_already_is_invalid_and_drops_all(framework: RawFramework) -> None:
    """One ACCEPT with a good offer and a used one: nothing of it is done, the good one returns."""
    used = framework.offer()
    framework.accept(used, refuse_seconds=0.0)
    good = framework.offer()
    launch = operations.launch([framework.task("t1", good.agent_id, framework.executor("e1"))])
    reserve = operations.reserve([framework.reserved("cpus", 0.1)], "op-1")
    framework.send(calls.accept([good.id, used.id], [reserve, launch], 3600.0))
    dropped = framework.told("t1", "DROPPED")
    assert (dropped.reason, dropped.source) == ("REASON_INVALID_OFFERS", "SOURCE_MASTER")
    assert dropped.uuid is None
    assert framework.operation("op-1").state == "OPERATION_ERROR"
    again = framework.offer()
    assert amount(again, "cpus", reserved=True) == 0


def test_what_was_declined_is_not_offered_until_there_is_more_of_it(
    framework: RawFramework,
) -> None:
    offer = framework.run("t1")
    left = framework.offer()
    framework.send(calls.decline([left.id], 3600.0))
    framework.nothing_offered()
    framework.send(calls.kill("t1", offer.agent_id))
    framework.told("t1", "KILLED")
    more = framework.offer()
    assert amount(more, "cpus") > amount(left, "cpus")


def test_revive_forgets_what_was_declined(framework: RawFramework) -> None:
    framework.send(calls.decline([framework.offer().id], 3600.0))
    framework.nothing_offered()
    framework.send(calls.revive())
    framework.offer()


def test_what_an_accept_left_over_is_declined_for_as_long(framework: RawFramework) -> None:
    offer = framework.offer()
    info = framework.task("t1", offer.agent_id, framework.executor("e1"))
    framework.accept(offer, operations.launch([info]), refuse_seconds=3600.0)
    framework.told("t1", "RUNNING")
    framework.nothing_offered()
    framework.send(calls.revive())
    framework.offer()


def test_what_an_accept_has_made_and_left_is_offered_at_once(framework: RawFramework) -> None:
    reserve = operations.reserve([framework.reserved("cpus", 0.5)])
    framework.accept(framework.offer(), reserve, refuse_seconds=3600.0)
    offer = framework.offer()
    assert amount(offer, "cpus", reserved=True) == 0.5
    assert amount(offer, "cpus", reserved=False) > 0


def test_a_suppressed_framework_keeps_its_offers(framework: RawFramework) -> None:
    offer = framework.offer()
    framework.send(calls.suppress())
    framework.run("t1", offer)
    framework.nothing_offered()
    framework.send(calls.revive())
    framework.offer()


def test_a_subscription_that_ended_leaves_no_filters(
    framework: RawFramework, one_agent: Cluster, program: Path
) -> None:
    framework.send(calls.decline([framework.offer().id], 3600.0))
    framework.connection.stop()
    until(lambda: not is_connected(one_agent, framework.id))
    again = RawFramework(one_agent.master_url, framework.role, program, framework_id=framework.id)
    again.start().subscribed()
    again.offer()
    again.close()


def test_who_takes_a_subscription_over_gets_its_filters_and_none_of_its_offers(
    framework: RawFramework, one_agent: Cluster, program: Path
) -> None:
    held = framework.offer()
    again = RawFramework(one_agent.master_url, framework.role, program, framework_id=framework.id)
    again.start().subscribed()
    launch = operations.launch([again.task("t1", held.agent_id, again.executor("e1"))])
    again.accept(held, launch)
    assert again.told("t1", "DROPPED").reason == "REASON_INVALID_OFFERS"
    again.send(calls.decline([again.offer().id], 3600.0))
    third = RawFramework(one_agent.master_url, framework.role, program, framework_id=framework.id)
    third.start().subscribed()
    third.nothing_offered()
    third.send(calls.revive())
    third.offer()
    third.close()
    again.close()


def is_connected(cluster: Cluster, framework_id: str) -> bool:
    body = {"type": "GET_FRAMEWORKS"}
    answer = requests.post(f"{cluster.leader()}/api/v1", json=body, timeout=10).json()
    return any(
        found["framework_info"]["id"]["value"] == framework_id and found["connected"]
        for found in answer["get_frameworks"].get("frameworks", [])
    )


def test_without_cpus_and_memory_a_volume_is_not_offered(framework: RawFramework) -> None:
    """Mesos' default of `min_allocatable_resources`."""
    offer = framework.offer()
    volume = framework.volume("v-alone")
    everything = [
        framework.plain("cpus", amount(offer, "cpus") - 0.1),
        framework.plain("mem", amount(offer, "mem") - 32),
    ]
    info = framework.task("t1", offer.agent_id, framework.executor("e1"), resources=everything)
    framework.accept(
        offer,
        operations.reserve([framework.reserved("disk", 32)]),
        operations.create([volume]),
        operations.launch([info]),
    )
    framework.told("t1", "RUNNING")
    framework.nothing_offered()
    framework.send(calls.kill("t1", offer.agent_id))
    framework.told("t1", "KILLED")
    found = framework.offer(lambda offer: bool(volumes(offer)))
    framework.accept(found, operations.destroy([volume]))


def test_each_role_has_its_own_offers_filters_and_reservations(framework: RawFramework) -> None:
    mine, other = framework.role, f"{framework.role}-other"
    reserve = operations.reserve([framework.reserved("cpus", 0.5)])
    framework.accept(framework.offer(), reserve)
    take_roles(framework, [mine, other], suppressed=[other])
    held = framework.offer(lambda offer: amount(offer, "cpus", reserved=True) > 0)
    framework.send(calls.decline([held.id], 3600.0))
    framework.nothing_offered()
    framework.send(calls.revive([other]))
    offer = framework.offer()
    assert (offer.role, amount(offer, "cpus", reserved=True)) == (other, 0)
    take_roles(framework, [mine])
    framework.hears("rescinded", offer.id)
    framework.nothing_offered()
    take_roles(framework, [mine, other])
    offer = framework.offer()
    assert offer.role == other
    framework.send(calls.suppress([other]))
    framework.send(calls.decline([offer.id], 0.0))
    framework.nothing_offered()
    framework.send(calls.revive([mine]))
    assert framework.offer().role == mine


def take_roles(
    framework: RawFramework, roles: Sequence[str], suppressed: Sequence[str] = ()
) -> None:
    """UPDATE_FRAMEWORK."""
    info = calls.framework_info(
        framework.role, roles=roles, user=getpass.getuser(), principal=framework.role
    )
    framework.send(calls.update_framework(info, framework.id, suppressed))


# -- operations -----------------------------------------------------------------------------------


def test_operations_of_one_accept_are_done_one_by_one(framework: RawFramework) -> None:
    """What does not fit is dropped, what follows is done."""
    offer = framework.offer()
    framework.accept(
        offer,
        operations.reserve([framework.reserved("cpus", 1000.0)], "too-much"),
        operations.reserve([framework.reserved("cpus", 0.5)], "fits"),
    )
    assert framework.operation("too-much").state in ("OPERATION_DROPPED", "OPERATION_ERROR")
    assert framework.operation("fits").state == "OPERATION_FINISHED"
    offer = framework.offer(lambda offer: amount(offer, "cpus", reserved=True) > 0)
    assert amount(offer, "cpus", reserved=True) == 0.5


def test_a_disk_with_a_volume_is_not_unreserved_and_no_volume_made_twice(
    framework: RawFramework,
) -> None:
    volume = framework.volume("v-once")
    disk = framework.reserved("disk", 32.0)
    framework.accept(
        framework.offer(), operations.reserve([disk, disk]), operations.create([volume])
    )
    offer = framework.offer(lambda offer: bool(volumes(offer)))
    framework.accept(
        offer,
        operations.unreserve([volume], "with-volume"),
        operations.unreserve([disk], "without-it"),
        operations.reserve([disk]),
        operations.create([volume], "twice"),
    )
    refused = {framework.operation(name).state for name in ("with-volume", "twice")}
    assert refused <= {"OPERATION_DROPPED", "OPERATION_ERROR"}
    assert framework.operation("without-it").state == "OPERATION_FINISHED"
    offer = framework.offer(lambda offer: bool(volumes(offer)))
    assert volumes(offer) == ["v-once"]
    assert amount(offer, "disk", reserved=True) == 64.0
    framework.accept(offer, operations.destroy([volume]), operations.unreserve([disk, disk]))


def test_a_volume_in_use_is_not_destroyed_and_its_data_goes_with_it(
    framework: RawFramework, one_agent: Cluster
) -> None:
    volume = framework.volume("v-used")
    reserve = operations.reserve([framework.reserved("disk", 32.0)])
    offer = framework.offer()
    info = framework.task("t1", offer.agent_id, framework.executor("e1", [volume]))
    framework.accept(offer, reserve, operations.create([volume]), operations.launch([info]))
    framework.told("t1", "RUNNING")
    work_dir = one_agent.agents[0].work_dir
    folder = work_dir / "volumes" / "roles" / framework.role / "v-used"
    (folder / "data").write_text("precious")
    offer = framework.offer()
    assert volumes(offer) == []
    framework.accept(offer, operations.destroy([volume], "in-use"))
    assert framework.operation("in-use").state in ("OPERATION_DROPPED", "OPERATION_ERROR")
    framework.send(calls.kill("t1", offer.agent_id))
    framework.told("t1", "KILLED")
    offer = framework.offer(lambda offer: bool(volumes(offer)))
    assert (folder / "data").read_text() == "precious"
    framework.accept(offer, operations.destroy([volume]), operations.create([volume]))
    offer = framework.offer(lambda offer: bool(volumes(offer)))
    until(lambda: not (folder / "data").exists())
    framework.accept(offer, operations.destroy([volume]))


# -- launches -------------------------------------------------------------------------------------


def test_a_launch_that_cannot_be_is_an_error(framework: RawFramework) -> None:
    offer = framework.offer()
    greedy = [framework.plain("cpus", 1000.0), framework.plain("mem", 32)]
    first = framework.task("t1", offer.agent_id, framework.executor("e1"))
    framework.accept(
        offer,
        operations.launch(
            [
                framework.task("greedy", offer.agent_id, framework.executor("e2"))
                | {"resources": greedy},
                framework.task("elsewhere", "no-such-agent", framework.executor("e3")),
                first,
            ]
        ),
    )
    framework.told("t1", "RUNNING")
    other = framework.executor("e1") | {"name": "another"}
    offer = framework.offer()
    framework.accept(
        offer,
        operations.launch([framework.task("joins-another", offer.agent_id, other)]),
        operations.launch([framework.task("t1", offer.agent_id, framework.executor("e4"))]),
    )
    for name in ("greedy", "elsewhere", "joins-another", "t1"):
        error = framework.told(name, "ERROR")
        assert (error.reason, error.source) == ("REASON_TASK_INVALID", "SOURCE_MASTER")
        assert error.uuid is None
    assert framework.answer("t1", offer.agent_id).state == "TASK_RUNNING"


def test_the_end_of_an_executor_is_told_and_frees_what_it_held(
    framework: RawFramework,
) -> None:
    whole = framework.offer()
    framework.run("t1", whole)
    framework.send(calls.kill("t1", whole.agent_id))
    framework.told("t1", "KILLED")
    framework.hears("agent_failed", (whole.agent_id, "t1-executor"))
    framework.offer(lambda offer: amount(offer, "cpus") == amount(whole, "cpus"))


def test_an_executor_that_dies_fails_its_tasks(framework: RawFramework) -> None:
    offer = framework.offer()
    executor = framework.executor("e1", value="sleep 0.3; exit 1")
    info = framework.task("t1", offer.agent_id, executor)
    framework.accept(offer, operations.launch([info]))
    failed = framework.told("t1", "FAILED")
    assert (failed.reason, failed.source) == ("REASON_EXECUTOR_TERMINATED", "SOURCE_AGENT")
    framework.hears("agent_failed", (offer.agent_id, "e1"))


def test_a_container_that_cannot_be_made_fails_its_tasks(framework: RawFramework) -> None:
    offer = framework.offer()
    uris = [{"value": "/no/such/file"}]
    info = framework.task("t1", offer.agent_id, framework.executor("e1", uris=uris))
    framework.accept(offer, operations.launch([info]))
    failed = framework.told("t1", "FAILED")
    assert (failed.reason, failed.source) == ("REASON_CONTAINER_LAUNCH_FAILED", "SOURCE_AGENT")


# -- kills, acknowledgements, questions -----------------------------------------------------------


def test_a_task_is_killed_once_however_often_it_is_asked_for(framework: RawFramework) -> None:
    offer = framework.run("t1")
    for _ in range(3):
        framework.send(calls.kill("t1", offer.agent_id))
    framework.told("t1", "KILLED")
    assert framework.answer("t1", offer.agent_id).state == "TASK_GONE"
    assert framework.states("t1").count("KILLED") == 1


def test_a_task_whose_executor_has_not_registered_is_killed_by_the_agent(
    framework: RawFramework,
) -> None:
    offer = framework.offer()
    slow = framework.executor("e1", value="exec sleep 100000")
    framework.accept(offer, operations.launch([framework.task("t1", offer.agent_id, slow)]))
    until(lambda: framework.answer("t1", offer.agent_id).state == "TASK_STAGING")
    framework.send(calls.kill("t1", offer.agent_id))
    killed = framework.told("t1", "KILLED")
    assert (killed.reason, killed.source) == ("REASON_TASK_KILLED_DURING_LAUNCH", "SOURCE_AGENT")


def test_a_kill_of_an_unknown_task_is_answered_as_a_question(
    framework: RawFramework, one_agent: Cluster
) -> None:
    here = agent_id(one_agent)
    for number, (agent, state) in enumerate(
        [(here, "TASK_GONE"), ("no-such-agent", "TASK_UNKNOWN"), (None, "TASK_UNKNOWN")]
    ):
        name = f"never-{number}"
        asked = framework.answer(name, agent)
        assert (asked.state, asked.reason) == (state, "REASON_RECONCILIATION")
        assert asked.uuid is None
        framework.send(calls.kill(name, agent))
        until(lambda name=name: len(framework.statuses(name)) == 2)  # type: ignore[misc]
        assert framework.statuses(name)[1].state == state


def test_updates_come_in_order_and_again_until_acknowledged(framework: RawFramework) -> None:
    """What is asked for meanwhile is the state of the open update, and resources are free."""
    framework.silent = True
    whole = framework.offer()
    info = framework.task("t1", whole.agent_id, framework.executor("e1"))
    framework.accept(whole, operations.launch([info]))
    first = framework.told("t1", "RUNNING")
    framework.send(calls.kill("t1", whole.agent_id))
    framework.offer(lambda offer: amount(offer, "cpus") == amount(whole, "cpus"))
    asked = framework.answer("t1", whole.agent_id)
    assert (asked.state, asked.uuid) == ("TASK_RUNNING", None)
    began = time.monotonic()
    until(lambda: [s.uuid for s in framework.statuses("t1")].count(first.uuid) == 2, 20.0)
    assert time.monotonic() - began < 12
    assert "KILLED" not in framework.states("t1")
    framework.acknowledge(first)
    ended = framework.told("t1", "KILLED")
    assert framework.answer("t1", whole.agent_id).state == "TASK_KILLED"
    framework.acknowledge(ended)
    until(lambda: framework.answer("t1", whole.agent_id).state == "TASK_GONE")


def test_all_tasks_are_told_when_none_is_named(framework: RawFramework) -> None:
    offer = framework.run("t1")
    framework.run("t2")
    before = {name: len(framework.statuses(name)) for name in ("t1", "t2")}
    framework.send(calls.reconcile([]))
    for name, count in before.items():
        answer = framework.told(name, "RUNNING", after=count)
        assert (answer.reason, answer.agent_id) == ("REASON_RECONCILIATION", offer.agent_id)


def test_a_framework_torn_down_leaves_its_reservations_and_nothing_else(
    framework: RawFramework, one_agent: Cluster, program: Path
) -> None:
    volume = framework.volume("v-left")
    offer = framework.offer()
    info = framework.task("t1", offer.agent_id, framework.executor("e1", [volume]))
    framework.accept(
        offer,
        operations.reserve([framework.reserved("disk", 32.0)]),
        operations.create([volume]),
        operations.launch([info]),
    )
    framework.told("t1", "RUNNING")
    assert framework.connection.teardown().outcome is Outcome.SENT
    heir = RawFramework(one_agent.master_url, framework.role, program)
    heir.start().subscribed()
    found = heir.offer(lambda offer: bool(volumes(offer)))
    assert volumes(found) == ["v-left"]
    assert "KILLED" not in framework.states("t1")
    heir.accept(found, operations.destroy([volume]))
    heir.close()
