"""The least an executor can do: say that its task runs, and wait.

Standard library only. What a launch costs with it is what Mesos alone takes.
"""

import base64
import http.client
import json
import os
import uuid
from typing import Any

AGENT = os.environ["MESOS_AGENT_ENDPOINT"]
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


def call(body: dict[str, Any]) -> http.client.HTTPResponse:
    message = {
        **body,
        "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
        "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
    }
    connection = http.client.HTTPConnection(AGENT)
    connection.request("POST", "/slave(1)/api/v1/executor", json.dumps(message), HEADERS)
    return connection.getresponse()


def main() -> None:
    stream = call({"type": "SUBSCRIBE", "subscribe": {}})
    while length := stream.readline():
        event = json.loads(stream.read(int(length)))
        if event["type"] == "LAUNCH":
            status = {
                "task_id": event["launch"]["task"]["task_id"],
                "state": "TASK_RUNNING",
                "source": "SOURCE_EXECUTOR",
                "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
            }
            call({"type": "UPDATE", "update": {"status": status}}).read()
        elif event["type"] in ("KILL", "SHUTDOWN"):
            return


if __name__ == "__main__":
    main()
