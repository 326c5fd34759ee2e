"""What of Marathon an app needs to run: a framework that starts one task and keeps it running.

It fetches what the app fetches, sets the variables Marathon sets, picks free ports of an offer,
asks for the health over HTTP, and starts the task again when it ends by itself. As an app of one
instance with an upgradeStrategy of 0/0, the old task ends before a new one starts.
"""

import base64
import queue
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.cluster.playground.minimal_framework import ROLE, Framework
from tests.cluster.running_service import wait_until

EXECUTOR = Path(__file__).with_name("app_executor.py")
TERMINAL = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR", "TASK_GONE")


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the app, and where it listens."""

    id: str
    agent_id: str
    host: str
    port: int


class Marathon(Framework):
    """Runs at most one app. Everything it starts ends with the `with` block."""

    def __init__(self, leader: str) -> None:
        super().__init__(leader)
        self.task: Task | None = None
        self.ended: list[tuple[str, str]] = []
        self._app: Mapping[str, Any] | None = None
        self._running = False
        # An app that is put while offers are turned down: suppressed first, then revived.
        self._deciding = threading.Lock()
        self._stop = threading.Event()
        self._pump = threading.Thread(target=self._handle, daemon=True)
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        self._pump.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._pump.join()
        super().__exit__(kind, value, traceback)

    # Orders ---------------------------------------------------------------------------------

    def put(self, app: Mapping[str, Any]) -> None:
        """Start the app, or replace it; returns when the task runs."""
        self.delete()
        with self._deciding:
            self._app = app
            self._revive()
        self._until("the app runs", lambda: self._running)

    def delete(self) -> None:
        """Stop the app and forget it."""
        self._app = None
        if self.task is not None:
            kill = {"task_id": {"value": self.task.id}, "agent_id": {"value": self.task.agent_id}}
            self.call({"type": "KILL", "kill": kill})
            self._until("the app has ended", lambda: self.task is None)

    def set_env(self, **more: str) -> None:
        """Start the same app again with more variables, as Cosmos does to uninstall."""
        assert self._app is not None
        self.put({**self._app, "env": {**self._app["env"], **more}})

    # Looking --------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        assert self.task is not None, f"the app does not run; ended: {self.ended}"
        return f"http://{self.task.host}:{self.task.port}"

    def health(self) -> int | None:
        """The status of the app's health check; None while nothing answers."""
        assert self._app is not None
        (check,) = self._app["healthChecks"]
        if self.task is None:
            return None
        try:
            return requests.get(f"{self.url}{check['path']}", timeout=10).status_code
        except (requests.ConnectionError, requests.Timeout):
            return None

    def wait_deployed(self, seconds: float = 60.0) -> None:
        """Return when Marathon's deployment is over: the check has passed once (2xx or 3xx)."""
        self._until("the app is healthy", lambda: 200 <= (self.health() or 0) < 400, seconds)

    # Events ---------------------------------------------------------------------------------

    def _until(self, what: str, true: Any, seconds: float = 60.0) -> None:
        def look() -> Any:
            if self.error is not None:
                raise self.error
            return true()

        wait_until(f"{what}; ended: {self.ended}", look, seconds)

    def _revive(self) -> None:
        self.call({"type": "REVIVE", "revive": {"roles": [ROLE]}})

    def _handle(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    event = self.events.get(timeout=0.1)
                except queue.Empty:
                    continue
                if event["type"] == "OFFERS":
                    self._use(event["offers"]["offers"])
                elif event["type"] == "UPDATE":
                    self._acknowledge(event["update"]["status"])
                    self._learn(event["update"]["status"])
        except Exception as error:  # noqa: BLE001  # told to whoever waits
            self.error = error

    def _learn(self, status: Mapping[str, Any]) -> None:
        if self.task is None or status["task_id"]["value"] != self.task.id:
            return
        if status["state"] == "TASK_RUNNING":
            self._running = True
        elif status["state"] in TERMINAL:
            self.ended.append((status["state"], status.get("message", "")))
            self.task, self._running = None, False
            if self._app is not None:
                time.sleep(self._app["backoffSeconds"])  # that of a first failure
                self._revive()

    def _use(self, offers: list[dict[str, Any]]) -> None:
        with self._deciding:
            app = self._app
            if app is not None and self.task is None and offers:
                self._launch(app, offers.pop(0))
            if offers:
                self._decline(offers)
            if app is None or self.task is not None:
                self.call({"type": "SUPPRESS", "suppress": {"roles": [ROLE]}})

    def _launch(self, app: Mapping[str, Any], offer: Mapping[str, Any]) -> None:
        ports = next(r for r in offer["resources"] if r["name"] == "ports")
        port = int(ports["ranges"]["range"][0]["begin"])
        (definition,) = app["portDefinitions"]
        task = Task(f"app.{uuid.uuid4()}", offer["agent_id"]["value"], offer["hostname"], port)
        self.task = task
        variables = {
            **app["env"],
            "HOST": offer["hostname"],
            "PORT0": str(port),
            "PORTS": str(port),
            f"PORT_{definition['name'].upper()}": str(port),
            "MARATHON_APP_ID": app["id"],
        }
        uris = [
            {
                "value": item["uri"],
                "extract": item.get("extract", True),
                "executable": item.get("executable", False),
                "cache": item.get("cache", False),
                **({"output_file": item["destPath"]} if "destPath" in item else {}),
            }
            for item in app["fetch"]
        ]
        command = {
            "value": str(EXECUTOR),
            "user": app["user"],
            "uris": uris,
            "environment": {"variables": [{"name": k, "value": v} for k, v in variables.items()]},
        }
        info = {
            "name": app["id"].strip("/"),
            "task_id": {"value": task.id},
            "agent_id": offer["agent_id"],
            "resources": [
                _scalar("cpus", app["cpus"]),
                _scalar("mem", app["mem"]),
                {
                    "name": "ports",
                    "type": "RANGES",
                    "ranges": {"range": [{"begin": port, "end": port}]},
                    "allocation_info": {"role": ROLE},
                },
            ],
            "executor": {
                "type": "CUSTOM",
                "executor_id": {"value": task.id},
                "framework_id": {"value": self.framework_id},
                "command": command,
                "resources": [_scalar("cpus", 0.1), _scalar("mem", 32)],
            },
            "data": base64.b64encode(app["cmd"].encode()).decode(),
        }
        launch = {"type": "LAUNCH", "launch": {"task_infos": [info]}}
        accepted = {"offer_ids": [offer["id"]], "operations": [launch]}
        self.call({"type": "ACCEPT", "accept": accepted})


def _scalar(name: str, value: float) -> dict[str, Any]:
    return {
        "name": name,
        "type": "SCALAR",
        "scalar": {"value": value},
        "allocation_info": {"role": ROLE},
    }
