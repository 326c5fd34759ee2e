#!/usr/bin/env python3
"""Runs the app of one task as Mesos' command executor does: a shell, TASK_RUNNING, SIGTERM.

Standard library only. TASK_RUNNING is sent when the shell has started, as Marathon expects.
"""

import base64
import http.client
import json
import os
import signal
import subprocess
import threading
import time
import uuid
from typing import Any

IDS = {
    "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
    "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
}
AGENT = os.environ["MESOS_AGENT_ENDPOINT"]
GRACE_SECONDS = 10.0
PRIVATE = ("MESOS_AGENT_ENDPOINT", "MESOS_EXECUTOR_ID", "MESOS_FRAMEWORK_ID", "MESOS_SLAVE_PID")
acknowledged = threading.Event()


def post(body: dict[str, Any]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(AGENT)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    connection.request("POST", "/slave(1)/api/v1/executor", json.dumps({**IDS, **body}), headers)
    return connection.getresponse()


def update(task_id: dict[str, Any], state: str, message: str = "") -> None:
    status = {
        "task_id": task_id,
        "executor_id": IDS["executor_id"],
        "state": state,
        "message": message,
        "source": "SOURCE_EXECUTOR",
        "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
    }
    acknowledged.clear()
    post({"type": "UPDATE", "update": {"status": status}}).read()


def watch(task_id: dict[str, Any], app: "subprocess.Popen[bytes]", killed: threading.Event) -> None:
    """Tell how the app ended, and end with it."""
    code = app.wait()
    state = "TASK_KILLED" if killed.is_set() else "TASK_FAILED" if code else "TASK_FINISHED"
    update(task_id, state, f"exit code {code}")
    acknowledged.wait(10)
    os._exit(0)


def kill(app: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, and SIGKILL when that does not help."""
    os.killpg(app.pid, signal.SIGTERM)
    try:
        app.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(app.pid, signal.SIGKILL)


def main() -> None:
    subscription: dict[str, Any] = {"unacknowledged_tasks": [], "unacknowledged_updates": []}
    events = post({"type": "SUBSCRIBE", "subscribe": subscription})
    assert events.status == http.HTTPStatus.OK, events.read()
    killed = threading.Event()
    app: subprocess.Popen[bytes] | None = None
    while size := events.readline():
        event = json.loads(events.read(int(size)))
        if event["type"] == "LAUNCH":
            task = event["launch"]["task"]
            environment = {k: v for k, v in os.environ.items() if k not in PRIVATE}
            command = base64.b64decode(task["data"]).decode()
            app = subprocess.Popen(["/bin/sh", "-c", command], env=environment, process_group=0)
            update(task["task_id"], "TASK_RUNNING")
            threading.Thread(target=watch, args=(task["task_id"], app, killed)).start()
        elif event["type"] == "ACKNOWLEDGED":
            acknowledged.set()
        elif event["type"] in ("KILL", "SHUTDOWN") and app is not None:
            killed.set()
            threading.Thread(target=kill, args=(app,)).start()
    # The agent is gone, and nothing here outlives it.
    if app is not None:
        kill(app)
    time.sleep(GRACE_SECONDS)


if __name__ == "__main__":
    main()
