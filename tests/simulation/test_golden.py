"""What the scheduler does in the main scenarios, line by line, for people to read.

After an intended change: HOLDFAST_REWRITE_GOLDEN=1 pytest tests/simulation/test_golden.py, and
read the difference.
"""

import os
from pathlib import Path

import pytest

from tests.simulation.faults import Fault
from tests.simulation.run import MANY, run

GOLDEN = Path(__file__).parent / "golden"
SEED = 3

SERIAL = {
    "deploy": [],
    # The scheduler dies once it has stored the launch of db-1, and before it has sent it.
    "crash-between-store-and-send": [Fault(5.0, "crash", 1)],
    # The machine of db-0 is cut off for three minutes.
    "agent-lost-and-back": [Fault(60.0, "cut_long", 479)],
    # The operator replaces db-1, and later has its former volume destroyed.
    "replace": [Fault(60.0, "pod_replace", 1), Fault(120.0, "destroy", 1)],
    # The machine of db-0 is cut off and db-0 replaced; then it is back with the former db-0.
    "partition-healed-after-replace": [
        Fault(60.0, "cut_long", 479),
        Fault(150.0, "pod_replace", 0),
    ],
    # The machine of db-0 burns down; the operator replaces db-0.
    "machine-removed": [Fault(60.0, "removed", 5), Fault(200.0, "pod_replace", 0)],
    # An agent forgets all it had and ran: db-0 runs on as an orphan, until it is replaced.
    "agent-forgets": [Fault(60.0, "wipe_meta", 5), Fault(120.0, "pod_replace", 0)],
    # Mesos drains the machine of db-1, and brings it back.
    "drain": [Fault(60.0, "drain", 300)],
    # Mesos drains the machine of db-1, which then turns out to be broken, and is marked gone.
    "drained-and-marked-gone": [Fault(60.0, "drain", 300), Fault(90.0, "gone_while_cut", 300)],
    # The operator services two machines at once; their instances are stopped in turn.
    "rolling-maintenance": [Fault(60.0, "host_closed", 300), Fault(61.0, "host_closed", 301)],
    # More cpus and memory for all, one after the other, in place.
    "resize": [Fault(60.0, "update", 9)],
    # A volume is to be added to db-0. What is sent for that is lost, and then the power; the agent
    # is back under another id. The new volume is made there, and the former one kept.
    "added-volume-never-made": [
        Fault(60.0, "update", 15),
        Fault(84.512, "link_reset", 5),
        Fault(84.6, "power_loss_new_id", 5),
    ],
    # Another master leads after nine seconds.
    "master-failover": [Fault(60.0, "master_failover", 300)],
    # The agent of db-0 loses its id as another master takes over, which is silent about the old id.
    "agent-renamed-unseen": [Fault(60.0, "forget_tasks", 5), Fault(60.2, "master_failover", 100)],
    "uninstall": [Fault(60.0, "uninstall", 0)],
}

ELASTIC = {
    # Two instances instead of three.
    "decommission": [Fault(60.0, "update", 57)],
}

REPLACING = {
    # The machine of an instance burns down, and the policy replaces it after two minutes.
    "automatic-replacement": [Fault(60.0, "removed", 5)],
    # The same, but the machine was only cut off, and comes back with the former task.
    "back-after-replacement": [Fault(60.0, "cut_long", 989)],
    # An operator marks the agent gone.
    "marked-gone": [Fault(60.0, "removed", 3)],
    # Mesos drains the machine of an instance for longer than the policy waits.
    "drained-with-a-policy": [Fault(60.0, "drain", 901)],
    # A machine is serviced, as the service was asked, for longer than the policy waits.
    "serviced-with-a-policy": [Fault(60.0, "schedule", 996)],
    # Two of five machines are cut off: nothing is replaced. One comes back, which ends it.
    "disaster": [Fault(60.0, "cut_long", 985), Fault(61.0, "cut_long", 899)],
}
"""With a service that has a policy."""

VOLUMES = {
    # Instances without volumes are to have more. Mesos drops the RESERVE and launches what fits all
    # the same; then their machine loses power, and its agent is back under another id.
    "growth-dropped": [
        Fault(60.0, "operation_dropped", 2),
        Fault(60.5, "update", 10),
        Fault(100.0, "power_loss_new_id", 5),
    ],
}

SEVERAL = {
    # Three services are added to one framework, and one of them is uninstalled.
    "many-services": [Fault(60.0, "uninstall", 31)],
}

SCENARIOS = [
    (name, service, faults)
    for service, of_it in (
        *(("serial", SERIAL), ("elastic", ELASTIC), ("replacing", REPLACING)),
        *(("volumes", VOLUMES), (MANY, SEVERAL)),
    )
    for name, faults in of_it.items()
]


@pytest.mark.parametrize(("name", "service", "faults"), SCENARIOS, ids=[n for n, *_ in SCENARIOS])
def test_trace_is_as_recorded(name: str, service: str, faults: list[Fault]) -> None:
    outcome = run(SEED, faults, patience=300.0, service=service)
    assert not outcome.violations
    trace = "".join(f"{line}\n" for line in outcome.trace)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("HOLDFAST_REWRITE_GOLDEN"):
        path.write_text(trace)
    assert trace == path.read_text()
