"""Plans derived from a service and its records."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from holdfast.mesos.messages import TaskState
from holdfast.plans.derive import (
    Situation,
    all_plans,
    decommission_plan,
    deploy_plan,
    recovery_plan,
    surplus,
)
from holdfast.plans.orders import Canary, Orders
from holdfast.plans.plan import Plan, Status
from holdfast.records import Pod, Reservation, Task, Volume
from holdfast.service.model import (
    Goal,
    InstanceSteps,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
)


def pod_spec(type_: str, count: int, *tasks: str) -> PodSpec:
    names = tasks or ("t",)
    return PodSpec(type_, count, tuple(TaskSpec(n, Goal.RUNNING, "run", 1, 1) for n in names))


HELLO, WORLD = pod_spec("hello", 2), pod_spec("world", 1)
DEPLOY = PlanSpec("deploy", (PhaseSpec("hello", "hello"), PhaseSpec("world", "world")))
UPDATE = PlanSpec("update", (PhaseSpec("all", "hello", Strategy.PARALLEL),))
BACKUP = PlanSpec("backup", (PhaseSpec("save", "world"),))
SERVICE = ServiceSpec("s", "root", "p", "z:1", (HELLO, WORLD), DEPLOY, plans=(UPDATE, BACKUP))


def pod(name: str, state: TaskState = TaskState.RUNNING, **facts: Any) -> Pod:
    type_, _, index = name.rpartition("-")
    task = Task("t", f"{name}-t", "new", state, ready=True, reached="new", **facts)
    return Pod(type_, int(index), tasks=(task,))


def situation(
    *pods: Pod,
    service: ServiceSpec = SERVICE,
    orders: Mapping[str, Orders] | None = None,
    updating: bool = False,
    errors: tuple[str, ...] = (),
    reasons: Mapping[str, str] | None = None,
) -> Situation:
    return Situation(
        service=service,
        target_id="new",
        pods={pod.name: pod for pod in pods},
        orders=orders or {},
        target=lambda _: lambda config: config == "new",
        spec_of=lambda pod: service.pod(pod.type),
        deployed_tasks=lambda pod: ("t",) if pod.deployed else (),
        reasons=reasons or {},
        errors=errors,
        updating=updating,
        now=0.0,
    )


def steps(plan: Plan) -> dict[str, Status]:
    return {step.name: step.status for step in plan.steps()}


def test_the_plans_and_their_order() -> None:
    assert [p.name for p in all_plans(situation())] == ["deploy", "recovery", "backup"]
    surplus_too = situation(pod("hello-2"))
    assert [p.name for p in all_plans(surplus_too)] == [
        "deploy", "recovery", "decommission", "backup",
    ]  # fmt: skip


def test_deploy() -> None:
    plan = deploy_plan(situation(pod("hello-0"), reasons={"hello-0": "a", "hello-1": "b"}))
    assert [phase.name for phase in plan.phases] == ["hello", "world"]
    assert steps(plan) == {
        "hello-0:[t]": Status.COMPLETE,
        "hello-1:[t]": Status.PENDING,
        "world-0:[t]": Status.PENDING,
    }
    assert [step.message for step in plan.steps()] == ["", "b", ""]
    assert plan.status is Status.IN_PROGRESS
    refused = deploy_plan(situation(pod("hello-0"), errors=("no",)))
    assert (refused.status, refused.errors) == (Status.ERROR, ("no",))


def test_update_takes_the_place_and_the_name_of_deploy_after_the_first_deployment() -> None:
    first, later = (deploy_plan(situation(updating=updating)) for updating in (False, True))
    assert [phase.name for phase in first.phases] == ["hello", "world"]
    assert [phase.name for phase in later.phases] == ["all"]
    assert first.name == later.name == "deploy"
    without = replace(SERVICE, plans=(BACKUP,))
    plan = deploy_plan(situation(service=without, updating=True))
    assert [phase.name for phase in plan.phases] == ["hello", "world"]


def test_steps_by_instance_and_their_names() -> None:
    both = pod_spec("hello", 3, "a", "b")
    listed = (
        InstanceSteps(1, (("b",), ("a",))),
        InstanceSteps(2, ()),
        InstanceSteps(None, (("a", "b"),)),
    )
    deploy = PlanSpec("deploy", (PhaseSpec("hello", "hello", steps=listed),))
    service = ServiceSpec("s", "root", "p", "z:1", (both,), deploy)
    assert list(steps(deploy_plan(situation(service=service)))) == [
        "hello-0:[a, b]",
        "hello-1:[b]",
        "hello-1:[a]",
    ]


def test_orders_about_another_configuration_are_void() -> None:
    orders = Orders(
        "deploy",
        phases=frozenset({"world"}),
        forced=frozenset({("hello", "hello-0:[t]")}),
        canaries={"hello": Canary(("hello-1:[t]",))},
        about="new",
    )
    now = deploy_plan(situation(orders={"deploy": orders}))
    assert steps(now)["hello-0:[t]"] is Status.COMPLETE
    assert [step.held for step in now.steps()] == [False, True, False]
    assert [phase.interrupted for phase in now.phases] == [False, True]
    then = deploy_plan(situation(orders={"deploy": replace(orders, about="old")}))
    assert steps(then)["hello-0:[t]"] is Status.PENDING
    assert not any(step.held for step in then.steps())
    assert [phase.interrupted for phase in then.phases] == [False, True], "until it is continued"


def test_recovery_has_a_phase_for_each_instance_that_is_not_well() -> None:
    plan = recovery_plan(
        situation(pod("hello-0", TaskState.FAILED), pod("hello-1"), pod("world-0"))
    )
    assert [phase.name for phase in plan.phases] == ["hello-0:[t]"]
    assert plan.strategy is Strategy.PARALLEL
    assert recovery_plan(situation(pod("hello-0"))).status is Status.COMPLETE


def test_recovery_and_its_phases_can_be_interrupted() -> None:
    ill = pod("hello-0", TaskState.FAILED)
    for orders in (
        Orders("recovery", interrupted=True),
        Orders("recovery", phases=frozenset({"hello-0:[t]"})),
    ):
        plan = recovery_plan(situation(ill, orders={"recovery": orders}))
        assert plan.candidates() == ()
        assert plan.status is Status.WAITING


def test_recovery_of_a_replaced_instance_owes_all_that_was_deployed() -> None:
    replaced = Pod("hello", 0, deployed="new")
    assert steps(recovery_plan(situation(replaced))) == {"hello-0:[t]": Status.PENDING}
    assert steps(deploy_plan(situation(replaced)))["hello-0:[t]"] is Status.COMPLETE


def test_custom_plan_waits_to_be_started() -> None:
    (backup,) = (p for p in all_plans(situation(pod("hello-0"))) if p.name == "backup")
    assert (backup.status, backup.candidates()) == (Status.WAITING, ())
    started = {"backup": Orders("backup", run=1)}
    (backup,) = (p for p in all_plans(situation(orders=started)) if p.name == "backup")
    assert backup.status is Status.PENDING
    assert [step.name for step in backup.candidates()] == ["world-0:[t]"]


def test_decommission_takes_unknown_types_first_then_the_last_pods_from_the_top() -> None:
    names = ["hello-0", "hello-2", "hello-3", "world-1", "zoo-0", "ant-0", "ant-1"]
    pods = [pod(name) for name in names]
    assert [p.name for p in surplus(SERVICE, {p.name: p for p in pods})] == [
        "ant-1", "ant-0", "zoo-0", "world-1", "hello-3", "hello-2",
    ]  # fmt: skip


def test_decommission_steps() -> None:
    held = Reservation(
        "rid", "a", "h", "ip", None, None, {}, 1, 1, (), (Volume("vid", "did", "data", 1),)
    )
    leaving = replace(pod("hello-2"), reservation=held)
    plan = decommission_plan(situation(leaving))
    assert [step.name for step in plan.steps()] == [
        "kill-hello-2-t", "unreserve-did", "unreserve-rid", "erase-hello-2",
    ]  # fmt: skip
    assert plan.steps()[0].status is Status.IN_PROGRESS
    assert plan.strategy is Strategy.SERIAL
    for orders in (
        Orders("decommission", interrupted=True),
        Orders("decommission", phases=frozenset({"hello-2"})),
    ):
        stopped = decommission_plan(situation(leaving, orders={"decommission": orders}))
        assert stopped.status is Status.WAITING
