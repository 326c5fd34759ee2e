"""Fixtures: the archive, a fake agent, and executors that end with their test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast_executor.archive import build
from tests.unit.executor.fake_agent import FakeAgent, RunningExecutor


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    running = FakeAgent()
    yield running
    running.stop()


@pytest.fixture
def start_executor(
    agent: FakeAgent, archive: Path, tmp_path: Path
) -> Iterator[Callable[..., RunningExecutor]]:
    """Starts an executor in a fresh sandbox; keywords as for RunningExecutor."""
    started: list[RunningExecutor] = []

    def start(**options: Any) -> RunningExecutor:
        sandbox = tmp_path / f"sandbox-{len(started)}"
        sandbox.mkdir()
        started.append(RunningExecutor(agent, archive, sandbox, **options))
        return started[-1]

    yield start
    for executor in started:
        executor.close()


@pytest.fixture
def executor(start_executor: Callable[..., RunningExecutor]) -> RunningExecutor:
    return start_executor()
