"""Plans: how services are deployed and updated, and what operators start themselves."""

from holdfast.core import events as ev
from holdfast.plans.plan import Status
from tests.simulation.conformance.cluster import Cluster


def test_canary_strategy() -> None:
    """Nothing starts before the operator says so, phase by phase; so also at every update."""
    cluster = Cluster("canary", HELLO_COUNT="3", WORLD_COUNT="3")
    cluster.run(60.0)
    assert cluster.status("deploy") is Status.WAITING
    assert not cluster.tasks()
    # The plan as a whole is not what is held back.
    cluster.order(ev.Verb.PLAN_CONTINUE, "deploy")
    cluster.run(60.0)
    assert not cluster.tasks()
    cluster.order(ev.Verb.PLAN_CONTINUE, "deploy", "hello-deploy")
    cluster.until(lambda: sorted(cluster.tasks()) == ["hello-0-server"])
    cluster.run(60.0)
    assert sorted(cluster.tasks()) == ["hello-0-server"]
    cluster.order(ev.Verb.PLAN_CONTINUE, "deploy", "hello-deploy")
    cluster.until(lambda: cluster.phase("deploy", "hello-deploy").status is Status.COMPLETE)
    assert len(cluster.tasks()) == 3
    for _ in range(2):
        cluster.order(ev.Verb.PLAN_CONTINUE, "deploy", "world-deploy")
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE)
    before = cluster.ids()
    cluster.update(HELLO_COUNT="3", WORLD_COUNT="3", HELLO_CPUS="0.4")
    cluster.run(60.0)
    assert cluster.ids() == before
    for phase in 2 * ("hello-deploy", "world-deploy"):
        cluster.order(ev.Verb.PLAN_CONTINUE, "deploy", phase)
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE)
    assert not set(cluster.ids().values()) & set(before.values())
    cluster.update(HELLO_COUNT="4", WORLD_COUNT="3", HELLO_CPUS="0.4")
    cluster.run(60.0)
    assert "hello-3-server" not in cluster.tasks()
    cluster.order(ev.Verb.PLAN_CONTINUE, "deploy", "hello-deploy")
    cluster.until(lambda: "hello-3-server" in cluster.tasks())
    cluster.end()


def test_custom_plan() -> None:
    """A phase can take the last instance first."""
    cluster = Cluster("custom-plan").deployed()
    assert cluster.launched() == [
        f"{pod}-server" for pod in ("hello-0", "hello-1", "world-1", "world-0")
    ]
    cluster.end()


def test_enable_disable() -> None:
    """A task that leaves the steps is stopped, and one that comes back is started again."""
    cluster = Cluster("enable-disable").deployed()
    assert sorted(cluster.tasks()) == ["hello-0-server-a", "hello-0-server-b"]
    kept = cluster.ids()["hello-0-server-a"]
    cluster.update(SECOND_ENABLED="false")
    cluster.until(lambda: sorted(cluster.tasks()) == ["hello-0-server-a"])
    cluster.run(60.0)
    assert cluster.ids() == {"hello-0-server-a": kept}
    assert not cluster.plan("recovery").phases
    cluster.update(SECOND_ENABLED="true")
    cluster.until(lambda: "hello-0-server-b" in cluster.tasks())
    assert cluster.ids()["hello-0-server-a"] == kept
    cluster.end()


def test_goal_states() -> None:
    """What is done ONCE stays done at an update; what is to FINISH does so anew."""
    cluster = Cluster("finish-state").deployed()
    assert sorted(cluster.launched()) == [
        *("hello-0-finish", "hello-0-once", "world-0-server"),
    ]
    cluster.update(HELLO_MEM="160")
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE)
    assert sorted(cluster.launched()[3:]) == ["hello-0-finish", "world-0-server"]


def test_multistep_plan() -> None:
    """The steps of an instance come one after the other, and an update restarts all tasks."""
    cluster = Cluster("multistep-plan").deployed()
    order = cluster.launched()
    for pod in ("hello-0", "hello-1"):
        assert order.index(f"{pod}-first") < order.index(f"{pod}-second")
    before = cluster.ids()
    cluster.update(HELLO_CPUS="0.4")
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE)
    assert sorted(before) == sorted(cluster.ids())
    assert not set(before.values()) & set(cluster.ids().values())
    cluster.end()


def test_parallel_plans() -> None:
    """Plans of one's own run beside one another, and none before it is started."""
    cluster = Cluster("parallel-plans").deployed()
    assert not any("extra" in name for name in cluster.launched())
    plans = [f"manual-{letter}" for letter in "abc"]
    for plan in plans:
        cluster.world.order(ev.Verb.PLAN_START, plan)
    cluster.until(lambda: sum("extra" in name for name in cluster.tasks()) == 3, 30.0)
    cluster.until(lambda: all(cluster.status(plan) is Status.COMPLETE for plan in plans))
    for pod in ("custom-a-0", "custom-b-0", "custom-c-0"):
        recorded = {task.name: task.id for task in cluster.pod(pod).tasks}
        assert recorded["server"] == cluster.ids()[f"{pod}-server"]
    cluster.end()


def test_sidecar() -> None:
    """Each start of a plan runs its tasks again, with the parameters given, and no others."""
    cluster = Cluster("sidecar", {"toxic": "needs NOTHING_HAS_THIS"}).deployed()
    servers = {name: id_ for name, id_ in cluster.ids().items() if name.endswith("-server")}
    for word in ("one", "two"):
        cluster.order(ev.Verb.PLAN_START, "sidecar-parameterized", PLAN_PARAMETER=word)
        cluster.until(lambda: cluster.status("sidecar-parameterized") is Status.COMPLETE)
        agents = {
            host for pod in ("hello-0", "hello-1") for host in (cluster.agent_of(f"{pod}-server"),)
        }
        last = [
            [t for t in a.tasks.values() if t.info["name"].endswith("parameterized")][-1]
            for a in agents
        ]
        assert {task.environment["PLAN_PARAMETER"] for task in last} == {word}
    # One that fails is tried again by its plan alone: recovery does not take it up.
    cluster.order(ev.Verb.PLAN_START, "sidecar-toxic")
    cluster.until(lambda: cluster.launched().count("hello-0-toxic") >= 2)
    assert not cluster.plan("recovery").phases
    assert cluster.status("deploy") is Status.COMPLETE
    cluster.order(ev.Verb.PLAN_STOP, "sidecar-toxic")
    assert {n: i for n, i in cluster.ids().items() if n.endswith("-server")} == servers
    cluster.update(SLEEP_DURATION="2000")
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE)
    cluster.order(ev.Verb.PLAN_START, "sidecar")
    cluster.until(lambda: cluster.status("sidecar") is Status.COMPLETE)
    cluster.end()


def test_update_plan() -> None:
    """The first time all at once, later one after the other."""
    cluster = Cluster("update-plan", HELLO_COUNT="3").deployed()
    before = set(cluster.ids().values())
    cluster.update(HELLO_COUNT="3", HELLO_CPUS="0.4")
    fewest = 3

    def done() -> bool:
        nonlocal fewest
        fewest = min(fewest, len(cluster.tasks()))
        return cluster.status("deploy") is Status.COMPLETE

    cluster.until(done)
    assert fewest >= 2
    assert not before & set(cluster.ids().values())
    cluster.end()


def test_decommission() -> None:
    """The last instances go when there are to be fewer, and come again with what they had left."""
    cluster = Cluster("svc", WORLD_COUNT="3").deployed()
    kept = {name: id_ for name, id_ in cluster.ids().items() if name != "world-2-server"}
    cluster.update(WORLD_COUNT="2")
    cluster.until(lambda: cluster.ids() == kept)
    cluster.until(lambda: "world-2" not in cluster.world.newest.engine.view.pods)
    retired = cluster.world.newest.engine.view.retired
    assert [left.reservation.volumes[0].path for left in retired.values()] == ["first"]
    cluster.update(WORLD_COUNT="3")
    cluster.until(lambda: len(cluster.tasks()) == 5)
    assert kept.items() <= cluster.ids().items()
    cluster.end()


def test_taskcfg() -> None:
    """Settings for all tasks and for those of a pod repair what lacked them."""
    needs = {"server": "needs GREETING"}
    cluster = Cluster("taskcfg", needs)
    cluster.until(lambda: cluster.status("deploy") is Status.DELAYED)
    cluster.update(TASKCFG_ALL_GREETING="hello", TASKCFG_BIG_WORLD_NOUN="world")
    cluster.until(lambda: cluster.status("deploy") is Status.COMPLETE)
    hello, world = cluster.tasks()["hello-0-server"], cluster.tasks()["big-world-0-server"]
    assert hello.environment["GREETING"] == world.environment["GREETING"] == "hello"
    assert "NOUN" not in hello.environment
    assert world.environment["NOUN"] == "world"
    cluster.end()


def test_web_url() -> None:
    cluster = Cluster("web-url").deployed()
    assert cluster.world.newest.engine.view.service.web_url == "https://hello.example/ui"
    cluster.end()
