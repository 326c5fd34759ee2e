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
        ("@region:is:eu", (Constraint("@region", Operator.IS, "eu"),)),
        ('["@region", "CLUSTER", "eu"]', (Constraint("@region", Operator.CLUSTER, "eu"),)),
        ("@zone:IS_NOT:a", (Constraint("@zone", Operator.IS_NOT, "a"),)),
        ("hostname:LIKE:a[1-3]{1\\,2}", (Constraint("hostname", Operator.LIKE, "a[1-3]{1,2}"),)),
        ("rack:Unlike:a\\.b", (Constraint("rack", Operator.UNLIKE, "a\\.b"),)),
        ("@zone:GROUP_BY", (Constraint("@zone", Operator.GROUP_BY),)),
        ('["@zone", "GROUP_BY", "03"]', (Constraint("@zone", Operator.GROUP_BY, "3"),)),
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
        ("a:CLUSTER", "CLUSTER in rule 'a:CLUSTER' needs a value as its parameter"),
        ("a:is", "IS in rule 'a:is' needs a value"),
        ("a:IS_NOT:", "IS_NOT in rule 'a:IS_NOT:' needs a value"),
        ("a:LIKE", "LIKE in rule 'a:LIKE' needs a regular expression as its parameter"),
        ("a:UNLIKE", "UNLIKE in rule 'a:UNLIKE' needs a regular expression as its parameter"),
        ("a:LIKE:[b", "found '[b': unterminated character set at position 0"),
        ("a:UNLIKE:b**", "found 'b**': multiple repeat at position 2"),
        ("a:GROUP_BY:x", "GROUP_BY in rule 'a:GROUP_BY:x' needs a whole number of at least 1"),
        ("a:GROUP_BY:0", "found '0'"),
        ("a:NEAR:b", "unknown operator 'NEAR' in rule 'a:NEAR:b'; allowed: UNIQUE, CLUSTER, IS,"),
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
VALUES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)
MATCHED = [Operator.IS, Operator.IS_NOT, Operator.CLUSTER, Operator.LIKE, Operator.UNLIKE]
CONSTRAINTS = (
    st.builds(Constraint, FIELDS, st.sampled_from([Operator.UNIQUE, Operator.GROUP_BY]))
    | st.builds(
        Constraint,
        FIELDS,
        st.sampled_from([Operator.MAX_PER, Operator.GROUP_BY]),
        st.integers(1, 99).map(str),
    )
    | st.builds(Constraint, FIELDS, st.sampled_from(MATCHED), VALUES)
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
    rows = [[c.field, c.operator, *filter(None, [c.parameter])] for c in constraints]
    assert parse_placement(json.dumps(rows)) == constraints
