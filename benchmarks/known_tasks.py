"""What stands for a master that knows ten thousand tasks, more than a machine can run.

It takes one subscription, answers each question about tasks (RECONCILE) with TASK_RUNNING, and
offers one agent once all have been answered for.
https://mesos.apache.org/documentation/latest/scheduler-http-api/
"""

import http.server
import json
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

STREAM_ID = "00000000-0000-4000-8000-000000000000"

Json = dict[str, Any]


class Master(http.server.ThreadingHTTPServer):
    """Listens on a free port of `host`. `tasks` are agent ids by task id, `offer` an offer.

    `accepted` tells when the offer was accepted (seconds since the epoch), `launched` are the tasks
    that were launched on it.
    """

    daemon_threads = True

    def __init__(self, host: str, tasks: Mapping[str, str], offer: Json) -> None:
        super().__init__((host, 0), _Handler)
        self.address = f"{host}:{self.server_address[1]}"
        self.accepted: float | None = None
        self.launched: dict[str, str] = {}
        self._answered: set[str] = set()
        self._tasks = tasks
        self._offer = offer
        self._offered = threading.Event()
        self.events: queue.SimpleQueue[Json] = queue.SimpleQueue()

    def take(self, call: Json) -> None:
        """Do what a call asks for."""
        if call["type"] == "RECONCILE":
            asked = [task["task_id"]["value"] for task in call["reconcile"].get("tasks", ())]
            self._answer(asked or self._tasks)
        elif call["type"] == "ACCEPT" and self.accepted is None:
            for operation in call["accept"]["operations"]:
                for info in operation.get("launch", {}).get("task_infos", ()):
                    self.launched[info["task_id"]["value"]] = info["agent_id"]["value"]
            self.accepted = time.time()

    def _answer(self, tasks: Iterable[str]) -> None:
        for task in tasks:
            status = {
                "task_id": {"value": task},
                "agent_id": {"value": self._tasks[task]},
                "state": "TASK_RUNNING",
                "source": "SOURCE_MASTER",
                "reason": "REASON_RECONCILIATION",
                "timestamp": time.time(),
            }
            self.events.put({"type": "UPDATE", "update": {"status": status}})
            self._answered.add(task)
        if len(self._answered) == len(self._tasks) and not self._offered.is_set():
            self._offered.set()
            self.events.put({"type": "OFFERS", "offers": {"offers": [self._offer]}})


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Master
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Who leads: this one."""
        self.send_response(307 if urlsplit(self.path).path == "/master/redirect" else 404)
        self.send_header("Location", f"//{self.server.address}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if call["type"] == "SUBSCRIBE":
            self._stream(call["subscribe"]["framework_info"]["id"])
            return
        self.server.take(call)
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _stream(self, framework_id: Json) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Mesos-Stream-Id", STREAM_ID)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        master = {"id": "master", "ip": 0, "port": 5050, "version": "1.11.0"}
        master["domain"] = {"fault_domain": {"region": {"name": "here"}, "zone": {"name": "a"}}}
        subscribed = {
            "framework_id": framework_id,
            "heartbeat_interval_seconds": 3600,
            "master_info": master,
        }
        self._record({"type": "SUBSCRIBED", "subscribed": subscribed})
        while True:
            self._record(self.server.events.get())

    def _record(self, event: Json) -> None:
        text = json.dumps(event).encode()
        record = b"%d\n%s" % (len(text), text)
        self.wfile.write(b"%x\r\n%s\r\n" % (len(record), record))

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@contextmanager
def serving(host: str, tasks: Mapping[str, str], offer: Json) -> Iterator[Master]:
    """A master that answers inside the `with` block."""
    master = Master(host, tasks, offer)
    threading.Thread(target=master.serve_forever, daemon=True).start()
    try:
        yield master
    finally:
        master.shutdown()
        master.server_close()
