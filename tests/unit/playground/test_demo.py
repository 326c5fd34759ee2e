"""The demo's own measures: that they tell what is so, and above all what is not."""

import pytest
from rich.console import Console

from holdfast_playground.demo.checks import CheckFailed, NotYet, require, until
from holdfast_playground.demo.narration import Narrator


def test_waiting_ends_with_the_last_reason_and_the_member() -> None:
    def look() -> None:
        raise NotYet("etcd-1 is STAGING")

    with pytest.raises(
        CheckFailed, match=r"etcd-1 is back: not within 0 s \(etcd-1 is STAGING\)"
    ) as e:
        until(look, "etcd-1 is back", 0, "etcd-1")
    assert e.value.member == "etcd-1"


def test_a_claim_that_does_not_hold_fails() -> None:
    with pytest.raises(CheckFailed, match=r"no process is left: it is not so \(\[7\]\)"):
        require(False, "no process is left", "[7]")


def test_a_failed_step_is_named_and_has_no_time() -> None:
    narrator = Narrator(Console(quiet=True))
    with narrator.step("the first"):
        pass
    with pytest.raises(CheckFailed), narrator.step("the second"):
        require(False, "it holds", "it does not")
    assert [title for title, _ in narrator.times] == ["the first"]
    assert narrator.current == "step 2, the second"
