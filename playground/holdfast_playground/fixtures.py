"""pytest fixtures: real clusters, each gone when its test is.

Use them with `pytest_plugins = ["holdfast_playground.fixtures"]` in a top-level conftest.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from holdfast_playground.cluster import Cluster, ClusterSpec, running

ClusterFactory = Callable[[ClusterSpec], Cluster]


@pytest.fixture
def cluster_factory(tmp_path: Path) -> Iterator[ClusterFactory]:
    """Starts clusters as asked, as many as asked; all end with the test."""
    with ExitStack() as clusters:
        count = 0

        def start(spec: ClusterSpec) -> Cluster:
            nonlocal count
            count += 1
            return clusters.enter_context(running(tmp_path / f"cluster-{count}", spec))

        yield start


@pytest.fixture
def cluster(cluster_factory: ClusterFactory) -> Cluster:
    """A small cluster: one master and three agents in three zones."""
    return cluster_factory(ClusterSpec(agents=3))
