"""How the programs and the agent of the playground give Mesos' own code what it needs."""

import ctypes

import pytest

from holdfast_playground import library, switchboard
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.libmesos import LibMesos
from holdfast_playground.mesos_process import SWITCHBOARD, keep_output_as_agents_do


def test_flags_as_the_agent_gives_them() -> None:
    given = ["--stdin_to_fd=7", "--tty=false", "--wait_for_connection", "--no-other"]
    assert switchboard.flags(given) == {
        "stdin_to_fd": "7",
        "tty": "false",
        "wait_for_connection": "true",
        "other": "false",
    }


def test_only_the_instructions_that_are_expected_are_changed() -> None:
    try:
        mesos = LibMesos(str(library.library()))
    except (PlaygroundError, OSError) as error:
        pytest.skip(f"no Mesos library here: {error}")
    start = mesos.address(SWITCHBOARD)
    before = ctypes.string_at(start, 64)
    with pytest.raises(ValueError, match=r"found 4189d5, expected 000000"):
        mesos.patch(SWITCHBOARD, 0x17, b"\0\0\0", b"\1\1\1")
    assert ctypes.string_at(start, 64) == before
    keep_output_as_agents_do(mesos)
    after = ctypes.string_at(start, 64)
    assert [n for n in range(64) if after[n] != before[n]] == [0x17, 0x18, 0x19]
