"""Inverse offers answered as `max-unavailable` allows, and places about to go that are avoided."""

from dataclasses import replace

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.upkeep import LEAD_SECONDS
from holdfast.core.windows import WITHDRAWN_SECONDS
from holdfast.mesos.messages import InverseOffer, Unavailability
from holdfast.placement.absence import HORIZON_SECONDS
from holdfast.recovery.decide import Choice
from holdfast.recovery.failure import Cause
from holdfast.recovery.proposal import proposal
from holdfast.service.failure_model import DisasterSpec, ReplacementPolicy

from .offers import offer, service
from .world import MASTER, World

HOUR = 3600.0


def deployed(count: int = 3, agents: int = 3) -> World:
    world = World(service(count), agents).settle(12)
    assert len(world.running()) == count
    world.forget()
    return world


def ask(world: World, *numbers: int, start: float = HOUR, hours: float | None = 1.0) -> list[str]:
    """The agents that may be taken down, of those asked about."""
    begin = 1_000_000.0 + start
    when = Unavailability(begin, None if hours is None else begin + hours * HOUR)
    for number in numbers:
        world.agents[f"agent-{number}"].unavailability = when
    offers = tuple(InverseOffer(f"inverse-{n}", f"agent-{n}", when) for n in numbers)
    effects = world.step(ev.InverseOffersReceived(offers))
    answers = [e for e in effects if isinstance(e, ef.AcceptInverse | ef.DeclineInverse)]
    assert sorted(i for e in answers for i in e.offer_ids) == [o.id for o in offers]
    return [i for e in answers if isinstance(e, ef.AcceptInverse) for i in e.offer_ids]


def test_one_machine_may_go_and_another_in_the_same_window_may_not() -> None:
    world = deployed()
    assert ask(world, 1, 2) == ["inverse-1"]
    yes, no = world.decisions
    assert "agent host-1 may be serviced in" in yes
    assert "db-0 goes down with it, stays there with its data" in yes
    assert "agent host-2 must not be serviced" in no
    assert "max-unavailable" in no
    assert "db-0 is down or about to be, and db-1 would go down" in no


def test_windows_that_follow_each_other_are_all_accepted() -> None:
    world = deployed()
    assert ask(world, 1) == ["inverse-1"]
    assert ask(world, 2, start=2 * HOUR) == ["inverse-2"]
    assert ask(world, 3, start=1.5 * HOUR) == []


def test_while_one_is_down_no_other_may_go_but_its_own_machine_may() -> None:
    world = deployed()
    world.lose(2)
    assert ask(world, 1, 2) == ["inverse-2"]
    world.find(2)
    world.settle(2)
    assert ask(world, 1) == [], "agent-2 may go then, as was said"


def test_the_same_answer_is_given_again_and_told_once() -> None:
    world = deployed()
    ask(world, 1)
    assert len(world.decisions) == 1
    assert ask(world, 1) == ["inverse-1"]
    assert len(world.decisions) == 1
    world.lose(3)
    assert ask(world, 1) == [], "the answer follows what happens"
    assert not world.core.ledger.windows


def test_what_was_accepted_outlives_the_scheduler() -> None:
    world = deployed()
    spec = world.core.ledger.service
    assert ask(world, 2) == ["inverse-2"]
    world.start(spec)
    assert ask(world, 1) == []
    assert ask(world, 2) == ["inverse-2"]


def test_an_agent_about_to_go_counts_as_down_until_the_end_of_its_window() -> None:
    world = deployed()
    assert ask(world, 1, start=LEAD_SECONDS + 100.0) == ["inverse-1"]
    assert world.order(ev.Verb.POD_RESTART, "db-1") == 200
    world.settle(8)
    world.step(ev.Tick(), after=200.0)
    assert world.order(ev.Verb.POD_RESTART, "db-1") == 409
    assert "db-0 is down or about to be" in world.answer
    world.lose(3)
    assert world.order(ev.Verb.POD_RESTART, "db-0") == 409, "it is up yet, and another is down"
    world.find(3)
    assert world.order(ev.Verb.POD_RESTART, "db-0") == 200
    world.settle(8)
    world.step(ev.Tick(), after=2 * HOUR)
    assert not world.core.ledger.windows
    assert world.order(ev.Verb.POD_RESTART, "db-1") == 200


def test_a_window_that_nobody_asks_about_any_more_was_taken_back() -> None:
    world = deployed()
    ask(world, 1, start=10 * HOUR, hours=None)
    world.step(ev.Tick(), after=WITHDRAWN_SECONDS - 10.0)
    assert world.core.ledger.windows
    world.step(ev.Tick(), after=20.0)
    assert not world.core.ledger.windows


def test_an_offer_without_unavailability_ends_the_window() -> None:
    world = deployed()
    ask(world, 1, hours=None)
    soon = replace(offer(1, id_="o"), unavailability=Unavailability(1_000_000.0 + HOUR))
    world.step(ev.OffersReceived((soon,)))
    assert world.core.ledger.windows
    world.step(ev.OffersReceived((offer(1, id_="p"),)))
    assert not world.core.ledger.windows


@pytest.mark.parametrize("sent", [True, False])
def test_an_answer_that_failed_is_given_again(sent: bool) -> None:
    world = deployed()
    when = Unavailability(1_000_000.0 + HOUR)
    effects = world.step(ev.InverseOffersReceived((InverseOffer("i", "agent-1", when),)))
    (call,) = [e for e in effects if isinstance(e, ef.AcceptInverse)]
    again = world.step(ev.CallFailed(call, "busy", sent))
    assert call in again
    assert call not in world.step(ev.Tick())
    world.step(ev.Disconnected("gone"))
    world.step(ev.Subscribed("framework", MASTER))
    assert call not in world.step(ev.CallFailed(call, "late", sent)), "the question is void"


def test_a_question_taken_back_is_not_answered() -> None:
    world = deployed()
    when = Unavailability(1_000_000.0 + HOUR)
    effects = world.step(
        ev.InverseOffersReceived((InverseOffer("i", "agent-1", when),)),
        ev.InverseOfferRescinded("i"),
    )
    assert not any(isinstance(e, ef.AcceptInverse | ef.DeclineInverse) for e in effects)


def test_a_new_instance_avoids_a_machine_about_to_go_and_an_old_one_resumes_there() -> None:
    world = World(service(1), 1)
    soon = Unavailability(world.now + HORIZON_SECONDS - 60.0)
    there = replace(offer(1, id_="0/agent-1"), unavailability=soon)
    world.step(ev.OffersReceived((there,)))
    assert not world.launched
    agents = world.core.view(world.now).explanations["db-0"].agents
    assert agents["host-1"].startswith("maintenance: the agent is scheduled to go down in 59 min")
    late = Unavailability(world.now + HORIZON_SECONDS + 600.0)
    world.step(ev.OffersReceived((replace(there, unavailability=late),)))
    assert world.names_launched() == ["db-0-node"]
    world.settle(3)
    world.end("db-0-node")
    world.forget()
    again = replace(world.agents["agent-1"].offer("1/agent-1", 8.0), unavailability=soon)
    world.step(ev.OffersReceived((again,)), after=10.0)
    assert world.names_launched() == ["db-0-node"]


# -- policies -------------------------------------------------------------------------------------

POLICY = ReplacementPolicy(timeout=100, delay=50, per_hour=2)


def in_window(hours: float | None = 1.0, disaster: DisasterSpec | None = None) -> World:
    """db-0 is down with its machine, ten minutes into its accepted window."""
    spec = service(3)
    pods = replace(spec.pods[0], replacement=POLICY)
    world = World(replace(spec, pods=(pods,), disaster=disaster or spec.disaster), 5).settle(12)
    assert ask(world, 1, hours=hours) == ["inverse-1"]
    world.step(ev.Tick(), after=HOUR + 600.0)
    world.lose(1)
    return world


def left(world: World) -> list[str]:
    return [each.pod for each in world.core.ledger.retired.values()]


def test_no_policy_replaces_what_is_serviced_and_its_time_counts_from_the_end() -> None:
    world = in_window()
    verdict = world.core.view(world.now).verdicts["db-0"]
    assert (verdict.choice, verdict.cause) == (Choice.WAIT, Cause.SERVICED)
    assert "its agent host-1 is being serviced until 1970-01-12 15:46 UTC" in verdict.reason
    assert not proposal([verdict], None)
    end = 1_000_000.0 + 2 * HOUR
    while world.now < end - 60.0:
        world.round(60.0)
    world.start(world.core.ledger.service)
    world.lose(1)
    while world.now < end + 90.0:
        world.round(10.0)
    assert not left(world)
    late = world.core.view(world.now).verdicts["db-0"]
    assert (late.choice, late.deadline) == (Choice.REPLACE, end + 100.0)
    assert late.cause is Cause.OUT_OF_SIGHT
    world.settle(3, after=10.0)
    assert left(world) == ["db-0"]
    world.settle()
    assert not world.core.ledger.windows, "nothing is down there any more"


def test_what_is_back_in_its_window_leaves_no_window_behind() -> None:
    world = in_window()
    world.find(1)
    world.settle(3)
    assert world.core.ledger.windows, "it may go again until the end"
    world.step(ev.Tick(), after=HOUR)
    assert not world.core.ledger.windows


def test_a_window_taken_back_early_ends_the_service_then() -> None:
    world = in_window(hours=None)
    world.settle(30, after=600.0)
    assert not left(world)
    assert "being serviced for a while" in world.core.view(world.now).verdicts["db-0"].reason
    # The agent is heard before its tasks are.
    world.step(ev.OffersReceived((offer(1, id_="o"),)))
    assert not left(world)
    assert world.core.view(world.now).verdicts["db-0"].deadline == world.now + 100.0


def test_a_no_in_the_window_does_not_take_it_back() -> None:
    """The machine may be down already, and Mesos not have told it."""
    world = in_window()
    world.find(1)
    world.settle(3)
    world.lose(2)
    assert ask(world, 1) == []
    assert world.core.ledger.windows


def test_what_is_serviced_is_no_disaster() -> None:
    world = in_window(disaster=DisasterSpec(33, 2, 600))
    world.lose(2)
    view = world.core.view(world.now)
    assert view.disaster is None
    assert view.verdicts["db-1"].choice is Choice.WAIT
    assert "first db-0 must serve again" in view.verdicts["db-1"].reason


# -- orders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [ev.Verb.POD_RESTART, ev.Verb.POD_REPLACE])
def test_an_order_that_takes_down_too_many_is_refused_unless_forced(verb: ev.Verb) -> None:
    world = deployed(agents=5)
    world.lose(2)
    assert world.order(verb, "db-0") == 409
    assert "db-1 is down or about to be, and db-0 would go down" in world.answer
    assert "--force" in world.answer
    assert not world.killed
    assert world.order(verb, "db-1") == 200, "what is down already costs nothing"
    assert world.order(verb, "db-0", parameters={"force": "true"}) == 200
    world.settle(2)
    assert "db-0-node" in world.killed


def test_two_orders_at_once_are_not_both_carried_out() -> None:
    world = deployed()
    commands = [ev.Command(str(n), ev.Verb.POD_RESTART, f"db-{n}") for n in range(3)]
    replies = [e for e in world.step(*commands) if isinstance(e, ef.Reply)]
    assert [reply.status for reply in replies] == [200, 409, 409]
