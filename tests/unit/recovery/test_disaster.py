"""When too much is lost at once."""

from dataclasses import replace

import pytest

from holdfast.recovery.disaster import disaster
from holdfast.recovery.failure import Cause, Failure
from holdfast.service.failure_model import DisasterSpec

SPEC = DisasterSpec(pods_percent=33, agents=3, window=600)


def lost(*since: float, agents: int = 99, lost: bool = True) -> dict[str, Failure]:
    return {
        f"db-{n}": Failure(Cause.OUT_OF_SIGHT, at, f"h{n % agents}", f"a{n % agents}", lost)
        for n, at in enumerate(since)
    }


@pytest.mark.parametrize(
    ("failures", "instances", "is_one"),
    [
        ({}, 3, False),
        (lost(0), 1, False),  # one machine is no disaster, whatever its share
        (lost(0, 0), 3, True),
        (lost(0, 600), 3, True),
        (lost(0, 601), 3, False),
        (lost(0, 300, 700, 1000), 9, False),
        (lost(0, 0), 7, False),
        (lost(0, 0, 0), 100, True),
        (lost(0, 0, 0, agents=2), 100, False),
        (lost(0, 0, 0, agents=2), 9, True),
        (lost(0, 601, 1202), 100, False),
        (lost(0, 0, 0, 0, lost=False), 4, False),  # crashes are no lost machines
    ],
)
def test_disaster(failures: dict[str, Failure], instances: int, is_one: bool) -> None:
    assert (disaster(SPEC, failures, instances) is not None) == is_one


def test_what_an_operator_marked_gone_does_not_count() -> None:
    failures = lost(0, 0)
    failures["db-1"] = replace(failures["db-1"], cause=Cause.MARKED_GONE)
    assert disaster(SPEC, failures, 3) is None


def test_it_says_what_is_lost() -> None:
    assert disaster(SPEC, lost(0, 5, 6, agents=2), 9) == (
        "3 of 9 pod instances on 2 agents were lost within 600 s"
    )
