"""The blind launcher: accepts whatever is offered, keeps no record, and knows nothing.

How fast it gets tasks running is what this Mesos, with this executor, can do on this machine.
Standard library only. Reads its orders, JSON, from standard input; prints the times (seconds
since the epoch) at which it first accepted an offer, and at which the last task ran.
"""

import http.client
import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

PATH = "/api/v1/scheduler"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
FILTERS = {"refuse_seconds": 3600}


def main(orders: dict[str, Any]) -> tuple[float, float]:
    """Launch `tasks` tasks, `per_agent` for each offer.

    `operations` is the text of a JSON list that starts one of them; @FRAMEWORK@, @AGENT@ and @ID@
    stand for what is not known before.
    """
    stream = http.client.HTTPConnection(orders["master"])
    message = {"type": "SUBSCRIBE", "subscribe": {"framework_info": orders["framework"]}}
    stream.request("POST", PATH, json.dumps(message), HEADERS)
    answer = stream.getresponse()
    calls = http.client.HTTPConnection(orders["master"])
    headers = HEADERS | {"Mesos-Stream-Id": answer.headers["Mesos-Stream-Id"]}
    framework, wanted, numbers, running = "", orders["tasks"], itertools.count(), set[str]()
    began = 0.0

    def call(kind: str, body: dict[str, Any]) -> None:
        message = {"type": kind, "framework_id": {"value": framework}, kind.lower(): body}
        calls.request("POST", PATH, json.dumps(message), headers)
        taken = calls.getresponse()
        if taken.status != http.HTTPStatus.ACCEPTED:
            raise SystemExit(f"{kind} refused: {taken.status} {taken.read()!r}")
        taken.read()

    for event in events(answer):
        if event["type"] == "SUBSCRIBED":
            framework = event["subscribed"]["framework_id"]["value"]
        elif event["type"] == "OFFERS":
            for offer in event["offers"]["offers"]:
                text = orders["operations"].replace("@FRAMEWORK@", framework)
                text = text.replace("@AGENT@", offer["agent_id"]["value"])
                operations: list[Any] = []
                for _ in range(min(orders["per_agent"], wanted)):
                    operations += json.loads(text.replace("@ID@", f"blind-{next(numbers)}"))
                    wanted -= 1
                body = {"offer_ids": [offer["id"]], "filters": FILTERS}
                if operations:
                    began = began or time.time()
                    call("ACCEPT", {**body, "operations": operations})
                else:
                    call("DECLINE", body)
        elif event["type"] == "UPDATE":
            status = event["update"]["status"]
            if status["state"] == "TASK_RUNNING":
                running.add(status["task_id"]["value"])
            elif status["state"] != "TASK_STARTING":
                raise SystemExit(f"{status['state']}: {status.get('message')}")
            if len(running) == orders["tasks"]:
                return began, time.time()
            if "uuid" in status:
                call("ACKNOWLEDGE", {key: status[key] for key in ("agent_id", "task_id", "uuid")})
    raise SystemExit("the master ended the subscription")


def events(stream: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """RecordIO: a length in decimal digits, a newline, that many bytes."""
    while length := stream.readline():
        yield json.loads(stream.read(int(length)))


if __name__ == "__main__":
    print(*main(json.load(sys.stdin)))
