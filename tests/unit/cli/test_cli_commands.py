"""What each command asks for and prints."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import requests
from click.testing import Result

from holdfast.api.multi import create_multi_app
from holdfast.core.events import Verb
from holdfast.core.uninstall_record import Uninstalling
from holdfast.mesos.messages import TaskState
from holdfast.plans.plan import Status
from holdfast.recovery.decide import Choice, Verdict
from holdfast.recovery.failure import Cause
from tests.unit.api.many import FRAMEWORK, ManySource
from tests.unit.api.pictures import (
    Given,
    Source,
    all_well,
    answered,
    canary,
    plan,
    pod,
    task,
    well,
)
from tests.unit.api.serving import serving

Run = Callable[..., Result]

READS = {
    "plan list": "plans",
    "plan show deploy": "plans/deploy",
    "plan status deploy": "plans/deploy",
    "pod list": "pod",
    "pod status": "pod/status",
    "pod status etcd-1": "pod/etcd-1/status",
    "recover": "recover",
    "explain": "explain",
    "explain etcd-2": "explain/etcd-2",
    "endpoints": "endpoints",
    "endpoints client": "endpoints/client",
    "state framework-id": "state/frameworkId",
    "debug state framework_id": "state/frameworkId",
    "debug state properties": "state/properties",
    "debug state property file-VERSION": "state/properties/file-VERSION",
    "debug config list": "configurations",
    "debug config show config-1": "configurations/config-1",
    "debug config target": "configurations/target",
    "debug config target_id": "configurations/targetId",
    "config target-id": "configurations/targetId",
    "describe": "configurations/target",
    "pod info etcd-0": "pod/etcd-0/info",
    "events": "events?limit=20",
    "events --kind command --limit 1": "events?limit=1&kind=command",
    "decisions": "decisions?limit=20",
    "update status": "plans/deploy",
    "health": "health",
}


def lines(result: Result) -> list[list[str]]:
    """What was printed, as words; the command must have succeeded without a complaint."""
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return [line.split() for line in result.stdout.splitlines()]


@pytest.mark.parametrize(("command", "path"), READS.items())
def test_json_is_what_the_api_says_to_the_letter(
    run: Run, url: str, command: str, path: str
) -> None:
    result = run(*command.split(), "--json")
    assert result.exit_code == 0
    assert result.stdout == requests.get(f"{url}/v1/{path}", timeout=10).text


def test_json_of_volumes_is_what_the_api_says(run: Run, url: str) -> None:
    def without_age(text: str) -> list[str]:
        return [line for line in text.splitlines() if '"age"' not in line]

    result = run("volumes", "list", "--json")
    said = requests.get(f"{url}/v1/volumes", timeout=10).text
    assert without_age(result.stdout) == without_age(said)


@pytest.mark.parametrize("command", [*READS, "volumes list"])
def test_tables_are_plain_text_where_there_is_no_terminal(run: Run, command: str) -> None:
    result = run(*command.split())
    assert lines(result)
    assert "\x1b" not in result.stdout


def test_plan_show_is_a_tree_with_statuses_and_reasons(run: Run) -> None:
    text = run("plan", "show", "deploy").stdout
    assert "deploy (serial) IN_PROGRESS" in text
    assert "etcd-0:[member] COMPLETE" in text  # the brackets are no markup
    assert "etcd-2:[member] PENDING: why" in text


def test_plan_show_shows_errors(run: Run, source: Source) -> None:
    failed = plan("deploy", Status.COMPLETE, errors=("user: must not change",))
    source.view = replace(well(), plans=(failed,))
    result = run("plan", "show", "deploy")
    assert result.exit_code == 0
    assert "ERROR: user: must not change" in result.stdout


def test_pod_status_is_one_line_a_pod(run: Run) -> None:
    table = lines(run("pod", "status"))
    assert table[0] == ["POD", "STATE", "TASKS", "AGENT", "ZONE", "REASON"]
    assert table[1] == ["etcd-0", "running", "member", "RUNNING", "host-1", "zone-1"]
    assert table[3][:5] == ["etcd-2", "unplaced", "member", "not", "launched"]
    assert table[3][-6:] == ["it", "waits", "until", "an", "offer", "fits"]


def test_a_disaster_is_told_above_the_pods(run: Run, source: Source) -> None:
    source.view = replace(well(), disaster="2 of 3 were lost")
    first, _, table, *_ = lines(run("pod", "status"))
    assert first[:6] == ["DISASTER:", "2", "of", "3", "were", "lost."]
    assert table[0] == "POD"


def test_long_lines_are_not_folded_where_there_is_no_terminal(run: Run, source: Source) -> None:
    long = "x" * 300
    source.view = replace(
        well(), pods={"etcd-0": pod(0, task(TaskState.FAILED, message=long, ready=False))}
    )
    assert any(long in line for line in run("pod", "status", "etcd-0").stdout.splitlines())


def test_a_running_task_that_is_not_ready_says_so(run: Run, source: Source) -> None:
    source.view = replace(well(), pods={"etcd-0": pod(0, task(ready=False))})
    assert "member RUNNING, not ready" in run("pod", "status").stdout


def test_pod_status_of_one_shows_its_tasks_and_volumes(run: Run) -> None:
    words = lines(run("pod", "status", "etcd-0"))
    assert ["etcd-0-member", "RUNNING", "etcd__etcd-member__1"] in words
    assert ["volume-0", "data", "512", "MB"] in words


def test_explain_shows_the_first_failing_rule_of_each_agent(run: Run) -> None:
    text = run("explain").stdout
    assert text.startswith("etcd-2: it waits until an offer fits\n")
    assert ["host-4", "cpus:", "needs", "0.5"] in [line.split() for line in text.splitlines()]


def test_explain_of_a_service_that_runs_is_one_sentence(run: Run, source: Source) -> None:
    source.view = replace(well(), explanations={})
    assert run("explain").stdout == "No pod instance waits for anything.\n"
    assert run("explain", "etcd-0").stdout == "etcd-0: waits for nothing\n"


def test_endpoints_are_names_then_addresses(run: Run, source: Source) -> None:
    assert run("endpoints").stdout == "client\npeer\n"
    assert [line[0] for line in lines(run("endpoints", "peer"))[1:]] == [
        "10.0.0.1:2380",
        "10.0.0.2:2380",
    ]
    source.view = replace(well(), pods={})
    assert run("endpoints", "peer").stdout == "No task listens there now.\n"


def test_volumes_are_listed_with_state_and_age(run: Run, source: Source) -> None:
    table = lines(run("volumes", "list"))
    assert ["volume-0", "in-use", "etcd-0", "host-1", "data", "512", "MB", "-"] in table
    (old,) = [line for line in table if line[0] == "volume-old"]
    assert (old[1], old[8]) == ("retired", "d")
    source.view = replace(well(), pods={}, retired={}, quarantined={})
    assert run("volumes", "list").stdout == "There are no volumes.\n"


def test_the_framework_id_is_printed_alone(run: Run) -> None:
    assert run("state", "framework-id").stdout == "framework-1\n"


@pytest.mark.parametrize(
    ("connected", "code", "word"), [(True, 0, "deploying"), (False, 6, "disconnected")]
)
def test_health_tells_scripts_by_its_exit_code(
    run: Run, source: Source, connected: bool, code: int, word: str
) -> None:
    source.view = replace(well(), connected=connected)
    result = run("health")
    assert (result.exit_code, result.stderr) == (code, "")
    assert word in result.stdout
    assert run("health", "--json").exit_code == code


@pytest.mark.parametrize(
    ("connected", "errors", "code", "words"),
    [
        (True, (), 0, ("/team/etcd.prod", "other", "deploying")),
        (True, ("pods.etcd: wrong",), 6, ("/team/etcd.prod", "other", "pods.etcd: wrong")),
        (False, (), 6, ("not subscribed to a Mesos master", "/team/etcd.prod")),
    ],
)
def test_health_of_a_framework_is_that_of_each_service(
    run: Run, connected: bool, errors: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    one = replace(well(), connected=connected)
    plans = [replace(plan, errors=errors) for plan in one.plans]
    other = replace(one, service=replace(one.service, name="other"), plans=plans)
    services = {view.service.name: view for view in (one, other)}
    picture = replace(ManySource().view, connected=connected, services=services)
    with serving(create_multi_app(ManySource(view=picture), {}, FRAMEWORK)) as at:
        result = run("health", at=at)
        assert (result.exit_code, result.stderr) == (code, "")
        for word in words:
            assert word in result.stdout
        assert run("health", "--json", at=at).exit_code == code


def test_health_of_a_framework_without_services_says_how_to_add_one(run: Run) -> None:
    picture = replace(ManySource().view, services={}, hosted={})
    with serving(create_multi_app(ManySource(view=picture), {}, FRAMEWORK)) as at:
        result = run("health", at=at)
    assert result.exit_code == 0
    assert "holdfast service add" in result.stdout


# -- orders -----------------------------------------------------------------------------------


def test_restart_does_not_ask(run: Run, source: Source) -> None:
    result = run("pod", "restart", "etcd-0")
    assert (result.exit_code, result.stdout) == (0, "pod restart etcd-0\n")
    assert source.commands == [Given(Verb.POD_RESTART, "etcd-0")]


def test_replace_says_what_becomes_of_the_data_and_asks(run: Run, source: Source) -> None:
    result = run("pod", "replace", "etcd-0", typed="n\n")
    assert result.exit_code == 1
    assert "with new, empty volumes" in result.stdout
    assert "kept on agent host-1" in result.stdout
    assert "volume-0 (data, 512 MB)" in result.stdout
    assert result.stdout.endswith("Nothing was changed.\n")
    assert source.commands == []


@pytest.mark.parametrize(("arguments", "typed"), [((), "y\n"), (("--yes",), "")])
def test_replace_happens_once_confirmed(
    run: Run, source: Source, arguments: tuple[str, ...], typed: str
) -> None:
    result = run("pod", "replace", "etcd-0", *arguments, typed=typed)
    assert result.exit_code == 0
    assert result.stdout.endswith("pod replace etcd-0\n")
    assert source.commands == [Given(Verb.POD_REPLACE, "etcd-0")]


@pytest.mark.parametrize("typed", ["", "y\n", "yes\n", "volume-ol\n", "VOLUME-OLD\n", "\n"])
def test_nothing_but_the_id_destroys_a_volume(run: Run, source: Source, typed: str) -> None:
    result = run("volumes", "destroy", "volume-old", typed=typed)
    assert result.exit_code == 1
    assert "512 MB on agent host-7, once of etcd-1: retired" in result.stdout
    assert source.commands == []


def test_the_id_typed_again_destroys_it(run: Run, source: Source) -> None:
    result = run("volumes", "destroy", "volume-old", typed="volume-old\n")
    assert result.exit_code == 0
    assert source.commands == [Given(Verb.VOLUMES_DESTROY, "volume-old")]


def test_a_script_gives_the_id_twice(run: Run, source: Source) -> None:
    wrong = run("volumes", "destroy", "volume-old", "--yes-destroy", "volume-lost")
    assert wrong.exit_code == 2
    assert "nothing was changed" in wrong.stderr
    assert source.commands == []
    right = run("volumes", "destroy", "volume-lost", "--yes-destroy", "volume-lost")
    assert right.exit_code == 0
    assert source.commands == [Given(Verb.VOLUMES_DESTROY, "volume-lost")]


def test_a_volume_in_use_is_refused_before_any_question(run: Run, source: Source) -> None:
    source.reply = answered(200)
    result = run("volumes", "destroy", "volume-0", "--yes-destroy", "volume-0")
    assert result.exit_code == 5
    assert "in use by etcd-0; nothing was changed" in result.stderr
    assert source.commands == []


def test_what_becomes_of_failed_instances(run: Run, source: Source) -> None:
    why = "agent host-1 cannot be reached"
    source.view = replace(
        source.view,
        verdicts={
            "etcd-0": Verdict("etcd-0", Choice.ASK, why, 0.0),
            "etcd-1": Verdict("etcd-1", Choice.REPLACE, why, 0.0, 1_700_000_100.0),
        },
    )
    assert lines(run("pod", "status"))[-3:] == [
        ["FAILED", "DECISION", "AT", "REASON"],
        ["etcd-0", "ask", "the", "operator", "-", *why.split()],
        ["etcd-1", "replace", "2023-11-14", "22:15:00", "UTC", *why.split()],
    ]
    assert ["etcd-0", "ask", "the", "operator", "-", *why.split()] in lines(
        run("pod", "status", "etcd-0")
    )


def broken(source: Source) -> None:
    why = "agent host-1 cannot be reached"
    verdict = Verdict("etcd-0", Choice.ASK, why, 0.0, cause=Cause.OUT_OF_SIGHT)
    source.view = replace(source.view, verdicts={"etcd-0": verdict}, disaster="2 of 3 were lost")


def test_recover_shows_and_asks(run: Run, source: Source) -> None:
    broken(source)
    result = run("recover", typed="n\n")
    assert result.exit_code == 1
    assert "There is a disaster: 2 of 3 were lost." in result.stdout
    assert "pod replace etcd-0  agent host-1 cannot be reached" in result.stdout
    assert "Nothing was changed." in result.stdout
    assert source.commands == []


@pytest.mark.parametrize(("arguments", "typed"), [(["--yes"], ""), ([], "y\n")])
def test_recover_orders_what_it_showed(
    run: Run, source: Source, arguments: list[str], typed: str
) -> None:
    broken(source)
    assert run("recover", *arguments, typed=typed).exit_code == 0
    (given,) = source.commands
    assert (given.verb, given.parameters) == (Verb.RECOVER, {"seen": "pod replace etcd-0"})


def test_recover_does_not_end_a_quorum_on_one_letter(run: Run, source: Source) -> None:
    broken(source)
    more = {
        name: Verdict(name, Choice.ASK, "lost", 0.0, cause=Cause.OUT_OF_SIGHT)
        for name in ("etcd-0", "etcd-1")
    }
    source.view = replace(source.view, verdicts=more)
    refused = run("recover", "--yes")
    assert refused.exit_code == 5
    assert "more than max-unavailable (1) of etcd: its quorum begins without data" in refused.stderr
    assert "--yes-without-quorum /team/etcd.prod" in refused.stderr
    assert run("recover", "--yes", "--yes-without-quorum", "etcd").exit_code == 5
    result = run("recover", typed="y\n")
    assert result.exit_code == 1
    assert "Nothing was changed." in result.stdout
    assert source.commands == []
    assert run("recover", typed="/team/etcd.prod\n").exit_code == 0
    agreed = run("recover", "--yes", "--yes-without-quorum", "/team/etcd.prod")
    assert agreed.exit_code == 0
    assert [given.verb for given in source.commands] == [Verb.RECOVER, Verb.RECOVER]


def test_recover_for_programs(run: Run, source: Source) -> None:
    broken(source)
    result = run("recover", "--yes", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["message"] == "recover all"
    assert [given.verb for given in source.commands] == [Verb.RECOVER]


def test_nothing_to_recover(run: Run, source: Source) -> None:
    source.view = all_well()
    assert run("recover").stdout == "Nothing is broken.\n"
    assert source.commands == []


def test_nothing_is_recovered_while_it_is_uninstalled(run: Run, source: Source) -> None:
    source.view = replace(well(), uninstalling=Uninstalling(0.0))
    told = "/team/etcd.prod is being uninstalled: `holdfast plan show deploy`\n"
    assert run("recover").stdout == told
    assert source.commands == []


def test_what_waits_is_no_reason_to_say_that_all_is_well(run: Run, source: Source) -> None:
    source.view = replace(well(), plans=(canary(),))
    shown = run("recover").stdout
    assert "Nothing is broken" not in shown
    assert "Broken or waiting, nothing to order: see `holdfast explain NAME`" in shown
    told = [line.split() for line in shown.splitlines()]
    assert ["pod", "etcd-2", "unplaced", "it", "waits", "until", "an", "offer", "fits"] in told
    assert ["plan", "deploy", "WAITING", "etcd-1:[member]:", "why"] in told
    assert "2 things no record explains are kept: `holdfast orphans`." in shown
    source.view = replace(all_well(), connected=False)
    assert "Nothing to order. The service is disconnected" in run("recover").stdout
    assert source.commands == []
