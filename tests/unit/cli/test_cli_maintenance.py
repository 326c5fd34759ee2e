"""`holdfast maintenance`: what it prints, its exit codes, and orders that insist."""

from dataclasses import replace

import pytest

from holdfast.core.events import Verb
from holdfast.core.upkeep import Answered, Cordon, Window
from holdfast.core.view import Upkeep
from holdfast.service.disruption_model import DisruptionCheck

from ..api.pictures import NOW, SERVICE, Given, Source, drained, well
from .conftest import Run

DRAINS = "Mesos drains an agent at once when told to"


def closed(source: Source, *down: str) -> None:
    window = Window("agent-2", NOW, None)
    answers = {"agent-2": Answered(window, "host-2", "too many")}
    cordons = {"host-1": Cordon("host-1", NOW)}
    source.view = replace(well(), upkeep=Upkeep(cordons, answers, down))


def test_hosts_in_maintenance_are_shown(run: Run, source: Source) -> None:
    assert run("maintenance", "show").stdout == "No host is in maintenance.\n"
    closed(source)
    shown = run("maintenance", "show").stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["host-1", "to", "be", "stopped:", "etcd-0", "etcd-0"] in lines
    assert ["host-2", "no", "too", "many"] in lines
    assert "DRAINED" not in shown


def test_hosts_that_mesos_drained_are_shown_with_who_waits_there(run: Run, source: Source) -> None:
    source.view = drained("etcd-0")
    lines = run("maintenance", "show").stdout.splitlines()
    assert lines[0].split("  ")[0] == "HOST THAT MESOS DRAINED"
    assert lines[1].split() == ["host-1", "etcd-0"]


def test_the_check_tells_scripts_by_its_exit_code(run: Run, source: Source) -> None:
    safe = run("maintenance", "check", "host-1", "elsewhere")
    assert (safe.exit_code, safe.stderr) == (0, "")
    assert "Nothing of this service is on elsewhere: compare the name with" in safe.stdout
    assert "Would go down: etcd-0\nSafe: host-1 may be taken down now." in safe.stdout
    assert DRAINS in safe.stdout
    both = run("maintenance", "check", "host-1", "host-2")
    assert both.exit_code == 1
    assert DRAINS in both.stdout
    assert "Not safe: at most 1 of etcd may be down" in both.stdout
    assert "holdfast maintenance plan host-1 host-2" in both.stdout
    closed(source, "etcd-2")
    late = run("maintenance", "check", "host-1")
    assert late.exit_code == 1
    assert "Down already: etcd-2" in late.stdout
    assert run("maintenance", "check", "host-1", "--json").exit_code == 1


def test_where_nothing_is_there_is_nothing_to_be_safe(run: Run) -> None:
    for more in ((), ("--json",)):
        result = run("maintenance", "check", "nosuchhost", *more)
        assert result.exit_code == 4
        assert "Safe" not in result.stdout


def test_a_disruption_check_that_was_not_asked_is_told(run: Run, source: Source) -> None:
    pods = [replace(p, disruption_check=DisruptionCheck(command="ok")) for p in SERVICE.pods]
    source.view = replace(well(), service=replace(SERVICE, pods=tuple(pods)))
    result = run("maintenance", "check", "host-1")
    assert result.exit_code == 0
    assert "Not asked: the disruption check of etcd-0\n" in result.stdout
    assert "Not asked" not in run("maintenance", "check", "nosuchhost").stdout


def test_the_plan_names_batches(run: Run, source: Source) -> None:
    closed(source, "etcd-2")
    lines = run("maintenance", "plan", "host-1", "host-2").stdout.splitlines()
    assert lines[0] == "First bring up etcd-2: `holdfast explain`"
    assert [line.split() for line in lines[2:4]] == [
        ["1", "host-1", "etcd-0"],
        ["2", "host-2", "etcd-1"],
    ]


@pytest.mark.parametrize(
    ("word", "verb"), [("start", Verb.MAINTENANCE_START), ("end", Verb.MAINTENANCE_END)]
)
def test_a_host_is_closed_and_opened(run: Run, source: Source, word: str, verb: Verb) -> None:
    assert run("maintenance", word, "host-1").exit_code == 0
    assert source.commands == [Given(verb, "host-1")]


@pytest.mark.parametrize(
    ("arguments", "verb"),
    [(("restart",), Verb.POD_RESTART), (("replace", "--yes"), Verb.POD_REPLACE)],
)
def test_force_insists(run: Run, source: Source, arguments: tuple[str, ...], verb: Verb) -> None:
    assert run("pod", *arguments, "etcd-0", "--force").exit_code == 0
    assert source.commands == [Given(verb, "etcd-0", parameters={"force": "true"})]
