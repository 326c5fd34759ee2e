"""What goes wrong in a run: a list of timed faults made from the seed, and how each is done.

Every fault is an entry of the list, so that a failing run can be shrunk by leaving some out. `pick`
chooses among the victims there are when the time comes.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from holdfast.core import events as ev
from tests.simulation.schedule import Planned
from tests.simulation.world import World

T = TypeVar("T")

UNINSTALLED = 0.08
PAUSED = 0.12
"""The share of runs that end with the service uninstalled, and of those with paused pods."""


@dataclass(frozen=True, slots=True)
class Fault:
    at: float
    kind: str
    pick: int

    def __str__(self) -> str:
        return f"{self.at:.2f}:{self.kind}:{self.pick}"

    @staticmethod
    def parse(text: str) -> "Fault":
        at, kind, pick = text.split(":")
        return Fault(float(at), kind, int(pick))


def plan(seed: int) -> list[Fault]:
    """The faults of a seed: a random choice of kinds, more or less dense."""
    chance = random.Random(f"faults {seed}")
    usual = sorted(KINDS.keys() - {"uninstall", "pod_pause", "pod_resume"})
    kinds = chance.sample(usual, chance.randint(2, len(usual)))
    until = chance.choice((10.0, 60.0, 300.0, 900.0))
    number = chance.choice((3, 10, 25, 50))
    times = [chance.uniform(0.5, until) for _ in range(number)]
    if chance.random() < 0.4:  # misfortunes seldom come singly
        bursts = [chance.uniform(0.5, until) for _ in range(max(1, number // 5))]
        times = [chance.choice(bursts) + chance.uniform(0.0, 4.0) for _ in range(number)]
    faults = [
        Fault(round(time, 2), chance.choice(kinds), chance.randrange(10_000)) for time in times
    ]
    end = random.Random(f"uninstall {seed}")
    if end.random() < UNINSTALLED:  # the later faults meet it
        at = round(end.uniform(until / 3, until), 2)
        faults.append(Fault(at, "uninstall", end.randrange(10_000)))
    pauses = random.Random(f"pauses {seed}")
    if pauses.random() < PAUSED:
        for kind in pauses.choices(("pod_pause", "pod_resume"), k=pauses.randint(1, 5)):
            at = round(pauses.uniform(0.5, until), 2)
            faults.append(Fault(at, kind, pauses.randrange(10_000)))
    if seed % 3 == 1:
        more = random.Random(f"upkeep {seed}")
        faults += [
            Fault(
                round(more.uniform(0.5, max(60.0, until)), 2),
                more.choice(sorted(UPKEEP)),
                more.randrange(10_000),
            )
            for _ in range(more.choice((2, 5, 12)))
        ]
    return sorted(faults, key=lambda fault: fault.at)


def _chosen(items: Sequence[T], pick: int) -> T | None:
    return items[pick % len(items)] if items else None


def _seconds(pick: int, low: float, high: float) -> float:
    return low + (pick % 997) / 997 * (high - low)


# -- the scheduler --------------------------------------------------------------------------------


def crash(world: World, pick: int) -> None:
    """The process dies at one of the next places between storing and sending."""
    world.newest.faults.crash_in = 1 + pick % 8


def kill(world: World, pick: int) -> None:
    world.newest.die()


def second_scheduler(world: World, pick: int) -> None:
    """Another takes over while the old one runs on, not knowing it."""
    world.start_scheduler()


def _next_call(kind: str, low: float = 0.0, high: float = 0.0) -> Callable[[World, int], None]:
    def fault(world: World, pick: int) -> None:
        seconds = _seconds(pick, low, high)
        world.newest.faults.calls += [("", 0.0)] * (pick % 3) + [(kind, seconds)]

    return fault


def lost_accept(world: World, pick: int) -> None:
    """Every call for a while meets the same fate, so that an ACCEPT is among them."""
    kind = ("rejected", "lost", "answer lost", "late")[pick % 4]
    world.newest.faults.calls += [(kind, _seconds(pick, 0.5, 40.0))] * (2 + pick % 5)


def store_away(world: World, pick: int) -> None:
    world.records.away_until = world.clock.now + _seconds(pick, 0.3, 20.0)


def stream_reset(world: World, pick: int) -> None:
    world.newest.break_stream(half_open=False)


def stream_half_open(world: World, pick: int) -> None:
    world.newest.break_stream(half_open=True)


def stream_slow(world: World, pick: int) -> None:
    world.newest.slow_stream(_seconds(pick, 1.0, 30.0))


# -- the master -----------------------------------------------------------------------------------


def master_failover(world: World, pick: int) -> None:
    world.fail_over(_seconds(pick, 0.5, 30.0))


def rescind(world: World, pick: int) -> None:
    offer_id = _chosen(sorted(world.master.offers), pick)
    if offer_id is not None:
        world.master.rescind(offer_id)


def hog(world: World, pick: int) -> None:
    agent = _chosen(world.agents, pick)
    if agent is not None:
        world.master.hog(agent.id, _seconds(pick, 5.0, 120.0))


# -- machines -------------------------------------------------------------------------------------


def cut_short(world: World, pick: int) -> None:
    _cut(world, pick, _seconds(pick, 0.5, 60.0))


def cut_long(world: World, pick: int) -> None:
    _cut(world, pick, _seconds(pick, 80.0, 300.0))


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
    world.clock.after(_seconds(pick, 0.5, 100.0), agent.start_process)


def power_loss(world: World, pick: int) -> None:
    _power_loss(world, pick, new_id=False)


def power_loss_new_id(world: World, pick: int) -> None:
    _power_loss(world, pick, new_id=True)


def _power_loss(world: World, pick: int, new_id: bool) -> None:
    agent = world.agents[pick % len(world.agents)]
    agent.power_off()
    world.clock.after(_seconds(pick, 1.0, 150.0), lambda: agent.power_on(new_id))


def removed(world: World, pick: int) -> None:
    """A machine is gone for good; at most two of them, so that the rest has room for all."""
    agent = world.agents[pick % len(world.agents)]
    if sum(other.removed for other in world.agents) >= 2:
        return
    agent.power_off()
    agent.removed = True
    if pick % 3 == 0:
        world.judge.plans.gone.add(agent.id)
        world.master.mark_gone(agent)


# -- tasks ----------------------------------------------------------------------------------------


def task_crash(world: World, pick: int) -> None:
    found = _chosen(
        [(a, t) for a in world.agents for t in a.tasks.values() if t.alive and not t.terminal], pick
    )
    if found is not None:
        found[0].end_task(found[1], "TASK_FAILED")


def executor_crash(world: World, pick: int) -> None:
    found = _chosen([(a, e) for a in world.agents for e in a.executors.values()], pick)
    if found is not None:
        found[0].end_executor(found[1])


def launch_failure(world: World, pick: int) -> None:
    world.agents[pick % len(world.agents)].fail_launches += 1 + pick % 2


def resend(world: World, pick: int) -> None:
    """An agent sends an update once more, before its time."""
    found = _chosen([(a, t) for a in world.agents for t in a.tasks.values() if t.updates], pick)
    if found is not None:
        found[0].resend(found[1])


# -- the operator ---------------------------------------------------------------------------------


def pod_restart(world: World, pick: int) -> None:
    _order(world, ev.Verb.POD_RESTART, pick)


def pod_replace(world: World, pick: int) -> None:
    _order(world, ev.Verb.POD_REPLACE, pick)


def _order(world: World, verb: ev.Verb, pick: int) -> None:
    pod = _chosen(world.pod_names(), pick)
    if pod is not None:
        world.order(verb, pod)


def insist(world: World, pick: int) -> None:
    """An order that is to be carried out whatever else is down."""
    pod = _chosen(world.pod_names(), pick // 2)
    verb = ev.Verb.POD_REPLACE if pick % 2 else ev.Verb.POD_RESTART
    if pod is not None:
        world.order(verb, pod, parameters={"force": "true"})


def host_closed(world: World, pick: int) -> None:
    """The operator services a machine with the means of the service itself."""
    host = world.agents[pick % len(world.agents)].hostname
    world.order(ev.Verb.MAINTENANCE_START, host)
    world.clock.after(
        _seconds(pick, 5.0, 300.0), lambda: world.order(ev.Verb.MAINTENANCE_END, host)
    )


def drain(world: World, pick: int) -> None:
    agent = world.agents[pick % len(world.agents)]
    id_ = agent.id
    world.master.drain(agent)
    world.clock.after(_seconds(pick, 5.0, 300.0), lambda: world.master.reactivate(id_))


def schedule(world: World, pick: int) -> None:
    """A machine is to be serviced; when the time comes it is, if the service said yes."""
    agent = world.agents[pick % len(world.agents)]
    start = world.clock.now + _seconds(pick // 7, 20.0, 600.0)
    window = Planned(start, start + _seconds(pick, 20.0, 200.0))
    world.master.plan_maintenance(agent.hostname, window)

    def begin() -> None:
        if world.master.schedule.accepted.get(agent.id) == window:
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
    volume = _chosen(sorted(volumes), pick)
    if volume is not None:
        world.order(ev.Verb.VOLUMES_DESTROY, volume)


def pod_pause(world: World, pick: int) -> None:
    _pause(world, ev.Verb.POD_PAUSE, pick)


def pod_resume(world: World, pick: int) -> None:
    _pause(world, ev.Verb.POD_RESUME, pick)


def _pause(world: World, verb: ev.Verb, pick: int) -> None:
    """A whole pod instance, or one task of it."""
    pod = _chosen(world.pod_names(), pick)
    if pod is None:
        return
    known = world.newest.engine.view.pods.get(pod)
    task = _chosen(known.tasks, pick // 7) if known is not None and pick % 2 else None
    world.order(verb, pod, parameters={task.name: ""} if task is not None else {})


def uninstall(world: World, pick: int) -> None:
    """By an operator's order, or by the environment the scheduler is started with from now on."""
    world.uninstall(by_order=pick % 2 == 0)


def update(world: World, pick: int) -> None:
    world.update(pick)


def plan_start(world: World, pick: int) -> None:
    """A plan of one's own, each time with another parameter."""
    own = _chosen(sorted(world.own_plans()), pick)
    if own is not None:
        world.order(ev.Verb.PLAN_START, own, parameters={"RUN": world.next_run()})


def plan_stop(world: World, pick: int) -> None:
    own = _chosen(sorted(world.own_plans()), pick)
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
    plan = _chosen(world.newest.engine.view.plans, pick)
    phase = _chosen(plan.phases, pick // 5) if plan is not None and pick % 3 else None
    step = _chosen(phase.steps, pick // 25) if phase is not None and steps and pick % 2 else None
    if plan is not None:
        world.order(verb, plan.name, phase.name if phase else None, step.name if step else None)


UPKEEP: dict[str, Callable[[World, int], None]] = {
    action.__name__: action for action in (insist, host_closed, drain, schedule)
}
"""What happens besides in every third seed, so that the others stay as they are."""

KINDS: dict[str, Callable[[World, int], None]] = (
    {
        action.__name__: action
        for action in (
            crash,
            kill,
            second_scheduler,
            lost_accept,
            store_away,
            stream_reset,
            stream_half_open,
            stream_slow,
            master_failover,
            rescind,
            hog,
            cut_short,
            cut_long,
            agent_restart,
            power_loss,
            power_loss_new_id,
            removed,
            task_crash,
            executor_crash,
            launch_failure,
            resend,
            pod_restart,
            pod_replace,
            pod_pause,
            pod_resume,
            destroy,
            uninstall,
            update,
            plan_start,
            plan_stop,
            plan_interrupt,
            plan_continue,
            plan_restart,
            plan_force_complete,
        )
    }
    | {
        "call_rejected": _next_call("rejected"),
        "call_lost": _next_call("lost"),
        "answer_lost": _next_call("answer lost"),
        "call_late": _next_call("late", 0.5, 60.0),
        "call_slow": _next_call("slow", 0.1, 15.0),
    }
    | UPKEEP
)
