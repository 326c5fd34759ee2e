"""Files of the state and the confirmation of the records, through the core and the store."""

import itertools

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.commands import Refused
from holdfast.core.core import Core
from holdfast.core.startup import open_ledger
from holdfast.core.state_commands import FILE_BYTES, FILES, store_file
from holdfast.core.tally import tally
from holdfast.state.memory import MemoryStore

from ..api.pictures import SERVICE
from .world import SETTINGS


def command(core: Core, verb: ev.Verb, target: str, content: str = "") -> ef.Reply:
    """The reply to a command that was stored with what it changed."""
    effects = core.step([ev.Command("1", verb, target, parameters={"content": content})], 1.0)
    (reply,) = [effect for effect in effects if isinstance(effect, ef.Reply)]
    return reply


def new_core(store: MemoryStore) -> Core:
    ledger, _ = open_ledger(store.load(), SERVICE)
    ids = itertools.count()
    return Core(ledger, SETTINGS, lambda: f"id-{next(ids)}")


def test_a_file_outlives_the_scheduler() -> None:
    store = MemoryStore()
    core = new_core(store)
    effects = core.step(
        [ev.Command("1", ev.Verb.STATE_STORE_FILE, "VERSION", parameters={"content": "3"})], 1.0
    )
    store.commit([(e.path, e.data) for e in effects if isinstance(e, ef.Write)])
    assert new_core(store).view(2.0).files == {"VERSION": "3"}


def test_a_file_is_replaced_and_the_former_picture_keeps_its_own() -> None:
    core = new_core(MemoryStore())
    command(core, ev.Verb.STATE_STORE_FILE, "VERSION", "3")
    before = core.view(1.0)
    assert command(core, ev.Verb.STATE_STORE_FILE, "VERSION", "4").status == 200
    assert (before.files["VERSION"], core.view(1.0).files["VERSION"]) == ("3", "4")


def test_too_large_a_file_is_refused() -> None:
    core = new_core(MemoryStore())
    content = "ä" * (FILE_BYTES // 2 + 1)
    assert command(core, ev.Verb.STATE_STORE_FILE, "VERSION", content).status == 400
    assert core.view(1.0).files == {}


def test_the_number_of_files_is_bounded() -> None:
    ledger, _ = open_ledger({}, SERVICE)
    for number in range(FILES):
        store_file(ledger, f"file-{number}", {"content": ""})
    store_file(ledger, "file-0", {"content": "again"})
    with pytest.raises(Refused):
        store_file(ledger, "one more", {"content": ""})


def test_confirming_the_records_writes_one_of_them() -> None:
    core = new_core(MemoryStore())
    core.step([], 1.0)
    effects = core.step([ev.Command("1", ev.Verb.STATE_REFRESH, "records")], 1.0)
    assert "framework" in [effect.path for effect in effects if isinstance(effect, ef.Write)]


def test_calls_are_counted_under_the_names_of_dcos_commons() -> None:
    operations = ({"type": "RESERVE"}, {"type": "LAUNCH_GROUP"})
    effects: list[ef.Effect] = [
        ef.Accept(("o1",), operations, 1.0),
        ef.Decline(("o2", "o3"), 10.0),
        ef.Decline(("o4",), 3600.0),
        ef.Revive(),
    ]
    assert list(tally(effects)) == [
        ("operation.reserve", 1),
        ("operation.launch_group", 1),
        ("declines.short", 2),
        ("declines.long", 1),
    ]
