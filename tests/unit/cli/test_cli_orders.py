"""What all orders have in common: JSON, no questions with it; `update`, and `-v`."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from holdfast.core.events import Verb
from tests.unit.api.pictures import Given, Source, answered

Run = Callable[..., Result]
STEP = "etcd-1:[member]"


@pytest.mark.parametrize(
    "command",
    [
        "plan start backup",
        "plan pause deploy",
        "pod restart etcd-0",
        "pod replace etcd-0 --yes",
        "volumes destroy volume-old --yes-destroy volume-old",
        "volumes forget etcd-1 --yes",
        "uninstall --yes-uninstall /team/etcd.prod",
        "debug state refresh_cache",
        "update pause",
    ],
)
def test_the_answer_to_an_order_is_json_for_programs(
    run: Run, source: Source, command: str
) -> None:
    result = run(*command.split(), "--json")
    assert result.exit_code == 0, result.output
    (given,) = source.commands
    assert json.loads(result.stdout)["message"].startswith(given.verb)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("pod replace etcd-0", "--yes"),
        ("volumes destroy volume-old", "--yes-destroy volume-old"),
        ("volumes forget etcd-1", "--yes"),
        ("uninstall", "--yes-uninstall /team/etcd.prod"),
    ],
)
def test_with_json_nothing_is_asked(run: Run, source: Source, command: str, option: str) -> None:
    result = run(*command.split(), "--json", typed="y\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"give {option} to agree; nothing was changed" in " ".join(result.stderr.split())
    assert source.commands == []


@pytest.mark.parametrize(
    ("command", "given"),
    [
        ("pause", Given(Verb.PLAN_INTERRUPT, "deploy")),
        ("resume", Given(Verb.PLAN_CONTINUE, "deploy")),
        ("force-restart", Given(Verb.PLAN_RESTART, "deploy")),
        (f"force-restart etcd {STEP}", Given(Verb.PLAN_RESTART, "deploy", "etcd", STEP)),
        (f"force-complete etcd {STEP}", Given(Verb.PLAN_FORCE_COMPLETE, "deploy", "etcd", STEP)),
    ],
)
def test_update_steers_the_deploy_plan(
    run: Run, source: Source, command: str, given: Given
) -> None:
    result = run("update", *command.split())
    assert (result.exit_code, result.stderr) == (0, "")
    assert source.commands == [given]


def test_update_start_says_how_and_changes_nothing(run: Run, source: Source) -> None:
    result = run("update", "start", "new.yml", at="http://127.0.0.1:1")
    assert result.exit_code == 5
    assert "nothing was changed" in result.stderr
    assert "holdfast plan preview new.yml" in result.stderr


def test_verbose_tells_exchanges_but_no_values(run: Run, source: Source) -> None:
    result = run("-v", "plan", "start", "backup", "-p", "PASSWORD=s3cret")
    assert result.exit_code == 0
    assert '"POST /v1/plans/backup/start HTTP/1.1" 200' in result.stderr
    assert "s3cret" not in result.output
    assert "HTTP" not in result.stdout


def test_a_refusal_is_one_line_with_json_too(run: Run, source: Source) -> None:
    source.reply = answered(409, message="not now")
    result = run("plan", "pause", "deploy", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (5, "", "Error: not now\n")


@pytest.mark.parametrize(
    ("wrong", "meant"), [("pln list", "plan"), ("plan lst", "list"), ("update statsu", "status")]
)
def test_an_unknown_verb_is_answered_with_the_nearest(run: Run, wrong: str, meant: str) -> None:
    result = run(*wrong.split())
    assert result.exit_code == 2
    assert meant in result.stderr.partition("Did you mean")[2]
