"""The scheduler is killed at some boundaries of a deployment and of a replacement.

Which ones passes by chance of what arrives together; `tests.cluster.stages` tries them all.
"""

from pathlib import Path

from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.stages import SPEC, trials

NUMBERS = (2, 5, 8, 11)


def test_another_scheduler_goes_on_wherever_one_was_killed(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    died = trials(cluster_factory(SPEC), tmp_path, NUMBERS)
    assert len(died) == len(NUMBERS)
    assert any(deploying for deploying, _ in died)
    assert any(replacing for _, replacing in died)
