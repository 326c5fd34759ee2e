"""Tests here run against real clusters."""

from pathlib import Path

import pytest

from holdfast_executor import archive
from holdfast_playground.fixtures import cluster, cluster_factory

__all__ = ["cluster", "cluster_factory"]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The executor's archive."""
    return archive.build(tmp_path_factory.mktemp("executor"))
