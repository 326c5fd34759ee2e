"""Services come, change and go at random while things fail: none ever touches what is another's."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.events import Verb
from holdfast.mesos.messages import TaskState, TaskStatus
from tests.unit.core.test_multi import MultiWorld, hosted

NAMES = ("one", "two", "/team/three")


class Crash(Exception):
    """The scheduler dies after what it decided is stored, and before any of it is sent."""


class Chaos(MultiWorld):
    """The world of many services, with an operator and failures out of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.crashes = 0.0
        self.asked: set[tuple[str, str | None]] = set()
        super().__init__(limit=seed % 3)
        self.crashes = 0.03

    def step(self, *events: ev.Event, after: float = 0.0) -> list[ef.Effect]:
        if self.random.random() >= self.crashes:
            effects = super().step(*events, after=after)
            for effect in effects:
                if isinstance(effect, ef.Reconcile):
                    self.asked.update(effect.tasks)
            self.judge(effects)
            return effects
        self.now += after
        effects = self.core.step(events, self.now)
        self.store.commit([(e.path, e.data) for e in effects if isinstance(e, ef.Write)])
        raise Crash

    def judge(self, effects: list[ef.Effect]) -> None:
        """What is sent to Mesos for a service, and what its tasks hold, is its own."""
        for effect in effects:
            if isinstance(effect, ef.Accept):
                roles = {offer.rpartition("/")[2] for offer in effect.offer_ids}
                used = {
                    resource["reservations"][-1]["role"]
                    for operation in effect.operations
                    for body in [operation[operation["type"].lower()]]
                    for resource in body.get("resources", body.get("volumes", ()))
                }
                assert used <= roles, "an offer for one role is used for another"
        alive: Counter[tuple[str, str]] = Counter()
        for agent in self.agents.values():
            for id_, executor in agent.executors().items():
                service = id_.partition("__")[0]
                alive[service, executor["name"]] += agent.reachable
                for resource in executor["resources"]:
                    held = resource["reservations"][-1]["labels"]["labels"]
                    owner = next(each["value"] for each in held if each["key"] == "service")
                    assert owner.strip("/").replace("/", ".") == service
        assert all(number <= 1 for number in alive.values()), alive

    def round(self, after: float = 1.0) -> None:
        super().round(after)
        asked, self.asked = self.asked, set()
        for task_id, agent_id in sorted(asked, key=str):
            agent = self.agents[agent_id or "agent-1"]
            if agent.reachable and not any(task_id in a.tasks for a in self.agents.values()):
                gone = TaskStatus(task_id, TaskState.GONE, agent_id=agent_id)
                self.step(ev.StatusReceived(gone))

    def survive(self, act: Callable[..., object], *arguments: object) -> None:
        try:
            act(self, *arguments)
        except Crash:
            self.recover()

    def recover(self) -> None:
        before, self.crashes = self.crashes, 0.0
        self.start()
        self.crashes = before

    def fail(self) -> None:
        match self.random.randrange(8):
            case 0:
                self.survive(Chaos.recover)
            case 1:
                agents = [a.number for a in self.agents.values() if a.reachable]
                if len(agents) > 1:
                    self.survive(Chaos.lose, self.random.choice(agents))
            case 2 | 3:
                lost = [a.number for a in self.agents.values() if not a.reachable]
                if lost:
                    self.survive(Chaos.find, self.random.choice(lost))
            case 4:
                here = [
                    (agent, running)
                    for agent in self.agents.values()
                    if agent.reachable
                    for running in agent.tasks.values()
                ]
                if here:
                    self.survive(Chaos._report, *self.random.choice(here), TaskState.FAILED)
            case 5 | 6:
                name, more = self.random.choice(NAMES), str(self.random.randrange(100))
                what = hosted(name, more)
                self.survive(Chaos.step, ev.HostService("h", what, what.spec("ours")))
            case _:
                name = self.random.choice(NAMES)
                self.survive(Chaos.step, ev.Command("c", Verb.UNINSTALL, name, service=name))

    def rounds(self, number: int) -> None:
        for _ in range(number):
            self.survive(Chaos.round)


@pytest.mark.parametrize("seed", range(16))
def test_whatever_happens_services_keep_to_what_is_theirs(seed: int) -> None:
    world = Chaos(seed)
    for _ in range(40):
        world.fail()
        world.rounds(world.random.randrange(1, 8))
    world.crashes = 0.0
    for number in (1, 2, 3):
        world.find(number)
    hosted_now = [
        name
        for name, view in world.multi.view(world.now).services.items()
        if view.uninstalling is None
    ]
    world.until(
        lambda: (
            set(world.multi.view(world.now).services) == set(hosted_now) and world.well(*hosted_now)
        ),
        1500,
    )
    roles = set(world.multi.roles)
    for agent in world.agents.values():
        for resource in agent.reserved.values():
            assert resource["reservations"][-1]["role"] in roles, "a removed service left this"
    world.forget()
    world.start()
    world.settle(30)
    assert world.launched == []
    assert world.killed == []
    assert world.well(*hosted_now)
