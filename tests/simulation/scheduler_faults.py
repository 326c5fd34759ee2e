"""What goes wrong with the scheduler's process, its calls, its store, its clock, and the master."""

from collections.abc import Callable

from holdfast.state.store import SessionLost
from tests.simulation.victims import chosen, seconds_of
from tests.simulation.world import World

LARGEST_JUMP = 2 * 3600.0

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
        seconds = seconds_of(pick, low, high)
        world.newest.faults.calls += [("", 0.0)] * (pick % 3) + [(kind, seconds)]

    return fault


def lost_accept(world: World, pick: int) -> None:
    """Every call for a while meets the same fate, so that an ACCEPT is among them."""
    kind = ("rejected", "lost", "answer lost", "late")[pick % 4]
    world.newest.faults.calls += [(kind, seconds_of(pick, 0.5, 40.0))] * (2 + pick % 5)


def store_away(world: World, pick: int) -> None:
    world.records.away_until = world.clock.now + seconds_of(pick, 0.3, 20.0)


def store_slow(world: World, pick: int) -> None:
    """Each commit takes its time, and the scheduler waits for it."""
    world.records.slow_until = world.clock.now + seconds_of(pick, 2.0, 60.0)


def session_lost(world: World, pick: int) -> None:
    """ZooKeeper ends the session instead of the next commit."""
    world.newest.store.fail_next(SessionLost("the session is over"))


def commit_unanswered(world: World, pick: int) -> None:
    """The session is over when the next commit is applied, and nobody tells."""
    world.newest.store.fail_next(SessionLost("no answer"), applied=True)


def clock_jump(world: World, pick: int) -> None:
    """Somebody sets the clock of the scheduler's machine, forwards or back."""
    world.newest.set_clock(seconds_of(pick, -1.0, 1.0) ** 3 * LARGEST_JUMP)


def stream_reset(world: World, pick: int) -> None:
    world.newest.break_stream(half_open=False)


def stream_half_open(world: World, pick: int) -> None:
    world.newest.break_stream(half_open=True)


def stream_slow(world: World, pick: int) -> None:
    world.newest.slow_stream(seconds_of(pick, 1.0, 30.0))


# -- the master -----------------------------------------------------------------------------------


def master_failover(world: World, pick: int) -> None:
    world.fail_over(seconds_of(pick, 0.5, 30.0))


def rescind(world: World, pick: int) -> None:
    offer_id = chosen(sorted(world.master.allocator.offers), pick)
    if offer_id is not None:
        world.master.allocator.rescind(offer_id)


def hog(world: World, pick: int) -> None:
    agent = chosen(world.agents, pick)
    if agent is not None:
        world.master.hog(agent.id, seconds_of(pick, 5.0, 120.0))


def operation_dropped(world: World, pick: int) -> None:
    """The master refuses some operations of the next ACCEPTs, and carries out the others."""
    world.master.drop_operations += 1 + pick % 3


SCHEDULER: dict[str, Callable[[World, int], None]] = {
    action.__name__: action
    for action in (
        crash,
        kill,
        second_scheduler,
        clock_jump,
        lost_accept,
        store_away,
        store_slow,
        session_lost,
        commit_unanswered,
        stream_reset,
        stream_half_open,
        stream_slow,
        master_failover,
        rescind,
        hog,
        operation_dropped,
    )
} | {
    "call_rejected": _next_call("rejected"),
    "call_lost": _next_call("lost"),
    "answer_lost": _next_call("answer lost"),
    "call_late": _next_call("late", 0.5, 60.0),
    "call_slow": _next_call("slow", 0.1, 15.0),
}
"""Each switch by its name."""
