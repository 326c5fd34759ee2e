"""Freeing, by name, what no record explains: given back or killed, and nothing else."""

import itertools
from typing import Any

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.mesos.messages import TaskState
from holdfast.records import intent_path

from .offers import offer, service
from .test_core import Driver, of, operations, reserved_by


def another(mine: Driver) -> Driver:
    """A scheduler with the same role, and records of its own."""
    mine.subscribe()
    other = Driver(service(1))
    other.subscribe()
    other.ids = (f"other{n}" for n in itertools.count())
    return other


def names(driver: Driver, kind: str) -> list[str]:
    return [q.id for q in driver.core.view(0).quarantined.values() if q.kind == kind]


def test_a_named_reservation_is_given_back_and_only_that() -> None:
    mine = Driver(service(1))
    other = another(mine)
    reserved = reserved_by(mine, mine.offer(offer(1)))
    other.offer(offer(2), offer(1, reserved=reserved))
    (name,) = names(other, "cpus")
    reply = of(ef.Reply, other(ev.Command("c", ev.Verb.VOLUMES_DESTROY, name)))[0]
    assert reply.status == 200
    effects = other.offer(offer(1, reserved=reserved))
    assert operations(effects) == ["UNRESERVE"]
    (accept,) = of(ef.Accept, effects)
    (operation,) = accept.operations
    given = operation["unreserve"]["resources"]
    assert [resource["name"] for resource in given] == ["cpus"]
    assert names(other, "volume"), "the volume was not named"


def test_an_order_stays_until_what_it_names_is_gone() -> None:
    mine = Driver(service(1))
    other = another(mine)
    reserved = reserved_by(mine, mine.offer(offer(1)))
    other.offer(offer(2), offer(1, reserved=reserved))
    (name,) = names(other, "cpus")
    other(ev.Command("c", ev.Verb.VOLUMES_DESTROY, name))
    other.offer(offer(1, reserved=reserved))
    assert operations(other.offer(offer(1, reserved=reserved), after=9)) == ["UNRESERVE"]
    left = [resource for resource in reserved if resource["name"] != "cpus"]
    other.offer(offer(1, reserved=left), after=1)
    assert other.core.ledger.intents
    other.offer(offer(1, reserved=left), after=6)
    assert not other.core.ledger.intents
    assert not names(other, "cpus")


def test_what_another_principal_reserved_is_left() -> None:
    mine = Driver(service(1))
    other = another(mine)
    reserved = reserved_by(mine, mine.offer(offer(1)))
    foreign = [_by(resource, "somebody") for resource in reserved]
    other.offer(offer(2), offer(1, reserved=foreign))
    for name in other.core.view(0).quarantined:
        reply = of(ef.Reply, other(ev.Command("c", ev.Verb.VOLUMES_DESTROY, name)))[0]
        assert reply.status == 409
        assert "'somebody'" in reply.body["message"]
    assert not other.core.ledger.intents
    assert not operations(other.offer(offer(1, reserved=foreign)))


def _by(resource: dict[str, Any], principal: str) -> dict[str, Any]:
    *outer, own = resource["reservations"]
    return {**resource, "reservations": [*outer, {**own, "principal": principal}]}


def test_a_task_is_killed_by_its_id_unless_a_record_has_it() -> None:
    driver = Driver(service(1))
    driver.run(1)
    known = driver.task_id("db-0")
    refused = driver(ev.Command("a", ev.Verb.ORPHANS_KILL, known, parameters={"agent": "agent-1"}))
    assert of(ef.Reply, refused)[0].status == 409
    assert not of(ef.Kill, refused)
    stranger = {"agent": "agent-1"}
    killed = driver(ev.Command("b", ev.Verb.ORPHANS_KILL, "stranger", parameters=stranger))
    assert of(ef.Kill, killed) == [ef.Kill("stranger", "agent-1")]
    driver.status("stranger", TaskState.KILLED)


def test_names_with_slashes_make_one_path() -> None:
    assert intent_path("id/cpus@a-S1").count("/") == 1
    assert intent_path("0b1f7bb5-6a0f_x.y") == "intents/0b1f7bb5-6a0f_x.y"
