"""Every definition is accepted, and what can run in the simulation is deployed and left whole."""

import pytest

from holdfast.core import events as ev
from holdfast.plans.plan import Status
from holdfast.service.load import load
from holdfast.service.problems import Problem
from tests.definitions import HELLO, HELLO_WORLD
from tests.simulation.conformance.cluster import Cluster

NAMES = sorted(path.stem for path in HELLO_WORLD.glob("*.yml"))
REMARKS = ("is one volume, shared with", "is ignored", "share System V IPC")
"""What is meant in these definitions."""

ELSEWHERE = {
    "gpu": "the machines have none",
    "mount-volumes": "the machines have one disk",
    "pre-reserved": "nothing is reserved on the machines",
    "crash-loop": "its tasks fail",
    "fast-failure": "its task fails",
    "canary": "it waits for an operator",
    "finish-state": "one of its pods ends",
    "secrets": "there is no secret store",
    "tls": "there is no authority",
}
"""What is not deployed here, and why."""


@pytest.mark.parametrize("name", NAMES)
def test_it_is_accepted(name: str) -> None:
    remarks: list[Problem] = []
    load(HELLO_WORLD / f"{name}.yml", HELLO, warn=remarks.append)
    for remark in remarks:
        assert any(text in remark.message for text in REMARKS), str(remark)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ELSEWHERE])
def test_it_is_deployed(name: str) -> None:
    cluster = Cluster(name).deployed()
    own = [p.name for p in cluster.world.newest.engine.view.plans if p.name.startswith("sidecar")]
    for plan in own:
        cluster.order(ev.Verb.PLAN_START, plan)
        cluster.until(lambda plan=plan: cluster.status(plan) is Status.COMPLETE)  # type: ignore[misc]
    cluster.end()
