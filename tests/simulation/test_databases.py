"""Cassandra and HDFS as they are defined in full: in which order what is launched and stopped."""

import pytest

from tests.simulation.faults import Fault
from tests.simulation.run import run


def launches(trace: tuple[str, ...], since: float) -> list[str]:
    """What is launched after that time, as `node-0-server`."""
    found = []
    for line in trace:
        at, _, text = line.strip().partition("  ")
        if float(at) >= since and text.startswith("LAUNCH "):
            found.append(text.split(" ")[2].split("__")[1])
    return found


def after(service: str, *faults: Fault, seed: int = 3) -> list[str]:
    """What is launched once the first fault has come, up to the end of the run."""
    outcome = run(seed, faults, patience=400.0, service=service)
    assert not outcome.violations, outcome.violations
    return launches(outcome.trace, faults[0].at if faults else 0.0)


# The pick of a replacement is the place among all pod instances, in the order of the file.
NODE_0, NODE_3 = 0, 3
JOURNAL_1, NAME_0, NAME_1, DATA_0 = 1, 3, 4, 5
AT = 300.0
"""When all is deployed."""


def test_hdfs_is_deployed_in_the_order_of_its_plan() -> None:
    assert after("hdfs") == [
        *(f"journal-{n}-node" for n in range(3)),
        *("name-0-format", "name-0-node", "name-0-zkfc"),
        *("name-1-bootstrap", "name-1-node", "name-1-zkfc"),
        *(f"data-{n}-node" for n in range(3)),
    ]


@pytest.mark.parametrize(
    ("pick", "launched"),
    [
        (JOURNAL_1, ["journal-1-bootstrap", "journal-1-node"]),
        (NAME_0, ["name-0-bootstrap", "name-0-node", "name-0-zkfc"]),
        (NAME_1, ["name-1-bootstrap", "name-1-node", "name-1-zkfc"]),
        (DATA_0, ["data-0-node"]),
    ],
)
@pytest.mark.parametrize("crash", [None, 3])
def test_hdfs_replaces_by_its_steps(pick: int, launched: list[str], crash: int | None) -> None:
    faults = [Fault(AT, "pod_replace", pick)]
    if crash is not None:  # of the scheduler, at one of the next places between store and send
        faults += [Fault(AT + 1.0 + 2 * crash, "crash", crash)]
    assert after("hdfs", *faults) == launched


def test_name_nodes_lost_together_come_back_each_in_its_way() -> None:
    """One for good, while an agent's failure takes the other along for a while."""
    found = after("hdfs", Fault(AT, "pod_replace", NAME_1), Fault(AT + 1.0, "task_crash", 3))
    assert [name for name in found if name.startswith("name-1")] == [
        *("name-1-bootstrap", "name-1-node", "name-1-zkfc"),
    ]


def test_an_update_of_hdfs_takes_the_second_name_node_first() -> None:
    """Without formatting or bootstrapping anything again."""
    found = after("hdfs", Fault(AT, "update", 21))  # of all pods, in their environment
    assert found == [
        *(f"journal-{n}-node" for n in range(3)),
        *("name-1-node", "name-1-zkfc", "name-0-node", "name-0-zkfc"),
        *(f"data-{n}-node" for n in range(3)),
    ]


def test_cassandra_is_deployed_one_node_after_the_other() -> None:
    assert after("cassandra") == [f"node-{n}-server" for n in range(4)]


@pytest.mark.parametrize("crash", [None, 4])
def test_a_new_seed_restarts_the_others_one_after_the_other(crash: int | None) -> None:
    faults = [Fault(AT, "pod_replace", NODE_0)]
    if crash is not None:
        faults += [Fault(AT + 5.0 + 10 * crash, "crash", crash)]
    assert after("cassandra", *faults) == [f"node-{n}-server" for n in range(4)]


def test_another_new_node_restarts_nobody() -> None:
    assert after("cassandra", Fault(AT, "pod_replace", NODE_3)) == ["node-3-server"]


def test_a_node_is_drained_before_it_goes() -> None:
    found = after("cassandra", Fault(AT, "update", 28))  # fewer nodes: 1 + (4 + 1) % 4
    assert found == ["node-3-drain", "node-2-drain"]
