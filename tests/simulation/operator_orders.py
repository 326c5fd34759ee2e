"""What operators do meanwhile, with the service and with Mesos."""

from collections.abc import Callable

from holdfast.core import events as ev
from tests.simulation.schedule import Planned
from tests.simulation.victims import chosen, seconds_of
from tests.simulation.world import World

# -- the operator ---------------------------------------------------------------------------------


def pod_restart(world: World, pick: int) -> None:
    _order(world, ev.Verb.POD_RESTART, pick)


def pod_replace(world: World, pick: int) -> None:
    _order(world, ev.Verb.POD_REPLACE, pick)


def _order(world: World, verb: ev.Verb, pick: int) -> None:
    pod = chosen(world.pod_names(), pick)
    if pod is not None:
        world.order(verb, pod)


def insist(world: World, pick: int) -> None:
    """An order that is to be carried out whatever else is down."""
    pod = chosen(world.pod_names(), pick // 2)
    verb = ev.Verb.POD_REPLACE if pick % 2 else ev.Verb.POD_RESTART
    if pod is not None:
        world.order(verb, pod, parameters={"force": "true"})


def host_closed(world: World, pick: int) -> None:
    """The operator services a machine with the means of the service itself."""
    host = world.agents[pick % len(world.agents)].hostname
    world.order(ev.Verb.MAINTENANCE_START, host)
    world.clock.after(
        seconds_of(pick, 5.0, 300.0), lambda: world.order(ev.Verb.MAINTENANCE_END, host)
    )


def drain(world: World, pick: int) -> None:
    agent = world.agents[pick % len(world.agents)]
    id_ = agent.id
    world.master.drain(agent)
    world.clock.after(seconds_of(pick, 5.0, 300.0), lambda: world.master.reactivate(id_))


def schedule(world: World, pick: int) -> None:
    """A machine is to be serviced; when the time comes it is, if the service said yes."""
    agent = world.agents[pick % len(world.agents)]
    start = world.clock.now + seconds_of(pick // 7, 20.0, 600.0)
    window = Planned(start, start + seconds_of(pick, 20.0, 200.0))
    world.master.plan_maintenance(agent.hostname, window)

    def begin() -> None:
        if world.master.schedule.accepted.get(agent.id) == window:
            world.judge.recovery.serviced[agent.id] = window.end
            agent.power_off()

    def end() -> None:
        agent.power_on(new_id=False)
        if world.master.schedule.windows.get(agent.hostname) == window:
            world.master.plan_maintenance(agent.hostname, None)

    world.clock.at(window.start, begin)
    world.clock.at(window.end, end)


def destroy(world: World, pick: int) -> None:
    """A retired or quarantined volume, or, which must be refused, one in use."""
    view = world.newest.engine.view
    volumes = [v.id for left in view.retired.values() for v in left.reservation.volumes]
    volumes += [q.id for q in view.quarantined.values() if q.kind == "volume"]
    if pick % 5 == 0:
        volumes = [v.id for p in view.pods.values() if p.reservation for v in p.reservation.volumes]
    volume = chosen(sorted(volumes), pick)
    if volume is not None:
        world.order(ev.Verb.VOLUMES_DESTROY, volume)


def pod_pause(world: World, pick: int) -> None:
    _pause(world, ev.Verb.POD_PAUSE, pick)


def pod_resume(world: World, pick: int) -> None:
    _pause(world, ev.Verb.POD_RESUME, pick)


def _pause(world: World, verb: ev.Verb, pick: int) -> None:
    """A whole pod instance, or one task of it."""
    pod = chosen(world.pod_names(), pick)
    if pod is None:
        return
    known = world.newest.engine.view.pods.get(pod)
    task = chosen(known.tasks, pick // 7) if known is not None and pick % 2 else None
    world.order(verb, pod, parameters={task.name: ""} if task is not None else {})


def uninstall(world: World, pick: int) -> None:
    """By an operator's order, or by the environment the scheduler is started with from now on."""
    world.uninstall(by_order=pick % 2 == 0)


def update(world: World, pick: int) -> None:
    world.update(pick)


def plan_start(world: World, pick: int) -> None:
    """A plan of one's own, each time with another parameter."""
    own = chosen(sorted(world.own_plans()), pick)
    if own is not None:
        world.order(ev.Verb.PLAN_START, own, parameters={"RUN": world.next_run()})


def plan_stop(world: World, pick: int) -> None:
    own = chosen(sorted(world.own_plans()), pick)
    if own is not None:
        world.order(ev.Verb.PLAN_STOP, own)


def plan_interrupt(world: World, pick: int) -> None:
    _plan_order(world, ev.Verb.PLAN_INTERRUPT, pick, steps=False)


def plan_continue(world: World, pick: int) -> None:
    """The plan goes on, or a phase of it; a canary, if there is one, is let go."""
    _plan_order(world, ev.Verb.PLAN_CONTINUE, pick, steps=False)


def plan_restart(world: World, pick: int) -> None:
    _plan_order(world, ev.Verb.PLAN_RESTART, pick)


def plan_force_complete(world: World, pick: int) -> None:
    _plan_order(world, ev.Verb.PLAN_FORCE_COMPLETE, pick)


def _plan_order(world: World, verb: ev.Verb, pick: int, steps: bool = True) -> None:
    """About a whole plan, a phase or a step."""
    plan = chosen(world.newest.engine.view.plans, pick)
    phase = chosen(plan.phases, pick // 5) if plan is not None and pick % 3 else None
    step = chosen(phase.steps, pick // 25) if phase is not None and steps and pick % 2 else None
    if plan is not None:
        world.order(verb, plan.name, phase.name if phase else None, step.name if step else None)


ORDERS: dict[str, Callable[[World, int], None]] = {
    action.__name__: action
    for action in (
        pod_restart,
        pod_replace,
        insist,
        pod_pause,
        pod_resume,
        destroy,
        update,
        plan_start,
        plan_stop,
        plan_interrupt,
        plan_continue,
        plan_restart,
        plan_force_complete,
        host_closed,
        drain,
        schedule,
        uninstall,
    )
}
"""Each switch by its name."""
