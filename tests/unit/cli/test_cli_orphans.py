"""`holdfast orphans`: shows what no record explains, and frees only what is typed twice."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from holdfast.api.app import create_app
from holdfast.mesos.inventory import parse_state
from holdfast_cli.main import main
from tests.unit.api.pictures import Source, well
from tests.unit.api.serving import serving
from tests.unit.api.test_api_orphans import STATE, kept

NAME = "v-foreign"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Source, str]]:
    source = Source(replace(well(), quarantined={NAME: kept(NAME, "volume")}))
    app = create_app(source, {}, ask_master=lambda roles: parse_state(STATE, frozenset(roles)))
    with serving(app) as url:
        yield source, url


def run(served: tuple[Source, str], *arguments: str, typed: str = "") -> Result:
    served[0].commands.clear()
    return CliRunner().invoke(main, ["--url", served[1], "orphans", *arguments], input=typed)


def test_what_the_records_explain_is_shown_when_asked_for(served: tuple[Source, str]) -> None:
    some, everything = run(served), run(served, "--all")
    assert some.exit_code == everything.exit_code == 0
    assert NAME in some.stdout
    assert "explained" not in some.stdout
    assert "explained" in everything.stdout
    assert "host-8" in some.stderr
    assert not served[0].commands


def test_the_name_is_typed_again(served: tuple[Source, str]) -> None:
    assert run(served, "--apply", NAME, typed="v-foreig\n").exit_code == 1
    assert not served[0].commands
    assert run(served, "--apply", NAME, typed=f"{NAME}\n").exit_code == 0
    assert [given.target for given in served[0].commands] == [NAME]


@pytest.mark.parametrize("more", [["--yes-destroy", "lost"], ["--json"]])
def test_scripts_name_it_twice(served: tuple[Source, str], more: list[str]) -> None:
    assert run(served, "--apply", NAME, *more).exit_code == 2
    assert not served[0].commands
    assert run(served, "--apply", NAME, "--yes-destroy", NAME, "--json").exit_code == 0
    assert [given.target for given in served[0].commands] == [NAME]
