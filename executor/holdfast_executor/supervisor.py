"""What the executor does with the agent's events: launch, kill, report, and when to exit."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping

from holdfast_executor import checks, environment, secret_files, status
from holdfast_executor.agent_link import AgentLink
from holdfast_executor.container_runner import ContainerRunner
from holdfast_executor.contract import SANDBOX_IN_CONTAINER, ContractError, TaskLaunch
from holdfast_executor.hook_gate import HookGate
from holdfast_executor.operator_api import OperatorApi
from holdfast_executor.output import RotatingFile, Sink, sandbox_stream
from holdfast_executor.process_runner import ProcessRunner
from holdfast_executor.reactor import Reactor
from holdfast_executor.runner import Runner
from holdfast_executor.settings import Settings
from holdfast_executor.task import Task, TaskPlan
from holdfast_executor.updates import UpdateLog
from holdfast_executor.volume_locks import VolumeLocks

if TYPE_CHECKING:
    from holdfast_executor.tls import Tls

Message = Dict[str, Any]

DEFAULT_KILL_GRACE = 3.0
"""Seconds, as Mesos' own executors use without a kill policy."""
SHUTDOWN_MARGIN = 1.0
"""Seconds of the agent's shutdown grace kept for SIGKILL and the last updates."""


class _Entry:
    __slots__ = ("grace", "reported", "task")

    def __init__(self, reported: status.Reported, grace: float) -> None:
        self.reported = reported
        self.grace = grace
        self.task: Task | None = None


class Supervisor:
    """Holds the live tasks, answers the agent and stops the loop when nothing is left to do."""

    def __init__(
        self,
        reactor: Reactor,
        settings: Settings,
        tls: Tls | None,
        own_environment: Mapping[str, str],
        log: Callable[[str], None],
        stdout: Sink,
        stderr: Sink,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._environment = own_environment
        self._log = log
        self._stdout = stdout
        self._stderr = stderr
        self._updates = UpdateLog()
        self._api = OperatorApi(reactor, settings, tls)
        self._container_id: Message | None = None
        self._link = AgentLink(reactor, settings, tls, self._updates, self, log)
        self._tasks: dict[str, _Entry] = {}
        self._groups: dict[int, str] = {}
        self._gate = HookGate()
        self._volumes = VolumeLocks(reactor, log)
        self._named_streams: dict[str, tuple[Sink, Sink]] = {}
        self._secret_files: set[str] = set()
        self._reports_killing = False
        self._stopping = False
        self._leaving = False
        self._abandoned = False
        self._launched = False

    def start(self) -> None:
        """Subscribe with the agent."""
        self._link.start()

    def remove_secrets(self) -> None:
        """Take away the secret files of all tasks there were, once none of them is left."""
        secret_files.remove(self._settings.sandbox, self._secret_files)

    # The agent

    def on_subscribed(self, subscribed: Message) -> None:
        if not self._launched:
            self._volumes.want(self._settings.sandbox, subscribed.get("executor_info", {}))
        self._container_id = subscribed.get("container_id")
        capabilities = subscribed.get("framework_info", {}).get("capabilities", [])
        self._reports_killing = {"type": "TASK_KILLING_STATE"} in capabilities

    def on_event(self, event: Message) -> None:
        kind = event.get("type")
        if kind == "LAUNCH":
            self._launch(event["launch"]["task"])
        elif kind == "LAUNCH_GROUP":
            for task in event["launch_group"]["task_group"]["tasks"]:
                self._launch(task)
        elif kind == "KILL":
            self._kill(event["kill"])
        elif kind == "ACKNOWLEDGED":
            acknowledged = event["acknowledged"]
            self._link.acknowledged(acknowledged["task_id"]["value"], acknowledged["uuid"])
            self._exit_when_done()
        elif kind == "SHUTDOWN":
            self.shutdown("the agent asked for it")
        elif kind == "ERROR":
            text = event.get("error", {}).get("message", "without a message")
            self.on_abandoned(f"the agent reported an error: {text}")
        else:
            self._log(f"ignored event {kind}")

    def on_abandoned(self, reason: str) -> None:
        """No agent takes updates any more: stop everything and exit."""
        self._abandoned = True
        self._api.abandoned = True
        self._link.close()
        self.shutdown(reason)

    def shutdown(self, reason: str) -> None:
        """Kill every task within the agent's shutdown grace, then exit."""
        if not self._stopping:
            self._log(f"shutting down: {reason}")
            self._stopping = True
        grace = max(0.0, self._settings.shutdown_grace - SHUTDOWN_MARGIN)
        for entry in list(self._tasks.values()):
            if entry.task is not None:
                entry.task.kill(grace)
        self._exit_when_done()

    def _give_up_updates(self) -> None:
        self._abandoned = True
        self._exit_when_done()

    def _exit_when_done(self) -> None:
        """Exit without a task and without an update to deliver, but not before the first launch.

        In a shutdown, acknowledgements are waited for only as long as the agent's grace lasts.
        """
        if self._tasks or not (self._launched or self._stopping):
            return
        if self._abandoned or len(self._updates) == 0:
            self._link.close()
            self._reactor.stop()
        elif self._stopping and not self._leaving:
            self._leaving = True
            self._reactor.call_later(SHUTDOWN_MARGIN, self._give_up_updates)

    # Launch and kill

    def _launch(self, info: Message) -> None:
        task_id = info["task_id"]["value"]
        if task_id in self._tasks:
            self._log(f"ignored a second launch of task {task_id}")
            return
        self._launched = True
        self._updates.launched(info)
        grace = _grace(info.get("kill_policy"), DEFAULT_KILL_GRACE)
        entry = _Entry(
            status.Reported(task_id, self._settings.executor_id, has_check="check" in info), grace
        )
        self._tasks[task_id] = entry
        if self._stopping:
            self.ended(task_id, "TASK_KILLED", "the executor is shutting down")
            return
        mark = os.urandom(8).hex()
        try:
            plan = self._plan(task_id, info, mark)
            runner = self._runner(plan, info, mark)
        except (ContractError, checks.CheckError) as error:
            self._finish(task_id, "TASK_ERROR", str(error), status.TASK_INVALID)
            return
        entry.task = Task(self._reactor, plan, runner, self._gate, self._volumes, self, self._log)
        entry.task.start()

    def _plan(self, task_id: str, info: Message, mark: str) -> TaskPlan:
        launch = TaskLaunch.decode(info.get("data", ""))
        secret_files.check(launch)
        self._secret_files.update(secret.file for secret in launch.secrets if secret.file)
        secrets = secret_files.variables(self._environment, launch.secrets)
        variables = {**launch.environment, **secrets}
        sandbox = self._settings.sandbox
        address = environment.own_address(
            self._environment,
            self._settings.host,
            lambda: socket.gethostbyname(socket.gethostname()),
        )
        within = sandbox if launch.container is None else SANDBOX_IN_CONTAINER
        derive = (
            environment.task_environment
            if launch.container is None
            else environment.container_environment
        )
        return TaskPlan(
            task_id=task_id,
            launch=launch,
            environment=derive(self._environment, variables, task_id, within, address, mark),
            sandbox=sandbox,
            health=checks.health_check_of(info),
            readiness=checks.readiness_check_of(info),
        )

    def _runner(self, plan: TaskPlan, info: Message, mark: str) -> Runner:
        launch, outputs = plan.launch, self._streams(plan.launch.output)
        if launch.container is None:
            return ProcessRunner(
                self._reactor,
                plan.environment,
                plan.sandbox,
                mark,
                launch.rlimits,
                outputs,
                self._groups,
                lambda: self._is_alone(plan.task_id),
            )
        if self._container_id is None:
            raise ContractError("the agent did not say which container the executor runs in")
        return ContainerRunner(
            self._reactor,
            self._api,
            self._container_id,
            launch.container,
            info,
            plan.environment,
            plan.sandbox,
            mark,
            outputs,
        )

    def _streams(self, name: str) -> tuple[Sink, Sink]:
        if not name:
            return self._stdout, self._stderr
        if name not in self._named_streams:
            base = os.path.join(self._settings.sandbox, name)
            streams = RotatingFile(f"{base}.stdout"), RotatingFile(f"{base}.stderr")
            self._named_streams[name] = streams
        return self._named_streams[name]

    def _kill(self, kill: Message) -> None:
        task_id = kill["task_id"]["value"]
        entry = self._tasks.get(task_id)
        if entry is None or entry.task is None:
            self._log(f"ignored a kill of task {task_id}, which does not run")
            return
        entry.task.kill(_grace(kill.get("kill_policy"), entry.grace))

    # What tasks tell

    def starting(self, task_id: str, message: str | None = None) -> None:
        self._send(task_id, "TASK_STARTING", message)

    def running(self, task_id: str) -> None:
        self._send(task_id, "TASK_RUNNING")

    def killing(self, task_id: str) -> None:
        if self._reports_killing:
            self._send(task_id, "TASK_KILLING")

    def health_changed(self, task_id: str, healthy: bool, explanation: str) -> None:
        entry = self._tasks[task_id]
        entry.reported = entry.reported._replace(healthy=healthy)
        self._send(task_id, "TASK_RUNNING", explanation, status.HEALTH_UPDATED)

    def kill_unhealthy(self, task_id: str) -> None:
        """As Mesos' executors do: an ordinary kill, reported TASK_KILLED with healthy false."""
        entry = self._tasks[task_id]
        if entry.task is not None:
            entry.task.kill(entry.grace)

    def readiness_changed(self, task_id: str, exit_code: int | None) -> None:
        entry = self._tasks[task_id]
        entry.reported = entry.reported._replace(check_exit_code=exit_code)
        self._send(task_id, "TASK_RUNNING", None, status.CHECK_UPDATED)

    def ended(self, task_id: str, state: str, message: str, reason: str | None = None) -> None:
        self._finish(task_id, state, message, reason)

    def _is_alone(self, task_id: str) -> bool:
        return all(other == task_id for other in self._tasks)

    def _finish(self, task_id: str, state: str, message: str, reason: str | None) -> None:
        self._log(f"task {task_id}: {state}: {message}")
        self._send(task_id, state, message, reason)
        del self._tasks[task_id]
        self._exit_when_done()

    def _send(
        self, task_id: str, state: str, message: str | None = None, reason: str | None = None
    ) -> None:
        self._link.send_update(
            status.task_status(
                self._tasks[task_id].reported,
                state,
                status.new_uuid(),
                time.time(),
                message,
                reason,
            )
        )


def _grace(policy: Mapping[str, Any] | None, default: float) -> float:
    """The grace period of a KillPolicy in seconds."""
    period = (policy or {}).get("grace_period")
    return default if period is None else float(period["nanoseconds"]) / 1e9


def standard_streams(sandbox: str) -> tuple[Sink, Sink]:
    """The sandbox's own `stdout` and `stderr`."""
    return sandbox_stream(sandbox, "stdout", 1), sandbox_stream(sandbox, "stderr", 2)
