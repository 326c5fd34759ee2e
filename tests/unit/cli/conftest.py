"""A real API server on a free port of this machine, and the command line pointed at it."""

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from holdfast.api.app import create_app
from holdfast_cli.main import main
from tests.unit.api.pictures import Source, answered, well
from tests.unit.api.serving import serving

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[Source, str]]:
    """One server for all tests; each begins with the picture and replies of `source`."""
    source = Source()
    with serving(create_app(source, {}, answer_seconds=0.2)) as url:
        yield source, url


@pytest.fixture
def url(served: tuple[Source, str]) -> str:
    return served[1]


@pytest.fixture
def source(served: tuple[Source, str]) -> Source:
    source = served[0]
    source.view = well()
    source.reply = answered(200)
    source.commands.clear()
    return source


@pytest.fixture
def run(url: str, source: Source) -> Run:
    """Run `holdfast` with these arguments, as in a shell that has HOLDFAST_URL set."""

    def run(*arguments: str, typed: str = "", at: str = url) -> Result:
        return CliRunner(env={"HOLDFAST_URL": at}).invoke(main, arguments, typed)

    return run
