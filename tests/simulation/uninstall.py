"""The end of a run in which the service is uninstalled, and what must be left of it: nothing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdfast.core import events as ev
from holdfast.core.uninstall import UNRESERVE
from holdfast.core.uninstall_record import Uninstalling
from holdfast.plans.plan import Status
from tests.simulation import resources

if TYPE_CHECKING:
    from tests.simulation.world import World

DEADLINE = 3000.0
"""Virtual seconds an uninstall may take once nothing goes wrong any more."""

PATIENCE = 600.0
"""After which the operator forgets the machines that do not come back."""


def settle_uninstall(world: "World") -> None:
    """Run until nothing is left, and judge what is left all the same."""
    began = world.clock.now
    helped = began + PATIENCE
    while not _is_done(world) and not world.judge.violations:
        if world.clock.now > began + DEADLINE:
            world.judge.violate("LIVENESS", "not uninstalled: " + "; ".join(_open_steps(world)))
            return
        if world.clock.now > helped:
            helped = world.clock.now + 300.0
            forget_the_lost(world)
        world.clock.run_until(world.clock.now + 5.0)
    if world.judge.violations:
        return
    record = world.newest.core.ledger.uninstalling
    assert record is not None
    world.clock.run_until(world.clock.now + 60.0)
    for text in _left(world, record):
        world.judge.violate("UNINSTALL", text)
    world.log("-- the scheduler restarts --")
    world.newest.die()
    world.clock.run_until(world.clock.now + 60.0)
    if not _is_done(world) or world.records.raw:
        world.judge.violate("I9", "a restart after the uninstall begins something anew")
    if world.master.subscriber is not None:
        world.judge.violate("UNINSTALL", "a framework is still subscribed")


def _is_done(world: "World") -> bool:
    (*_, plan) = world.newest.engine.view.plans
    record = world.newest.engine.view.uninstalling
    if not world.newest.alive or record is None or not record.done:
        return False
    return plan.status is Status.COMPLETE


def _open_steps(world: "World") -> list[str]:
    return [
        f"{step.name}: {step.message}"
        for plan in world.newest.engine.view.plans
        for step in plan.steps()
        if step.status is not Status.COMPLETE
    ]


def forget_the_lost(world: "World") -> None:
    """As an operator does with machines that are gone, or back as others without what they had."""
    here = {agent.id for agent in world.agents if not agent.removed}
    hosts = {
        left.reservation.hostname
        for left in world.newest.engine.view.retired.values()
        if left.reservation.agent_id not in here
    }
    for host in sorted(hosts):
        world.order(ev.Verb.PLAN_FORCE_COMPLETE, "deploy", f"{UNRESERVE}{host}")


def _left(world: "World", record: Uninstalling) -> Iterator[str]:
    """What should not be there any more on machines that can be reached."""
    if world.records.raw:
        yield f"the store still has {sorted(world.records.raw)}"
    reported = {item.id for item in record.left}
    forgotten = {lost.hostname for lost in record.forgotten}
    for agent in world.agents:
        if agent.removed:
            continue
        for task in agent.tasks.values():
            if task.alive:
                yield f"{task.id} runs on {agent.hostname}"
        away = agent.was_away_since(world.uninstalled_at)
        if away or agent.hostname in forgotten:
            continue  # what was sent to it may have been lost, and nobody could know
        for kind in agent.total:
            if not resources.is_reserved(kind):
                continue
            id_ = resources.labels(kind).get("resource_id", "")
            volume = resources.persistence_id(kind)
            listed = volume or f"{id_}/{kind[0]}@{agent.id}"
            if listed not in reported:
                yield f"{listed} is still reserved on {agent.hostname}, and not reported"
