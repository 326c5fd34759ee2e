"""`holdfast uninstall` and `holdfast volumes forget`: what they say before they are obeyed."""

from collections.abc import Callable
from dataclasses import replace

from click.testing import Result

from holdfast.core.events import Verb
from holdfast.core.uninstall_record import Uninstalling
from tests.unit.api.pictures import NOW, Source, well

Run = Callable[..., Result]
NAME = "/team/etcd.prod"


def test_uninstall_lists_what_is_lost_and_asks_for_the_name(run: Run, source: Source) -> None:
    result = run("uninstall", typed=f"{NAME}\n")
    assert result.exit_code == 0, result.output
    lost, left = result.stdout.split("These are left alone")
    assert "cannot be undone" in lost
    for volume in ("volume-0", "volume-1", "volume-old"):
        assert volume in lost
    assert "volume-lost" in left
    assert "volume-lost" not in lost
    assert [(given.verb, given.target) for given in source.commands] == [(Verb.UNINSTALL, NAME)]


def test_another_name_changes_nothing(run: Run, source: Source) -> None:
    for typed in ("etcd\n", "\n", "y\n"):
        result = run("uninstall", typed=typed)
        assert result.exit_code == 1
        assert "Nothing was changed" in result.stdout
    assert source.commands == []


def test_scripts_name_the_service_and_are_not_asked(run: Run, source: Source) -> None:
    result = run("uninstall", "--yes-uninstall", NAME)
    assert result.exit_code == 0
    assert [given.target for given in source.commands] == [NAME]


def test_twice_is_refused(run: Run, source: Source) -> None:
    source.view = replace(well(), uninstalling=Uninstalling(NOW))
    result = run("uninstall", "--yes-uninstall", NAME)
    assert result.exit_code == 5
    assert source.commands == []


def test_forget_says_what_it_means_and_asks(run: Run, source: Source) -> None:
    result = run("volumes", "forget", "volume-old", typed="n\n")
    assert result.exit_code == 1
    assert "etcd-1 left volume-old on agent host-7" in result.stdout
    assert "quarantined" in result.stdout
    assert source.commands == []
    result = run("volumes", "forget", "etcd-1", typed="y\n")
    assert result.exit_code == 0, result.output
    result = run("volumes", "forget", "volume-old", "--yes")
    assert result.exit_code == 0
    assert [given.target for given in source.commands] == ["etcd-1", "volume-old"]
