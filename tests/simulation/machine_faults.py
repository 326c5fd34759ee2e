"""What goes wrong with machines, their agents, and the tasks on them."""

from collections.abc import Callable
from functools import partial

from tests.simulation.agent import Agent
from tests.simulation.victims import chosen, seconds_of
from tests.simulation.world import World

MOST_LOST = 2
"""How many machines a run loses for good at most, and how many lose their data: there must be room
for all on the rest."""

# -- machines -------------------------------------------------------------------------------------


def cut_short(world: World, pick: int) -> None:
    _cut(world, pick, seconds_of(pick, 0.5, 60.0))


def cut_long(world: World, pick: int) -> None:
    _cut(world, pick, seconds_of(pick, 80.0, 300.0))


def _cut(world: World, pick: int, seconds: float) -> None:
    """A machine cannot be reached for a while; now and then its whole zone."""
    agent = world.agents[pick % len(world.agents)]
    together = [other for other in world.agents if other.zone == agent.zone]
    for each in together if pick % 10 == 7 else (agent,):
        each.cut_off()
        world.clock.after(seconds, partial(each.join, reset=pick % 2 == 0))


def agent_restart(world: World, pick: int) -> None:
    agent = world.agents[pick % len(world.agents)]
    agent.stop_process()
    world.clock.after(seconds_of(pick, 0.5, 100.0), agent.start_process)


def power_loss(world: World, pick: int) -> None:
    _power_loss(world, pick, new_id=False)


def power_loss_new_id(world: World, pick: int) -> None:
    _power_loss(world, pick, new_id=True)


def _power_loss(world: World, pick: int, new_id: bool) -> None:
    agent = world.agents[pick % len(world.agents)]
    agent.power_off()
    world.clock.after(seconds_of(pick, 1.0, 150.0), lambda: agent.power_on(new_id))


def removed(world: World, pick: int) -> None:
    """A machine is gone for good; Mesos may be told so."""
    agent = world.agents[pick % len(world.agents)]
    if not _may_be_lost(world):
        return
    agent.remove()
    if pick % 3 == 0:
        _mark_gone(world, agent)


def gone_while_cut(world: World, pick: int) -> None:
    """A machine that only cannot be reached is marked gone: when it is back, it must end."""
    agent = world.agents[pick % len(world.agents)]
    if not _may_be_lost(world) or not agent.process:
        return
    agent.cut_off()
    _mark_gone(world, agent)
    world.clock.after(seconds_of(pick, 1.0, 300.0), partial(agent.join, reset=True))


def _may_be_lost(world: World) -> bool:
    lost = [other for other in world.agents if other.removed or other.id in world.master.gone]
    return len(lost) < MOST_LOST


def _mark_gone(world: World, agent: Agent) -> None:
    world.judge.plans.gone.add(agent.id)
    world.master.mark_gone(agent)


def wipe(world: World, pick: int) -> None:
    """A machine is set up anew: another agent, and none of the data."""
    agent = world.agents[pick % len(world.agents)]
    if sum(other.wiped for other in world.agents) < MOST_LOST:
        agent.power_off()
        agent.wipe()
        world.clock.after(seconds_of(pick, 1.0, 150.0), lambda: agent.power_on(new_id=False))


def wipe_meta(world: World, pick: int) -> None:
    """The agent forgets all, reservations and volumes too; what ran runs on as orphans."""
    agent = world.agents[pick % len(world.agents)]
    if agent.process and sum(other.wiped for other in world.agents) < MOST_LOST:
        agent.stop_process()
        agent.forget()
        world.clock.after(seconds_of(pick, 0.5, 100.0), agent.start_process)


def forget_tasks(world: World, pick: int) -> None:
    """The agent loses what it runs, and nothing else: its tasks live on next to their volumes."""
    agent = world.agents[pick % len(world.agents)]
    if agent.process:
        agent.stop_process()
        agent.lose_tasks(seconds_of(pick // 7, 1.0, 400.0))
        world.clock.after(seconds_of(pick, 0.5, 60.0), agent.start_process)


def link_reset(world: World, pick: int) -> None:
    """The connection of agent and master breaks, and with it what was on its way is lost."""
    world.agents[pick % len(world.agents)].reset_link()


# -- tasks ----------------------------------------------------------------------------------------


def task_crash(world: World, pick: int) -> None:
    found = chosen(
        [(a, t) for a in world.agents for t in a.tasks.values() if t.alive and not t.terminal], pick
    )
    if found is not None:
        found[0].end_task(found[1], "TASK_FAILED")


def executor_crash(world: World, pick: int) -> None:
    found = chosen([(a, e) for a in world.agents for e in a.executors.values()], pick)
    if found is not None:
        found[0].end_executor(found[1])


def launch_failure(world: World, pick: int) -> None:
    world.agents[pick % len(world.agents)].fail_launches += 1 + pick % 2


def resend(world: World, pick: int) -> None:
    """An agent sends an update once more, before its time."""
    found = chosen([(a, t) for a in world.agents for t in a.tasks.values() if t.updates], pick)
    if found is not None:
        found[0].resend(found[1])


def status_late(world: World, pick: int) -> None:
    """All that an agent tells arrives late for a while."""
    agent = world.agents[pick % len(world.agents)]
    agent.updates.late_until = world.clock.now + seconds_of(pick, 2.0, 60.0)


def status_lost(world: World, pick: int) -> None:
    world.agents[pick % len(world.agents)].updates.lose += 1 + pick % 3


def status_twice(world: World, pick: int) -> None:
    world.agents[pick % len(world.agents)].updates.double += 1 + pick % 4


def status_reordered(world: World, pick: int) -> None:
    """For a while the updates of an agent's tasks overtake each other."""
    agent = world.agents[pick % len(world.agents)]
    agent.updates.mixed_until = world.clock.now + seconds_of(pick, 2.0, 60.0)


MACHINES: dict[str, Callable[[World, int], None]] = {
    action.__name__: action
    for action in (
        cut_short,
        cut_long,
        link_reset,
        agent_restart,
        power_loss,
        power_loss_new_id,
        wipe,
        wipe_meta,
        forget_tasks,
        removed,
        gone_while_cut,
        task_crash,
        executor_crash,
        launch_failure,
        resend,
        status_late,
        status_lost,
        status_twice,
        status_reordered,
    )
}
"""Each switch by its name."""
