"""`holdfast plan`: orders, and what waits for an operator."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import Result

from holdfast.core.events import Verb
from holdfast.plans.plan import Plan, Status
from tests.unit.api.pictures import Given, Source, answered, backup, canary, plan, well

Run = Callable[..., Result]
STEP = "etcd-1:[member]"


def showing(source: Source, *plans: Plan) -> None:
    source.view = replace(well(), plans=plans)


def test_plan_list_shows_how_far_each_is(run: Run, source: Source) -> None:
    showing(source, canary(), plan("recovery"), backup())
    table = [line.split() for line in run("plan", "list").stdout.splitlines()]
    assert table == [
        ["PLAN", "STATUS"],
        ["deploy", "WAITING"],
        ["recovery", "COMPLETE"],
        ["backup", "WAITING"],
    ]


@pytest.mark.parametrize(
    ("command", "given"),
    [
        ("start backup", Given(Verb.PLAN_START, "backup", parameters={})),
        (
            "start backup -p NAME=daily -p _E=a=b",
            Given(Verb.PLAN_START, "backup", parameters={"NAME": "daily", "_E": "a=b"}),
        ),
        ("stop backup", Given(Verb.PLAN_STOP, "backup")),
        ("pause deploy", Given(Verb.PLAN_INTERRUPT, "deploy")),
        ("interrupt deploy etcd", Given(Verb.PLAN_INTERRUPT, "deploy", "etcd")),
        ("resume deploy", Given(Verb.PLAN_CONTINUE, "deploy")),
        ("continue deploy etcd", Given(Verb.PLAN_CONTINUE, "deploy", "etcd")),
        ("restart deploy", Given(Verb.PLAN_RESTART, "deploy")),
        ("force-restart deploy etcd", Given(Verb.PLAN_RESTART, "deploy", "etcd")),
        (f"restart deploy etcd {STEP}", Given(Verb.PLAN_RESTART, "deploy", "etcd", STEP)),
        (f"force deploy etcd {STEP}", Given(Verb.PLAN_FORCE_COMPLETE, "deploy", "etcd", STEP)),
        (
            f"force-complete deploy etcd {STEP}",
            Given(Verb.PLAN_FORCE_COMPLETE, "deploy", "etcd", STEP),
        ),
    ],
)
def test_an_order_reaches_the_engine(run: Run, source: Source, command: str, given: Given) -> None:
    result = run("plan", *command.split())
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == " ".join(filter(None, given[:4])) + "\n"
    assert source.commands == [given]


def test_nothing_to_do_is_no_failure(run: Run, source: Source) -> None:
    source.reply = answered(208, message="deploy needs nothing of the kind")
    result = run("plan", "resume", "deploy")
    assert (result.exit_code, result.stdout) == (0, "deploy needs nothing of the kind\n")


def test_a_refused_order_is_passed_on(run: Run, source: Source) -> None:
    source.reply = answered(409, message="deploy is not started by hand; use continue")
    result = run("plan", "start", "deploy")
    assert result.exit_code == 5
    assert "use continue" in result.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("resume deplyo", "Did you mean 'deploy'?"),
        ("pause deploy etdc", "Did you mean 'etcd'?"),
        ("force deploy etcd etcd-1", f"Did you mean '{STEP}'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    run: Run, source: Source, command: str, words: str
) -> None:
    result = run("plan", *command.split())
    assert result.exit_code == 4
    assert words in result.stderr
    assert source.commands == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("-p", "secret-value"), "expected NAME=VALUE"),
        (("-p", "1A=secret-value"), "its name is '1A'"),
        (("-p", "=secret-value"), "its name is ''"),
        (("-p", "A=secret-value", "-p", "A=2"), "A is given twice"),
    ],
)
def test_parameters_are_checked_before_anything_is_sent(
    run: Run, source: Source, given: tuple[str, ...], words: str
) -> None:
    result = run("plan", "start", "backup", *given)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert source.commands == []


def test_a_value_is_not_repeated_in_an_error(run: Run) -> None:
    assert "s3cret" not in run("plan", "start", "backup", "-p", "1A=s3cret").stderr


def test_a_step_is_forced_with_its_phase_only(run: Run, source: Source) -> None:
    assert run("plan", "force-complete", "deploy").exit_code == 2
    assert source.commands == []


def test_a_phase_is_forced_whole_when_no_step_is_named(run: Run, source: Source) -> None:
    assert run("plan", "force-complete", "deploy", "etcd").exit_code == 0
    (command,) = source.commands
    assert (command.target, command.phase, command.step) == ("deploy", "etcd", None)


# -- what waits -------------------------------------------------------------------------------


def hints(run: Run, name: str) -> list[str]:
    """What is printed below the tree of a plan."""
    result = run("plan", "show", name)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout.partition("\n\n")[2].splitlines()


def test_held_canaries_come_with_the_command_that_lets_them_go(run: Run, source: Source) -> None:
    showing(source, canary())
    assert "etcd-0:[member] WAITING: it is a canary" in run("plan", "show", "deploy").stdout
    assert hints(run, "deploy") == [
        "Held back as canaries: etcd-0:[member], etcd-1:[member]. To let the first go:"
        " holdfast plan resume deploy etcd"
    ]
    showing(source, canary(0))
    assert "canaries: etcd-1:[member]." in hints(run, "deploy")[0]
    showing(source, canary(0, 1))
    assert hints(run, "deploy") == []


def test_an_interrupted_plan_or_phase_comes_with_the_command_that_resumes_it(
    run: Run, source: Source
) -> None:
    showing(source, canary(0, 1, interrupted=True))
    assert hints(run, "deploy") == [
        "etcd is interrupted. To let it go on: holdfast plan resume deploy etcd"
    ]
    showing(source, replace(plan("deploy", Status.PENDING), interrupted=True))
    assert hints(run, "deploy") == [
        "deploy is interrupted. To let it go on: holdfast plan resume deploy"
    ]
    showing(source, replace(plan("deploy", Status.COMPLETE), interrupted=True))
    assert hints(run, "deploy") == []


def test_a_plan_of_ones_own_comes_with_the_command_that_starts_it(run: Run, source: Source) -> None:
    start = "backup waits to be started: holdfast plan start backup"
    assert hints(run, "backup") == [start]
    showing(source, backup(Status.STARTED))
    assert hints(run, "backup") == [start, "To go on where it is: holdfast plan resume backup"]
    showing(source, backup(Status.STARTED, interrupted=False))
    assert hints(run, "backup") == []


def test_a_strange_name_is_quoted_in_the_command(run: Run, source: Source) -> None:
    showing(source, replace(backup(), name="my plan"))
    assert hints(run, "my plan")[0].endswith("holdfast plan start 'my plan'")
