#!/usr/bin/env python3
"""The smallest v1 HTTP executor: its tasks run as long as it does, and write to their volume."""

import base64
import http.client
import json
import os
import uuid
from typing import Any

IDS = {
    "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
    "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
}


def post(body: dict[str, Any]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(os.environ["MESOS_AGENT_ENDPOINT"])
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    connection.request("POST", "/slave(1)/api/v1/executor", json.dumps({**IDS, **body}), headers)
    return connection.getresponse()


def subscribe(tasks: list[dict[str, Any]]) -> None:
    """One subscription, until the agent goes away."""
    subscription = {"unacknowledged_tasks": tasks, "unacknowledged_updates": []}
    events = post({"type": "SUBSCRIBE", "subscribe": subscription})
    if events.status != http.HTTPStatus.OK:
        return
    while size := events.readline():
        event = json.loads(events.read(int(size)))
        if event["type"] == "LAUNCH":
            task = event["launch"]["task"]
            tasks.append(task)
            with open("data/written", "a") as file:
                file.write("once\n")
            status = {
                "task_id": task["task_id"],
                "executor_id": IDS["executor_id"],
                "state": "TASK_RUNNING",
                "source": "SOURCE_EXECUTOR",
                "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
            }
            print("running", task["task_id"]["value"], flush=True)
            post({"type": "UPDATE", "update": {"status": status}}).read()
        elif event["type"] == "ACKNOWLEDGED":
            tasks.clear()
        elif event["type"] in ("KILL", "SHUTDOWN"):
            raise SystemExit


def main() -> None:
    import time

    tasks: list[dict[str, Any]] = []
    while True:
        try:
            subscribe(tasks)
        except (OSError, http.client.HTTPException) as error:
            print("subscription:", error, flush=True)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
