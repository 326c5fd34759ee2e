"""The three syntaxes of placement."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.service.model import Constraint, Operator
from holdfast.service.placement_rule import PlacementError, parse_placement

UNIQUE_ZONE = Constraint("@zone", Operator.UNIQUE)
TWO_PER_HOST = Constraint("hostname", Operator.MAX_PER, "2")


@pytest.mark.parametrize("text", ["", "  ", "[]", " [ ] "])
def test_nothing_asked(text: str) -> None:
    assert parse_placement(text) == ()


@pytest.mark.parametrize(
    ("text", "constraints"),
    [
        ('["@zone", "UNIQUE"]', (UNIQUE_ZONE,)),
        ('[["@zone", "UNIQUE"]]', (UNIQUE_ZONE,)),
        ("@zone:UNIQUE", (UNIQUE_ZONE,)),
        ("@zone:unique", (UNIQUE_ZONE,)),
        ('[["@zone", "UNIQUE", "ignored"]]', (UNIQUE_ZONE,)),
        ('[["@hostname", "MAX_PER", "2"]]', (TWO_PER_HOST,)),
        ('[["hostname", "max_per", 2]]', (TWO_PER_HOST,)),
        ("hostname:MAX_PER:02", (TWO_PER_HOST,)),
        ('[["@zone","UNIQUE"],["hostname","MAX_PER","2"]]', (UNIQUE_ZONE, TWO_PER_HOST)),
        (" @zone : UNIQUE , hostname : MAX_PER : 2 ", (UNIQUE_ZONE, TWO_PER_HOST)),
        ("@region:MAX_PER:1", (Constraint("@region", Operator.MAX_PER, "1"),)),
        ("rack:UNIQUE", (Constraint("rack", Operator.UNIQUE),)),
        ('["Hostname", "UNIQUE"]', (Constraint("Hostname", Operator.UNIQUE),)),
        ("a\\:b\\,c\\d:UNIQUE", (Constraint("a:b,c\\d", Operator.UNIQUE),)),
    ],
)
def test_accepted(text: str, constraints: tuple[Constraint, ...]) -> None:
    assert parse_placement(text) == constraints


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["a"]', "has 1 parts"),
        ("a:UNIQUE:b:c", "has 4 parts"),
        ("[[]]", "has 0 parts"),
        ("@zone:UNIQUE,", "has 1 parts"),
        ('[["a", "UNIQUE"]] x', "starts like JSON but is none"),
        ('[["a", "UNIQUE"]', "starts like JSON but is none"),
        ('[["a", "UNIQUE"], "b"]', "mixes rows and single texts"),
        ('[["a", {}]]', "expected texts in a row"),
        ('[["a", true]]', "expected texts in a row"),
        ("a:CLUSTER:b", "CLUSTER in rule 'a:CLUSTER:b' is known but not supported"),
        ("a:is:b", "IS in rule 'a:is:b'"),
        ("a:IS_NOT:b", "known but not supported"),
        ("a:LIKE:b.*", "known but not supported"),
        ("a:UNLIKE:b.*", "known but not supported"),
        ("a:GROUP_BY", "known but not supported"),
        ("a:NEAR:b", "unknown operator 'NEAR' in rule 'a:NEAR:b'; allowed: UNIQUE, MAX_PER"),
        ("[" * 100000, "is too large"),
        (f'[["a", "MAX_PER", {"9" * 5000}]]', "is too large"),
        ("a:MAX_PER:" + "9" * 10, "a whole number of at least 1"),
        ("a:MAX_PER", "at least 1 as its parameter, found none"),
        ("a:MAX_PER:0", "found '0'"),
        ("a:MAX_PER:-1", "found '-1'"),
        ("a:MAX_PER:x", "found 'x'"),
        ("a:MAX_PER:²", "found '²'"),
        ("@rack:UNIQUE", "unknown field '@rack'"),
        (":UNIQUE", "unknown field ''"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(PlacementError) as caught:
        parse_placement(text)
    assert message in str(caught.value)


FIELDS = st.sampled_from(["hostname", "@zone", "@region"]) | st.text(
    st.characters(codec="ascii", categories=["L", "N"]), min_size=1
)
CONSTRAINTS = st.builds(Constraint, FIELDS, st.just(Operator.UNIQUE)) | st.builds(
    Constraint, FIELDS, st.just(Operator.MAX_PER), st.integers(1, 99).map(str)
)


@given(st.lists(CONSTRAINTS, min_size=1).map(tuple))
def test_all_syntaxes_mean_the_same(constraints: tuple[Constraint, ...]) -> None:
    rows = [str(constraint).split(":") for constraint in constraints]
    assert parse_placement(json.dumps(rows)) == constraints
    assert parse_placement(",".join(map(str, constraints))) == constraints
    assert parse_placement(json.dumps(rows[0])) == constraints[:1]


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        constraints = parse_placement(text)
    except PlacementError:
        return
    assert all(constraint.limit >= 1 for constraint in constraints)
