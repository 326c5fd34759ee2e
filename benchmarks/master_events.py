"""What the master tells an operator: when a framework came, and which of its tasks run.

https://mesos.apache.org/documentation/latest/operator-http-api/#events
"""

import http.client
import json
import threading
import time
from typing import Any

HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class MasterEvents:
    """Watches one framework, by its name, from a thread of its own.

    `came` is when it subscribed (seconds since the epoch), `launched` and `running` are its tasks
    with when each was first seen to be that, `bad` is what happened to those that ended.
    """

    def __init__(self, master: str, framework: str) -> None:
        """`master` is "ip:port"; returns once the master sends its events."""
        self.came: float | None = None
        self.launched: dict[str, float] = {}
        self.running: dict[str, float] = {}
        self.bad: list[str] = []
        self._name = framework
        self._id = ""
        self._connection = http.client.HTTPConnection(master)
        self._connection.request("POST", "/api/v1", json.dumps({"type": "SUBSCRIBE"}), HEADERS)
        self._stream = self._connection.getresponse()
        self._next()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while (event := self._next()) is not None:
            self._take(event, time.time())

    def _next(self) -> dict[str, Any] | None:
        length = self._stream.readline()
        if not length:
            return None
        event: dict[str, Any] = json.loads(self._stream.read(int(length)))
        return event

    def _take(self, event: dict[str, Any], now: float) -> None:
        if event["type"] == "FRAMEWORK_ADDED":
            info = event["framework_added"]["framework"]["framework_info"]
            if info["name"] == self._name:
                self._id, self.came = info["id"]["value"], now
        elif event["type"] == "TASK_ADDED":
            task = event["task_added"]["task"]
            if task["framework_id"]["value"] == self._id:
                self.launched[task["task_id"]["value"]] = now
        elif event["type"] == "TASK_UPDATED":
            update = event["task_updated"]
            if update["framework_id"]["value"] != self._id:
                return
            status = update["status"]
            if status["state"] == "TASK_RUNNING":
                self.running.setdefault(status["task_id"]["value"], now)
            elif status["state"] not in ("TASK_STAGING", "TASK_STARTING"):
                self.bad.append(f"{status['state']}: {status.get('message', '')}")
