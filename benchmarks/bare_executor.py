"""The least an executor can do: say that its task runs, and wait.

Standard library only, and little of it: a launch with this executor costs what Mesos takes anyway.
"""

import binascii
import json
import os
import socket
from collections.abc import Iterator
from typing import Any, BinaryIO


def post(body: dict[str, Any]) -> BinaryIO:
    """The answer to a call of the executor API, from its status line on."""
    host, _, port = os.environ["MESOS_AGENT_ENDPOINT"].rpartition(":")
    body["framework_id"] = {"value": os.environ["MESOS_FRAMEWORK_ID"]}
    body["executor_id"] = {"value": os.environ["MESOS_EXECUTOR_ID"]}
    text = json.dumps(body)
    connection = socket.create_connection((host, int(port)))
    connection.sendall(
        "POST /slave(1)/api/v1/executor HTTP/1.1\r\nHost: agent\r\nAccept: application/json\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
    )
    return connection.makefile("rb")


def random_uuid() -> str:
    """Of version 4, which Mesos insists on, in base64; the module `uuid` takes long to import."""
    raw = bytearray(os.urandom(16))
    raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
    return binascii.b2a_base64(raw, newline=False).decode()


def events(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """RecordIO within chunked transfer coding: a record need not be one chunk."""
    text = b""
    while length := stream.readline():
        text += stream.read(int(length, 16))
        stream.readline()
        size, newline, rest = text.partition(b"\n")
        while newline and len(rest) >= int(size):
            yield json.loads(rest[: int(size)])
            text = rest[int(size) :]
            size, newline, rest = text.partition(b"\n")


def main() -> None:
    stream = post({"type": "SUBSCRIBE", "subscribe": {}})
    while stream.readline().strip():  # the headers, and the empty line after them
        pass
    for event in events(stream):
        if event["type"] == "LAUNCH":
            status = {
                "task_id": event["launch"]["task"]["task_id"],
                "state": "TASK_RUNNING",
                "source": "SOURCE_EXECUTOR",
                "uuid": random_uuid(),
            }
            post({"type": "UPDATE", "update": {"status": status}}).readline()
        elif event["type"] in ("KILL", "SHUTDOWN"):
            return


if __name__ == "__main__":
    main()
