"""Placement constraints, operator by operator, and all of them against a naive oracle."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.placement.constraints import first_refusal
from holdfast.service.model import Constraint, Operator


@dataclass(frozen=True)
class At:
    hostname: str = "h1"
    region: str | None = None
    zone: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def at(**fields: str) -> At:
    """A place; what is not hostname, region or zone is an attribute."""
    known = {key: fields.pop(key, None) for key in ("region", "zone")}
    return At(fields.pop("hostname", "h1"), **known, attributes=fields)


def refusal(row: str, candidate: At, *peers: At) -> str | None:
    of, operator, *parameter = row.split(":")
    constraint = Constraint(of, Operator(operator), *parameter)
    found = first_refusal([constraint], candidate, peers)
    return str(found) if found else None


@pytest.mark.parametrize(
    ("row", "candidate", "peers", "expected"),
    [
        ("hostname:UNIQUE", at(), [at(hostname="h2")], None),
        (
            "hostname:UNIQUE",
            at(),
            [at()],
            "hostname:UNIQUE: hostname h1 already has 1 of at most 1",
        ),
        ("@zone:MAX_PER:2", at(zone="a"), [at(zone="a")], None),
        (
            "@zone:MAX_PER:2",
            at(zone="a"),
            [at(zone="a"), at(zone="b"), at(zone="a")],
            "@zone:MAX_PER:2: @zone a already has 2 of at most 2",
        ),
        ("rack:MAX_PER:2", at(), [], "rack:MAX_PER:2: the agent has no rack"),
        ("rack:IS:r1", at(rack="r1"), [], None),
        ("rack:IS:r1", at(rack="r2"), [], "rack:IS:r1: rack is r2, not r1"),
        ("rack:IS:r1", at(), [], "rack:IS:r1: the agent has no rack"),
        ("rack:IS_NOT:r1", at(rack="r2"), [], None),
        ("rack:IS_NOT:r1", at(), [], None),
        ("rack:IS_NOT:r1", at(rack="r1"), [], "rack:IS_NOT:r1: rack is r1"),
        ("hostname:LIKE:h[12]", at(), [], None),
        (
            "hostname:LIKE:h",
            at(),
            [],
            "hostname:LIKE:h: hostname is h1, which does not match h",
        ),
        ("@region:UNLIKE:us-.*", at(region="eu-1"), [], None),
        ("@region:UNLIKE:us-.*", at(), [], None),
        (
            "@region:UNLIKE:us-.*",
            at(region="us-1"),
            [],
            "@region:UNLIKE:us-.*: @region is us-1, which matches us-.*",
        ),
        ("@zone:CLUSTER:a", at(zone="a"), [at(zone="b")], None),
        ("@zone:CLUSTER:a", at(zone="b"), [], "@zone:CLUSTER:a: @zone is b, not a"),
        ("@zone:CLUSTER", at(zone="b"), [], None),
        ("@zone:CLUSTER", at(zone="b"), [at(zone="b")], None),
        (
            "@zone:CLUSTER",
            at(zone="b"),
            [at(zone="a")],
            "@zone:CLUSTER: @zone is b, the others are in a",
        ),
        ("@zone:GROUP_BY", at(zone="b"), [at(zone="a")], None),
        ("@zone:GROUP_BY", at(zone="a"), [at(zone="a")], None),
        (
            "@zone:GROUP_BY",
            at(zone="a"),
            [at(zone="a"), at(zone="a"), at(zone="b")],
            "@zone:GROUP_BY: @zone a already has 2, while b has 1",
        ),
        ("@zone:GROUP_BY:2", at(zone="b"), [at(zone="a")], None),
        (
            "@zone:GROUP_BY:3",
            at(zone="a"),
            [at(zone="a"), at(zone="b")],
            "@zone:GROUP_BY:3: @zone a already has 1, and only 2 of the 3 values of @zone have any",
        ),
    ],
)
def test_operator(row: str, candidate: At, peers: list[At], expected: str | None) -> None:
    assert refusal(row, candidate, *peers) == expected


def test_rows_are_all_to_hold_and_the_first_that_does_not_is_told() -> None:
    rows = [Constraint("@zone", Operator.IS, "a"), Constraint("hostname", Operator.UNIQUE)]
    here, there = at(zone="a"), at(zone="b")
    assert first_refusal(rows, here, []) is None
    assert str(first_refusal(rows, here, [here])).startswith("hostname:UNIQUE")
    assert str(first_refusal(rows, there, [there])).startswith("@zone:IS:a")


VALUES = ("a", "b", "ab", "c")
PARAMETERS = {
    Operator.UNIQUE: st.just(""),
    Operator.CLUSTER: st.sampled_from(("", *VALUES)),
    Operator.IS: st.sampled_from(VALUES),
    Operator.IS_NOT: st.sampled_from(VALUES),
    Operator.LIKE: st.sampled_from(("a", "a.*", "[bc]", "b|ab")),
    Operator.UNLIKE: st.sampled_from(("a", "a.*", "[bc]", "b|ab")),
    Operator.GROUP_BY: st.sampled_from(("", "1", "2", "3", "5")),
    Operator.MAX_PER: st.sampled_from(("1", "2", "3")),
}


@st.composite
def constraints(draw: st.DrawFn) -> Constraint:
    operator = draw(st.sampled_from(Operator))
    of = draw(st.sampled_from(("hostname", "@zone", "@region", "rack")))
    return Constraint(of, operator, draw(PARAMETERS[operator]))


@st.composite
def places(draw: st.DrawFn) -> At:
    value = st.sampled_from(VALUES)
    maybe = st.none() | value
    rack = draw(maybe)
    attributes = {} if rack is None else {"rack": rack}
    return At(draw(value), draw(maybe), draw(maybe), attributes)


def naive(constraint: Constraint, candidate: At, peers: list[At]) -> bool:
    """Whether the candidate is allowed, said as plainly as the documents say it."""

    def look(place: At) -> str | None:
        everything = {
            "hostname": place.hostname,
            "@zone": place.zone,
            "@region": place.region,
            **place.attributes,
        }
        return everything.get(constraint.field)

    mine, parameter = look(candidate), constraint.parameter
    theirs = [look(peer) for peer in peers if look(peer) is not None]
    if constraint.operator is Operator.IS_NOT:
        return mine != parameter
    if constraint.operator is Operator.UNLIKE:
        return mine is None or re.match(f"(?:{parameter})$", mine) is None
    if mine is None:
        return False
    if constraint.operator is Operator.IS:
        return mine == parameter
    if constraint.operator is Operator.LIKE:
        return re.match(f"(?:{parameter})$", mine) is not None
    if constraint.operator is Operator.CLUSTER:
        return mine == parameter if parameter else not theirs or mine in theirs
    if constraint.operator is Operator.UNIQUE:
        return mine not in theirs
    if constraint.operator is Operator.MAX_PER:
        return theirs.count(mine) + 1 <= int(parameter)
    others = {value: theirs.count(value) for value in theirs}
    unseen = int(parameter) - len(others) if parameter else 0
    smallest = 0 if unseen > 0 else min(others.values(), default=0)
    return others.get(mine, 0) <= smallest


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.lists(constraints(), max_size=3), places(), st.lists(places(), max_size=8))
def test_as_the_oracle_says(rows: list[Constraint], candidate: At, peers: list[At]) -> None:
    found = first_refusal(rows, candidate, peers)
    broken = [row for row in rows if not naive(row, candidate, peers)]
    assert (found.rule if found else None) == (str(broken[0]) if broken else None)


@given(st.integers(1, 30), st.integers(1, 5), st.booleans())
def test_group_by_spreads_evenly(instances: int, zones: int, told: bool) -> None:
    """Placed one after the other, no zone is ever two ahead of another that could be used."""
    row = Constraint("@zone", Operator.GROUP_BY, str(zones) if told else "")
    names = [f"zone{number}" for number in range(zones)]
    placed: list[At] = []
    for _ in range(instances):
        allowed = [z for z in names if first_refusal([row], at(zone=z), placed) is None]
        assert allowed, "there is always a place"
        counts = [sum(place.zone == name for place in placed) for name in names]
        placed.append(at(zone=allowed[-1]))
        if told:
            assert all(counts[names.index(zone)] == min(counts) for zone in allowed)
