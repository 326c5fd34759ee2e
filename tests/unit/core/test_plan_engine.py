"""Plans at work: what is launched, stopped and left alone, on agents that behave like Mesos."""

from dataclasses import replace
from typing import Any

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.mesos.messages import TaskState
from holdfast.plans.plan import Status
from holdfast.service.model import (
    Goal,
    InstanceSteps,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    ReadinessCheckSpec,
    ResourceSetSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    VolumeSpec,
)

from .offers import UNIQUE_HOST, service
from .world import CRASHES, ENDS, FAILS, RUNS, STARTS, World, names

SERIAL, PARALLEL = Strategy.SERIAL, Strategy.PARALLEL


def task(name: str, goal: Goal = Goal.RUNNING, **changes: Any) -> TaskSpec:
    values: dict[str, Any] = {"cmd": f"run {name}", "cpus": 0.5, "memory_mb": 64} | changes
    return TaskSpec(name, goal, **values)


DATA = (VolumeSpec("data", 100),)


def steps(*each: tuple[str, ...]) -> tuple[InstanceSteps, ...]:
    """The same steps for every instance."""
    return (InstanceSteps(None, each),)


def build(
    *tasks: TaskSpec,
    count: int = 1,
    deploy: tuple[tuple[str, ...], ...] = (),
    strategy: Strategy = SERIAL,
    plans: tuple[PlanSpec, ...] = (),
    **pod: Any,
) -> ServiceSpec:
    """A service of one pod type `db`, whose deploy plan launches `deploy` in each instance."""
    spec = PodSpec("db", count, tasks, **({"placement": (UNIQUE_HOST,)} | pod))
    phase = PhaseSpec("db", "db", strategy, steps(*deploy) if deploy else ())
    return service(pods=(spec,), deploy=PlanSpec("deploy", (phase,)), plans=plans)


def plan(name: str, *tasks: str, strategy: Strategy = SERIAL, **phase: Any) -> PlanSpec:
    """A plan that launches the tasks, one step each."""
    return PlanSpec(
        name,
        (PhaseSpec("run", "db", strategy, steps(*((task,) for task in tasks)), **phase),),
    )


def changed(spec: ServiceSpec, name: str = "", **changes: Any) -> ServiceSpec:
    """The service with one task, or all of them, changed."""
    pod = spec.pods[0]
    tasks = tuple(replace(t, **changes) if name in ("", t.name) else t for t in pod.tasks)
    return replace(spec, pods=(replace(pod, tasks=tasks),))


def with_pod(spec: ServiceSpec, **changes: Any) -> ServiceSpec:
    return replace(spec, pods=(replace(spec.pods[0], **changes),))


def deployed(spec: ServiceSpec, agents: int = 0) -> World:
    """The service deployed, with nothing counted yet."""
    world = World(spec, agents or spec.pods[0].count)
    world.settle(6 + 4 * spec.pods[0].count)
    assert world.status() is Status.COMPLETE
    world.forget()
    return world


# Pods of several tasks


def test_a_later_step_joins_the_executor_of_the_first() -> None:
    world = World(build(task("a", volumes=DATA), task("b"), deploy=(("a",), ("b",))))
    world.round()
    assert world.steps()["db-0:[b]"] is Status.PENDING
    world.settle()
    assert world.status() is Status.COMPLETE
    assert world.names_launched() == ["db-0-a", "db-0-b"]
    assert world.executor("db-0-a") == world.executor("db-0-b")
    assert world.operations() == ["RESERVE", "CREATE", "LAUNCH", "LAUNCH"]


def test_tasks_of_one_step_start_together() -> None:
    world = World(build(task("a"), task("b"), deploy=(("a", "b"),))).settle()
    assert world.status() is Status.COMPLETE
    assert world.operations() == ["RESERVE", "LAUNCH"]


def test_tasks_of_one_resource_set_follow_each_other() -> None:
    main = ResourceSetSpec("main", 0.5, memory_mb=64, volumes=DATA)
    spec = build(
        task("init", Goal.ONCE, cpus=0, memory_mb=0, resource_set="main"),
        task("node", cpus=0, memory_mb=0, resource_set="main"),
        deploy=(("init",), ("node",)),
        resource_sets=(main,),
    )
    world = World(spec)
    world.behaviour["init"] = ENDS
    world.settle()
    assert world.status() is Status.COMPLETE
    assert world.names_launched() == ["db-0-init", "db-0-node"]
    assert world.running() == {"db-0-node"}
    world.forget()
    world.end("db-0-node")
    world.settle()
    assert world.names_launched() == ["db-0-node"], "ONCE is once"


def test_a_plan_takes_the_resource_set_and_recovery_takes_it_back() -> None:
    main = ResourceSetSpec("main", 0.5, memory_mb=64)
    spec = build(
        task("node", cpus=0, memory_mb=0, resource_set="main"),
        task("repair", Goal.ONCE, cpus=0, memory_mb=0, resource_set="main"),
        deploy=(("node",),),
        plans=(plan("repair", "repair"),),
        resource_sets=(main,),
    )
    world = deployed(spec)
    world.behaviour["repair"] = ENDS
    assert world.order(ev.Verb.PLAN_START, "repair") == 200
    world.settle()
    assert world.names_launched() == ["db-0-repair", "db-0-node"]
    assert world.killed == ["db-0-node"]
    assert world.running() == {"db-0-node"}
    assert world.status("repair") is Status.COMPLETE


# What fails


NODE_AND_AGENT = build(task("node", volumes=DATA), task("agent", essential=False))


def test_nonessential_task_comes_back_alone_in_the_same_executor() -> None:
    world = deployed(NODE_AND_AGENT)
    executor = world.executor("db-0-node")
    world.end("db-0-agent")
    assert world.steps("recovery") == {"db-0:[agent]": Status.PENDING}
    world.settle()
    assert world.launched == [("db-0-agent", executor)]
    assert not world.killed
    assert world.status("recovery") is Status.COMPLETE


def test_essential_task_takes_its_pod_along_into_a_new_executor() -> None:
    world = deployed(NODE_AND_AGENT)
    executor = world.executor("db-0-node")
    world.end("db-0-node")
    world.settle()
    assert world.killed == ["db-0-agent"]
    assert sorted(world.names_launched()) == ["db-0-agent", "db-0-node"]
    assert world.executor("db-0-node") == world.executor("db-0-agent") != executor
    assert world.status() is Status.COMPLETE, "what fails later is the recovery plan's business"


def test_nonessential_crash_loop_does_not_hold_up_the_essential_task() -> None:
    world = deployed(NODE_AND_AGENT)
    world.behaviour["agent"] = FAILS
    world.end("db-0-agent")
    world.until(lambda: world.task("db-0", "agent").not_before > world.now + 10)
    world.end("db-0-node")
    world.settle(3)
    assert "db-0-node" in world.running()


def test_backoff_survives_a_restart_of_the_scheduler() -> None:
    world = World(build(task("node")))
    world.behaviour["node"] = FAILS
    world.settle(6)
    before = world.task("db-0", "node")
    assert before.failures == 2
    world.forget()
    world.start(build(task("node")))
    world.round(after=before.not_before - world.now - 1)
    assert not world.launched
    assert world.status("recovery") is Status.DELAYED
    world.round(after=2)
    assert world.names_launched() == ["db-0-node"]


def test_a_changed_definition_does_not_wait_out_the_backoff() -> None:
    world = World(build(task("node")))
    world.behaviour["node"] = FAILS
    world.round()
    world.until(lambda: world.task("db-0", "node").not_before > world.now + 10)
    world.forget()
    world.behaviour.clear()
    world.start(changed(build(task("node")), cmd="run well"))
    world.settle(3)
    assert world.names_launched() == ["db-0-node"]
    assert world.status() is Status.COMPLETE


def test_forced_step_of_a_crash_loop_is_handed_to_recovery() -> None:
    check = ReadinessCheckSpec("check", 1, 0, 1)
    world = World(
        build(task("node", readiness_check=check), task("late"), deploy=(("node",), ("late",)))
    )
    world.behaviour["node"] = FAILS
    world.ready = False
    world.settle(6)
    assert world.status() is Status.DELAYED
    parts = {"phase": "db", "step": "db-0:[node]"}
    assert world.order(ev.Verb.PLAN_FORCE_COMPLETE, "deploy", **parts) == 200
    world.settle(3)
    assert world.status() is Status.COMPLETE
    world.until(lambda: world.status("recovery") is Status.DELAYED)
    assert "db-0-late" in world.running()
    world.behaviour.clear()
    world.ready = True
    world.settle(after=60)
    assert world.running() == {"db-0-node", "db-0-late"}
    assert world.status("recovery") is Status.COMPLETE


# Plans of the operator's own


SIDECAR = build(
    task("node", volumes=DATA),
    task("backup", Goal.ONCE),
    task("check", Goal.ONCE),
    deploy=(("node",),),
    plans=(plan("backup", "backup"), plan("check", "check"), plan("both", "check", "backup")),
)


def sidecar() -> World:
    world = deployed(SIDECAR)
    world.behaviour |= {"backup": ENDS, "check": ENDS}
    return world


def test_a_plan_waits_for_its_start_and_passes_its_parameters() -> None:
    world = sidecar()
    assert world.status("backup") is Status.WAITING
    assert world.order(ev.Verb.PLAN_START, "backup", parameters={"BUCKET": "b1"}) == 200
    world.round()
    assert world.launched == [("db-0-backup", world.executor("db-0-node"))]
    world.settle()
    assert world.status("backup") is Status.COMPLETE
    assert not world.killed
    assert world.running() == {"db-0-node"}
    assert world.status("recovery") is Status.COMPLETE


def test_parameters_reach_the_environment_even_after_a_restart() -> None:
    world = sidecar()
    world.behaviour["backup"] = STARTS
    world.order(ev.Verb.PLAN_START, "backup", parameters={"BUCKET": "b1"})
    world.start(SIDECAR)
    world.settle(4)
    assert world.environment("db-0-backup")["BUCKET"] == "b1"
    assert "BUCKET" not in world.environment("db-0-node")


@pytest.mark.parametrize("name", ["1A", "A-B", "", "Ä"])
def test_a_parameter_must_be_a_variable(name: str) -> None:
    world = sidecar()
    assert world.order(ev.Verb.PLAN_START, "backup", parameters={name: "x"}) == 400
    assert world.status("backup") is Status.WAITING


def test_a_plan_runs_again() -> None:
    world = sidecar()
    for run in (1, 2, 3):
        assert world.order(ev.Verb.PLAN_START, "backup", parameters={"RUN": str(run)}) == 200
        assert world.status("backup") is not Status.COMPLETE
        world.round()
        assert world.environment("db-0-backup")["RUN"] == str(run)
        assert world.status("backup") is not Status.COMPLETE, "it runs, it is not done"
        world.settle()
        assert world.status("backup") is Status.COMPLETE
    assert world.names_launched() == ["db-0-backup"] * 3


def test_a_stopped_plan_begins_anew() -> None:
    world = sidecar()
    world.behaviour["backup"] = STARTS
    world.order(ev.Verb.PLAN_START, "both")
    world.settle(5)
    assert world.names_launched() == ["db-0-check", "db-0-backup"]
    assert world.order(ev.Verb.PLAN_STOP, "both") == 200
    assert set(world.steps("both").values()) == {Status.PENDING}
    assert world.status("both") is Status.WAITING
    world.settle(3)
    assert len(world.launched) == 2
    world.behaviour["backup"] = ENDS
    world.order(ev.Verb.PLAN_START, "both")
    world.settle()
    assert world.names_launched()[2:] == ["db-0-check", "db-0-backup"]
    assert world.status("both") is Status.COMPLETE


def test_two_plans_at_once() -> None:
    world = sidecar()
    world.order(ev.Verb.PLAN_START, "backup")
    world.order(ev.Verb.PLAN_START, "check")
    world.settle()
    assert sorted(world.names_launched()) == ["db-0-backup", "db-0-check"]
    assert world.status("backup") is world.status("check") is Status.COMPLETE


def test_two_plans_at_once_do_not_touch_each_others_task() -> None:
    world = sidecar()
    world.behaviour["check"] = (*STARTS * 5, *ENDS)
    world.order(ev.Verb.PLAN_START, "check")
    world.order(ev.Verb.PLAN_START, "both")
    world.settle(5)
    assert world.names_launched() == ["db-0-check"]
    world.settle(20)
    assert not world.killed
    assert world.names_launched() == ["db-0-check", "db-0-check", "db-0-backup"]
    assert world.status("both") is world.status("check") is Status.COMPLETE
    world.settle(20)
    assert len(world.launched) == 3, "what is done stays done, whoever runs the task later"


def test_toxic_sidecar_never_touches_the_server() -> None:
    world = sidecar()
    world.behaviour["backup"] = FAILS
    world.order(ev.Verb.PLAN_START, "backup")
    world.settle(60)
    assert set(world.names_launched()) == {"db-0-backup"}
    assert len(world.launched) < 8, "it backs off"
    assert not world.killed
    assert world.steps("recovery") == {}
    assert world.status("backup") is Status.DELAYED
    assert world.running() == {"db-0-node"}
    # The server fails: it comes back at once, whatever the sidecar does.
    world.forget()
    world.end("db-0-node")
    world.settle(3)
    assert "db-0-node" in world.running()


def test_server_that_fails_after_a_plan_relaunched_it_is_recovered_once() -> None:
    spec = replace(SIDECAR, plans=(plan("bounce", "node"),))
    world = deployed(spec)
    world.order(ev.Verb.PLAN_START, "bounce")
    assert world.status("bounce") is Status.COMPLETE, "in its first run what runs already is done"
    world.order(ev.Verb.PLAN_START, "bounce")
    world.settle()
    assert world.killed == ["db-0-node"]
    assert world.names_launched() == ["db-0-node"]
    assert world.status("bounce") is Status.COMPLETE
    world.forget()
    world.end("db-0-node")
    world.settle()
    assert world.names_launched() == ["db-0-node"]
    assert not world.killed
    assert world.status("bounce") is Status.COMPLETE
    world.order(ev.Verb.POD_RESTART, "db-0")
    world.settle()
    assert world.names_launched() == ["db-0-node"] * 2
    assert world.killed == ["db-0-node"]


def test_a_canary_phase_in_a_plan_of_ones_own() -> None:
    spec = build(
        task("node"),
        task("backup", Goal.ONCE),
        deploy=(("node",),),
        count=3,
        plans=(plan("backup", "backup", strategy=Strategy.SERIAL_CANARY),),
    )
    world = deployed(spec)
    world.behaviour["backup"] = ENDS
    for _ in range(2):
        world.forget()
        world.order(ev.Verb.PLAN_START, "backup")
        world.settle()
        assert world.status("backup") is Status.WAITING
        assert not world.launched
        assert world.order(ev.Verb.PLAN_CONTINUE, "backup", phase="run") == 200
        world.settle()
        assert world.names_launched() == ["db-0-backup"]
        assert world.order(ev.Verb.PLAN_CONTINUE, "backup", phase="run") == 200
        world.settle()
        assert world.names_launched() == [f"db-{n}-backup" for n in range(3)]
        assert world.status("backup") is Status.COMPLETE


# Canaries


@pytest.mark.parametrize("strategy", [Strategy.SERIAL_CANARY, Strategy.PARALLEL_CANARY])
def test_canary_deployment_and_update(strategy: Strategy) -> None:
    spec = build(task("node"), count=4, strategy=strategy)
    world = World(spec, 4)
    for command in ("run 1", "run 2"):
        world.forget()
        if command != "run 1":
            world.start(changed(spec, cmd=command))
        world.settle()
        assert not world.launched
        assert not world.killed
        assert world.status() is Status.WAITING
        assert world.order(ev.Verb.PLAN_CONTINUE, "deploy") == 208, "the phase must be named"
        assert world.order(ev.Verb.PLAN_CONTINUE, "deploy", phase="db") == 200
        world.settle()
        assert world.names_launched() == ["db-0-node"]
        assert world.status() is Status.WAITING
        # A restarted scheduler still knows how far it was let go.
        world.start(spec if command == "run 1" else changed(spec, cmd=command))
        world.settle()
        assert world.names_launched() == ["db-0-node"]
        assert world.order(ev.Verb.PLAN_CONTINUE, "deploy", phase="db") == 200
        world.settle(30)
        assert sorted(world.names_launched()) == [f"db-{n}-node" for n in range(4)]
        assert world.status() is Status.COMPLETE
        assert world.order(ev.Verb.PLAN_CONTINUE, "deploy", phase="db") == 208


def test_more_instances_wait_as_canaries() -> None:
    spec = build(task("node"), count=1, strategy=Strategy.PARALLEL_CANARY)
    world = World(spec, 4)
    world.order(ev.Verb.PLAN_CONTINUE, "deploy", phase="db")
    world.settle()
    assert world.status() is Status.COMPLETE
    world.start(with_pod(spec, count=4))
    world.settle()
    assert world.names_launched() == ["db-0-node"]
    assert world.status() is Status.WAITING


# Orders


def test_interrupt_and_continue_survive_a_restart() -> None:
    spec = build(task("node"), count=3)
    world = World(spec, 3)
    world.round()
    assert world.order(ev.Verb.PLAN_INTERRUPT, "deploy") == 200
    assert world.order(ev.Verb.PLAN_INTERRUPT, "deploy") == 208
    world.settle()
    assert world.running() == {"db-0-node"}
    world.start(spec)
    world.settle()
    assert world.running() == {"db-0-node"}
    assert world.status() is Status.WAITING
    assert world.order(ev.Verb.PLAN_CONTINUE, "deploy") == 200
    assert world.order(ev.Verb.PLAN_CONTINUE, "deploy") == 208
    world.settle()
    assert world.status() is Status.COMPLETE


def test_interrupted_phase() -> None:
    one, two = PodSpec("one", 1, (task("t"),)), PodSpec("two", 1, (task("t"),))
    phases = (PhaseSpec("first", "one"), PhaseSpec("second", "two"))
    spec = service(pods=(one, two), deploy=PlanSpec("deploy", phases, PARALLEL))
    world = World(spec, 2)
    assert world.order(ev.Verb.PLAN_INTERRUPT, "deploy", phase="first") == 200
    assert world.order(ev.Verb.PLAN_INTERRUPT, "deploy", phase="first") == 208
    world.start(spec)
    world.settle()
    assert world.running() == {"two-0-t"}
    assert world.status() is Status.WAITING
    assert world.order(ev.Verb.PLAN_CONTINUE, "deploy", phase="first") == 200
    world.settle()
    assert world.status() is Status.COMPLETE


def test_forced_steps_survive_a_restart_and_are_void_with_a_new_definition() -> None:
    spec = build(task("node"), count=2)
    world = World(spec, 2)
    parts = {"phase": "db", "step": "db-0:[node]"}
    assert world.order(ev.Verb.PLAN_FORCE_COMPLETE, "deploy", **parts) == 200
    assert world.order(ev.Verb.PLAN_FORCE_COMPLETE, "deploy", **parts) == 208
    world.start(spec)
    world.settle()
    assert world.running() == {"db-1-node"}
    assert world.status() is Status.COMPLETE
    world.start(changed(spec, cmd="run other"))
    world.settle()
    assert world.running() == {"db-0-node", "db-1-node"}


def test_force_complete_of_phase_and_plan() -> None:
    for parts in ({"phase": "db"}, {}):
        world = World(build(task("node"), count=2), 2)
        assert world.order(ev.Verb.PLAN_FORCE_COMPLETE, "deploy", **parts) == 200
        assert world.order(ev.Verb.PLAN_FORCE_COMPLETE, "deploy", **parts) == 208
        world.settle()
        assert not world.launched
        assert world.status() is Status.COMPLETE


def test_restart_of_a_step_launches_only_its_tasks_again() -> None:
    world = deployed(build(task("node"), task("agent"), deploy=(("node",), ("agent",)), count=2))
    parts = {"phase": "db", "step": "db-1:[agent]"}
    assert world.order(ev.Verb.PLAN_RESTART, "deploy", **parts) == 200
    assert world.steps()["db-1:[agent]"] is not Status.COMPLETE
    world.settle()
    assert world.killed == ["db-1-agent"]
    assert world.names_launched() == ["db-1-agent"]
    assert world.status() is Status.COMPLETE


@pytest.mark.parametrize("strategy", [SERIAL, PARALLEL])
def test_restart_of_a_plan_takes_down_one_instance_at_a_time(strategy: Strategy) -> None:
    world = deployed(build(task("node"), count=3, strategy=strategy))
    assert world.order(ev.Verb.PLAN_RESTART, "deploy") == 200
    world.start(build(task("node"), count=3, strategy=strategy))
    for _ in range(30):
        world.round()
        assert len(world.running()) >= 2
    assert sorted(world.names_launched()) == ["db-0-node", "db-1-node", "db-2-node"]
    assert set(world.killed) == {"db-0-node", "db-1-node", "db-2-node"}
    assert world.status() is Status.COMPLETE
    assert world.order(ev.Verb.PLAN_RESTART, "deploy", phase="db") == 200


def test_restart_of_a_recovery_phase_tries_at_once() -> None:
    world = deployed(build(task("node")))
    world.behaviour["node"] = FAILS
    world.end("db-0-node")
    world.settle(8)
    assert world.status("recovery") is Status.DELAYED
    world.behaviour.clear()
    world.forget()
    assert world.order(ev.Verb.PLAN_RESTART, "recovery", phase="db-0:[node]") == 200
    world.round()
    assert world.names_launched() == ["db-0-node"]
    world.settle(2)
    assert world.status() is Status.COMPLETE


def test_orders_that_make_no_sense() -> None:
    world = sidecar()
    assert world.order(ev.Verb.PLAN_START, "nothing") == 404
    assert world.order(ev.Verb.PLAN_START, "deploy") == 409
    assert world.order(ev.Verb.PLAN_STOP, "recovery") == 409
    assert world.order(ev.Verb.PLAN_CONTINUE, "deploy", phase="no") == 404
    assert world.order(ev.Verb.PLAN_RESTART, "deploy", phase="db", step="no") == 404
    assert world.order(ev.Verb.PLAN_RESTART, "deploy", step="db-0:[node]") == 400
    assert world.order(ev.Verb.PLAN_FORCE_COMPLETE, "deploy") == 208


# Updates


def test_change_of_one_task_leaves_the_others_running() -> None:
    spec = build(task("a"), task("b"), deploy=(("a",), ("b",)))
    world = deployed(spec)
    executor = world.executor("db-0-a")
    world.start(changed(spec, "b", cmd="run b2"))
    world.settle()
    # Tasks of one pod have one configuration: each is launched again, in its turn.
    assert world.names_launched() == ["db-0-a", "db-0-b"]
    assert world.executor("db-0-a") == world.executor("db-0-b")
    assert executor
    assert world.status() is Status.COMPLETE
    assert world.status("recovery") is Status.COMPLETE


@pytest.mark.parametrize("cpus", [0.2, 1.5])
def test_cpus_change_is_a_reservation_changed_in_place(cpus: float) -> None:
    spec = build(task("a", volumes=DATA), task("b"), deploy=(("a",), ("b",)))
    world = deployed(spec)
    before = world.pod("db-0").reservation
    assert before
    world.start(changed(spec, cpus=cpus, memory_mb=128))
    world.settle(20)
    assert world.status() is Status.COMPLETE
    after = world.pod("db-0").reservation
    assert after
    assert after.cpus == pytest.approx(2 * cpus + 0.1)
    assert after.memory_mb == 2 * 128 + 32
    assert after.volumes == before.volumes
    assert after.agent_id == before.agent_id
    first = ["RESERVE"] if cpus > 0.5 else ["UNRESERVE", "RESERVE"]
    assert world.operations() == [*first, "LAUNCH", "LAUNCH"]
    assert world.names_launched() == ["db-0-a", "db-0-b"], "each is relaunched once"
    held = world.agents["agent-1"].reserved[before.resource_id, "cpus"]["scalar"]["value"]
    assert held == pytest.approx(after.cpus)


def test_new_volume_is_added_to_an_instance() -> None:
    spec = build(task("node", volumes=DATA))
    world = deployed(spec)
    before = world.pod("db-0").reservation
    assert before
    world.start(changed(spec, volumes=(*DATA, VolumeSpec("log", 50))))
    world.settle()
    assert not world.errors
    assert world.status() is Status.COMPLETE
    after = world.pod("db-0").reservation
    assert after
    assert after.volumes[0] == before.volumes[0]
    assert [v.path for v in after.volumes] == ["data", "log"]
    assert world.operations() == ["RESERVE", "CREATE", "LAUNCH"]


@pytest.mark.parametrize("strategy", [SERIAL, PARALLEL])
@pytest.mark.parametrize("most", [1, 2])
def test_max_unavailable_holds_under_an_update(strategy: Strategy, most: int) -> None:
    spec = build(task("node"), count=4, strategy=strategy, max_unavailable=most)
    world = deployed(spec)
    world.start(changed(spec, cmd="run other"))
    lowest = 4
    for _ in range(40):
        world.round()
        lowest = min(lowest, len(world.running()))
    assert lowest == 4 - (most if strategy is PARALLEL else 1)
    assert world.status() is Status.COMPLETE
    assert len(world.launched) == 4


@pytest.mark.parametrize("strategy", [SERIAL, PARALLEL])
def test_an_instance_that_is_down_counts_against_max_unavailable(strategy: Strategy) -> None:
    spec = build(task("node"), count=3, strategy=strategy)
    world = deployed(spec)
    world.lose(2)
    world.start(changed(spec, cmd="run other"))
    for _ in range(10):
        world.round()
        assert not world.killed
    assert "max-unavailable" in world.core.view(world.now).explanations["db-0"].reason
    world.find(2)
    for _ in range(40):
        world.round()
        assert len(world.running()) >= 2
    assert world.status() is Status.COMPLETE
    assert len(world.launched) == 3


def test_a_repaired_definition_reaches_the_broken_instance_first() -> None:
    spec = build(task("node"), count=3)
    world = deployed(spec)
    world.behaviour["node"] = CRASHES
    world.start(changed(spec, cmd="broken"))
    world.settle()
    assert len(world.running()) == 2, "the update stops at the instance it broke"
    world.behaviour.clear()
    world.start(changed(spec, cmd="repaired"))
    world.settle(30)
    assert world.status() is Status.COMPLETE
    assert len(world.running()) == 3


def test_a_definition_that_broke_a_later_instance_can_be_repaired() -> None:
    """Serial order alone would wait for the first instance, which must not go down as well."""
    spec = build(task("node"), count=3)
    world = deployed(spec)
    world.start(changed(spec, cmd="broken"))
    world.until(lambda: world.steps()["db-0:[node]"] is Status.COMPLETE)
    world.behaviour["node"] = CRASHES
    world.settle(20)
    assert world.steps()["db-0:[node]"] is Status.COMPLETE
    assert len(world.running()) == 2
    world.behaviour.clear()
    world.forget()
    world.start(changed(spec, cmd="repaired"))
    for _ in range(40):
        world.round()
        assert len(world.running()) >= 2
    assert world.status() is Status.COMPLETE
    assert world.names_launched()[0] == "db-1-node"


def test_update_while_an_instance_is_unreachable() -> None:
    spec = build(task("node", volumes=DATA), count=2)
    world = deployed(spec)
    world.lose(1)
    world.start(changed(spec, cmd="run other"))
    world.settle()
    assert not world.launched
    assert not world.killed
    world.find(1)
    world.settle(20)
    assert world.killed == ["db-0-node", "db-1-node"]
    assert world.status() is Status.COMPLETE


def test_rollback() -> None:
    check = ReadinessCheckSpec("check", 1, 0, 1)
    spec = build(task("node", readiness_check=check), count=3)
    world = deployed(spec)
    world.start(changed(spec, cmd="run other"))
    world.until(lambda: world.steps()["db-0:[node]"] is Status.COMPLETE)
    world.ready = False
    world.settle(8)
    started = [name for name, status in world.steps().items() if status is Status.STARTED]
    assert started == ["db-1:[node]"]
    world.ready = True
    world.forget()
    world.start(spec)
    world.settle(20)
    assert sorted(world.killed) == ["db-0-node", "db-1-node"], "db-2 never left the old one"
    assert world.status() is Status.COMPLETE
    assert {t.config_id for p in world.core.ledger.pods.values() for t in p.tasks} == {
        world.core.ledger.target_id
    } | {world.task("db-2", "node").config_id}


def test_rollback_while_the_new_definition_crashes() -> None:
    spec = build(task("node"), count=2)
    world = deployed(spec)
    world.behaviour["node"] = FAILS
    bad = changed(spec, cmd="broken")
    world.start(bad)
    world.settle(20)
    world.behaviour.clear()
    world.start(spec)
    world.settle(10)
    assert world.task("db-0", "node").config_id == world.core.ledger.target_id
    assert world.status() is Status.COMPLETE
    assert world.running() == {"db-0-node", "db-1-node"}


def test_update_interrupted_between_two_tasks_of_a_pod_loses_nothing() -> None:
    spec = build(task("a"), task("b"), deploy=(("a",), ("b",)))
    world = deployed(spec)
    world.start(changed(spec, cpus=1.0))
    while "db-0-a" not in world.names_launched():
        world.round()
    world.order(ev.Verb.PLAN_INTERRUPT, "deploy")
    world.settle()
    assert world.running() == {"db-0-a", "db-0-b"}
    assert world.names_launched().count("db-0-a") == 1, "what is fresh is not stopped again"
    assert world.executor("db-0-a") == world.executor("db-0-b")


def test_update_plan_takes_the_place_of_deploy() -> None:
    update = PlanSpec("update", (PhaseSpec("all at once", "db", PARALLEL),))
    spec = build(task("node"), count=2, plans=(update,), max_unavailable=2)
    world = deployed(spec)
    assert [phase.name for phase in world.plan().phases] == ["db"]
    assert "update" not in world.plans()
    world.start(changed(spec, cmd="run other"))
    assert [phase.name for phase in world.plan().phases] == ["all at once"]
    world.settle(20)
    assert world.status() is Status.COMPLETE
    world.start(changed(spec, cmd="run other"))
    assert [phase.name for phase in world.plan().phases] == ["all at once"]


def test_a_task_is_added_and_removed_again() -> None:
    main = ResourceSetSpec("main", 0.5, memory_mb=64, volumes=DATA)
    side = ResourceSetSpec("side", 0.2, memory_mb=32)

    def spec(*names: str) -> ServiceSpec:
        sets = {"node": "main", "helper": "side", "other": "side"}
        tasks = (task(n, cpus=0, memory_mb=0, resource_set=sets[n]) for n in names)
        return build(*tasks, resource_sets=(main, side))

    world = deployed(spec("node"))
    volumes = world.pod("db-0").reservation.volumes  # type: ignore[union-attr]
    for names_now in (("node", "helper"), ("node", "other"), ("node",), ("node", "helper")):
        world.start(spec(*names_now))
        assert not world.errors
        world.settle(16)
        assert world.running() == {f"db-0-{name}" for name in names_now}
        assert world.status() is world.status("recovery") is Status.COMPLETE
        assert names(world.pod("db-0").tasks) == list(names_now)
        assert world.pod("db-0").reservation.volumes == volumes  # type: ignore[union-attr]


def test_a_task_that_is_back_before_the_update_without_it_came_through() -> None:
    both, one = build(task("a"), task("b")), build(task("a"))
    world = deployed(both)
    world.start(one)
    world.until(lambda: "db-0-a" in world.names_launched())
    world.start(both)
    world.settle()
    assert world.running() == {"db-0-a", "db-0-b"}
    assert world.status() is world.status("recovery") is Status.COMPLETE


# Less than before


def test_task_removed_from_the_plan_is_stopped_and_comes_back_with_it() -> None:
    with_both = build(task("a"), task("b"), deploy=(("a",), ("b",)))
    only_a = build(task("a"), task("b"), deploy=(("a",),))
    world = deployed(with_both)
    world.start(only_a)
    world.settle()
    assert world.killed == ["db-0-b"]
    assert world.running() == {"db-0-a"}
    assert not world.launched
    assert world.steps("recovery") == {}
    world.forget()
    world.start(with_both)
    assert world.status() is not Status.COMPLETE
    world.settle()
    assert world.names_launched() == ["db-0-b"]
    assert world.running() == {"db-0-a", "db-0-b"}
    assert world.status() is Status.COMPLETE


def test_step_added_to_the_plan_is_deployed() -> None:
    world = deployed(build(task("a"), task("b"), deploy=(("a",),)))
    world.start(build(task("a"), task("b"), deploy=(("a",), ("b",))))
    assert world.steps() == {"db-0:[a]": Status.COMPLETE, "db-0:[b]": Status.PENDING}
    assert world.steps("recovery") == {}
    world.settle()
    assert world.names_launched() == ["db-0-b"]


def test_fewer_instances_keep_the_volumes_and_free_the_rest() -> None:
    spec = build(task("node", volumes=DATA), count=3, allow_decommission=True)
    world = deployed(spec)
    places = {name: pod.reservation for name, pod in world.core.ledger.pods.items()}
    world.start(with_pod(spec, count=1))
    assert not world.errors
    assert [phase.name for phase in world.plan("decommission").phases] == ["db-2", "db-1"]
    world.settle()
    assert world.killed == ["db-2-node", "db-1-node"]
    assert set(world.core.ledger.pods) == {"db-0"}
    assert "decommission" not in world.plans()
    assert world.status() is Status.COMPLETE
    retired = {left.pod: left for left in world.core.ledger.retired.values()}
    assert set(retired) == {"db-1", "db-2"}
    for name, left in retired.items():
        place = places[name]
        assert place
        kept = world.agents[left.reservation.agent_id].reserved
        assert [(id_, what) for id_, what in kept] == [(place.volumes[0].resource_id, "disk")]
    # And more again: new instances, with volumes of their own.
    world.start(spec)
    world.settle(20)
    assert len(world.running()) == 3
    assert world.status() is Status.COMPLETE


def test_decommission_can_be_interrupted() -> None:
    spec = build(task("node"), count=3, allow_decommission=True)
    world = deployed(spec)
    world.start(with_pod(spec, count=1))
    assert world.order(ev.Verb.PLAN_INTERRUPT, "decommission") == 200
    world.settle()
    assert world.running() == {"db-0-node", "db-1-node"}
    assert world.status("decommission") is Status.WAITING
    assert world.order(ev.Verb.PLAN_CONTINUE, "decommission") == 200
    world.settle()
    assert world.running() == {"db-0-node"}


def test_removed_pod_type() -> None:
    pods = (
        PodSpec("old", 2, (task("t", volumes=DATA),), allow_decommission=True),
        PodSpec("db", 1, (task("node"),)),
    )
    both = service(
        pods=pods,
        deploy=PlanSpec("deploy", (PhaseSpec("old", "old"), PhaseSpec("db", "db"))),
    )
    world = World(both, 3).settle(20)
    assert world.status() is Status.COMPLETE
    world.start(service(pods=pods[1:], deploy=PlanSpec("deploy", (PhaseSpec("db", "db"),))))
    assert not world.errors
    world.settle()
    assert world.running() == {"db-0-node"}
    assert {left.pod for left in world.core.ledger.retired.values()} == {"old-0", "old-1"}


# Replace


def test_replace_of_a_pod_of_several_tasks() -> None:
    spec = build(task("a", volumes=DATA), task("b"), deploy=(("a",), ("b",)))
    world = deployed(spec, agents=2)
    assert world.order(ev.Verb.POD_REPLACE, "db-0") == 200
    assert world.status() is Status.COMPLETE, "the deployment is done; this is recovery"
    world.settle()
    assert sorted(world.killed) == ["db-0-a", "db-0-b"]
    assert sorted(world.names_launched()) == ["db-0-a", "db-0-b"]
    assert world.executor("db-0-a") == world.executor("db-0-b")
    assert world.status() is world.status("recovery") is Status.COMPLETE
    (left,) = world.core.ledger.retired.values()
    new = world.pod("db-0").reservation
    assert new
    assert not {v.id for v in new.volumes} & {v.id for v in left.reservation.volumes}
    assert names(world.pod("db-0").tasks) == ["a", "b"]


def test_nothing_to_do_is_silent() -> None:
    world = sidecar()
    world.order(ev.Verb.PLAN_START, "both")
    world.settle(30)
    assert world.core.suppressed
    commits = world.store.commits
    world.settle(5)
    assert world.store.commits == commits
    assert not [e for e in world.step(ev.Tick()) if isinstance(e, ef.Accept)]


def test_tasks_that_die_with_their_agent_wait_for_it() -> None:
    world = deployed(build(task("a", volumes=DATA), task("b", essential=False)), agents=2)
    world.lose(1)
    world.settle()
    assert not world.launched
    assert "cannot be reached" in world.core.view(world.now).explanations["db-0"].reason
    agent = world.agents["agent-1"]
    agent.tasks.clear()
    agent.reachable = True
    world.settle()
    assert sorted(world.names_launched()) == ["db-0-a", "db-0-b"]
    assert world.task("db-0", "a").state is TaskState.RUNNING


def test_replaced_while_the_plan_begins_anew() -> None:
    """It counts as down, and the others wait for it: so it must not wait for them."""
    spec = build(task("node", volumes=DATA), count=3)
    world = deployed(spec)
    world.order(ev.Verb.PLAN_RESTART, "deploy")
    world.until(lambda: "db-1-node" in world.killed)
    assert world.order(ev.Verb.POD_REPLACE, "db-1") == 200
    world.start(changed(spec, cmd="run other"))
    for _ in range(40):
        world.round()
        assert len(world.running()) >= 2
    assert len(world.running()) == 3
    assert world.status() is Status.COMPLETE


def let_go(world: World) -> None:
    """Both canaries."""
    for _ in range(2):
        assert world.order(ev.Verb.PLAN_CONTINUE, "deploy", phase="db") == 200
    world.settle(30)


def test_a_plan_takes_instances_as_it_finds_them() -> None:
    """It brings no new configuration along: recovery would take it back, and so on for ever."""
    spec = build(
        task("node", volumes=DATA),
        task("backup", Goal.ONCE),
        count=2,
        deploy=(("node",),),
        strategy=Strategy.SERIAL_CANARY,
        plans=(plan("backup", "backup"),),
    )
    world = World(spec, 2)
    let_go(world)
    world.forget()
    world.start(changed(spec, "node", cpus=1.0))  # it waits for the operator's word
    world.behaviour["backup"] = ENDS
    world.order(ev.Verb.PLAN_START, "backup")
    world.settle(20)
    assert world.status("backup") is Status.COMPLETE
    assert world.names_launched() == ["db-0-backup", "db-1-backup"]
    assert not world.killed
    let_go(world)
    assert world.status() is world.status("backup") is Status.COMPLETE
    assert sorted(world.names_launched()[2:]) == ["db-0-node", "db-1-node"]


def test_a_plan_whose_task_is_lost_with_its_machine_launches_it_with_its_parameters() -> None:
    world = sidecar()
    world.behaviour["backup"] = RUNS
    world.order(ev.Verb.PLAN_START, "backup", parameters={"TO": "there"})
    world.settle(4)
    assert world.environment("db-0-backup")["TO"] == "there"
    world.lose(1)
    world.settle(2)
    world.agents["agent-1"].tasks.clear()  # the machine was started again
    world.agents["agent-1"].reachable = True
    world.settle(8)
    assert {"db-0-node", "db-0-backup"} <= world.running()
    assert world.environment("db-0-backup")["TO"] == "there"


def test_recovery_does_not_overtake_the_steps_of_a_plan_that_begins_anew() -> None:
    spec = build(task("first"), task("second"), deploy=(("first",), ("second",)))
    world = deployed(spec)
    world.order(ev.Verb.PLAN_RESTART, "deploy")
    world.behaviour["first"] = STARTS
    world.start(changed(spec, "first", cpus=1.0))
    world.settle()
    assert world.names_launched() == ["db-0-first"]
    world.end("db-0-first", TaskState.RUNNING)
    world.settle()
    assert world.names_launched() == ["db-0-first", "db-0-second"]
