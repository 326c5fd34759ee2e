"""The journal of commands: stored with what they change, bounded, and without values."""

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.effects import Reply
from holdfast.core.events import Command, Verb
from holdfast.core.journal import KEPT, TEXT_LENGTH, Journal, journal_path
from holdfast.state.memory import MemoryStore

from .test_state_commands import new_core


def given(number: int, by: str = "ann") -> tuple[Command, Reply]:
    id_ = str(number)
    return Command(id_, Verb.POD_RESTART, f"pod-{number}", by=by), Reply(id_, 200, {"message": ""})


def test_a_command_is_stored_with_its_change_and_read_again() -> None:
    store = MemoryStore()
    core = new_core(store)
    order = Command("1", Verb.STATE_STORE_FILE, "VERSION", parameters={"content": "x"}, by="ann")
    effects = core.step([order], 7.0)
    writes = [(e.path, e.data) for e in effects if isinstance(e, ef.Write)]
    assert {"files/VERSION", "journal/000"} <= {path for path, _ in writes}
    store.commit(writes)
    (entry,) = new_core(store).ledger.journal.entries
    assert (entry.at, entry.by, entry.status) == (7.0, "ann", 200)
    assert entry.what == "state store-file VERSION with content"


def test_a_refused_command_is_journalled_too() -> None:
    core = new_core(MemoryStore())
    effects = core.step([Command("1", Verb.POD_RESTART, "nothing-0", by="bob")], 7.0)
    (told,) = [effect for effect in effects if isinstance(effect, ef.Journalled)]
    assert (told.by, told.what, told.status) == ("bob", "pod restart nothing-0", 404)
    assert "no pod instance nothing-0" in told.text


def test_values_of_parameters_are_nowhere_in_it() -> None:
    core = new_core(MemoryStore())
    order = Command("1", Verb.PLAN_START, "backup", parameters={"TOKEN": "hunter2"})
    effects = core.step([order], 7.0)
    kept = [e for e in effects if isinstance(e, ef.Journalled | ef.Decision)]
    records = [e for e in effects if isinstance(e, ef.Write) and e.path.startswith("journal/")]
    assert records
    assert "TOKEN" in str(kept)
    assert "hunter2" not in f"{kept}{records}"


def test_it_never_grows_beyond_its_ring() -> None:
    journal = Journal()
    paths = {journal_path(journal.note(*given(number), 1.0)) for number in range(2 * KEPT + 3)}
    assert len(paths) == len(journal.entries) == KEPT
    assert journal.entries[-1].number == 2 * KEPT + 2


def test_it_goes_on_where_it_was_in_whatever_order_it_is_read() -> None:
    journal = Journal()
    for number in range(KEPT + 7):
        journal.note(*given(number), float(number))
    again = Journal(sorted(journal.entries, key=journal_path))
    assert list(again.entries) == list(journal.entries)
    assert again.note(*given(0), 1.0).number == KEPT + 7


def test_long_words_are_cut() -> None:
    entry = Journal().note(
        Command("1", Verb.POD_RESTART, "x" * 9999, by="y" * 9999),
        Reply("1", 404, {"message": "z" * 9999}),
        1.0,
    )
    assert len(entry.text) == TEXT_LENGTH
    assert len(entry.what) + len(entry.by) < 500


def test_two_commands_of_one_step_are_two_entries() -> None:
    core = new_core(MemoryStore())
    core.step([ev.Command(str(n), Verb.STATE_REFRESH, "records") for n in range(2)], 1.0)
    assert [entry.number for entry in core.ledger.journal.entries] == [0, 1]
