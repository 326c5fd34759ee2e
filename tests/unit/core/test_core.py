"""The core, event by event: what it stores, and what it sends."""

import itertools
from collections.abc import Sequence

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.core import Core
from holdfast.core.launch import LaunchSettings
from holdfast.core.startup import open_ledger
from holdfast.mesos.messages import MasterInfo, Offer, OperationStatus, TaskState, TaskStatus
from holdfast.plans.plan import Status
from holdfast.service.model import ServiceSpec
from holdfast.state.memory import MemoryStore

from .offers import offer, service
from .world import World

SETTINGS = LaunchSettings("http://scheduler/executor.pyz", "scheduler", 8080)
MASTER = MasterInfo("master", "http://master:5050", "1.11.0", region="here")


class Driver:
    """A core with a store behind it, and a clock moved by hand."""

    def __init__(self, spec: ServiceSpec, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.ids = (f"id{n}" for n in itertools.count(self.store.commits * 1000))
        ledger, self.errors = open_ledger(self.store.load(), spec)
        self.core = Core(ledger, SETTINGS, lambda: next(self.ids), self.errors)
        self.now = 1_000_000.0

    def __call__(self, *events: ev.Event, after: float = 0.0) -> list[ef.Effect]:
        self.now += after
        effects = self.core.step(events, self.now)
        writes = [(e.path, e.data) for e in effects if isinstance(e, ef.Write)]
        if writes:
            self.store.commit(writes)
        return effects

    def subscribe(self) -> list[ef.Effect]:
        return self(ev.Subscribed("framework", MASTER))

    def offer(self, *offers: Offer, after: float = 0.0) -> list[ef.Effect]:
        return self(ev.OffersReceived(offers), after=after)

    def status(self, task_id: str, state: TaskState, after: float = 0.0) -> list[ef.Effect]:
        status = TaskStatus(
            task_id, state, agent_id="agent-1", uuid="uuid", source="SOURCE_EXECUTOR"
        )
        return self(ev.StatusReceived(status), after=after)

    def task_id(self, pod: str) -> str:
        return self.core.ledger.pods[pod].tasks[0].id

    def deploy_status(self) -> Status:
        return self.core.view(self.now).plans[0].status

    def run(self, count: int) -> None:
        """Deploy that many pod instances, one on each of agents 1.. ."""
        self.subscribe()
        for number in range(1, count + 1):
            self.offer(*(offer(n) for n in range(number, count + 1)), after=1)
            self.status(self.task_id(f"db-{number - 1}"), TaskState.RUNNING)


def of(kind: type, effects: Sequence[ef.Effect]) -> list:  # type: ignore[type-arg]
    return [effect for effect in effects if isinstance(effect, kind)]


def operations(effects: Sequence[ef.Effect]) -> list[str]:
    return [op["type"] for accept in of(ef.Accept, effects) for op in accept.operations]


def reserved_by(driver: Driver, effects: Sequence[ef.Effect]) -> list[dict]:  # type: ignore[type-arg]
    """What the accepted operations left reserved, as an agent would offer it again."""
    resources = {}
    for accept in of(ef.Accept, effects):
        for op in accept.operations:
            for resource in op.get("reserve", {}).get("resources", ()):
                labels = resource["reservations"][0]["labels"]["labels"]
                resources[labels[0]["value"], resource["name"]] = resource
            for resource in op.get("create", {}).get("volumes", ()):
                labels = resource["reservations"][0]["labels"]["labels"]
                resources[labels[0]["value"], resource["name"]] = resource
    return list(resources.values())


def test_first_instance_is_stored_before_it_is_launched() -> None:
    driver = Driver(service())
    driver.subscribe()
    effects = driver.offer(offer(1), offer(2))
    assert isinstance(effects[0], ef.Write)
    assert operations(effects) == ["RESERVE", "CREATE", "LAUNCH"]
    assert len(of(ef.Accept, effects)) == 1, "a serial phase starts one instance"
    assert [d.offer_ids for d in of(ef.Decline, effects)] == [("offer-2",)]
    assert b"TASK_STAGING" in driver.store.records["pods/db-0"]


def test_serial_deploy_goes_on_when_the_task_runs() -> None:
    driver = Driver(service())
    driver.run(3)
    assert driver.deploy_status() is Status.COMPLETE
    hosts = {p.reservation.hostname for p in driver.core.ledger.pods.values() if p.reservation}
    assert hosts == {"host-1", "host-2", "host-3"}


def test_idle_is_suppressed() -> None:
    driver = Driver(service(1))
    driver.run(1)
    effects = driver(ev.Tick(), after=60)
    assert of(ef.Suppress, effects)
    assert not of(ef.Suppress, driver(ev.Tick(), after=60))


def test_no_room_is_explained_with_the_first_failing_rule() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    driver.offer(offer(1, cpus=0.2), offer(2, ports=(9000, 9001)))
    explanation = driver.core.view(driver.now).explanations["db-0"]
    assert explanation.agents == {
        "host-1": "cpus: needs 0.6, the agent offers 0.2",
        "host-2": "ports: port 2379 is not on offer",
    }


def test_failed_task_is_launched_again_on_its_own_volume() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    first = driver.offer(offer(1))
    reserved = reserved_by(driver, first)
    task_id = driver.task_id("db-0")
    driver.status(task_id, TaskState.RUNNING)
    driver(ev.Tick(), after=60)
    effects = driver.status(task_id, TaskState.FAILED, after=5)
    assert of(ef.Revive, effects)
    assert of(ef.Acknowledge, effects)
    elsewhere = driver.offer(offer(2))
    assert not of(ef.Accept, elsewhere), "its data is on agent 1"
    again = driver.offer(offer(1, reserved=reserved))
    assert operations(again) == ["LAUNCH"]
    assert driver.task_id("db-0") != task_id


def test_confirmed_volume_that_is_missing_is_not_created_again() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    reserved = reserved_by(driver, driver.offer(offer(1)))
    driver.status(driver.task_id("db-0"), TaskState.RUNNING)
    driver.status(driver.task_id("db-0"), TaskState.FAILED)
    without_disk = [resource for resource in reserved if resource["name"] != "disk"]
    effects = driver.offer(offer(1, reserved=without_disk))
    assert not of(ef.Accept, effects)
    agents = driver.core.view(driver.now).explanations["db-0"].agents
    assert "volume" in agents["host-1"]


def test_unreachable_task_is_left_alone_until_its_volume_is_offered() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    reserved = reserved_by(driver, driver.offer(offer(1)))
    driver.status(driver.task_id("db-0"), TaskState.RUNNING)
    driver.status(driver.task_id("db-0"), TaskState.UNREACHABLE)
    assert not of(ef.Accept, driver.offer(offer(2), after=10_000))
    assert operations(driver.offer(offer(1, reserved=reserved))) == ["LAUNCH"]


def test_unreachable_task_that_returns_is_not_restarted() -> None:
    driver = Driver(service(1))
    driver.run(1)
    driver.status(driver.task_id("db-0"), TaskState.UNREACHABLE)
    effects = driver.status(driver.task_id("db-0"), TaskState.RUNNING, after=100)
    assert not of(ef.Kill, effects)
    assert driver.core.view(driver.now).plans[1].status is Status.COMPLETE


def test_restart_kills_and_starts_in_place() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    reserved = reserved_by(driver, driver.offer(offer(1)))
    task_id = driver.task_id("db-0")
    driver.status(task_id, TaskState.RUNNING)
    effects = driver(ev.Command("c", ev.Verb.POD_RESTART, "db-0"))
    assert of(ef.Kill, effects) == [ef.Kill(task_id, "agent-1")]
    assert of(ef.Reply, effects)[0].status == 200
    assert not of(ef.Kill, driver(ev.Tick(), after=1))
    assert of(ef.Kill, driver(ev.Tick(), after=5)), "a kill is repeated until it is answered"
    driver.status(task_id, TaskState.KILLED)
    assert operations(driver.offer(offer(1, reserved=reserved))) == ["LAUNCH"]


def test_restart_of_one_out_of_reach_stops_it_once_it_is_back() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    reserved = reserved_by(driver, driver.offer(offer(1)))
    task_id = driver.task_id("db-0")
    driver.status(task_id, TaskState.RUNNING)
    driver.status(task_id, TaskState.UNREACHABLE)
    effects = driver(ev.Command("c", ev.Verb.POD_RESTART, "db-0"))
    (reply,) = of(ef.Reply, effects)
    assert "will start again on its volumes when agent host-1 is back" in reply.body["message"]
    assert not of(ef.Kill, effects)
    effects = driver.status(task_id, TaskState.RUNNING, after=100)
    assert of(ef.Kill, effects) == [ef.Kill(task_id, "agent-1")]
    driver.status(task_id, TaskState.KILLED)
    assert operations(driver.offer(offer(1, reserved=reserved))) == ["LAUNCH"]


def test_restart_of_one_whose_task_is_gone_starts_it_in_place() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    reserved = reserved_by(driver, driver.offer(offer(1)))
    task_id = driver.task_id("db-0")
    driver.status(task_id, TaskState.RUNNING)
    driver.status(task_id, TaskState.UNREACHABLE)
    driver(ev.Command("c", ev.Verb.POD_RESTART, "db-0"))
    driver.status(task_id, TaskState.GONE, after=100)
    assert operations(driver.offer(offer(1, reserved=reserved))) == ["LAUNCH"]


def test_replace_waits_for_the_old_task_and_keeps_its_volume() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    reserved = reserved_by(driver, driver.offer(offer(1)))
    old = driver.task_id("db-0")
    driver.status(old, TaskState.RUNNING)
    effects = driver(ev.Command("c", ev.Verb.POD_REPLACE, "db-0"))
    assert of(ef.Kill, effects) == [ef.Kill(old, "agent-1")]
    assert not of(ef.Accept, driver.offer(offer(2))), "the old task may still run"
    driver.status(old, TaskState.UNREACHABLE, after=15)
    effects = driver.offer(offer(2))
    assert operations(effects) == ["RESERVE", "CREATE", "LAUNCH"]
    driver.status(driver.task_id("db-0"), TaskState.RUNNING)
    # The old agent returns with the old task: it is killed, its volume kept.
    assert of(ef.Kill, driver.status(old, TaskState.RUNNING, after=60)) == [ef.Kill(old, "agent-1")]
    driver.status(old, TaskState.KILLED)
    effects = driver.offer(offer(1, reserved=reserved))
    unreserved = [
        resource["name"]
        for accept in of(ef.Accept, effects)
        for op in accept.operations
        for resource in op["unreserve"]["resources"]
    ]
    assert sorted(unreserved) == ["cpus", "mem", "ports"]


def test_volume_is_destroyed_only_when_named() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    reserved = reserved_by(driver, driver.offer(offer(1)))
    driver.status(driver.task_id("db-0"), TaskState.RUNNING)
    used = driver.core.ledger.pods["db-0"].reservation
    assert used
    refused = driver(ev.Command("a", ev.Verb.VOLUMES_DESTROY, used.volumes[0].id))
    assert of(ef.Reply, refused)[0].status == 409
    driver(ev.Command("b", ev.Verb.POD_REPLACE, "db-0"))
    driver.status(next(iter(driver.core.ledger.retired.values())).tasks[0].id, TaskState.KILLED)
    driver.offer(offer(2))
    driver(ev.Command("c", ev.Verb.VOLUMES_DESTROY, used.volumes[0].id))
    effects = driver.offer(offer(1, reserved=reserved))
    assert operations(effects) == ["DESTROY", "UNRESERVE"]
    driver.offer(offer(1), after=1)
    assert driver.core.ledger.retired, "one offer may lack what another holds"
    assert of(ef.Revive, driver(ev.Tick(), after=6)), "a second look is asked for"
    driver.offer(offer(1))
    assert not driver.core.ledger.retired
    assert not driver.core.ledger.intents


def test_unknown_reservation_is_quarantined() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    reserved = reserved_by(driver, driver.offer(offer(1)))
    other = Driver(service(1))
    other.subscribe()
    other.ids = (f"other{n}" for n in itertools.count())
    effects = other.offer(offer(2), offer(1, reserved=reserved))
    assert "DESTROY" not in operations(effects)
    assert "UNRESERVE" not in operations(effects)
    volumes = [q for q in other.core.view(0).quarantined.values() if q.kind == "volume"]
    assert len(volumes) == 1


def test_unknown_task_is_killed_unless_a_newer_scheduler_may_know_it() -> None:
    driver = Driver(service(1))
    driver.run(1)
    effects = driver.status("stranger", TaskState.RUNNING)
    assert of(ef.Kill, effects) == [ef.Kill("stranger", "agent-1")]
    assert of(ef.Write, effects), "a fenced scheduler must fail before it sends the kill"


def test_retired_volume_is_found_again_under_a_new_agent_id() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    reserved = reserved_by(driver, driver.offer(offer(1)))
    driver.status(driver.task_id("db-0"), TaskState.RUNNING)
    driver.status(driver.task_id("db-0"), TaskState.UNREACHABLE)
    driver(ev.Command("c", ev.Verb.POD_REPLACE, "db-0"))
    driver.offer(offer(2))
    driver.offer(offer(7, reserved=reserved))
    (left,) = driver.core.ledger.retired.values()
    assert left.reservation.agent_id == "agent-7"
    driver(ev.StatusReceived(TaskStatus(left.tasks[0].id, TaskState.GONE, agent_id="agent-7")))
    driver(ev.Command("d", ev.Verb.VOLUMES_DESTROY, left.reservation.volumes[0].id))
    driver.offer(offer(7, reserved=reserved), after=1)
    driver.offer(offer(7), after=10)
    driver.offer(offer(7), after=10)
    assert not driver.core.ledger.retired


def test_launch_that_was_not_sent_is_tried_again() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    accept = of(ef.Accept, driver.offer(offer(1)))[0]
    driver(ev.CallFailed(accept, "connection refused", sent=False))
    assert operations(driver.offer(offer(1), after=5)) == ["RESERVE", "CREATE", "LAUNCH"]


def test_launch_with_an_unknown_outcome_is_asked_about_once_its_offer_is_taken_back() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    accept = of(ef.Accept, driver.offer(offer(1)))[0]
    effects = driver(ev.CallFailed(accept, "timeout", sent=True))
    declined = of(ef.Decline, effects)
    assert [d.offer_ids for d in declined] == [accept.offer_ids]
    assert not of(ef.Reconcile, effects), "the launch may still arrive"
    assert of(ef.Decline, driver(ev.CallFailed(declined[0], "timeout", sent=True), after=2)) == []
    assert of(ef.Decline, driver(ev.Tick(), after=2)) == declined
    effects = driver(ev.Tick(), after=1)
    asked = [r.tasks for r in of(ef.Reconcile, effects)]
    assert asked == [((driver.task_id("db-0"), "agent-1"),)]
    assert not of(ef.Accept, driver.offer(offer(1), after=5))


def test_launch_that_may_still_arrive_is_not_taken_for_gone() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    accept = of(ef.Accept, driver.offer(offer(1)))[0]
    driver(ev.CallFailed(accept, "timeout", sent=True))
    gone = TaskStatus(driver.task_id("db-0"), TaskState.GONE, agent_id="agent-1")
    driver(ev.CallFailed(ef.Decline(accept.offer_ids, 1.0), "timeout", True))
    driver(ev.StatusReceived(gone))
    assert driver.core.ledger.pods["db-0"].has_live_tasks
    driver(ev.Tick(), after=2)
    driver(ev.Tick(), after=2)
    driver(ev.StatusReceived(gone))
    assert driver.core.ledger.pods["db-0"].tasks[0].state is TaskState.GONE


def test_offer_whose_decline_failed_is_declined_again() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    decline = of(ef.Decline, driver.offer(offer(1, cpus=0.1)))[0]
    effects = driver(ev.CallFailed(decline, "HTTP 503", sent=False))
    assert [d.offer_ids for d in of(ef.Decline, effects)] == [("offer-1",)]
    assert not of(ef.Decline, driver(ev.Tick(), after=5))


def test_task_given_up_for_dead_is_killed_when_it_runs_after_all() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    driver.offer(offer(1))
    task_id = driver.task_id("db-0")
    driver.status(task_id, TaskState.GONE)
    effects = driver.status(task_id, TaskState.RUNNING, after=20)
    assert of(ef.Kill, effects) == [ef.Kill(task_id, "agent-1")]


def test_task_its_agent_forgot_may_have_written() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    driver.offer(offer(1))
    forgotten = TaskStatus(
        driver.task_id("db-0"),
        TaskState.DROPPED,
        agent_id="agent-1",
        uuid="uuid",
        source="SOURCE_AGENT",
        reason="REASON_RECONCILIATION",
    )
    driver(ev.StatusReceived(forgotten))
    assert not of(ef.Accept, driver.offer(offer(2), after=3600)), "its data may be on agent 1"


def test_suppress_that_a_late_revive_undid_is_repeated() -> None:
    driver = Driver(service(1))
    driver.run(1)
    assert of(ef.Suppress, driver(ev.Tick(), after=60))
    assert not of(ef.Suppress, driver(ev.Tick(), after=30))
    assert of(ef.Suppress, driver.offer(offer(1), after=1))
    assert not of(ef.Suppress, driver.offer(offer(1), after=1)), "it was on its way"
    assert of(ef.Suppress, driver(ev.Tick(), after=20))
    assert not of(ef.Suppress, driver(ev.Tick(), after=20))


def test_revive_that_a_late_suppress_undid_is_repeated() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    driver.offer(offer(1, cpus=0.1))
    assert not of(ef.Revive, driver(ev.Tick(), after=50))
    assert of(ef.Revive, driver(ev.Tick(), after=20))
    assert not of(ef.Revive, driver(ev.Tick(), after=100)), "at growing intervals"


def test_restarted_scheduler_restarts_nothing() -> None:
    driver = Driver(service())
    driver.run(3)
    ids = {name: pod.tasks[0].id for name, pod in driver.core.ledger.pods.items()}
    again = Driver(service(), driver.store)
    effects = again.subscribe()
    assert not of(ef.Kill, effects)
    asked = {task for r in of(ef.Reconcile, effects) for task, _ in r.tasks}
    assert asked == set(ids.values())
    for task_id in ids.values():
        assert not of(ef.Kill, again.status(task_id, TaskState.RUNNING))
    assert again.deploy_status() is Status.COMPLETE


def test_crash_loop_backs_off() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    reserved = reserved_by(driver, driver.offer(offer(1)))
    for wait in (0, 5, 10, 20):
        driver.status(driver.task_id("db-0"), TaskState.FAILED)
        if wait:
            assert not of(ef.Accept, driver.offer(offer(1, reserved=reserved), after=wait - 1))
        launched = driver.offer(offer(1, reserved=reserved), after=1.5)
        assert operations(launched) == ["LAUNCH"], wait


def test_update_rolls_one_instance_at_a_time() -> None:
    driver = Driver(service(2))
    driver.run(2)
    changed = service(2)
    pod = changed.pods[0]
    task = pod.tasks[0]
    from dataclasses import replace

    changed = replace(changed, pods=(replace(pod, tasks=(replace(task, cmd="run v2"),)),))
    again = Driver(changed, driver.store)
    effects = again.subscribe()
    assert [kill.task_id for kill in of(ef.Kill, effects)] == [driver.task_id("db-0")]


def test_refused_update_keeps_the_old_target_and_says_why() -> None:
    driver = Driver(service(2))
    driver.run(2)
    again = Driver(service(1), driver.store)
    assert again.errors
    assert again.deploy_status() is Status.ERROR
    assert not of(ef.Kill, again.subscribe())


@pytest.mark.parametrize("region", ["elsewhere"])
def test_data_stays_in_the_masters_region(region: str) -> None:
    driver = Driver(service(1))
    driver.subscribe()
    assert not of(ef.Accept, driver.offer(offer(1, region=region)))
    assert "@region" in driver.core.view(0).explanations["db-0"].agents["host-1"]


def test_a_task_that_stages_for_long_is_asked_about_now_and_then() -> None:
    world = World(service(1))
    world.behaviour["node"] = ()
    world.settle(2)
    world.forget()
    asked = 0
    for _ in range(100):
        effects = world.step(ev.Tick(), after=1.0)
        asked += sum(isinstance(effect, ef.Reconcile) and bool(effect.tasks) for effect in effects)
        (running,) = world.agents["agent-1"].tasks.values()
        answer = TaskStatus(running.info["task_id"]["value"], TaskState.STAGING)
        world.step(ev.StatusReceived(answer))
    assert 2 <= asked <= 4


def test_the_status_of_an_operation_is_acknowledged_if_it_wants_to_be() -> None:
    driver = Driver(service(1))
    driver.subscribe()
    silent = OperationStatus("op-1", "OPERATION_FINISHED", agent_id="agent-1")
    assert of(ef.AcknowledgeOperation, driver(ev.OperationStatusReceived(silent))) == []
    asking = OperationStatus("op-1", "OPERATION_FAILED", "uuid", "agent-1", "provider")
    assert of(ef.AcknowledgeOperation, driver(ev.OperationStatusReceived(asking))) == [
        ef.AcknowledgeOperation("op-1", "uuid", "agent-1", "provider")
    ]
