"""Tasks on the playground: launched, fetched for, killed with their agent, found again."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from holdfast_playground.launchers import choose
from tests.cluster.playground import traces
from tests.cluster.playground.minimal_framework import EXECUTOR, VOLUME_ID, Framework, volume_ids

# As an ordinary user there is only one; with root and cgroup v1 both are to work.
LAUNCHERS: list[Literal["posix", "linux"]] = sorted({"posix", choose("auto")})


@pytest.fixture(params=LAUNCHERS)
def small(request: pytest.FixtureRequest, cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=2, launcher=request.param))


def number_of(cluster: Cluster, offer: dict[str, Any]) -> int:
    return next(agent.number for agent in cluster.agents if agent.ip == offer["hostname"])


def from_host(ip: str) -> Callable[[dict[str, Any]], bool]:
    return lambda offer: bool(offer["hostname"] == ip)


def sandboxes(cluster: Cluster, number: int, task: str) -> list[Path]:
    pattern = f"slaves/*/frameworks/*/executors/executor-{task}/runs/*-*"
    return sorted(cluster.agents[number - 1].work_dir.glob(pattern))


def test_agents_are_as_specified(cluster: Cluster) -> None:
    with Framework(cluster.leader()) as framework:
        offers = {
            agent.ip: framework.wait_for_offer(from_host(agent.ip)) for agent in cluster.agents
        }
    for agent in cluster.agents:
        offer = offers[agent.ip]
        assert offer["domain"]["fault_domain"] == {
            "region": {"name": "local"},
            "zone": {"name": agent.zone},
        }
        assert offer["url"]["address"]["ip"] == agent.ip
        assert offer["attributes"] == [
            {"name": "rack", "type": "TEXT", "text": {"value": f"r{agent.number}"}}
        ]
        scalars = {r["name"]: r.get("scalar", {}).get("value") for r in offer["resources"]}
        assert (scalars["cpus"], scalars["mem"], scalars["disk"]) == (4.0, 4096.0, 10240.0)
    assert [agent.zone for agent in cluster.agents] == ["a", "b", "c"]


def test_files_are_fetched_and_output_is_in_the_sandbox(small: Cluster) -> None:
    uri = {"value": str(EXECUTOR), "executable": True, "cache": True, "output_file": "bin/run"}
    with Framework(small.leader()) as framework:
        offer = framework.launch("t1", value="./bin/run", uris=[uri])
        framework.wait_for_state("t1", "TASK_RUNNING")

        (sandbox,) = sandboxes(small, number_of(small, offer), "t1")
        traces.wait_until(lambda: "running t1" in (sandbox / "stdout").read_text())
        assert f"Fetched '{EXECUTOR}'" in (sandbox / "stderr").read_text()


def test_a_failed_fetch_fails_the_task_and_says_why_in_the_sandbox(small: Cluster) -> None:
    with Framework(small.leader()) as framework:
        offer = framework.launch("t1", uris=[{"value": "/no/such/file"}])
        framework.wait_for_state("t1", "TASK_FAILED")

        (sandbox,) = sandboxes(small, number_of(small, offer), "t1")
        assert "Failed to fetch '/no/such/file'" in (sandbox / "stderr").read_text()


def test_power_loss_ends_all_and_gives_back_agent_and_volume(small: Cluster) -> None:
    with Framework(small.leader()) as framework:
        offer = framework.launch("t1")
        framework.wait_for_state("t1", "TASK_RUNNING")
        number = number_of(small, offer)
        agent = small.agents[number - 1]
        ids = small.agent_ids()
        machine = small.layout.agent(number)
        assert traces.mentioning(str(machine))

        small.agent_kill(number)

        assert traces.mentioning(str(machine)) == []
        assert traces.mounts(machine) == []
        assert small.agents[number - 1].state == "dead"

        small.agent_start(number)
        small.wait_for_agents([number])

        assert small.agent_ids() == ids
        framework.wait_for_state("t1", "TASK_FAILED")
        again = framework.wait_for_offer(lambda o: VOLUME_ID in volume_ids(o))
        assert again["hostname"] == agent.ip
        framework.launch_in(again, "t2", create=False)
        framework.wait_for_state("t2", "TASK_RUNNING")
        volume = agent.work_dir / "volumes" / "roles" / "probe" / VOLUME_ID
        assert (volume / "written").read_text() == "once\nonce\n"


def test_tasks_survive_a_crash_of_their_agent(small: Cluster) -> None:
    with Framework(small.leader()) as framework:
        offer = framework.launch("t1")
        framework.wait_for_state("t1", "TASK_RUNNING")
        number = number_of(small, offer)
        ids = small.agent_ids()

        small.agent_crash(number)
        small.agent_start(number)
        small.wait_for_agents([number])

        assert small.agent_ids() == ids
        assert framework.reconcile("t1", offer["agent_id"])["state"] == "TASK_RUNNING"


def test_a_removed_agent_comes_back_as_a_new_machine(small: Cluster) -> None:
    ids = small.agent_ids()
    machine = small.layout.agent(1)

    small.agent_remove(1)
    assert not machine.exists()
    assert [agent.state for agent in small.agents] == ["removed", "running"]

    small.agent_start(1)
    small.wait_for_agents([1, 2])
    assert [agent.state for agent in small.agents] == ["running", "running"]
    assert small.agent_ids()[1] != ids[1]
    assert small.agent_ids()[2] == ids[2]


def test_a_stopped_agent_is_unreachable_and_returns(cluster_factory: ClusterFactory) -> None:
    spec = ClusterSpec(agents=1, ping_timeout_seconds=1, max_ping_timeouts=2)
    cluster = cluster_factory(spec)
    with Framework(cluster.leader()) as framework:
        framework.launch("t1")
        framework.wait_for_state("t1", "TASK_RUNNING")

        cluster.agent_stop(1)
        assert cluster.agents[0].state == "stopped"
        framework.wait_for_state("t1", "TASK_UNREACHABLE")

        cluster.agent_continue(1)
        framework.wait_for_state("t1", "TASK_RUNNING")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start tasks of other users")
def test_tasks_run_as_their_user(small: Cluster) -> None:
    with Framework(small.leader(), user="nobody") as framework:
        offer = framework.launch("t1", value="/usr/bin/id -un; exec /bin/sleep 60")
        number = number_of(small, offer)
        traces.wait_until(lambda: bool(sandboxes(small, number, "t1")))
        (sandbox,) = sandboxes(small, number, "t1")
        output = sandbox / "stdout"
        traces.wait_until(lambda: output.exists() and output.read_text() == "nobody\n")
        assert output.owner() == "nobody"
