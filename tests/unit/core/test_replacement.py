"""Instances that take over by the steps of `replace`, what others owe after that, and what
instances run before they leave."""

from dataclasses import replace
from typing import Any

from holdfast.core import events as ev
from holdfast.mesos.messages import TaskState
from holdfast.plans.plan import Status
from holdfast.service.model import (
    AfterReplaceSpec,
    Goal,
    HookSpec,
    HooksSpec,
    InstanceSteps,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    ServiceSpec,
)

from .offers import UNIQUE_HOST, service
from .test_plan_engine import DATA, PARALLEL, build, changed, deployed, plan, steps, task, with_pod
from .world import CRASHES, ENDS, World

FORMAT, BOOTSTRAP = task("format", Goal.ONCE), task("bootstrap", Goal.ONCE)
NODE, AIDE = task("node", volumes=DATA), task("aide")


def named(**changes: Any) -> ServiceSpec:
    """Two name nodes: the first formats, the second copies; a replaced one copies in any case."""
    pod = PodSpec("name", 2, (FORMAT, BOOTSTRAP, NODE, AIDE), placement=(UNIQUE_HOST,))
    pod = replace(pod, hooks=HooksSpec(replace=HookSpec("join", 5.0)), **changes)
    first, other = (("format",), ("node", "aide")), (("bootstrap",), ("node", "aide"))
    own = (InstanceSteps(0, first), InstanceSteps(None, other))
    deploy = PlanSpec("deploy", (PhaseSpec("name", "name", steps=own),))
    update = PlanSpec("update", (PhaseSpec("name", "name", steps=steps(("node", "aide"))),))
    again = PlanSpec("replace", (PhaseSpec("name", "name", steps=steps(*other)),))
    return service(pods=(pod,), deploy=deploy, plans=(update, again))


def name_nodes(spec: ServiceSpec | None = None, agents: int = 3) -> World:
    world = World(spec or named(), agents)
    world.behaviour = {"format": ENDS, "bootstrap": ENDS}
    world.settle(20)
    assert world.status() is Status.COMPLETE
    assert [n for n in world.names_launched() if "node" not in n and "aide" not in n] == [
        "name-0-format",
        "name-1-bootstrap",
    ]
    world.forget()
    return world


def test_recovery_follows_the_steps_of_replace() -> None:
    world = name_nodes()
    world.order(ev.Verb.POD_REPLACE, "name-0")
    assert world.steps("recovery") == {
        "name-0:[bootstrap]": Status.PENDING,
        "name-0:[node, aide]": Status.PENDING,
    }
    assert world.plan("recovery").phases[0].name == "replace name-0"
    world.until(lambda: "name-0-bootstrap" in world.running())
    assert world.steps("recovery")["name-0:[node, aide]"] is Status.PENDING
    world.settle(20)
    assert world.names_launched() == ["name-0-bootstrap", "name-0-node", "name-0-aide"]
    assert world.status("recovery") is world.status() is Status.COMPLETE
    assert world.plan("recovery").phases == ()
    assert world.pod("name-0").replaced is None


def test_what_the_replacement_leaves_out_is_done_for_good() -> None:
    world = name_nodes()
    world.order(ev.Verb.POD_REPLACE, "name-0")
    world.settle(20)
    for spec in (changed(named(), cmd="other"), named()):
        world.start(spec)
        world.settle(30)
        assert world.status() is Status.COMPLETE
    without = replace(named(), plans=())  # its deploy plan formats
    world.start(without)
    world.settle(30)
    assert world.status() is Status.COMPLETE
    assert "name-0-format" not in world.names_launched()
    world.order(ev.Verb.POD_REPLACE, "name-0")
    world.settle(30)
    assert "name-0-format" in world.names_launched(), "without `replace` all of it is launched"


def test_an_update_does_not_overtake_the_replacement() -> None:
    world = name_nodes()
    world.behaviour["bootstrap"] = CRASHES
    world.order(ev.Verb.POD_REPLACE, "name-1")
    world.settle(3)
    world.start(changed(named(), "node", cmd="other"))
    world.settle(40)
    assert "name-1-node" not in world.names_launched()
    assert "name-0-node" not in world.killed, "name-1 is down, and one may be at a time"
    world.behaviour["bootstrap"] = ENDS
    world.until(lambda: world.status() is Status.COMPLETE, 600)
    assert world.task("name-1", "node").config_id == world.core.ledger.target_id
    assert world.names_launched().count("name-1-node") == 1


def test_a_replacement_that_fails_later_goes_on_where_it_was() -> None:
    world = name_nodes()
    world.behaviour["node"] = (TaskState.STARTING,)
    world.order(ev.Verb.POD_REPLACE, "name-1")
    world.until(lambda: "name-1-node" in world.running())
    world.start(named())
    world.end("name-1-node")
    world.behaviour["node"] = (TaskState.RUNNING,)
    world.settle(20)
    assert world.status("recovery") is Status.COMPLETE
    assert world.names_launched().count("name-1-bootstrap") == 1
    assert world.running() >= {"name-1-node", "name-1-aide"}


def test_an_instance_not_yet_deployed_is_deployed_as_any() -> None:
    world = World(named(), 3)
    world.behaviour = {"format": ENDS, "bootstrap": ENDS, "node": (TaskState.STARTING,)}
    world.until(lambda: "name-0-node" in world.running())
    world.behaviour = {"format": ENDS, "bootstrap": ENDS}
    world.forget()
    world.order(ev.Verb.POD_REPLACE, "name-0")
    world.settle(20)
    assert world.names_launched()[0] == "name-0-format"


def test_tasks_that_run_and_are_not_in_the_steps_follow_them() -> None:
    spec = named()
    own = PlanSpec("replace", (PhaseSpec("n", "name", steps=steps(("bootstrap",), ("node",))),))
    world = name_nodes(replace(spec, plans=(own,)))
    world.order(ev.Verb.POD_REPLACE, "name-0")
    world.settle(20)
    assert world.names_launched() == ["name-0-bootstrap", "name-0-node", "name-0-aide"]


def test_a_plan_of_ones_own_that_begins_anew_does_not_overtake_the_replacement() -> None:
    plans = (plan("replace", "node"), plan("repair", "repair"))
    repair = task("repair", Goal.ONCE)
    world = World(build(NODE, repair, count=2, deploy=(("node",),), plans=plans), 3)
    world.behaviour = {"repair": ENDS}
    world.settle(20)
    world.order(ev.Verb.PLAN_START, "repair")
    world.settle(20)
    world.forget()
    world.behaviour["node"] = (TaskState.STARTING,)
    world.order(ev.Verb.POD_REPLACE, "db-0")
    assert world.order(ev.Verb.PLAN_RESTART, "repair") == 200
    world.settle(10)
    assert world.pod("db-0").deployed is not None
    assert world.names_launched() == ["db-0-node"], "its data is yet to come"
    world.behaviour["node"] = (TaskState.RUNNING,)
    world.end("db-0-node")
    world.settle(20)
    assert world.names_launched()[1:] == ["db-0-node", "db-0-repair", "db-1-repair"]
    assert world.status("repair") is Status.COMPLETE


def test_a_deploy_plan_that_begins_anew_waits_for_one_that_is_being_replaced() -> None:
    world = name_nodes()
    world.behaviour["bootstrap"] = (TaskState.RUNNING,)
    world.order(ev.Verb.POD_REPLACE, "name-1")
    assert world.order(ev.Verb.PLAN_RESTART, "deploy") == 200
    world.settle(20)
    assert "name-1-bootstrap" in world.names_launched()
    assert "name-0-node" not in world.killed, "name-1 does not serve yet, and one may be down"
    world.behaviour["bootstrap"] = ENDS
    world.end("name-1-bootstrap", TaskState.FINISHED)
    world.until(lambda: world.status() is Status.COMPLETE, 300)
    assert {"name-0-node", "name-1-node"} <= world.running()


# After a replacement


def ring(**rule: Any) -> ServiceSpec:
    return build(NODE, count=4, after_replace=(AfterReplaceSpec("db", **rule),))


def test_others_are_restarted_one_after_the_other() -> None:
    world = deployed(ring(), agents=5)
    world.order(ev.Verb.POD_REPLACE, "db-0")
    world.until(lambda: bool(world.pod("db-2").restart))
    assert world.steps("recovery") == {
        "db-1:[node]": Status.PENDING,  # stopped, and not yet launched again
        "db-2:[node]": Status.PENDING,
        "db-3:[node]": Status.PENDING,
    }
    assert "max-unavailable" in next(
        step.message for step in world.plan("recovery").steps() if step.pod == "db-2"
    )
    world.killed.remove("db-0-node")
    world.launched.clear()
    for _ in range(40):
        world.round()
        assert len(world.running()) >= 3
    assert world.killed == ["db-1-node", "db-2-node", "db-3-node"]
    assert world.names_launched() == world.killed
    assert world.status("recovery") is Status.COMPLETE
    assert world.plan("recovery").phases == ()


def test_restarts_are_owed_whatever_becomes_of_the_scheduler() -> None:
    world = deployed(ring(), agents=5)
    world.order(ev.Verb.POD_REPLACE, "db-2")
    world.until(lambda: "db-1-node" in world.killed)
    world.start(ring())
    world.settle(30)
    assert world.killed == ["db-2-node", "db-0-node", "db-1-node", "db-3-node"]
    assert world.status("recovery") is Status.COMPLETE


def test_only_some_replacements_concern_others() -> None:
    world = deployed(ring(index_below=2), agents=5)
    world.order(ev.Verb.POD_REPLACE, "db-2")
    world.settle(30)
    assert world.killed == ["db-2-node"]
    world.forget()
    world.order(ev.Verb.POD_REPLACE, "db-1")
    world.settle(40)
    assert world.killed == ["db-1-node", "db-0-node", "db-2-node", "db-3-node"]


def test_who_was_started_since_need_not_be_restarted() -> None:
    world = deployed(ring(), agents=5)
    world.order(ev.Verb.POD_REPLACE, "db-0")
    world.until(lambda: bool(world.pod("db-2").restart))
    world.order(ev.Verb.PLAN_INTERRUPT, "recovery")
    world.order(ev.Verb.POD_RESTART, "db-3")
    world.forget()
    world.order(ev.Verb.PLAN_CONTINUE, "recovery")
    world.settle(40)
    assert sorted(world.names_launched()) == ["db-1-node", "db-2-node", "db-3-node"]


def test_a_task_that_ends_by_itself_is_not_cut_short_by_a_restart() -> None:
    backup = task("backup", Goal.FINISH, volumes=DATA)
    spec = build(
        NODE,
        backup,
        count=2,
        deploy=(("node",),),
        plans=(plan("save", "backup"),),
        after_replace=(AfterReplaceSpec("db"),),
    )
    world = deployed(spec, agents=3)
    world.order(ev.Verb.PLAN_START, "save")
    world.until(lambda: "db-0-backup" in world.running())
    world.order(ev.Verb.POD_REPLACE, "db-1")
    world.settle(20)
    assert "db-0-node" in world.killed
    assert "db-0-backup" not in world.killed


# Before an instance leaves


def leaver(count: int = 3, **changes: Any) -> ServiceSpec:
    drain = task("drain", Goal.FINISH, **changes)
    return build(
        NODE,
        drain,
        count=count,
        deploy=(("node",),),
        strategy=PARALLEL,
        plans=(plan("decommission", "node", "drain"),),
        allow_decommission=True,
    )


def test_an_instance_runs_its_last_steps_before_it_goes() -> None:
    world = deployed(leaver())
    world.start(leaver(1))
    world.until(lambda: "db-2-drain" in world.running())
    steps_ = world.steps("decommission")
    assert list(steps_)[:2] == ["db-2:[node]", "db-2:[drain]"]
    assert steps_["db-2:[node]"] is Status.COMPLETE
    world.settle(3)
    assert world.killed == []
    world.behaviour["drain"] = ENDS
    world.end("db-2-drain", TaskState.FINISHED)
    world.settle(30)
    assert world.names_launched() == ["db-2-drain", "db-1-drain"]
    assert world.killed == ["db-2-node", "db-1-node"]
    assert world.running() == {"db-0-node"}
    assert {left.pod for left in world.core.ledger.retired.values()} == {"db-1", "db-2"}
    assert "decommission" not in world.plans()


def test_what_crashes_while_its_instance_leaves_is_started_again_for_it() -> None:
    world = deployed(leaver())
    world.start(leaver(2))
    world.until(lambda: "db-2-drain" in world.running())
    world.end("db-2-node")
    world.settle(5)
    assert "db-2-node" in world.running()
    world.start(leaver(2))
    world.until(lambda: "db-2-drain" in world.running())
    world.end("db-2-drain", TaskState.FINISHED)
    world.settle(20)
    assert world.running() == {"db-0-node", "db-1-node"}


def test_the_operator_may_say_that_it_is_drained() -> None:
    world = deployed(leaver())
    world.start(leaver(2))
    world.until(lambda: "db-2-drain" in world.running())
    forced = {"phase": "db-2", "step": "db-2:[drain]"}
    assert world.order(ev.Verb.PLAN_FORCE_COMPLETE, "decommission", phase="db-2") == 409
    assert world.order(ev.Verb.PLAN_FORCE_COMPLETE, "decommission", **forced) == 200
    world.settle(20)
    assert world.running() == {"db-0-node", "db-1-node"}
    assert world.core.ledger.orders["decommission"].forced == frozenset(), "not for the next one"


def test_an_instance_that_stays_after_all_is_drained_anew_when_it_leaves() -> None:
    world = deployed(leaver())
    world.behaviour["drain"] = ENDS
    world.start(leaver(2))
    world.order(ev.Verb.PLAN_INTERRUPT, "decommission")
    world.order(ev.Verb.PLAN_CONTINUE, "decommission")
    world.until(lambda: world.names_launched().count("db-2-drain") == 1)
    world.round()
    world.order(ev.Verb.PLAN_INTERRUPT, "decommission")
    world.settle(3)
    world.start(leaver(3))
    world.settle(10)
    assert world.running() == {"db-0-node", "db-1-node", "db-2-node"}
    world.start(leaver(2))
    world.order(ev.Verb.PLAN_CONTINUE, "decommission")
    world.settle(20)
    assert world.names_launched().count("db-2-drain") == 2
    assert world.running() == {"db-0-node", "db-1-node"}


# The order of instances


def test_a_phase_may_take_the_last_instance_first() -> None:
    spec = build(NODE, count=3)
    phase = replace(spec.deploy.phases[0], reverse=True)
    world = World(replace(spec, deploy=PlanSpec("deploy", (phase,))), 3).settle(20)
    assert world.names_launched() == ["db-2-node", "db-1-node", "db-0-node"]
    assert list(world.steps()) == ["db-2:[node]", "db-1:[node]", "db-0:[node]"]


def test_a_replaced_pod_type_that_is_gone_owes_nothing() -> None:
    world = deployed(with_pod(ring(), allow_decommission=True), agents=5)
    world.order(ev.Verb.POD_REPLACE, "db-3")
    world.start(with_pod(ring(), allow_decommission=True, count=2))
    world.settle(30)
    assert world.running() == {"db-0-node", "db-1-node"}
