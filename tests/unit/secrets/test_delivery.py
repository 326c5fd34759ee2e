"""Values put into launches on their way out, and the engine that sends them."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.confidential import Needs, Shortage
from holdfast.core.core import Core
from holdfast.engine import Engine
from holdfast.mesos.channel import CallResult, Outcome
from holdfast.secrets import authority
from holdfast.secrets.delivery import NO_AUTHORITY, Delivery
from holdfast.secrets.store import SecretStore, Unavailable
from holdfast.state.memory import MemoryStore
from holdfast_executor.confidential import Certificate, Secret
from holdfast_executor.contract import TaskLaunch

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
BOTH = TaskLaunch(
    "run",
    {},
    secrets=(Secret("a", "A", "etc/a"),),
    certificates=(Certificate("n", "TLS", "cn", ("x",), NOW.timestamp() + 1000),),
)


def launch(task: TaskLaunch) -> tuple[dict[str, Any], ...]:
    return (
        {"type": "RESERVE", "reserve": {}},
        {"type": "LAUNCH", "launch": {"task_infos": [{"name": "t", "data": task.encode()}]}},
    )


def sent(operations: Sequence[Mapping[str, Any]]) -> TaskLaunch:
    return TaskLaunch.decode(operations[-1]["launch"]["task_infos"][0]["data"])


def test_values_and_certificates_are_filled_in(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"value\n")
    delivery = Delivery(SecretStore(tmp_path, {}), authority.create("demo", NOW), lambda: NOW)
    before = launch(BOTH)
    after = delivery.filled(before)
    filled = sent(after)
    assert filled.certificates == ()
    assert [(s.variable, s.file) for s in filled.secrets] == [
        *(("", "etc/a"), ("A", "")),
        *(("", "n.crt"), ("", "n.key"), ("", "n.ca")),
    ]
    assert [s.content for s in filled.secrets[:2]] == [b"value\n", b"value"]
    assert sent(before) == BOTH, "what the core keeps is as it was"
    assert after[0] is before[0]
    plain = launch(TaskLaunch("run", {}))
    assert delivery.filled(plain) == plain


def test_what_cannot_be_filled_in(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hid\0den")
    store = SecretStore(tmp_path, {})
    with pytest.raises(Unavailable) as caught:
        Delivery(store, None).filled(launch(BOTH))
    assert str(caught.value) == "for secret a: A cannot have a zero byte"
    with pytest.raises(Unavailable, match="for a certificate: the scheduler has no"):
        Delivery(store, None).filled(launch(BOTH._replace(secrets=())))
    with pytest.raises(Unavailable, match="before secrets became references"):
        Delivery(None, None).filled(launch(BOTH))
    unnameable = BOTH.certificates[0]._replace(names=("ü",))
    wrong = BOTH._replace(secrets=(), certificates=(unnameable,))
    with pytest.raises(Unavailable, match="for certificate n: "):
        Delivery(store, authority.create("demo", NOW), lambda: NOW).filled(launch(wrong))


def test_what_is_short(tmp_path: Path) -> None:
    needs = Needs(frozenset({"a", "b"}), True)
    (tmp_path / "a").touch()
    found = Delivery(SecretStore(tmp_path, {}), None).shortage(needs)
    assert set(found.secrets) == {"b"}
    assert found.certificates == NO_AUTHORITY
    signer = authority.create("demo", NOW)
    assert Delivery(None, signer, lambda: NOW).shortage(needs) == Shortage(signer=signer.signer)
    later = NOW + authority.LIFETIME
    assert "ended on 2039-" in Delivery(None, signer, lambda: later).shortage(needs).certificates


class SameLaunch:
    """A core that launches the same again and again, and notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[ev.Event] = []
        self.call = ef.Accept(("o1",), launch(BOTH._replace(certificates=())), 1.0)

    def step(self, events: Sequence[ev.Event], now: float) -> list[ef.Effect]:
        self.heard += events
        return [self.call]

    def journalled(self) -> Sequence[ef.Journalled]:
        return ()

    def view(self, now: float) -> Any:
        return type("View", (), {"configs": {}})()


class Link:
    def __init__(self) -> None:
        self.messages: list[Mapping[str, Any]] = []

    def call(self, message: Mapping[str, Any]) -> CallResult:
        self.messages.append(message)
        return CallResult(Outcome.SENT)

    def teardown(self) -> CallResult:
        raise AssertionError("nothing is torn down here")

    def update_framework(self) -> CallResult:
        raise AssertionError("there is one service only")


def test_the_engine_sends_what_is_filled_in_and_keeps_what_is_not(tmp_path: Path) -> None:
    core, link = SameLaunch(), Link()
    engine = Engine(
        cast(Core, core),
        MemoryStore(),
        link,
        lambda: "id",
        lambda ask: None,
        clock=lambda: 1.0,
        delivery=Delivery(SecretStore(tmp_path, {}), None),
    )
    engine.cycle([])
    assert link.messages == [], "without its secret nothing is launched"
    (tmp_path / "a").write_bytes(b"value")
    engine.cycle([])
    (failed,) = core.heard
    assert isinstance(failed, ev.CallFailed)
    assert (failed.call, failed.sent) == (core.call, False)
    assert failed.reason.startswith("for secret a: there is neither a file")
    (message,) = link.messages
    assert sent(message["accept"]["operations"]).secrets[0].content == b"value"
