"""The RecordIO decoder gives the same records however the stream is cut."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.mesos.recordio import RecordDecoder, RecordIOError


def encode(records: list[bytes]) -> bytes:
    return b"".join(b"%d\n%s" % (len(record), record) for record in records)


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(0, 400)))
def test_any_cutting_decodes_the_same(records: list[bytes], cuts: list[int]) -> None:
    stream = encode(records)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    decoder = RecordDecoder()
    decoded: list[bytes] = []
    for begin, end in itertools.pairwise(edges):
        decoded += decoder.feed(stream[begin:end])
    assert decoded == records
    assert decoder.between_records


@given(st.lists(st.binary(max_size=40), min_size=1))
def test_byte_by_byte(records: list[bytes]) -> None:
    decoder = RecordDecoder()
    decoded = [record for byte in encode(records) for record in decoder.feed(bytes([byte]))]
    assert decoded == records


@given(st.binary(min_size=1, max_size=30))
def test_a_record_cut_short_is_noticed(record: bytes) -> None:
    decoder = RecordDecoder()
    assert decoder.feed(encode([record])[:-1]) == []
    assert not decoder.between_records


@pytest.mark.parametrize(
    "stream",
    [b"\n", b"x\n", b"-1\n", b"+1\n", b" 1\n", b"1 \n", b"0x1\n", b"1_0\nabc", b"99999999999\n",
     b"1" * 21, b"<html>a page of something else</html>", "٣\n".encode()],
)  # fmt: skip
def test_bad_lengths(stream: bytes) -> None:
    with pytest.raises(RecordIOError, match="expected the length"):
        RecordDecoder().feed(stream)
    decoder = RecordDecoder()
    with pytest.raises(RecordIOError, match="expected the length"):
        [decoder.feed(bytes([byte])) for byte in stream]


def test_after_good_records_a_bad_length_is_still_noticed() -> None:
    with pytest.raises(RecordIOError):
        RecordDecoder().feed(b"1\naboom\n")


def test_a_large_record_in_small_pieces_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        decoder = RecordDecoder()
        decoder.feed(b"%d\n" % size)
        piece = bytes(4096)
        began = time.process_time()
        for _ in range(size // 4096 - 1):
            decoder.feed(piece)
        return time.process_time() - began

    seconds(1 << 20)
    assert seconds(1 << 26) < 160 * max(seconds(1 << 21), 0.001)
