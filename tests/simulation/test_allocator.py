"""What one role declined goes to the others that want offers."""

from typing import Any

from tests.simulation import resources
from tests.simulation.agent import Agent
from tests.simulation.allocator import Allocator
from tests.simulation.clock import Clock
from tests.simulation.registry import Known

HOUR = 3600.0


class Unwatched:
    """Nothing of what the agent does is judged."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Offered:
    """An allocator for the roles a and b, with one agent; `roles` are those that got offers."""

    def __init__(self, quiet: set[str]) -> None:
        self.clock = Clock(0)
        watch: Any = Unwatched()
        agent = Agent(1, self.clock, watch, lambda _: None, "zone-0")
        known = Known("agent-1", agent, resources.unreserved(4, 4096, 9999, range(1000, 1010)))
        self.roles: list[str] = []
        self.allocator = Allocator(self.clock, {known.id: known}, {}, self._tell, lambda: True)
        self.allocator.update(("a", "b"), quiet)
        self.clock.run_until(2.0)

    def _tell(self, kind: str, what: Any) -> None:
        assert kind == "OFFERS"
        self.roles += [offer["allocation_info"]["role"] for offer in what]

    def decline(self) -> None:
        self.allocator.decline(list(self.allocator.offers), HOUR)
        self.clock.run_until(self.clock.now + 2.0)


def test_what_one_role_declined_is_offered_to_the_other() -> None:
    world = Offered(quiet=set())
    assert len(world.roles) == 1
    world.decline()
    assert sorted(world.roles) == ["a", "b"]


def test_what_all_declined_is_offered_to_none_until_their_filters_end() -> None:
    world = Offered(quiet=set())
    world.decline()
    world.decline()
    assert sorted(world.roles) == ["a", "b"]
    world.clock.run_until(HOUR - 1.0)
    assert sorted(world.roles) == ["a", "b"]


def test_what_is_declined_is_not_offered_to_a_quiet_role() -> None:
    world = Offered(quiet={"b"})
    world.decline()
    assert world.roles == ["a"]


def test_a_revived_role_gets_what_the_first_in_turn_declined() -> None:
    """As when REVIVE arrives late: only a role that has offers is told to be quiet again."""
    world = Offered(quiet={"a", "b"})
    assert world.roles == []
    world.allocator.revive(["a", "b"])
    world.clock.run_until(world.clock.now + 2.0)
    (first,) = world.roles
    world.allocator.decline(list(world.allocator.offers), HOUR)
    world.allocator.quiet.add(first)
    world.clock.run_until(world.clock.now + 2.0)
    assert sorted(world.roles) == ["a", "b"]
