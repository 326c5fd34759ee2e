"""Certificates that are about to end, and those of another authority, are made anew."""

from dataclasses import replace
from typing import Any

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.conduct import Conduct
from holdfast.core.confidential import VALIDITY_SECONDS, Shortage, Signer, Stage
from holdfast.core.events import Verb
from holdfast.core.renewal import due, outdated
from holdfast.records import Certified, pod_from_json, pod_to_json
from holdfast.service.disruption_model import DisruptionCheck
from holdfast.service.model import EncryptionType, ServiceSpec, TransportEncryptionSpec

from .test_plan_engine import build, task, with_pod
from .world import World

DAY = 86400.0
OURS = Signer("ours", 1e12)
TLS = (TransportEncryptionSpec("n", EncryptionType.TLS),)


def signed_by(signer: Signer) -> ev.ShortageChanged:
    return ev.ShortageChanged(Shortage(signer=signer))


def spec(**changes: Any) -> ServiceSpec:
    return with_pod(build(task("a", transport_encryption=TLS)), count=3, **changes)


class Renewing(World):
    """Three instances with certificates, and a scheduler that renews these 30 days ahead."""

    def __init__(self, before: float | None = 30 * DAY, **changes: Any) -> None:
        super().__init__(spec(**changes), agents=3)
        self.before = before
        self.again(OURS)
        self.until(self.well)
        self.forget()

    def again(self, signer: Signer) -> None:
        """The scheduler starts once more, with that authority."""
        self.conduct = Conduct(renew_before=self.before)
        self.start(self.core.ledger.service, signed_by(signer))

    def well(self) -> bool:
        view = self.core.view(self.now)
        running = [t.running for pod in view.pods.values() for t in pod.tasks]
        return len(running) == 3 and all(running)

    def ends(self) -> list[float]:
        pods = self.core.view(self.now).pods.values()
        return [t.certified.ends for pod in pods for t in pod.tasks if t.certified]


def test_it_is_noted_what_a_task_was_given() -> None:
    world = Renewing()
    pod = world.core.view(world.now).pods["db-0"]
    (held,) = pod.tasks
    assert held.certified == Certified(held.launched + VALIDITY_SECONDS, "ours")
    assert pod_from_json(pod_to_json(pod)) == pod
    world.again(Signer("ours", world.now + 40 * DAY))
    world.order(Verb.POD_RESTART, "db-0")
    world.until(world.well)
    assert min(world.ends()) == pytest.approx(world.now + 40 * DAY, abs=3600), "no longer than ours"


def test_nothing_is_restarted_early_or_without_being_asked_to() -> None:
    for world in (Renewing(), Renewing(before=None)):
        world.now += 300 * DAY if world.before else 400 * DAY
        world.settle(30)
        assert world.launched == []
        assert world.killed == []


def test_one_is_restarted_after_the_other_and_then_nobody() -> None:
    world = Renewing()
    world.now += 336 * DAY
    for _ in range(200):
        world.round()
        running = [t for a in world.agents.values() for t in a.tasks]
        assert len(running) >= 2, "max-unavailable is 1"
    assert sorted(world.names_launched()) == ["db-0-a", "db-1-a", "db-2-a"]
    assert all(ends > world.now + 360 * DAY for ends in world.ends())
    (first, *_) = [text for text in world.decisions if "restarted on its volumes" in text]
    assert first.startswith("db-0 is restarted on its volumes: the certificate of a ends on ")


def test_those_of_another_authority_are_renewed_too() -> None:
    world = Renewing()
    world.again(Signer("theirs", 1e12))
    assert outdated(world.core.ledger, Signer("theirs", 1e12)) == ["db-0", "db-1", "db-2"]
    world.settle(100)
    assert sorted(world.names_launched()) == ["db-0-a", "db-1-a", "db-2-a"]
    assert outdated(world.core.ledger, Signer("theirs", 1e12)) == []


def test_an_authority_that_ends_itself_is_no_reason_for_restarts() -> None:
    world = Renewing(before=180 * DAY)
    short = Signer("ours", world.now + 20 * DAY)
    world.again(short)
    world.order(Verb.POD_RESTART, "db-0")
    world.until(world.well)
    world.forget()
    world.settle(50)
    assert world.launched == []


def test_it_waits_while_another_is_down_or_a_change_is_under_way() -> None:
    world = Renewing()
    lost = next(a for a in world.agents.values() if any("db-2" in id_ for id_ in a.tasks))
    world.lose(lost.number)
    world.now += 336 * DAY
    world.settle(30)
    assert world.killed == []


def test_a_disruption_check_is_asked_first() -> None:
    world = Renewing(disruption_check=DisruptionCheck("http://somewhere/"))
    world.now += 336 * DAY
    world.settle(30)
    assert world.killed == []


def test_who_is_paused_is_left_alone() -> None:
    world = Renewing(max_unavailable=2)
    assert world.order(Verb.POD_PAUSE, "db-1") == 200
    world.settle(20)
    world.forget()
    world.again(Signer("theirs", 1e12))
    world.settle(100)
    assert set(world.names_launched()) == {"db-0-a", "db-2-a"}


def test_what_is_dead_or_has_no_certificate_is_not_due() -> None:
    world = Renewing()
    pod = world.core.view(world.now).pods["db-0"]
    later = world.now + 360 * DAY
    assert due(pod, OURS, 30 * DAY, later)
    bare = replace(pod, tasks=tuple(replace(t, certified=None) for t in pod.tasks))
    assert due(bare, OURS, 30 * DAY, later) == ""


# -- another authority ------------------------------------------------------------------------


def rotating(world: Renewing, **parts: Any) -> list[object]:
    effects = world.step(ev.Command("c", Verb.AUTHORITY_ROTATE, "own", **parts))
    (reply,) = [e for e in effects if isinstance(e, ef.Reply)]
    world.answer = str(reply.body["message"])
    return [reply.status, *(e for e in effects if isinstance(e, ef.RotateAuthority))]


def test_each_step_waits_until_all_are_of_the_one_before() -> None:
    world = Renewing(before=None)
    world.again(Signer("1", 1e12, Stage.ALONE))
    assert rotating(world) == [409]
    assert "db-0, db-1, db-2 have certificates of before the last step" in world.answer
    assert rotating(world, parameters={"force": "true"}) == [200, ef.RotateAuthority("1")]
    for name in ("db-0", "db-1", "db-2"):
        assert rotating(world) == [409]
        assert world.order(Verb.POD_RESTART, name) == 200
        world.until(world.well)
    assert rotating(world) == [200, ef.RotateAuthority("1")]
    assert "step 1 of 3" in world.answer
    world.step(signed_by(Signer("2", 1e12, Stage.COMING)))
    assert rotating(world) == [409]


def test_who_cannot_be_reached_counts() -> None:
    world = Renewing(before=None)
    world.again(Signer("1", 1e12, Stage.COMING))
    for name in ("db-0", "db-1"):
        world.order(Verb.POD_RESTART, name)
        world.until(world.well)
    lost = next(a for a in world.agents.values() if any("db-2" in id_ for id_ in a.tasks))
    world.lose(lost.number)
    assert rotating(world) == [409]
    assert "db-2 has a certificate of before" in world.answer


def test_an_authority_of_the_operators_is_not_rotated() -> None:
    world = Renewing()
    assert rotating(world) == [409]
    assert "--tls-ca-certificate" in world.answer
    bare = World(build(task("a")))
    assert bare.order(Verb.AUTHORITY_ROTATE, "own") == 409
