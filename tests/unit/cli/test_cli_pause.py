"""`holdfast pod pause` and `resume`, also as `holdfast debug pod ...`."""

from collections.abc import Callable

import pytest
from click.testing import Result

from holdfast.core.events import Verb
from holdfast.core.pause import INSIST
from tests.unit.api.pictures import Given, Source

Run = Callable[..., Result]


@pytest.mark.parametrize("group", [("pod",), ("debug", "pod")])
@pytest.mark.parametrize("verb", [Verb.POD_PAUSE, Verb.POD_RESUME])
def test_orders_about_all_tasks_or_some(
    run: Run, source: Source, group: tuple[str, ...], verb: Verb
) -> None:
    name = verb.removeprefix("pod ")
    result = run(*group, name, "etcd-0")
    assert result.exit_code == 0, result.output
    assert verb in result.stdout
    result = run(*group, name, "etcd-0", "-t", "member")
    assert result.exit_code == 0, result.output
    assert source.commands == [
        Given(verb, "etcd-0", parameters={}),
        Given(verb, "etcd-0", parameters={"member": ""}),
    ]


def test_an_operator_may_insist_on_a_pause(run: Run, source: Source) -> None:
    result = run("pod", "pause", "etcd-0", "-t", "member", "--force")
    assert result.exit_code == 0, result.output
    parameters = {"member": "", INSIST: "true"}
    assert source.commands == [Given(Verb.POD_PAUSE, "etcd-0", parameters=parameters)]
