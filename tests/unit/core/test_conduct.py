"""What the scheduler's environment changes of how it goes about a service."""

from dataclasses import replace

from holdfast.core.conduct import Conduct
from holdfast.core.demand import Demand, Wish
from holdfast.core.startup import open_ledger
from holdfast.core.statuses import Backoff
from holdfast.mesos.messages import TaskState
from holdfast.placement.owner import ExecutorShare
from holdfast.placement.pool import SERVICE
from holdfast.plans.plan import Status
from holdfast.service.model import EncryptionType, ServiceSpec, TransportEncryptionSpec
from holdfast.service.task_env import Domains
from holdfast_executor.contract import TaskLaunch
from tests.unit.core.offers import service
from tests.unit.core.world import World


def deployed(spec: ServiceSpec | None = None) -> World:
    world = World(spec or service(1))
    world.until(lambda: world.status() is Status.COMPLETE)
    return world


def test_another_share_of_executors_counts_from_the_next_launch_on() -> None:
    world = deployed()
    (task,) = world.pod("db-0").tasks
    held = world.pod("db-0").reservation
    world.settings = replace(world.settings, executor=ExecutorShare(0.3, 96))
    world.start(world.core.ledger.service)
    world.settle()
    assert world.task("db-0", "node").id == task.id
    assert world.pod("db-0").reservation == held
    world.end("db-0-node")
    world.until(lambda: world.task("db-0", "node").running)
    after = world.pod("db-0").reservation
    assert held is not None
    assert after is not None
    assert (after.cpus, after.memory_mb) == (round(held.cpus + 0.2, 3), held.memory_mb + 64)
    assert [volume.id for volume in after.volumes] == [volume.id for volume in held.volumes]
    resources = world._find("db-0-node")[1].info["executor"]["resources"]
    amounts = {r["name"]: r["scalar"]["value"] for r in resources if r["name"] != "disk"}
    assert amounts == {"cpus": 0.3, "mem": 96}


def test_the_pause_after_a_failure_is_the_one_asked_for() -> None:
    world = World(service(1))
    world.conduct = Conduct(Backoff(30.0, 2.0, 100.0, at_once=False))
    world.start(world.core.ledger.service)
    world.until(lambda: world.status() is Status.COMPLETE)
    for pause in (30.0, 60.0, 100.0):
        before = world.task("db-0", "node").id
        world.end("db-0-node", TaskState.FAILED)
        assert world.task("db-0", "node").not_before == world.now + pause
        until = world.now + pause
        while world.now < until - 1.0:
            world.round()
            assert world.task("db-0", "node").id == before
        world.until(lambda: world.task("db-0", "node").running)
        assert world.task("db-0", "node").id != before


def test_offers_may_come_when_nothing_is_to_be_done() -> None:
    demand = Demand(suppresses=False)
    assert [demand.update(frozenset(), now) for now in (0.0, 60.0)] == [Wish.NOTHING] * 2
    assert not demand.suppressed
    assert Demand().update(frozenset(), 0.0) is Wish.SUPPRESS


def test_a_service_stays_in_its_region() -> None:
    away = World(replace(service(1), region="elsewhere"))
    away.settle()
    assert "db-0" not in away.core.ledger.pods
    (refused,) = away.core.view(away.now).explanations["db-0"].agents.values()
    assert "the agent is in here, the service stays in elsewhere" in refused


def test_the_region_changes_only_before_there_is_data() -> None:
    world = World(replace(service(1), region="elsewhere"))
    world.settle()
    world.start(replace(service(1), region="here"))
    assert not world.errors
    world.until(lambda: world.status() is Status.COMPLETE)
    _, errors = open_ledger(world.store.load(), replace(service(1), region="elsewhere"))
    (error,) = errors
    assert error.startswith("SERVICE_REGION: cannot change from 'here' to 'elsewhere': its data")


def test_in_the_role_of_a_group_what_others_have_is_left_alone() -> None:
    """Not even shown: nobody can then order it destroyed here."""
    world = deployed(replace(service(1), group_role="db-role"))  # what the agents offer to
    agent = world.agents["agent-1"]
    held = world.pod("db-0").reservation
    assert held is not None
    mine = agent.reserved[held.volumes[0].resource_id, "disk"]

    def add_volume(id_: str, of: str | None) -> None:
        labels = [{"key": "resource_id", "value": id_}]
        if of is not None:
            labels.append({"key": SERVICE, "value": of})
        top = {**mine["reservations"][-1], "labels": {"labels": labels}}
        disk = {**mine["disk"], "persistence": {"id": f"volume-{id_}", "principal": "p"}}
        reservations = [*mine["reservations"][:-1], top]
        agent.reserved[id_, "disk"] = {**mine, "reservations": reservations, "disk": disk}

    add_volume("theirs", "queue")
    add_volume("unlabelled", None)
    add_volume("ours", "db")
    world.end("db-0-node")
    world.settle()
    assert world.status("recovery") is Status.COMPLETE
    assert set(world.core.view(world.now).quarantined) == {"volume-ours"}
    assert {"theirs", "unlabelled", "ours"} <= {id_ for id_, _ in agent.reserved}


def test_the_role_cannot_change_under_its_volumes() -> None:
    world = deployed()
    world.start(replace(service(1), group_role="dev"))
    assert "role: cannot change from 'db-role' to 'dev'" in world.errors[0]
    world.settle()
    assert world.task("db-0", "node").running


def test_the_domains_are_in_environments_and_certificates() -> None:
    spec = service(1)
    (pod,) = spec.pods
    entry = TransportEncryptionSpec("tls", EncryptionType.TLS)
    encrypted = replace(pod.tasks[0], transport_encryption=(entry,))
    world = World(
        replace(spec, pods=(replace(pod, tasks=(encrypted,)),)),
    )
    world.settings = replace(world.settings, domains=Domains("tasks.example", "vips.example"))
    world.start(world.core.ledger.service)
    world.until(lambda: world.status() is Status.COMPLETE)
    launch = TaskLaunch.decode(world._find("db-0-node")[1].info["data"])
    assert launch.environment["FRAMEWORK_HOST"] == "db.tasks.example"
    assert launch.environment["FRAMEWORK_VIP_HOST"] == "db.vips.example"
    assert launch.certificates[0].names[0] == "db-0-node.db.tasks.example"
    assert world.core.view(world.now).domains.tasks == "tasks.example"
