"""TaskStatus messages of the v1 API as JSON objects."""

from __future__ import annotations

import base64
import os
from typing import Any, Dict, NamedTuple

Message = Dict[str, Any]

CHECK_UPDATED = "REASON_TASK_CHECK_STATUS_UPDATED"
HEALTH_UPDATED = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
TASK_INVALID = "REASON_TASK_INVALID"


class Reported(NamedTuple):
    """What every status of a task carries along once known.

    `has_check`: a task with a readiness check shows `check_status` from its first status on,
    without an exit code until the check gave one, so that schedulers do not take silence for ready.
    """

    task_id: str
    executor_id: str
    has_check: bool
    check_exit_code: int | None = None
    healthy: bool | None = None


def new_uuid() -> str:
    """A random (version 4) UUID as base64 of its 16 bytes."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return base64.b64encode(raw).decode("ascii")


def task_status(
    reported: Reported,
    state: str,
    uuid: str,
    timestamp: float,
    message: str | None = None,
    reason: str | None = None,
) -> Message:
    """A TaskStatus from this executor; `timestamp` in seconds since 1970."""
    status: Message = {
        "task_id": {"value": reported.task_id},
        "executor_id": {"value": reported.executor_id},
        "state": state,
        "source": "SOURCE_EXECUTOR",
        "timestamp": timestamp,
        "uuid": uuid,
    }
    if message is not None:
        status["message"] = message
    if reason is not None:
        status["reason"] = reason
    if reported.healthy is not None:
        status["healthy"] = reported.healthy
    if reported.has_check:
        code = reported.check_exit_code
        status["check_status"] = {
            "type": "COMMAND",
            "command": {} if code is None else {"exit_code": code},
        }
    return status
