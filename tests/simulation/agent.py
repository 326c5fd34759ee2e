"""A simulated machine with its Mesos agent, executors, tasks and volumes: the truth of the matter.

Follows src/slave/slave.cpp of Mesos 1.11 where it shows to a framework: status updates are sent
again until acknowledged, executors survive the agent's process but not the machine, reservations
and volumes survive both and even a new agent id.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from holdfast.mesos.messages import AgentFeatures
from holdfast_executor.volume_locks import PATIENCE
from tests.simulation import resources
from tests.simulation.clock import START, Clock
from tests.simulation.machine import Executor, Task, Updates, Volume, label_of
from tests.simulation.resources import Bag, Json

REGION, ABROAD = "here", "there"
"""The region of the masters and of most machines, and that of the others."""

UNABLE = AgentFeatures(
    "linux", frozenset({"filesystem/linux"}), frozenset(), has_cni=False, version=(1, 11, 0)
)
ABLE = replace(UNABLE, isolation=UNABLE.isolation | {"linux/seccomp"})
RESEND_SECONDS = 10.0
RECOVERY_SECONDS = 900.0
"""Mesos: the agent's recovery_timeout, after which executors end that it has not found again."""
PING_TIMEOUT = 75.0
"""Mesos: agent_ping_timeout x max_agent_ping_timeouts."""


class Watch(Protocol):
    """Sees what really happens, to judge it."""

    def executor_started(self, agent: "Agent", executor: Executor) -> None: ...
    def tasks_running(self, agent: "Agent", executor: Executor) -> None: ...
    def task_at_goal(self, task: Task) -> None: ...
    def volume_destroyed(self, agent: "Agent", volume: Volume) -> None: ...


class MasterLink(Protocol):
    """What an agent tells its master."""

    up: bool

    def register(self, agent: "Agent") -> None: ...
    def status(self, agent: "Agent", status: Json, latest: str) -> None: ...
    def executor_exited(self, agent: "Agent", executor_id: str) -> None: ...
    def contact_lost(self, agent: "Agent", noticed: bool) -> None: ...


class Agent:
    """One machine. `session` is 0 while the master and the agent hold no connection."""

    def __init__(
        self,
        number: int,
        clock: Clock,
        watch: Watch,
        log: Callable[[str], None],
        zone: str,
        region: str = REGION,
    ) -> None:
        self.number = number
        self.hostname = f"host-{number}"
        self.zone = zone
        self.region = region
        self.id = f"agent-{number}"
        # One of three is not set up for everything.
        self.features = ABLE if number % 3 else UNABLE
        self._clock = clock
        self._watch = watch
        self._log = log
        self.master: MasterLink | None = None
        self.powered = True
        self.process = True
        self.cut = False
        self.removed = False
        self.wiped = False
        self.session = 0
        self.last_contact_lost = -1e9
        self.last_contact = -1e9
        self.last_registered = -1e9
        self.total = _fresh()
        self.volumes: dict[str, Volume] = {}
        self.executors: dict[str, Executor] = {}
        self.orphans: list[Executor] = []
        self.tasks: dict[str, Task] = {}
        self.fail_launches = 0
        self.updates = Updates()
        self._held: list[tuple[int, Callable[[], None]]] = []
        self._arrival = {"in": 0.0, "out": 0.0}
        self._sessions = 0
        self._ids = 0

    @property
    def reachable(self) -> bool:
        return self.powered and self.process and not self.cut and self.session != 0

    # -- the connection to the master ---------------------------------------------------------

    def open_session(self) -> None:
        self.last_registered = self._clock.now
        self._sessions += 1
        self.session = self._sessions
        self._held.clear()

    def close_session(self) -> None:
        self.session = 0
        self._held.clear()

    def receive(self, action: Callable[[], None]) -> None:
        """A message of the master is on its way; lost when the connection breaks before."""
        self._travel("in", action)

    def _send(self, action: Callable[[], None]) -> None:
        self._travel("out", action)

    def _travel(self, way: str, action: Callable[[], None]) -> None:
        session = self.session
        if not session:
            return
        if self.cut:
            self._held.append((session, action))
            return
        delay = self._clock.between(0.001, 0.02)
        if way == "out" and self._clock.now < self.updates.late_until:
            delay = self._clock.between(0.5, 8.0)
        arrival = max(self._arrival[way], self._clock.now + delay)
        self._arrival[way] = arrival
        self._clock.at(arrival, lambda: self._arrive(session, action))

    def _arrive(self, session: int, action: Callable[[], None]) -> None:
        if session != self.session or not self.process:
            return
        if self.cut:
            self._held.append((session, action))
        else:
            action()

    def register_soon(self, low: float = 0.5, high: float = 3.0) -> None:
        self._clock.after(self._clock.between(low, high), self._register)

    def _register(self) -> None:
        if self.session or not self.process or self.removed:
            return
        assert self.master is not None
        if self.cut or not self.master.up:
            self.register_soon()
            return
        self.master.register(self)
        for task in list(self.tasks.values()):
            self._forward(task)

    # -- faults -------------------------------------------------------------------------------

    def cut_off(self) -> None:
        """The network between agent and master is gone; tasks run on."""
        if self.cut or not self.process:
            return
        self.cut = True
        self.last_contact_lost = self._clock.now
        self._log(f"{self.hostname} cut off")
        assert self.master is not None
        self.master.contact_lost(self, noticed=False)

    def join(self, reset: bool) -> None:
        """The network is back; with `reset` the connection broke and what was held is lost."""
        if not self.cut:
            return
        self.cut = False
        self.last_contact = self._clock.now
        self._log(f"{self.hostname} joined again")
        if not self.session:
            self.register_soon()
        elif reset:
            self.close_session()
            assert self.master is not None
            self.master.contact_lost(self, noticed=True)
            self.register_soon()
        else:
            held, self._held = self._held, []
            for session, action in held:
                if session == self.session:
                    self._travel("in", action)

    def reset_link(self) -> None:
        """The connection breaks and is made anew; what was on its way is lost."""
        if not self.reachable:
            return
        self.last_contact_lost = self.last_contact = self._clock.now
        self._log(f"{self.hostname} loses its connection")
        self.close_session()
        assert self.master is not None
        self.master.contact_lost(self, noticed=True)
        self.register_soon()

    def stop_process(self) -> None:
        """The agent's process ends; executors and tasks run on."""
        if not self.process:
            return
        self.process = False
        self.last_contact_lost = self._clock.now
        self.close_session()
        self._log(f"{self.hostname} agent process down")
        assert self.master is not None
        self.master.contact_lost(self, noticed=not self.cut)

    def start_process(self) -> None:
        if self.process or not self.powered or self.removed:
            return
        self.process = True
        self.last_contact = self._clock.now
        self._log(f"{self.hostname} agent process up as {self.id}")
        self.register_soon()

    def power_off(self) -> None:
        if not self.powered:
            return
        self._log(f"{self.hostname} loses power")
        self.stop_process()
        self.powered = False
        for task in self.tasks.values():
            task.alive = False
        self.executors.clear()
        self.orphans.clear()

    def power_on(self, new_id: bool) -> None:
        if self.powered or self.removed:
            return
        self.powered = True
        if new_id:
            self._become_another()
            self.tasks.clear()
        # From its records it knows what ran, and what it had yet to tell; no container is left.
        for task in self.tasks.values():
            if not task.terminal:
                reason = "REASON_EXECUTOR_TERMINATED"
                self._update(task, "TASK_FAILED", "SOURCE_AGENT", reason=reason)
        self.start_process()

    def wipe(self) -> None:
        """All data is gone, while the agent is down; it will be another one."""
        self._log(f"{self.hostname} is wiped")
        self.wiped = True
        self._become_another()
        self.tasks.clear()
        self.volumes.clear()
        self.total = _fresh()

    def forget(self) -> None:
        """The agent's own records are deleted while it is down; what runs is not told.

        Its executors wait for the agent they know for RECOVERY_SECONDS, and then end.
        """
        self._log(f"{self.hostname} forgets what it had and ran")
        self._orphan_all(RECOVERY_SECONDS)
        self.wipe()

    def lose_tasks(self, seconds: float) -> None:
        """The agent loses what it ran, while it is down, and not what is reserved.

        It will be another one with the same volumes. The executors end that much later.
        """
        self._log(f"{self.hostname} forgets what it ran")
        self._orphan_all(seconds)
        self.tasks.clear()
        self._become_another()

    def _orphan_all(self, seconds: float) -> None:
        """All executors live on, unknown to the agent, and end that much later."""
        left = list(self.executors.values())
        self.orphans += left
        self.executors.clear()

        def end() -> None:
            self.orphans = [executor for executor in self.orphans if executor not in left]

        self._clock.after(seconds, end)

    def _become_another(self) -> None:
        self._ids += 1
        self.id = f"agent-{self.number}.{self._ids}"

    def was_away_since(self, when: float) -> bool:
        """Whether the master has lost it, or heard of it anew, since then."""
        return max(self.last_contact_lost, self.last_contact) >= when

    def told_gone(self) -> None:
        """The master says that the machine was given up: all of it ends."""
        self._log(f"{self.hostname} is told that it is gone")
        self.remove()

    def remove(self) -> None:
        """The machine never comes back."""
        self.power_off()
        self.removed = True
        self.tasks.clear()

    # -- orders of the master -----------------------------------------------------------------

    def apply(self, less: Bag, more: Bag) -> None:
        """An operation the master has validated: these resources become those."""
        left = resources.minus(self.total, less)
        assert left is not None, f"{self.hostname} has not {less}"
        for id_ in resources.volumes(less):
            self._watch.volume_destroyed(self, self.volumes.pop(id_))
        for kind in more:
            volume_id = resources.persistence_id(kind)
            if volume_id is not None:
                pod = resources.labels(kind).get("pod", "")
                self.volumes[volume_id] = Volume(volume_id, pod)
        self.total = resources.plus(left, more)

    def run_task(self, info: Json, launch_executor: bool) -> None:
        """A launch; `launch_executor` is false when the master takes its executor to be running."""
        spec = info["executor"]
        executor_id = spec["executor_id"]["value"]
        pod = label_of(info, "pod")
        executor = self.executors.get(executor_id)
        if executor is None and not launch_executor:
            # slave.cpp, __run: "cannot find executor", gone before the master heard of it.
            self._drop(info, pod)
            return
        if executor is None:
            held = resources.bag(spec["resources"])
            executor = Executor(executor_id, pod, held, tuple(resources.volumes(held)), spec)
            executor.began = self._clock.now
            self.executors[executor_id] = executor
            self._watch.executor_started(self, executor)
            started = executor
            self._clock.after(
                self._clock.between(0.2, 3.0), lambda: self._executor_registered(started)
            )
        elif executor.exiting and self._clock.random.random() < 0.5:
            self._drop(info, pod)  # slave.cpp, __run: the executor is TERMINATING
            return
        task = Task(info["task_id"]["value"], pod, executor_id, info)
        if "check" in info:
            task.ready = False
        executor.tasks[task.id] = task
        self.tasks[task.id] = task
        if executor.registered and not executor.exiting:
            if executor.waits:
                self._lock_volumes(executor, self._clock.now + PATIENCE)
            else:
                self._begin(executor, task)

    def _drop(self, info: Json, pod: str) -> None:
        id_ = info["task_id"]["value"]
        task = self.tasks[id_] = Task(id_, pod, "", info)
        self._update(task, "TASK_DROPPED", "SOURCE_AGENT", reason="REASON_EXECUTOR_TERMINATED")

    def kill(self, task_id: str) -> None:
        task = self.tasks.get(task_id)
        if task is None:
            # slave.cpp, killTask: "because no corresponding executor is running".
            task = self.tasks[task_id] = Task(task_id, "", "", {})
            self._update(task, "TASK_DROPPED", "SOURCE_AGENT", reason="REASON_EXECUTOR_TERMINATED")
            return
        executor = self.executors.get(task.executor_id)
        if task.terminal or executor is None:
            return
        if not executor.registered:
            self._update(
                task, "TASK_KILLED", "SOURCE_AGENT", reason="REASON_TASK_KILLED_DURING_LAUNCH"
            )
            self._maybe_exit(executor)
            return
        alive = task
        self._clock.after(self._clock.between(0.1, 5.0), lambda: self._killed(alive))

    def _killed(self, task: Task) -> None:
        executor = self.executors.get(task.executor_id)
        waits = executor is not None and executor.waits and not task.terminal
        if self._runs(task) or (waits and self.tasks.get(task.id) is task):
            self.end_task(task, "TASK_KILLED")

    def acknowledge(self, task_id: str, uuid: str) -> None:
        task = self.tasks.get(task_id)
        if task is None or not task.updates or task.updates[0]["uuid"] != uuid:
            return
        del task.updates[0]
        if task.updates:
            self._forward(task)
        elif task.terminal and task.executor_id not in self.executors:
            del self.tasks[task_id]

    # -- executors and tasks ------------------------------------------------------------------

    def _executor_registered(self, executor: Executor) -> None:
        if self.executors.get(executor.id) is not executor:
            return
        if not self.process:  # it waits for its agent
            self._clock.after(1.0, lambda: self._executor_registered(executor))
            return
        if self.fail_launches:
            self.fail_launches -= 1
            self.end_executor(executor, "REASON_CONTAINER_LAUNCH_FAILED")
            return
        executor.registered = executor.waits = True
        self._lock_volumes(executor, self._clock.now + PATIENCE)

    def _lock_volumes(self, executor: Executor, deadline: float) -> None:
        """The executor starts its tasks once no other has its volumes, or fails them."""
        here = self.executors.get(executor.id) is executor
        if not here or executor.exiting or not executor.waits:
            return
        taken = {volume for orphan in self.orphans for volume in orphan.volumes}
        open_tasks = [task for task in executor.tasks.values() if not task.terminal]
        if taken.isdisjoint(executor.volumes):
            executor.waits = False
            for task in open_tasks:
                self._begin(executor, task)
        elif self._clock.now >= deadline:
            for task in open_tasks:
                self.end_task(task, "TASK_FAILED")
        else:
            self._clock.after(1.0, lambda: self._lock_volumes(executor, deadline))

    def _begin(self, executor: Executor, task: Task) -> None:
        task.alive = True
        self._watch.tasks_running(self, executor)
        for id_ in executor.volumes:
            writers = self.volumes[id_].writers
            if executor.id not in writers:
                writers.append(executor.id)
        self._update(task, "TASK_STARTING")
        self._clock.after(self._clock.between(0.1, 2.0), lambda: self._started(task))

    def _started(self, task: Task) -> None:
        if not self._runs(task):
            return
        # `needs A B` runs with these variables only.
        if task.command.startswith("needs") and (
            set(task.command.split()[1:]) - set(task.environment)
        ):
            self.end_task(task, "TASK_FAILED")
            return
        self._update(task, "TASK_RUNNING")
        if task.command.startswith("finish"):
            self._clock.after(self._clock.between(0.5, 15.0), lambda: self._finish(task))
        elif task.ready is not None:
            self._clock.after(self._clock.between(1.0, 20.0), lambda: self._ready(task))
        else:
            self._watch.task_at_goal(task)

    def _finish(self, task: Task) -> None:
        if self._runs(task):
            self.end_task(task, "TASK_FINISHED")
            self._watch.task_at_goal(task)

    def _ready(self, task: Task) -> None:
        if not self._runs(task):
            return
        if task.info["check"]["command"]["command"]["value"] == "exit 1":
            self._update(task, "TASK_RUNNING", exit_code=1)
            return  # it is paused: this will never be different
        task.ready = self._clock.random.random() < 0.6
        self._update(task, "TASK_RUNNING", exit_code=0 if task.ready else 1)
        if task.ready:
            self._watch.task_at_goal(task)
        else:
            self._clock.after(self._clock.between(2.0, 10.0), lambda: self._ready(task))

    def _runs(self, task: Task) -> bool:
        return task.alive and self.tasks.get(task.id) is task

    def end_task(self, task: Task, state: str) -> None:
        """The task's process ends; its executor follows when it was the last."""
        task.alive = False
        self._update(task, state)
        self._maybe_exit(self.executors[task.executor_id])

    def drain(self) -> None:
        """Mesos empties the agent: its tasks are killed, and it says why."""
        for task in list(self.tasks.values()):
            if not task.terminal and task.executor_id in self.executors:
                executor = self.executors[task.executor_id]
                source = "SOURCE_EXECUTOR" if executor.registered else "SOURCE_AGENT"
                task.alive = False
                self._update(task, "TASK_KILLED", source, reason="REASON_AGENT_DRAINING")
                self._maybe_exit(executor)

    def end_executor(self, executor: Executor, reason: str = "REASON_EXECUTOR_TERMINATED") -> None:
        """The executor's container ends, and all in it."""
        del self.executors[executor.id]
        for task in executor.tasks.values():
            task.alive = False
            if not task.terminal:
                self._update(task, "TASK_FAILED", "SOURCE_AGENT", reason=reason)
        self._send(lambda: self._master().executor_exited(self, executor.id))

    def executors_untold(self) -> set[str]:
        """Those that have ended, while nobody was told yet that the last of their tasks have."""
        owing = {task.executor_id for task in self.tasks.values() if task.terminal and task.updates}
        return owing - self.executors.keys()

    def shut_down(self) -> None:
        """The framework is over: all its executors end, and nobody is told."""
        for executor in list(self.executors.values()):
            del self.executors[executor.id]
            for task in executor.tasks.values():
                task.alive = False
                self.tasks.pop(task.id, None)
        self.tasks.clear()

    def _maybe_exit(self, executor: Executor) -> None:
        """An executor without tasks ends, unless another joins it in time."""
        if all(task.terminal for task in executor.tasks.values()):
            self._clock.after(self._clock.between(0.05, 1.5), lambda: self._exit(executor))

    def _exit(self, executor: Executor) -> None:
        if (
            self.executors.get(executor.id) is executor
            and not executor.exiting
            and all(task.terminal for task in executor.tasks.values())
        ):
            executor.exiting = True  # what still comes to it ends with its container
            self._clock.after(self._clock.between(0.01, 0.5), lambda: self._exited(executor))

    def _exited(self, executor: Executor) -> None:
        if self.executors.get(executor.id) is executor:
            self.end_executor(executor)

    # -- status updates -----------------------------------------------------------------------

    def reconcile(self, task_ids: list[str]) -> None:
        """The master knows these tasks; those unknown here are answered with TASK_DROPPED."""
        for task_id in task_ids:
            if task_id not in self.tasks:
                task = self.tasks[task_id] = Task(task_id, "", "", {})
                self._update(task, "TASK_DROPPED", "SOURCE_AGENT", reason="REASON_RECONCILIATION")

    def resend(self, task: Task) -> None:
        if task.updates:
            self._forward(task)

    def _update(
        self,
        task: Task,
        state: str,
        source: str = "SOURCE_EXECUTOR",
        *,
        reason: str = "",
        exit_code: int | None = None,
    ) -> None:
        task.state = state
        status: Json = {
            "task_id": {"value": task.id},
            "agent_id": {"value": self.id},
            "state": state,
            "source": source,
            "timestamp": START + self._clock.now,
            "uuid": f"uuid-{self._clock.new_id()}",
        }
        if task.executor_id:
            status["executor_id"] = {"value": task.executor_id}
        if reason:
            status["reason"] = reason
        if task.ready is not None:
            command: dict[str, Any] = {} if exit_code is None else {"exit_code": exit_code}
            status["check_status"] = {"type": "COMMAND", "command": command}
        task.updates.append(status)
        if len(task.updates) == 1:
            self._forward(task)

    def _forward(self, task: Task, wait: float = RESEND_SECONDS) -> None:
        if not task.updates or not self.session:
            return
        status, session = task.updates[0], self.session
        latest = task.state
        if self.updates.lose:
            self.updates.lose -= 1
        else:
            self._tell(status, latest)
        if self.updates.double:
            self.updates.double -= 1
            self._tell(status, latest)
        self._clock.after(wait, lambda: self._again(task, status, session, wait * 2))

    def _tell(self, status: Json, latest: str) -> None:
        def send() -> None:
            self._send(lambda: self._master().status(self, status, latest))

        if self._clock.now < self.updates.mixed_until:
            self._clock.after(self._clock.between(0.0, 3.0), send)
        else:
            send()

    def _again(self, task: Task, status: Json, session: int, wait: float) -> None:
        if session == self.session and task.updates and task.updates[0] is status:
            self._forward(task, min(wait, 600.0))

    def _master(self) -> MasterLink:
        assert self.master is not None
        return self.master


def _fresh() -> Bag:
    """What a machine has before anything is reserved."""
    return resources.unreserved(6.0, 6000.0, 6000.0, range(1000, 1016))
