"""A few rounds of the soak, so that it works when it is wanted for longer."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast_playground import network
from tests.cluster.playground import traces

OBSTACLE = network.obstacle()
pytestmark = [
    pytest.mark.skipif(OBSTACLE is not None, reason=f"no network namespaces: {OBSTACLE}"),
    pytest.mark.skipif(
        shutil.which("redis-server") is None or shutil.which("etcd") is None,
        reason="redis-server or etcd is not installed",
    ),
]


@pytest.mark.timeout(600)
def test_a_few_faults_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "tests.cluster.soak"),
            *("--acts", "5", "--minutes", "3", "--seed", "5", "--logs", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    for store in ("etcd", "redis"):
        assert f"{store}: " in said
    assert said.count("writes acknowledged, 0 lost or wrong") == 2, said
    assert traces.mentioning(str(tmp_path)) == []
    assert traces.mounts(tmp_path) == []
