"""What fails and comes back, by itself and at the operator's word."""

import pytest

from holdfast.core import events as ev
from holdfast.plans.plan import Status
from holdfast.records import Volume
from tests.simulation.conformance.cluster import Cluster


def test_backoff() -> None:
    """A task that keeps failing is started at ever longer intervals, and the offers stop between.

    Once its step is forced, recovery is what tries.
    """
    cluster = Cluster("crash-loop", {"server": "needs MENDED"})
    seen: list[Status | None] = []

    def turned_often() -> bool:
        status = cluster.status("deploy")
        if not seen or seen[-1] is not status:
            seen.append(status)
        return seen.count(Status.DELAYED) >= 3

    cluster.until(turned_often)
    assert cluster.launched().count("hello-0-server") >= 3
    # It is the only thing to do, one instance after the other: nothing is asked of the agents.
    cluster.until(
        lambda: (
            cluster.status("deploy") is Status.DELAYED and cluster.world.master.allocator.suppressed
        )
    )
    step = cluster.plan("deploy").phases[0].steps[0]
    cluster.order(
        ev.Verb.PLAN_FORCE_COMPLETE, "deploy", cluster.plan("deploy").phases[0].name, step.name
    )
    assert cluster.plan("deploy").phases[0].steps[0].status is Status.COMPLETE
    launches = cluster.launched().count("hello-0-server")
    cluster.until(lambda: cluster.launched().count("hello-0-server") > launches, 1200.0)
    assert [s.pod for phase in cluster.plan("recovery").phases for s in phase.steps] == ["hello-0"]
    cluster.update(TASKCFG_ALL_MENDED="yes")
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE)
    cluster.end()


def test_fast_failure() -> None:
    """A task that is to finish and cannot is told of, and tried again."""
    cluster = Cluster("fast-failure", {"broken": "needs MENDED"})
    cluster.until(lambda: cluster.launched().count("hello-0-broken") >= 2)
    cluster.until(lambda: cluster.status("deploy") is Status.DELAYED)
    assert "broken failed" in cluster.plan("deploy").phases[0].steps[0].message


def test_nonessential_tasks() -> None:
    """One that is not essential comes back alone; with an essential one all do, elsewhere none."""
    cluster = Cluster("nonessential").deployed()
    before, executor = cluster.ids(), cluster.pod("hello-0").executor_id
    cluster.fail("hello-0-nonessential")
    cluster.until(lambda: len(cluster.tasks()) == 2)
    after = cluster.ids()
    assert after["hello-0-essential"] == before["hello-0-essential"]
    assert after["hello-0-nonessential"] != before["hello-0-nonessential"]
    assert cluster.pod("hello-0").executor_id == executor
    cluster.fail("hello-0-essential")
    cluster.until(
        lambda: not set(cluster.ids().values()) & set(after.values()) and len(cluster.ids()) == 2
    )
    assert cluster.pod("hello-0").executor_id != executor
    cluster.end()


def test_executor_volumes() -> None:
    """The volumes of a pod are those of all its tasks, and a plan's task finds them as they are."""
    cluster = Cluster("executor-volumes").deployed()
    held = cluster.pod("hello-0").reservation
    other = cluster.pod("world-0").reservation
    assert held is not None
    assert other is not None
    assert [volume.path for volume in held.volumes] == ["shared"]
    assert [volume.path for volume in other.volumes] == ["first", "second"]
    cluster.order(ev.Verb.PLAN_START, "sidecar")
    cluster.until(lambda: cluster.status("sidecar") is Status.COMPLETE)
    assert cluster.launched().count("hello-0-sidecar") == 1
    assert cluster.pod("hello-0").reservation == held
    cluster.end()


@pytest.mark.parametrize("after", ["", "30"])
def test_external_volumes(after: str) -> None:
    """Named after the instance, so that one that is replaced finds its data on another agent.

    An operator has it replaced, or its policy some seconds after its agent is lost.
    """
    cluster = Cluster("external-volumes", machines=3, REPLACE_AFTER=after).deployed()

    def names() -> list[str]:
        executor = cluster.pod("hello-1").executor or {}
        return [
            volume["source"]["docker_volume"]["name"] for volume in executor["container"]["volumes"]
        ]

    host = cluster.hosts("hello")[1]
    (named,) = names()
    assert named == "hello-world-hello-1"
    (agent,) = [agent for agent in cluster.world.agents if agent.hostname == host]
    agent.remove()
    if not after:
        cluster.run(300.0)
        assert "hello-1-server" not in cluster.tasks()
        cluster.order(ev.Verb.POD_REPLACE, "hello-1")
    cluster.until(lambda: "hello-1-server" in cluster.tasks())
    assert cluster.hosts("hello")[1] != host
    assert names() == [named]
    cluster.end()


RECOVERING = 120.0


def test_zzzrecovery_pod_restart() -> None:
    cluster = Cluster("svc").deployed()
    before, hosts = cluster.ids(), cluster.hosts("hello")
    cluster.order(ev.Verb.POD_RESTART, "hello-0")
    cluster.until(
        lambda: cluster.ids().get("hello-0-server", "") not in ("", before["hello-0-server"])
    )
    assert cluster.hosts("hello") == hosts
    assert {**cluster.ids(), "hello-0-server": ""} == {**before, "hello-0-server": ""}
    cluster.end()


def test_zzzrecovery_pod_replace() -> None:
    cluster = Cluster("svc").deployed()
    before = cluster.ids()
    volumes = {volume.id for volume in _reserved(cluster, "world-0")}
    cluster.order(ev.Verb.POD_REPLACE, "world-0")
    cluster.until(
        lambda: cluster.ids().get("world-0-server", "") not in ("", before["world-0-server"])
    )
    assert not volumes & {volume.id for volume in _reserved(cluster, "world-0")}
    # What it had is kept until an operator has it destroyed.
    assert volumes <= {id_ for agent in cluster.world.agents for id_ in agent.volumes}
    assert {**cluster.ids(), "world-0-server": ""} == {**before, "world-0-server": ""}
    cluster.end()


def _reserved(cluster: Cluster, pod: str) -> tuple[Volume, ...]:
    held = cluster.pod(pod).reservation
    assert held is not None
    return held.volumes


@pytest.mark.parametrize("what", ["scheduler", "master", "store", "agent", "partition"])
def test_zzzrecovery_what_restarts_no_task(what: str) -> None:
    """The scheduler, the master, ZooKeeper, an agent's process or its network fail for a while."""
    cluster = Cluster("svc").deployed()
    before, world = cluster.ids(), cluster.world
    agent = cluster.agent_of("hello-0-server")
    match what:
        case "scheduler":
            world.newest.die()
        case "master":
            world.fail_over(10.0)
        case "store":
            world.records.away_until = world.clock.now + 20.0
        case "agent":
            agent.stop_process()
            world.clock.after(20.0, agent.start_process)
        case "partition":
            agent.cut_off()
            world.clock.after(20.0, lambda: agent.join(reset=True))
    cluster.run(RECOVERING)
    assert cluster.ids() == before
    cluster.end()
    assert cluster.ids() == before


@pytest.mark.parametrize("what", ["task", "executor", "all executors", "power"])
def test_zzzrecovery_what_is_started_again_in_place(what: str) -> None:
    cluster = Cluster("svc").deployed()
    before, hosts = cluster.ids(), cluster.hosts("hello") + cluster.hosts("world")
    agent = cluster.agent_of("hello-0-server")
    match what:
        case "task":
            cluster.fail("hello-0-server")
        case "executor":
            agent.end_executor(agent.executors[cluster.tasks()["hello-0-server"].executor_id])
        case "all executors":
            for each in cluster.world.agents:
                for executor in list(each.executors.values()):
                    each.end_executor(executor)
        case "power":
            agent.power_off()
            cluster.run(30.0)
            agent.power_on(new_id=False)
    cluster.until(
        lambda: (
            len(cluster.ids()) == 4 and cluster.ids()["hello-0-server"] != before["hello-0-server"]
        )
    )
    assert cluster.hosts("hello") + cluster.hosts("world") == hosts
    cluster.end()


def test_zzzrecovery_update_while_an_agent_is_away() -> None:
    """The instance there waits with its data, and follows when the agent is back."""
    cluster = Cluster("svc", DEPLOY_STRATEGY="parallel").deployed()
    before, hosts = cluster.ids(), cluster.hosts("hello")
    agent = cluster.agent_of("hello-1-server")
    agent.cut_off()
    cluster.run(5.0)
    cluster.update(HELLO_CPUS="0.4", DEPLOY_STRATEGY="parallel")
    cluster.run(200.0)
    assert cluster.hosts("hello") == hosts
    assert cluster.status("deploy") is not Status.COMPLETE
    agent.join(reset=True)
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE, 1200.0)
    assert cluster.hosts("hello") == hosts
    assert cluster.ids()["hello-1-server"] != before["hello-1-server"]
    cluster.end()


def test_zzzrecovery_shut_down_host() -> None:
    """Only the operator's word moves an instance from a machine that is gone."""
    cluster = Cluster("svc").deployed()
    agent = cluster.agent_of("world-1-server")
    agent.remove()
    cluster.run(400.0)
    assert "world-1-server" not in cluster.tasks()
    cluster.order(ev.Verb.POD_REPLACE, "world-1")
    cluster.until(lambda: "world-1-server" in cluster.tasks())
    assert cluster.hosts("world")[1] != agent.hostname
    cluster.end()
