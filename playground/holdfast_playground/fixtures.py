"""pytest fixtures: real clusters, each gone when its test is.

Use them with `pytest_plugins = ["holdfast_playground.fixtures"]` in a top-level conftest, or by
importing them into another one. The logs stay in the test's tmp_path.
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
            directory = tmp_path / f"cluster-{count}"
            return clusters.enter_context(running(directory, spec, keep_logs=True))

        yield start


@pytest.fixture
def cluster(cluster_factory: ClusterFactory) -> Cluster:
    """A small cluster: one master and three agents in three zones."""
    return cluster_factory(ClusterSpec(agents=3))
