"""`holdfast validate` and `holdfast plan preview`, on files of their own."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from holdfast.service.load import load
from tests.unit.api.pictures import Source, well

Run = Callable[..., Result]

DEFINITION = """\
name: store
scheduler:
  user: root
pods:
  db:
    count: {{COUNT}}
    placement: '[["hostname", "UNIQUE"]]'
    tasks:
      node:
        goal: RUNNING
        cmd: serve
        cpus: 0.5
        memory: 256
        kill-grace-period: 10
        readiness-check:
          cmd: true
          interval: 1
          delay: 0
          timeout: 10
        volume:
          path: data
          type: ROOT
          size: 1000
  web:
    count: 1
    tasks:
      front:
        goal: RUNNING
        cmd: front
        cpus: 0.1
        memory: 32
"""


@pytest.fixture
def svc_yml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUNT", "3")
    path = tmp_path / "svc.yml"
    path.write_text(DEFINITION)
    return path


def change(svc_yml: Path, *edits: tuple[str, str]) -> None:
    text = svc_yml.read_text()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    svc_yml.write_text(text)


# -- validate ---------------------------------------------------------------------------------


def test_a_valid_definition_needs_no_scheduler(run: Run, svc_yml: Path) -> None:
    result = run("validate", str(svc_yml), at="http://127.0.0.1:1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{svc_yml} is valid: 0 errors, 0 warnings.\n"


def test_all_errors_are_told_at_once_with_line_and_expectation(run: Run, svc_yml: Path) -> None:
    change(svc_yml, ("cmd: serve", "cmdd: serve"), ("cpus: 0.1", "cpus: much"))
    result = run("validate", str(svc_yml))
    assert result.exit_code == 9
    *errors, last = result.stdout.splitlines()
    assert errors[0].startswith(f"{svc_yml}:9: error: pods.db.tasks.node.cmd: is required")
    assert errors[1].startswith(f"{svc_yml}:11: error: pods.db.tasks.node.cmdd: unknown key")
    assert "did you mean 'cmd'?" in errors[1]
    assert errors[2].startswith(f"{svc_yml}:30: error: pods.web.tasks.front.cpus: expected")
    assert last == f"{svc_yml} is refused: 3 errors, 0 warnings."


def test_a_warning_is_no_fault(run: Run, svc_yml: Path) -> None:
    change(svc_yml, ("kill-grace-period: 10", "kill-grace-period: 0"))
    result = run("validate", str(svc_yml))
    assert result.exit_code == 0
    assert f"{svc_yml}:14: warning: pods.db.tasks.node.kill-grace-period: is 0" in result.stdout
    assert result.stdout.endswith("is valid: 0 errors, 1 warning.\n")


def test_json_says_the_same_to_programs(run: Run, svc_yml: Path) -> None:
    assert json.loads(run("validate", str(svc_yml), "--json").stdout) == {
        "valid": True,
        "problems": [],
    }
    change(svc_yml, ("cpus: 0.1", "cpus: much"))
    result = run("validate", str(svc_yml), "--json")
    body = json.loads(result.stdout)
    (problem,) = body["problems"]
    assert (result.exit_code, body["valid"]) == (9, False)
    assert problem.pop("message").startswith("expected")
    assert problem == {
        "kind": "error",
        "file": str(svc_yml),
        "line": 30,
        "path": "pods.web.tasks.front.cpus",
    }


def test_the_env_file_alone_is_the_environment(run: Run, svc_yml: Path, tmp_path: Path) -> None:
    env_file = tmp_path / "scheduler.env"
    env_file.write_text("# none\n\nOTHER=1\n")
    result = run("validate", str(svc_yml), "--env-file", str(env_file))
    assert result.exit_code == 9
    assert "not set in the environment, so left empty: COUNT" in result.stdout
    for line in ("COUNT=1", "export COUNT='1'", ' COUNT="1" '):
        env_file.write_text(f"{line}\n")
        result = run("validate", str(svc_yml), "--env-file", str(env_file))
        assert result.exit_code == 0, result.output
        assert "one instance is the only copy of its data" in result.stdout


@pytest.mark.parametrize("line", ["s3cret", "A-B=s3cret", "=s3cret", "1=s3cret"])
def test_a_line_of_the_env_file_that_is_none_is_named_and_not_repeated(
    run: Run, svc_yml: Path, tmp_path: Path, line: str
) -> None:
    env_file = tmp_path / "scheduler.env"
    env_file.write_text(f"COUNT=3\n{line}\n")
    result = run("validate", str(svc_yml), "--env-file", str(env_file))
    assert result.exit_code == 9
    assert f"{env_file}:2: expected NAME=VALUE" in result.stderr
    assert "s3cret" not in result.output


def test_a_file_that_is_not_there_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    assert run("validate", str(tmp_path / "none.yml")).exit_code == 2


# -- preview ----------------------------------------------------------------------------------


@pytest.fixture
def deployed(svc_yml: Path, source: Source) -> Path:
    """The file a running service was deployed from."""
    source.view = replace(well(), service=load(svc_yml, {"COUNT": "3"}))
    return svc_yml


def actions(run: Run, svc_yml: Path) -> tuple[dict[str, tuple[str, str]], list[dict[str, Any]]]:
    """What the preview says of each instance, and the errors."""
    result = run("plan", "preview", str(svc_yml), "--json")
    body = json.loads(result.stdout)
    errors = [problem for problem in body["problems"] if problem["kind"] == "error"]
    assert body["accepted"] == (not errors)
    assert result.exit_code == (9 if errors else 0)
    return {pod["name"]: (pod["action"], pod["reason"]) for pod in body["pods"]}, errors


def test_an_unchanged_file_changes_nothing(run: Run, deployed: Path) -> None:
    said, _ = actions(run, deployed)
    assert said == dict.fromkeys(("db-0", "db-1", "db-2", "web-0"), ("nothing", ""))


def test_what_the_schedulers_environment_gave_counts_as_the_same(
    run: Run, deployed: Path, source: Source
) -> None:
    service = replace(source.view.service, region="north", group_role="dev")
    source.view = replace(source.view, service=service)
    said, errors = actions(run, deployed)
    assert not errors
    assert said["db-0"] == ("nothing", "")


def test_a_changed_command_restarts_the_tasks_of_that_pod(run: Run, deployed: Path) -> None:
    change(deployed, ("cmd: serve", "cmd: serve --fast"))
    said, _ = actions(run, deployed)
    assert said["db-2"] == ("restart", "its tasks, on its agent and data: node.cmd")
    assert said["web-0"] == ("nothing", "")


def test_what_belongs_to_the_container_restarts_the_whole_pod(run: Run, deployed: Path) -> None:
    change(deployed, ("  web:\n", "  web:\n    uris: ['http://x/y.tgz']\n"))
    said, _ = actions(run, deployed)
    assert said["web-0"] == ("restart", "the whole pod, on its agent and data: uris")


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (("cpus: 0.5", "cpus: 1"), "node.cpus"),
        (("memory: 256", "memory: 512"), "node.memory"),
        (("cpus: 0.5", "cpus: 0.5\n        gpus: 1"), "node.gpus"),
    ],
)
def test_other_amounts_resize_in_place(
    run: Run, deployed: Path, edit: tuple[str, str], what: str
) -> None:
    change(deployed, edit)
    said, _ = actions(run, deployed)
    reason = f"stopped, resized on its agent, started on its data: {what}"
    assert said["db-0"] == ("resize", reason)
    assert said["web-0"][0] == "nothing"


def test_values_that_are_not_shown_are_not_compared(run: Run, deployed: Path) -> None:
    change(deployed, ("cmd: serve", "cmd: serve\n        env: {DB_PASSWORD: one}"))
    told = run("plan", "preview", str(deployed)).stdout
    assert "node.env" in told
    assert told.endswith("Variables whose names look like those of secrets are not compared.\n")


def test_more_instances_are_new_and_the_others_untouched(
    run: Run, deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNT", "4")
    said, _ = actions(run, deployed)
    assert [said[f"db-{n}"][0] for n in range(4)] == ["nothing"] * 3 + ["start"]


def test_the_env_file_counts_for_the_preview_too(run: Run, deployed: Path, tmp_path: Path) -> None:
    env_file = tmp_path / "scheduler.env"
    env_file.write_text("COUNT=5\n")
    result = run("plan", "preview", str(deployed), "--env-file", str(env_file))
    assert result.exit_code == 0
    assert ["db-4", "start"] in [line.split()[:2] for line in result.stdout.splitlines()]


def test_losing_data_is_refused_with_the_line_of_the_rule(run: Run, deployed: Path) -> None:
    change(deployed, ("size: 1000", "size: 999"), ("cmd: front", "cmd: back"))
    said, (error,) = actions(run, deployed)
    assert (error["file"], error["line"]) == (str(deployed), 20)
    assert error["path"] == "pods.db.tasks.node.volumes"
    assert "the data on it would be lost" in error["message"]
    assert said["db-0"] == ("refused", "must not change: pods.db.tasks.node.volumes")
    assert said["web-0"] == ("nothing", "the update is refused")  # refused as a whole
    told = run("plan", "preview", str(deployed)).stdout
    assert f"{deployed}:20: error: pods.db.tasks.node.volumes: cannot change from" in told
    assert told.endswith("is refused: the service would run on as it is.\n")


def test_fewer_instances_are_refused_unless_they_may_go(
    run: Run, deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNT", "2")
    said, errors = actions(run, deployed)
    assert (errors[0]["path"], errors[0]["line"]) == ("pods.db.count", 6)
    assert said["db-2"][0] == "refused"
    change(deployed, ("    placement", "    allow-decommission: true\n    placement"))
    said, errors = actions(run, deployed)
    assert errors == []
    assert [said[f"db-{n}"][0] for n in range(3)] == ["nothing", "nothing", "decommission"]


def test_a_removed_pod_is_refused_where_pods_are_listed(run: Run, deployed: Path) -> None:
    text = deployed.read_text()
    deployed.write_text(text[: text.index("  web:")])
    said, errors = actions(run, deployed)
    assert (errors[0]["path"], errors[0]["line"]) == ("pods.web", 4)
    assert said["web-0"][0] == "refused"


def test_another_service_is_not_compared_with_this_one(run: Run, deployed: Path) -> None:
    change(deployed, ("name: store", "name: shop"))
    _, errors = actions(run, deployed)
    assert ("name", 1) in [(error["path"], error["line"]) for error in errors]


def test_a_file_with_faults_is_refused_without_asking_the_scheduler(
    run: Run, deployed: Path
) -> None:
    change(deployed, ("cpus: 0.1", "cpus: much"))
    result = run("plan", "preview", str(deployed), at="http://127.0.0.1:1")
    assert result.exit_code == 9
    assert ":30: error: pods.web.tasks.front.cpus" in result.stdout


def test_no_scheduler_no_preview(run: Run, deployed: Path) -> None:
    result = run("plan", "preview", str(deployed), at="http://127.0.0.1:1")
    assert result.exit_code == 3
    assert "No scheduler answers" in result.stderr
