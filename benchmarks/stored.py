"""Records of a service that runs, in real ZooKeeper, without the service."""

from collections.abc import Mapping
from threading import Event
from typing import Any

from benchmarks import workload
from benchmarks.core import records_of, running
from holdfast.state.zookeeper import ZooKeeperStore

AT_ONCE = 500
"""Records in one commit."""


def store_running(zookeeper: str, pods: int, framework_id: str) -> Mapping[str, str]:
    """Write what a scheduler had written once so many pods run: agent ids by the ids of tasks."""
    ledger = running(workload.service(pods))
    records = records_of(ledger, framework_id)
    store = ZooKeeperStore(zookeeper, ledger.service.name, address="nowhere:1")
    never = Event()
    try:
        store.start(never, _quietly)
        store.elect(never, _quietly)
        store.load()
        writes: list[tuple[str, Mapping[str, Any]]] = list(records.items())
        for start in range(0, len(writes), AT_ONCE):
            store.commit(writes[start : start + AT_ONCE])
    finally:
        store.close()
    return {
        task.id: pod.reservation.agent_id
        for pod in ledger.pods.values()
        if pod.reservation is not None
        for task in pod.tasks
    }


def _quietly(_line: str) -> None:
    """Nobody is to be told."""
