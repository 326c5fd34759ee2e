"""The store in memory fails on request, before or after it applied a commit."""

from types import MappingProxyType

import pytest

from holdfast.state.memory import MemoryStore
from holdfast.state.store import CorruptRecord, StoreUnavailable, decode, encode


def test_failing_before_anything_is_written() -> None:
    store = MemoryStore()
    store.fail_next(StoreUnavailable("down"))
    with pytest.raises(StoreUnavailable):
        store.commit([("a", {"n": 1})])
    assert store.load() == {}
    store.commit([("a", {"n": 1})])
    assert store.load() == {"a": {"n": 1}}


def test_crashing_after_all_is_written() -> None:
    records: dict[str, bytes] = {}
    store = MemoryStore(records)
    store.fail_next(KeyboardInterrupt(), applied=True)
    with pytest.raises(KeyboardInterrupt):
        store.commit([("a", {"n": 1})])
    assert MemoryStore(records).load() == {"a": {"n": 1}}


def test_records_do_not_alias_what_was_written() -> None:
    store = MemoryStore()
    record = {"tasks": ["one"]}
    store.commit([("a", record)])
    record["tasks"].append("two")
    assert store.load() == {"a": {"tasks": ["one"]}}


def test_only_json_can_be_stored() -> None:
    with pytest.raises(TypeError):
        MemoryStore().commit([("a", {"x": object()})])


def test_read_only_mappings_can_be_stored() -> None:
    assert decode("a", encode(MappingProxyType({"x": MappingProxyType({"y": 1})}))) == {
        "x": {"y": 1}
    }


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'"text"', b"{", b'{"a":1}x'])
def test_anything_but_an_object_is_corrupt(raw: bytes) -> None:
    with pytest.raises(CorruptRecord, match="pods/a-0") as failure:
        decode("pods/a-0", raw)
    assert failure.value.path == "pods/a-0"
    assert failure.value.raw == raw
