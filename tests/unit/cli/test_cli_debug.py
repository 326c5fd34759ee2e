"""`holdfast debug`, `describe`, `pod info` and the names of before."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from holdfast.core.events import Verb
from tests.unit.api.pictures import Given, Source, answered

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("debug config list", "config-1\n"),
        ("debug config target_id", "config-1\n"),
        ("debug config target-id", "config-1\n"),
        ("debug state framework_id", "framework-1\n"),
        ("debug state properties", "last-completed-update-type\nsuppressed\nfile-VERSION\n"),
        ("debug state property suppressed", "false\n"),
        ("debug state property file-VERSION", "layoutVersion=-63\n"),
        ("state framework_id", "framework-1\n"),
        ("config list", "config-1\n"),
    ],
)
def test_names_and_values_are_printed_alone(
    run: Run, source: Source, command: str, said: str
) -> None:
    result = run(*command.split())
    assert (result.exit_code, result.stderr) == (0, "")
    if "properties" in command:
        assert set(result.stdout.split()) <= set(said.split())
        assert "file-VERSION" in result.stdout
    else:
        assert result.stdout == said


@pytest.mark.parametrize(
    "command", ["debug config show config-1", "debug config target", "describe"]
)
def test_a_configuration_is_json_for_people_too(run: Run, command: str) -> None:
    body = json.loads(run(*command.split()).stdout)
    assert body["name"] == "/team/etcd.prod"
    assert body["pods"][0]["type"] == "etcd"


def test_pod_info_is_what_mesos_was_told(run: Run) -> None:
    (one,) = json.loads(run("pod", "info", "etcd-0").stdout)
    assert one["info"]["taskId"]["value"] == "etcd__etcd-member__1"
    assert one["status"]["state"] == "TASK_RUNNING"


def test_the_former_names_are_hidden(run: Run) -> None:
    listed = [line.split()[0] for line in run("--help").stdout.splitlines() if line.strip()]
    assert "debug" in listed
    assert "state" not in listed
    assert "config" not in listed


def test_refresh_cache_is_an_order(run: Run, source: Source) -> None:
    result = run("debug", "state", "refresh_cache")
    assert (result.exit_code, result.stdout) == (0, f"{Verb.STATE_REFRESH} records\n")
    assert source.commands == [Given(Verb.STATE_REFRESH, "records")]
    source.reply = answered(409, message="another scheduler leads")
    assert run("debug", "state", "refresh-cache").exit_code == 5


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("debug config show config-2", "'config-1'"),
        ("debug state property file-VERSON", "'file-VERSION'"),
        ("pod info etdc-0", "'etcd-0'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(run: Run, command: str, meant: str) -> None:
    result = run(*command.split())
    assert result.exit_code == 4
    assert f"Did you mean {meant}?" in result.stderr
