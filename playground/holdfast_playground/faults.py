"""Faults of a real cluster that take more than a word to `Cluster`.

`Cluster` itself takes the power from agents (`agent_kill`, then `agent_start`: a reboot) or their
machines away (`agent_remove`), kills and freezes agents' processes, masters and ZooKeeper.
`Cluster.network` cuts cables. Here is what happens to containers, disks and records. Nothing here
waits for Mesos or a scheduler to notice.
"""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast_playground import disks, leftovers, processes
from holdfast_playground.cluster import Cluster
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.processes import ProcessRecord

SANDBOX: Final = b"MESOS_DIRECTORY"
EXECUTOR: Final = b"MESOS_EXECUTOR_ID"
TASK: Final = b"MESOS_TASK_ID"
STOP_SECONDS: Final = 10.0
FULL_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Container:
    """An executor's container and the processes in it now.

    `tasks` has every process of each task, by the task's id; `executor` all others.
    """

    executor_id: str
    sandbox: Path
    executor: tuple[ProcessRecord, ...]
    tasks: dict[str, tuple[ProcessRecord, ...]]

    @property
    def processes(self) -> tuple[ProcessRecord, ...]:
        """All of them, the executor's first."""
        return (*self.executor, *(record for some in self.tasks.values() for record in some))


def containers(cluster: Cluster, agent: int) -> tuple[Container, ...]:
    """What runs on an agent, found by what Mesos puts into each container's environment."""
    inside = os.fsencode(cluster.agents[agent - 1].work_dir) + b"/"
    found: dict[tuple[str, Path], list[tuple[str, ProcessRecord]]] = {}
    boot = processes.boot_id()
    for facts in processes.all_processes():
        try:
            environment = processes.environment_of(facts.pid)
        except OSError:
            continue  # it has ended, or is another user's and so none of the cluster's
        sandbox = environment.get(SANDBOX, b"")
        if facts.state in "ZX" or not sandbox.startswith(inside):
            continue
        executor_id = (
            environment.get(EXECUTOR, b"").decode() or Path(os.fsdecode(sandbox)).parts[-3]
        )
        record = ProcessRecord(facts.pid, facts.started, boot)
        task = environment.get(TASK, b"").decode()
        found.setdefault((executor_id, Path(os.fsdecode(sandbox))), []).append((task, record))
    return tuple(
        Container(
            executor_id,
            sandbox,
            tuple(record for task, record in records if not task),
            {
                name: tuple(record for task, record in records if task == name)
                for name in {task for task, _ in records if task}
            },
        )
        for (executor_id, sandbox), records in found.items()
    )


def executor_kill(container: Container) -> None:
    """SIGKILL an executor and what else in its container is no task. Mesos ends the tasks then."""
    processes.kill(container.executor)


def task_kill(container: Container, task_id: str) -> None:
    """SIGKILL every process of a task; its executor goes on."""
    processes.kill(container.tasks[task_id])


def freeze(records: Iterable[ProcessRecord]) -> None:
    """SIGSTOP them: they are there, and do nothing. Returns once they have stopped."""
    left = list(records)
    for record in left:
        processes.send(record, signal.SIGSTOP)
    deadline = time.monotonic() + STOP_SECONDS
    while left:
        left = [each for each in left if (processes.state_of(each) or "T") not in "Tt"]
        if time.monotonic() > deadline:
            raise TimeoutError(f"they go on after SIGSTOP: {[record.pid for record in left]}")
        time.sleep(processes.POLL_SECONDS)


def thaw(records: Iterable[ProcessRecord]) -> None:
    """SIGCONT after `freeze`."""
    for record in records:
        processes.send(record, signal.SIGCONT)


def machine_freeze(cluster: Cluster, agent: int) -> tuple[ProcessRecord, ...]:
    """SIGSTOP an agent with its executors and tasks, as a machine that hangs; `thaw` them."""
    cluster.agent_stop(agent)
    pid = cluster.agents[agent - 1].pid
    record = processes.record_of(pid) if pid is not None else None
    records = tuple(each for one in containers(cluster, agent) for each in one.processes)
    freeze(records)
    return (*((record,) if record else ()), *records)


def agent_reboot(cluster: Cluster, agent: int) -> None:
    """Take the agent's power and give it back: another boot, on the same disk."""
    cluster.agent_kill(agent)
    cluster.agent_start(agent)


def agent_forget_id(cluster: Cluster, agent: int) -> None:
    """Reboot an agent that has lost its id, as after a change of its attributes.

    Its reservations and volumes are there as before, under another agent id.
    """
    (_power_off(cluster, agent) / "meta" / "slaves" / "latest").unlink()
    cluster.agent_start(agent)


def agent_forget(cluster: Cluster, agent: int) -> None:
    """Reboot an agent whose records are wiped: it knows no reservation, no volume, no task.

    The volumes' directories are still on its disk. `Cluster.agent_remove` is what takes them too.
    """
    leftovers.remove_directory(_power_off(cluster, agent) / "meta")
    cluster.agent_start(agent)


def _power_off(cluster: Cluster, agent: int) -> Path:
    """The work_dir of an agent whose power was taken, there to be changed."""
    cluster.agent_kill(agent)
    megabytes = cluster.state.spec.agent_disk_mb
    if megabytes is not None:
        disks.mount(cluster.layout.agent_disk(agent), megabytes, cluster.layout.agent(agent))
    return cluster.agents[agent - 1].work_dir


def disk_fill(cluster: Cluster, agent: int) -> None:
    """Fill an agent's disk to the last block; needs ClusterSpec.agent_disk_mb."""
    if cluster.state.spec.agent_disk_mb is None:
        raise PlaygroundError(
            f"agent-{agent} has no disk of its own, and filling the machine's would harm others. "
            "Start the cluster with agent_disk_mb."
        )
    with cluster.layout.agent_ballast(agent).open("ab", buffering=0) as file:
        size = FULL_CHUNK
        while size:
            try:
                written = file.write(b"\0" * size)
            except OSError:
                written = 0
            size = size if written == size else size // 2


def disk_free(cluster: Cluster, agent: int) -> None:
    """Take away what `disk_fill` wrote."""
    cluster.layout.agent_ballast(agent).unlink(missing_ok=True)


@contextmanager
def slow_zookeeper(
    cluster: Cluster, away_seconds: float = 0.3, there_seconds: float = 0.02
) -> Iterator[None]:
    """Within the block ZooKeeper answers in short moments only: up to `away_seconds` late."""
    over = threading.Event()
    failed: list[PlaygroundError] = []

    def stutter() -> None:
        try:
            while not over.is_set():
                cluster.zookeeper_pause()
                over.wait(away_seconds)
                cluster.zookeeper_continue()
                over.wait(there_seconds)
        except PlaygroundError as error:
            failed.append(error)

    thread = threading.Thread(target=stutter, name="slow-zookeeper")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failed:
        raise failed[0]
