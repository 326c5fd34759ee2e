"""Inverse offers to a framework of many services: one answer, and a single no is a no."""

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.events import Verb
from holdfast.core.votes import Votes
from holdfast.mesos.messages import InverseOffer, Unavailability

from .test_multi import MultiWorld

YES, NO = ef.AcceptInverse(("i",), 60.0), ef.DeclineInverse(("i",), 30.0)


def answers(votes: Votes, *given: tuple[str, ef.AcceptInverse | ef.DeclineInverse]) -> list[object]:
    votes.ask(["i"], ["one", "two"])
    return [told for name, each in given for told in votes.answer(name, each, ["one", "two"])]


def test_all_must_say_yes() -> None:
    assert answers(Votes(), ("one", YES)) == []
    assert answers(Votes(), ("one", YES), ("two", YES)) == [YES]
    assert answers(Votes(), ("one", YES), ("one", YES)) == []


def test_the_first_no_decides() -> None:
    assert answers(Votes(), ("one", NO)) == [NO]
    assert answers(Votes(), ("one", YES), ("two", NO)) == [NO]
    assert answers(Votes(), ("one", NO), ("two", YES), ("two", NO)) == [NO]


def test_a_question_that_is_void_is_not_answered() -> None:
    votes = Votes()
    assert answers(votes, ("one", YES)) == []
    votes.void("i")
    assert list(votes.answer("two", YES, ["one", "two"])) == []
    assert answers(votes, ("one", YES)) == []
    votes.clear()
    assert list(votes.answer("two", YES, ["one", "two"])) == []


def test_who_is_gone_meanwhile_is_not_waited_for() -> None:
    votes = Votes()
    votes.ask(["i"], ["one", "two"])
    assert list(votes.answer("one", YES, ["one"])) == [YES]


def ask(world: MultiWorld, id_: str, number: int) -> list[type]:
    when = Unavailability(world.now + 3600.0, world.now + 7200.0)
    effects = world.step(ev.InverseOffersReceived((InverseOffer(id_, f"agent-{number}", when),)))
    return _answered(effects)


def _answered(effects: list[ef.Effect]) -> list[type]:
    return [type(e) for e in effects if isinstance(e, ef.AcceptInverse | ef.DeclineInverse)]


def test_one_service_that_cannot_spare_an_agent_keeps_it() -> None:
    world = MultiWorld("one", "two")
    world.until(lambda: world.well("one", "two"), 60)
    assert ask(world, "i1", 1) == [ef.AcceptInverse]
    assert world.command(Verb.POD_RESTART, "node-1", "two") == 200
    assert ask(world, "i2", 1) == [ef.DeclineInverse], "node-1 of two is down"


def test_an_answer_that_was_lost_is_given_again_by_all() -> None:
    world = MultiWorld("one", "two")
    world.until(lambda: world.well("one", "two"), 60)
    assert ask(world, "i1", 1) == [ef.AcceptInverse]
    lost = ev.CallFailed(ef.AcceptInverse(("i1",), 60.0), "no answer", sent=True)
    assert _answered(world.step(lost)) == [ef.AcceptInverse]


def test_what_is_being_uninstalled_has_no_voice() -> None:
    world = MultiWorld("one", "two")
    world.until(lambda: world.well("one", "two"), 60)
    assert world.command(Verb.UNINSTALL, "two", "two") == 200
    assert ask(world, "i1", 1) == [ef.AcceptInverse]
