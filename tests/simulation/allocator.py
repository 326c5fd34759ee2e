"""The allocator of the simulated master: who is offered what, and what was declined.

Follows src/master/allocator/mesos/hierarchical.cpp of Mesos 1.11: resources in use are not offered,
what is reserved for a role is offered to it alone, and what was declined not again for a while.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from tests.simulation import resources
from tests.simulation.clock import Clock
from tests.simulation.registry import Filter, Known, MasterTask, allocatable, offer_message
from tests.simulation.resources import Bag, Json
from tests.simulation.schedule import Schedule


class Allocator:
    """Makes offers to the roles of one framework. `quiet` are those whose offers are suppressed."""

    def __init__(
        self,
        clock: Clock,
        agents: Mapping[str, Known],
        tasks: Mapping[str, MasterTask],
        tell: Callable[[str, Any], None],
        heard: Callable[[], bool],
    ) -> None:
        """`heard` tells whether a framework is subscribed to a master that leads."""
        self.roles: tuple[str, ...] = ()
        self.quiet: set[str] = set()
        self.framework_id: str | None = None
        self.schedule = Schedule(clock)
        self.offers: dict[str, tuple[str, str, Bag]] = {}
        """By id: the agent, the role it is made to, and what it offers."""
        self._clock = clock
        self._agents = agents
        self._tasks = tasks
        self._tell = tell
        self._heard = heard
        self._turn = 0
        self._allocating = False

    @property
    def suppressed(self) -> bool:
        return self.quiet.issuperset(self.roles)

    def forget(self) -> None:
        """Nobody is subscribed any more: what was offered and asked is void."""
        self.schedule.forget()
        self.offers.clear()

    def forget_filters(self) -> None:
        for known in self._agents.values():
            known.filters.clear()

    def rescind(self, offer_id: str) -> None:
        agent_id, *_ = self.offers.pop(offer_id)
        self._tell("RESCIND", offer_id)
        if agent_id in self._agents:
            self.soon()

    def rescind_all(self, agent_id: str) -> None:
        for offer_id in [o for o, (owner, *_) in self.offers.items() if owner == agent_id]:
            self.rescind(offer_id)

    def offered_on(self, agent_id: str) -> bool:
        return any(owner == agent_id for owner, *_ in self.offers.values())

    def decline(self, offer_ids: Collection[str], seconds: float) -> None:
        """What one role does not want is another's: `batch` allocates everything each second."""
        for offer_id in offer_ids:
            if offer_id in self.offers:
                agent_id, role, what = self.offers.pop(offer_id)
                self.filter(agent_id, role, what, seconds)
                known = self._agents.get(agent_id)
                others = set(self.roles) - self.quiet - {role}
                if known is not None and any(self._free(known, other) for other in others):
                    self.soon()

    def revive(self, roles: Collection[str]) -> None:
        self.quiet -= set(roles)
        for known in self._agents.values():
            known.filters = [each for each in known.filters if each.role not in roles]
        self.soon()

    def update(self, roles: Collection[str], suppressed: Collection[str]) -> None:
        """Master::updateFramework: what is offered to a role that is no more is taken back."""
        self.roles, self.quiet = tuple(roles), set(suppressed)
        for offer_id in [o for o, (_, role, _) in self.offers.items() if role not in self.roles]:
            self.rescind(offer_id)
        self.soon()

    def filter(self, agent_id: str, role: str, what: Bag, seconds: float) -> None:
        known = self._agents.get(agent_id)
        if known is None or not what or seconds <= 0:
            return
        known.filters.append(Filter(role, what, self._clock.now + seconds))
        self._clock.after(seconds + 0.001, self.soon)

    def hog(self, known: Known, seconds: float) -> None:
        """Other frameworks take most of what is unreserved and not offered."""
        free = self._available(known)
        known.hogged = {
            kind: amount * 9 // 10
            for kind, amount in free.items()
            if not resources.is_reserved(kind) and isinstance(amount, int)
        }
        self._clock.after(seconds, lambda: self._released(known))

    def _released(self, known: Known) -> None:
        known.hogged = {}
        self.soon()

    # -- rounds of offers ---------------------------------------------------------------------

    def soon(self) -> None:
        """There is something new to offer, perhaps."""
        if not self._allocating:
            self._allocating = True
            self._clock.after(self._clock.between(0.05, 1.0), self._allocate)

    def _allocate(self) -> None:
        self._allocating = False
        if self.schedule.windows and self._heard():
            self._ask_about_schedule()
            self._clock.after(10.0, self.soon)
        if self.suppressed or not self._heard():
            return
        offers: list[Json] = []
        # Who is first gets what is unreserved, so each role is first in its turn.
        self._turn += 1
        turn = self._turn % max(1, len(self.roles))
        for role in (*self.roles[turn:], *self.roles[:turn]):
            if role not in self.quiet:
                offers += self._offers_to(role)
        if offers:
            self._tell("OFFERS", offers)

    def _ask_about_schedule(self) -> None:
        used = {task.agent_id for task in self._tasks.values() if task.used}
        used |= {agent_id for agent_id, *_ in self.offers.values()}
        busy = [known for id_, known in self._agents.items() if id_ in used and known.connected]
        questions = self.schedule.questions(busy)
        if questions:
            self._tell("INVERSE_OFFERS", questions)

    def _offers_to(self, role: str) -> Iterator[Json]:
        for agent_id, known in self._agents.items():
            free = self._free(known, role)
            if not free:
                continue
            offer_id = f"offer-{self._clock.new_id()}"
            self.offers[offer_id] = (agent_id, role, free)
            message = offer_message(offer_id, known, free, self.framework_id, role)
            window = self.schedule.windows.get(known.agent.hostname)
            yield {**message, "unavailability": window.message()} if window else message

    def _free(self, known: Known, role: str) -> Bag:
        """What the role may be offered of the agent: nothing that is reserved for others."""
        free = {
            kind: amount
            for kind, amount in self._available(known).items()
            if not resources.is_reserved(kind) or resources.role(kind) == role
        }
        if (
            not known.connected
            or known.id in self.schedule.drained
            or not allocatable(free)
            or known.filtered(role, free, self._clock.now)
        ):
            return {}
        return free

    def _available(self, known: Known) -> Bag:
        agent_id = known.id
        used = resources.total(
            [
                *(task.used for task in self._tasks.values() if task.agent_id == agent_id),
                *known.executors.values(),
                *(what for owner, _, what in self.offers.values() if owner == agent_id),
            ]
        )
        free = resources.minus(known.total, used)
        assert free is not None, f"{agent_id} uses more than it has"
        rest = resources.minus(free, known.hogged) if known.hogged else free
        if rest is None:
            return {kind: amount for kind, amount in free.items() if resources.is_reserved(kind)}
        return rest
