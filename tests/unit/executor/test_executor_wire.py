"""Parsers fed in pieces of any size, and the attribution of processes to tasks."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast_executor.proctree import Process, attribute, owned_by, parse_stat
from holdfast_executor.stream import RecordParser, ResponseParser, StreamError

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: 1\r\n\r\n"
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.integers(0, 200)))
def test_a_chunked_response_in_any_pieces(cuts: list[int]) -> None:
    parser = ResponseParser()
    body = b"".join(parser.feed(piece) for piece in pieces(CHUNKED, cuts))
    assert (parser.status, body, parser.ended) == (200, b"hello world", True)


@given(st.lists(st.integers(0, 200)))
def test_a_response_with_a_length_in_any_pieces(cuts: list[int]) -> None:
    parser = ResponseParser()
    data = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nwrong"
    body = b"".join(parser.feed(piece) for piece in pieces(data, cuts))
    assert (parser.status, body, parser.ended) == (400, b"wrong", True)


def test_an_empty_response_has_ended_with_its_head() -> None:
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
    assert parser.ended


def test_a_response_without_length_lasts_until_the_end() -> None:
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.0 200 OK\r\n\r\nabc") == b"abc"
    assert parser.feed(b"def") == b"def"
    assert not parser.ended


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * 70000,
    ],
)
def test_what_is_no_response(data: bytes) -> None:
    with pytest.raises(StreamError):
        ResponseParser().feed(data)


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(0, 500)))
def test_records_in_any_pieces(records: list[bytes], cuts: list[int]) -> None:
    data = b"".join(str(len(record)).encode() + b"\n" + record for record in records)
    parser = RecordParser()
    assert [r for piece in pieces(data, cuts) for r in parser.feed(piece)] == records


@pytest.mark.parametrize("data", [b"x\n", b"\n", b"-1\n", b"9" * 30, b"99999999999\n"])
def test_what_is_no_record(data: bytes) -> None:
    with pytest.raises(StreamError):
        RecordParser().feed(data)


# Processes

EXECUTOR = 1


def owners(
    processes: list[Process], groups: dict[int, str], marks: dict[int, str]
) -> dict[int, str | None]:
    return attribute(processes, EXECUTOR, groups, marks.get)


def test_children_belong_to_the_task_of_their_group_or_parent() -> None:
    found = owners(
        [
            Process(10, EXECUTOR, 10, False),
            Process(11, 10, 10, False),
            Process(12, 11, 12, False),
            Process(20, EXECUTOR, 20, False),
            Process(99, 98, 99, False),
        ],
        {10: "a", 20: "b"},
        {99: "a"},
    )
    assert found == {10: "a", 11: "a", 12: "a", 20: "b"}


def test_orphans_are_recognised_by_group_then_mark() -> None:
    found = owners(
        [
            Process(11, EXECUTOR, 10, False),
            Process(12, EXECUTOR, 12, False),
            Process(13, 12, 13, False),
            Process(14, EXECUTOR, 14, False),
        ],
        {10: "a"},
        {12: "b"},
    )
    assert found == {11: "a", 12: "b", 13: "b", 14: None}
    assert sorted(owned_by(found, "b", alone=False)) == [12, 13]
    assert sorted(owned_by(found, "b", alone=True)) == [12, 13, 14]


def test_zombies_need_no_kill() -> None:
    assert owners([Process(10, EXECUTOR, 10, True)], {10: "a"}, {}) == {}


def test_a_name_may_hold_parentheses_and_spaces() -> None:
    line = b"42 (a) Z (b c) S 7 40 39 0 -1 4194560"
    assert parse_stat(line) == Process(pid=42, parent=7, group=40, zombie=False)
