"""The launch record: what goes in comes out, anything else is refused with its place."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast_executor.confidential import Certificate, Secret
from holdfast_executor.contract import (
    ConfigTemplate,
    ContractError,
    Hook,
    RLimit,
    TaskLaunch,
)

names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,10}", fullmatch=True)
texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
limits = st.none() | st.integers(0, 2**40)
launches = st.builds(
    TaskLaunch,
    command=texts,
    environment=st.dictionaries(names, texts),
    templates=st.lists(st.builds(ConfigTemplate, names, texts, texts)).map(tuple),
    hook=st.none()
    | st.builds(Hook, st.sampled_from(["create", "replace"]), texts, st.floats(0.1, 1e6)),
    rlimits=st.lists(
        st.builds(RLimit, names.map(lambda name: f"RLIMIT_{name}"), limits, limits)
    ).map(tuple),
    output=st.just("") | names,
    secrets=st.lists(st.builds(Secret, names, names, texts, st.none() | st.binary())).map(tuple),
    certificates=st.lists(
        st.builds(Certificate, names, names, texts, st.lists(names).map(tuple), st.floats(0, 1e10))
    ).map(tuple),
    container=st.none() | st.dictionaries(names, texts),
)


@given(launches)
def test_decoding_what_was_encoded_gives_the_same(launch: TaskLaunch) -> None:
    assert TaskLaunch.decode(launch.encode()) == launch


def test_a_record_with_a_container_is_refused_by_an_executor_that_knows_none() -> None:
    """It would run the task without its image."""
    data = TaskLaunch("true", {}, container={"type": "MESOS"}).encode()
    assert json.loads(base64.b64decode(data))["version"] == 2
    assert json.loads(base64.b64decode(TaskLaunch("true", {}).encode()))["version"] == 1


def test_encoding_does_not_depend_on_the_order_of_variables() -> None:
    one = TaskLaunch("true", {"A": "1", "B": "2"})
    two = TaskLaunch("true", {"B": "2", "A": "1"})
    assert one.encode() == two.encode()


def test_a_record_without_optional_parts_is_read() -> None:
    assert TaskLaunch.decode(encoded({})) == TaskLaunch("true", {})


def encoded(changes: dict[str, Any]) -> str:
    document = {"version": 1, "command": "true", "environment": {}, **changes}
    return base64.b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"secrets": [{"path": "a"}]}, "secrets: expected path, variable, file and base64"),
        (
            {"secrets": [{"path": "a", "variable": "", "file": "", "content": "?"}]},
            "secrets: expected path, variable, file and base64",
        ),
        ({"certificates": [1]}, "certificates: expected name, form"),
        ({"version": 3}, "version 3, this executor reads versions 1 and 2"),
        ({"version": 2}, "container: expected an object, found nothing"),
        ({"version": None}, "version None"),
        ({"command": 3}, "command: expected text, found int"),
        ({"environment": []}, "environment: expected an object, found list"),
        ({"environment": {"A": 1}}, "environment.A: expected text, found int"),
        ({"environment": {"A=B": "x"}}, "'A=B' is no name of a variable"),
        ({"templates": {}}, "templates: expected a list, found dict"),
        ({"templates": ["x"]}, "templates[0]: expected an object, found str"),
        ({"templates": [{"name": "a/b"}]}, "templates[0].name: 'a/b' cannot be the name of a file"),
        ({"templates": [{"name": "a", "content": ""}]}, "templates[0].destination: expected text"),
        ({"hook": "x"}, "hook: expected an object, found str"),
        ({"hook": {"name": "x"}}, "hook.name: expected one of create, replace, found 'x'"),
        (
            {"hook": {"name": "create", "command": "x", "timeout_seconds": 0}},
            "hook.timeout_seconds: expected more than 0",
        ),
        ({"hook": {"name": "create", "command": "x"}}, "hook.timeout_seconds: expected a number"),
        ({"rlimits": [{"name": "NOFILE"}]}, "rlimits[0].name: expected RLIMIT_..."),
        (
            {"rlimits": [{"name": "RLIMIT_X", "soft": -1}]},
            "rlimits[0].soft: expected a whole number",
        ),
        ({"output": "../x"}, "output: '../x' cannot be the name of a file"),
    ],
)
def test_a_wrong_record_is_refused_with_its_place(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ContractError) as refused:
        TaskLaunch.decode(encoded(changes))
    assert text in str(refused.value)


@pytest.mark.parametrize("data", ["", "%%%", "bm90IGpzb24=", base64.b64encode(b"[1]").decode()])
def test_data_that_is_no_record_is_refused(data: str) -> None:
    with pytest.raises(ContractError):
        TaskLaunch.decode(data)
