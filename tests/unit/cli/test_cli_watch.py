"""`--watch`: a plan followed until it is complete, has errors, or takes too long."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from click.testing import Result
from rich.console import Console
from rich.live import Live as Screen

from holdfast.core.view import View
from holdfast.plans.plan import Phase, Plan, Status
from holdfast.service.model import Strategy
from holdfast_cli import watch
from holdfast_cli.connection import Connection, Reply
from holdfast_cli.errors import NotFound, Unreachable
from holdfast_cli.trees import tree
from holdfast_cli.watched import Plan as ShownPlan
from holdfast_cli.watched import Watched
from tests.unit.api.pictures import Source, answered, canary, plan, pod, step, task, well
from tests.unit.cli.test_cli_start import on_terminal

Run = Callable[..., Result]
Then = Callable[..., None]

BEGUN = plan("deploy", Status.COMPLETE, Status.STARTED, Status.PENDING)
NEXT = plan("deploy", Status.COMPLETE, Status.COMPLETE, Status.STARTED)
DONE = plan("deploy", Status.COMPLETE, Status.COMPLETE, Status.COMPLETE)
WRONG = plan("deploy", Status.COMPLETE, errors=("user: must not change",))


def showing(*plans: Plan) -> View:
    return replace(well(), plans=plans)


@pytest.fixture
def then(source: Source, monkeypatch: pytest.MonkeyPatch) -> Then:
    """What the scheduler shows at first, and each time the command has waited."""

    def then(first: Plan, *later: Plan) -> None:
        source.view = showing(first)
        coming = iter(later)

        def wait(seconds: float) -> None:
            assert seconds <= watch.EVERY_SECONDS
            source.view = showing(next(coming))

        monkeypatch.setattr(watch, "sleep", wait)

    return then


@pytest.mark.parametrize("command", ["plan show deploy", "plan status deploy", "update status"])
def test_each_change_is_a_line_where_there_is_no_terminal(
    run: Run, then: Then, command: str
) -> None:
    then(BEGUN, BEGUN, NEXT, DONE)
    result = run(*command.split(), "--watch")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split(" ", 1)[1] for line in result.stdout.splitlines()] == [
        "deploy IN_PROGRESS, 1 of 3 steps complete",
        "deploy etcd etcd-1:[member] COMPLETE",
        "deploy etcd etcd-2:[member] STARTED",
        "deploy etcd etcd-2:[member] COMPLETE",
        "deploy COMPLETE, 3 of 3 steps complete",
    ]


def test_with_json_each_change_is_a_plan_on_a_line(run: Run, then: Then) -> None:
    then(BEGUN, BEGUN, NEXT, DONE)
    result = run("plan", "show", "deploy", "--watch", "--json")
    statuses = [json.loads(line)["status"] for line in result.stdout.splitlines()]
    assert statuses == ["IN_PROGRESS", "IN_PROGRESS", "COMPLETE"]


@pytest.mark.parametrize(
    "command",
    [
        "plan restart deploy",
        "plan resume deploy",
        "plan force deploy etcd etcd-1:[member]",
        "update force-restart",
        "update resume",
        "update force-complete etcd etcd-1:[member]",
    ],
)
def test_an_order_is_followed_to_its_end(
    run: Run, source: Source, then: Then, command: str
) -> None:
    then(BEGUN, NEXT, DONE)
    result = run(*command.split(), "--watch")
    assert (result.exit_code, result.stderr) == (0, "")
    answer, first, *_, last = result.stdout.splitlines()
    assert answer.startswith("plan ")
    assert first.endswith("deploy IN_PROGRESS, 1 of 3 steps complete")
    assert last.endswith("deploy COMPLETE, 3 of 3 steps complete")
    assert len(source.commands) == 1


def test_what_waits_for_an_operator_is_told_once(run: Run, then: Then) -> None:
    then(canary(0), canary(0), DONE)
    lines = run("plan", "resume", "deploy", "etcd", "--watch").stdout.splitlines()
    assert [line.split(" ", 1)[1] for line in lines if "canaries" in line] == [
        "Held back as canaries: etcd-1:[member]. To let the first go:"
        " holdfast plan resume deploy etcd"
    ]


def test_with_json_the_answer_to_the_order_is_the_first_line(run: Run, then: Then) -> None:
    then(BEGUN, DONE)
    result = run("plan", "restart", "deploy", "--watch", "--json")
    answer, *plans = (json.loads(line) for line in result.stdout.splitlines())
    assert answer == {"message": "plan restart deploy"}
    assert [each["status"] for each in plans] == ["IN_PROGRESS", "COMPLETE"]


def recovering(view: View, *phases: Phase) -> View:
    return replace(view, plans=(Plan("recovery", Strategy.PARALLEL, phases),))


@pytest.mark.parametrize("command", ["pod restart etcd-0", "pod replace etcd-0 --yes"])
def test_an_order_for_a_pod_instance_is_followed_until_it_runs(
    run: Run, source: Source, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def phase(index: int, status: Status) -> Phase:
        return Phase(f"etcd-{index}", Strategy.SERIAL, (step(index, status),))

    starting = replace(well(), pods={"etcd-0": pod(0, task(ready=False)), "etcd-1": pod(1)})
    views = iter(
        [
            recovering(well(), phase(0, Status.STARTED), phase(1, Status.PENDING)),
            recovering(starting, phase(1, Status.PENDING)),
            recovering(well(), phase(1, Status.PENDING)),
        ]
    )
    source.view = recovering(well(), phase(0, Status.PENDING), phase(1, Status.PENDING))
    monkeypatch.setattr(watch, "sleep", lambda _: setattr(source, "view", next(views)))
    result = run(*command.split(), "--watch")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split(" ", 1)[1] for line in result.stdout.splitlines()[1:]] == [
        "etcd-0 IN_PROGRESS, 0 of 1 steps complete",
        "etcd-0 etcd-0 etcd-0:[member] STARTED",
        "etcd-0 etcd-0 etcd-0:[member] COMPLETE",
        "etcd-0 etcd-0 etcd-0 STARTING",
        "etcd-0 COMPLETE, 1 of 1 steps complete",
    ]


def test_an_order_for_a_pod_instance_that_takes_too_long(run: Run, source: Source) -> None:
    source.view = recovering(well(), Phase("etcd-0", Strategy.SERIAL, (step(0, Status.PENDING),)))
    result = run("pod", "restart", "etcd-0", "--watch", "--timeout", "0.05")
    assert result.exit_code == 10
    assert "`holdfast explain etcd-0`" in result.stderr
    assert run("pod", "restart", "etcd-0", "--timeout", "1").exit_code == 2
    assert len(source.commands) == 1


def test_a_refused_order_is_not_followed(run: Run, source: Source) -> None:
    source.reply = answered(409, message="not now")
    result = run("pod", "restart", "etcd-0", "--watch")
    assert (result.exit_code, result.stdout) == (5, "")


def test_a_plan_with_errors_ends_it(run: Run, then: Then) -> None:
    then(BEGUN, WRONG)
    result = run("plan", "show", "deploy", "--watch")
    assert result.exit_code == 6
    assert "deploy has errors: user: must not change." in result.stderr


def test_a_plan_that_takes_too_long_ends_it(run: Run, source: Source) -> None:
    source.view = showing(BEGUN)
    result = run("plan", "show", "deploy", "--watch", "--timeout", "0.05")
    assert result.exit_code == 10
    assert "not complete after 0.05 s: IN_PROGRESS, 1 of 3 steps complete" in result.stderr
    assert "holdfast explain" in result.stderr


def test_a_timeout_is_for_watching(run: Run) -> None:
    assert run("plan", "show", "deploy", "--timeout", "1").exit_code == 2
    assert run("plan", "show", "deploy", "--watch", "--timeout", "0").exit_code == 2


def test_what_is_wrong_at_first_is_told_at_once(run: Run) -> None:
    assert run("plan", "show", "deplo", "--watch").exit_code == 4
    assert run("plan", "show", "deploy", "--watch", at="http://127.0.0.1:1").exit_code == 3


def bodies(url: str, source: Source, *plans: Plan) -> Iterator[Reply]:
    for one in plans:
        source.view = showing(one)
        yield Connection(url).get("plans", one.name, good=(200, 202, 417))


def test_a_scheduler_that_restarts_is_waited_for(
    url: str,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(watch, "sleep", lambda _seconds: None)
    replies = bodies(url, source, BEGUN, DONE)
    answers: Iterator[Reply | None] = iter([next(replies), None, None, next(replies)])

    def read() -> ShownPlan:
        answer = next(answers)
        if answer is None:
            raise Unreachable("No scheduler answers.")
        plan: ShownPlan = answer.data
        return plan

    deploy = Watched("deploy", read, "", lambda _body: ())
    watch.watch(deploy, lambda body: tree("deploy", body), None, False)
    told = capsys.readouterr().out
    assert told.count("No scheduler answers. Asking on.") == 1
    assert "deploy COMPLETE, 3 of 3" in told


@pytest.mark.parametrize("name", ["decommission", "backup"])
def test_a_plan_that_is_no_more(
    url: str, source: Source, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(watch, "sleep", lambda _seconds: None)
    replies = bodies(url, source, replace(BEGUN, name=name))

    def read() -> ShownPlan:
        for reply in replies:
            plan: ShownPlan = reply.data
            return plan
        raise NotFound("There is no such plan.")

    def follow() -> None:
        watched = Watched(name, read, "", lambda _body: ())
        watch.watch(watched, lambda body: tree(name, body), None, False)

    if name == "decommission":
        follow()
    else:
        with pytest.raises(NotFound):
            follow()


def test_the_rest_takes_as_long_as_the_pace_says() -> None:
    assert watch.remaining(60, done_before=1, done=1, all_steps=5) is None
    assert watch.remaining(60, done_before=1, done=3, all_steps=5) == 60
    assert watch.remaining(60, done_before=0, done=3, all_steps=3) == 0


def test_on_a_terminal_steps_bar_and_times_are_drawn(url: str, source: Source) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, height=30)
    first, second, third = (reply.data for reply in bodies(url, source, BEGUN, BEGUN, NEXT))
    with Screen(console=console, auto_refresh=False) as screen:
        live = watch.Live(lambda body: tree("deploy", body), screen)
        live.update(first, "", 0)
        live.update(second, "", 40)
        assert "for 40 s" in file.getvalue()
        assert "1 of 3 steps, 40 s" in file.getvalue()
        live.update(third, "No scheduler answers.", 60)
    drawn = file.getvalue()
    assert "2 of 3 steps, 1 min, about 1 min to go" in drawn
    assert "No scheduler answers." in drawn


def test_on_a_terminal_it_ends_with_the_plan(url: str, source: Source) -> None:
    source.view = showing(DONE)
    drawn = on_terminal(url, "plan", "show", "deploy", "--watch")
    assert "3 of 3 steps" in drawn
    assert "━" in drawn
