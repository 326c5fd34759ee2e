"""Runs a task's commands in nested containers with the task's image, beside the pod's volumes.

The executor's sandbox, with the volumes in it, is mounted over the container's own: the task finds
there what a task without an image would. Its output comes back through named pipes in the sandbox,
into the same bounded files.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any, Callable, Mapping

from holdfast_executor import proctree
from holdfast_executor.checks import CommandCheck
from holdfast_executor.container_check import ContainerCheck, command_info
from holdfast_executor.contract import SANDBOX_IN_CONTAINER
from holdfast_executor.nested import NestedContainer
from holdfast_executor.operator_api import Message, OperatorApi
from holdfast_executor.output import Pump, Sink, last_line, make_fifo
from holdfast_executor.process import kill
from holdfast_executor.reactor import Reactor
from holdfast_executor.runner import CheckRun, Exit

ASK_AGAIN = 0.1
"""Seconds between looks at what a container asked to end still runs."""
CGROUP_RESOURCES = ("cpus", "mem")


class ContainerRunner:
    """`executor` is the id of the executor's container, `container` a ContainerInfo without the
    sandbox, `task` the TaskInfo. `environment` marks the processes of this launch with `mark`."""

    def __init__(
        self,
        reactor: Reactor,
        api: OperatorApi,
        executor: Message,
        container: Mapping[str, Any],
        task: Message,
        environment: Mapping[str, str],
        sandbox: str,
        mark: str,
        outputs: tuple[Sink, Sink],
    ) -> None:
        self._reactor = reactor
        self._api = api
        self._executor = executor
        self._launch = {"container": with_sandbox(container), **own_cgroup(container, task)}
        self._mount_points = volumes_in_sandbox(container)
        self._environment = environment
        self._sandbox = sandbox
        self._mark = mark
        self._outputs = outputs
        self._count = 0
        self._current: NestedContainer | None = None
        self._pumps: list[Pump] = []
        self._fifos: list[str] = []
        self._complaint = ""
        self._asked: set[int] = set()

    def start(
        self,
        command: str,
        on_started: Callable[[], None],
        on_exit: Callable[[Exit], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self._close_output()
        self._count += 1
        name = f"{self._mark}-{self._count}"
        try:
            for path, is_file in self._mount_points:
                make_mount_point(os.path.join(self._sandbox, path), is_file)
            redirection = self._open_output(name)
        except OSError as error:
            on_failure(f"its sandbox cannot be prepared: {error}")
            return
        launch = {
            **self._launch,
            "command": command_info(f"{redirection}\n{command}", self._environment),
        }

        def ended(exited: Exit) -> None:
            self._complaint = self._complaint_of(name)
            on_exit(exited)

        self._current = NestedContainer(
            self._reactor,
            self._api,
            {"value": name, "parent": self._executor},
            launch,
            on_started,
            ended,
            on_failure,
            lambda: bool(self._processes()),
        )

    def terminate(self) -> None:
        """SIGTERM to the command's process group and to daemons that left it, as for processes.

        An agent signals the first process only, a shell as a rule. So it is asked only for what
        cannot be seen from here. A container that has not started yet is killed.
        """
        self._asked.clear()
        if self._processes():
            self._ask()
        elif self._current is not None and self._current.launched:
            self._current.signal(signal.SIGTERM)
        elif self._current is not None:
            self._current.kill()

    def _ask(self) -> None:
        """The end of the first process is the end of all others, without any grace.

        So one that does not handle SIGTERM, as the shell of `prepare && server`, gets it last.
        """
        processes = self._processes()
        if not processes:
            return
        first = min(processes, key=lambda process: (process.started, process.pid))
        members = {process.pid for process in processes}
        groups = {process.group for process in processes if process.parent not in members}
        for process in processes:
            if process is not first and process.group in groups:
                self._ask_once(process.pid)
        if len(processes) == 1 or proctree.handles(first.pid, signal.SIGTERM):
            self._ask_once(first.pid)
        else:
            self._reactor.call_later(ASK_AGAIN, self._ask)

    def _ask_once(self, pid: int) -> None:
        if pid not in self._asked:
            self._asked.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def kill(self) -> None:
        kill([process.pid for process in self._processes()])
        if self._current is not None:
            self._current.kill()

    def left(self) -> list[str]:
        if self._current is None or self._current.ended:
            return []
        pids = [str(process.pid) for process in self._processes()]
        return pids or [f"of container {self._current.id['value']}"]

    def check_run(self, check: CommandCheck) -> CheckRun:
        assert self._current is not None
        environment = {**self._environment, **check.environment}
        return ContainerCheck(self._api, self._current.id, check, environment)

    def last_lines(self) -> list[str]:
        lines = [pump.last_line() for pump in reversed(self._pumps)]
        return lines if any(lines) else [self._complaint]

    def close(self) -> None:
        self._close_output()

    def _processes(self) -> list[proctree.Process]:
        """The container's living processes, as far as they are marked or descend from such."""
        processes = proctree.read_processes()
        return proctree.marked(processes, self._mark, proctree.read_mark)

    # Output

    def _open_output(self, name: str) -> str:
        """Make the pipes and return the shell command that leads its output into them."""
        words = []
        self._pumps = []
        for number, (stream, sink) in enumerate(zip(("stdout", "stderr"), self._outputs), 1):
            file = f".{name}.{stream}"
            path = os.path.join(self._sandbox, file)
            self._fifos.append(path)
            self._pumps.append(Pump(self._reactor, sink.write, make_fifo(path)))
            words.append(f"{number}>{SANDBOX_IN_CONTAINER}/{file}")
        return f"exec {' '.join(words)}"

    def _close_output(self) -> None:
        for pump in self._pumps:
            pump.started()
            pump.finish()
        for path in self._fifos:
            os.unlink(path)
        self._fifos = []

    def _complaint_of(self, name: str) -> str:
        """Why Mesos could not execute the command: it writes that into the container's own file."""
        path = os.path.join(self._sandbox, "containers", name, "stderr")
        try:
            with open(path, "rb") as stream:
                line = last_line(stream.read())
        except OSError:
            return ""
        return line if line.startswith("Failed to") else ""


def volumes_in_sandbox(container: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """The paths in the sandbox of volumes the container brings, and which of them are files."""
    return [
        (volume["container_path"], _is_file(volume.get("source", {})))
        for volume in container.get("volumes", ())
        if not volume["container_path"].startswith("/")
    ]


def _is_file(source: Mapping[str, Any]) -> bool:
    path = source.get("host_path", {}).get("path", "")
    return source.get("type") == "SECRET" or os.path.isfile(path)


def make_mount_point(path: str, is_file: bool) -> None:
    """Make the folder or the file if there is none. OSError."""
    if not is_file:
        os.makedirs(path, exist_ok=True)
    elif not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def with_sandbox(container: Mapping[str, Any]) -> Message:
    """The ContainerInfo with the executor's sandbox mounted, and over it volumes of its own.

    Mesos would look for relative paths in the sandbox that is hidden by then.
    """
    sandbox = {
        "mode": "RW",
        "container_path": SANDBOX_IN_CONTAINER,
        "source": {"type": "SANDBOX_PATH", "sandbox_path": {"type": "PARENT", "path": "."}},
    }
    others = [
        {**volume, "container_path": os.path.join(SANDBOX_IN_CONTAINER, volume["container_path"])}
        for volume in container.get("volumes", ())
    ]
    return {**container, "volumes": [sandbox, *others]}


def own_cgroup(container: Mapping[str, Any], task: Message) -> Message:
    """The cpus and memory of a container that does not share its executor's cgroups."""
    if container.get("linux_info", {}).get("share_cgroups", True):
        return {}
    totals: dict[str, float] = {}
    for resource in task.get("resources", ()):
        if resource["name"] in CGROUP_RESOURCES:
            amount = float(resource["scalar"]["value"])
            totals[resource["name"]] = totals.get(resource["name"], 0.0) + amount
    found: Message = {
        "resources": [
            {"name": name, "type": "SCALAR", "scalar": {"value": amount}}
            for name, amount in totals.items()
        ]
    }
    if task.get("limits"):
        found["limits"] = task["limits"]
    return found
