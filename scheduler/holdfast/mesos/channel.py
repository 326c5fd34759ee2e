"""Sends calls to the master on connections of their own, apart from the event stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
import requests
from urllib3.exceptions import NewConnectionError

from holdfast.mesos.access import Access
from holdfast.mesos.service_account import LoginFailed
from holdfast.mesos.stream import CONNECT_TIMEOUT_SECONDS, connection_problem, read_reason

ANSWER_TIMEOUT_SECONDS = 15.0

_REPEATABLE = frozenset(
    {
        "ACKNOWLEDGE",
        "ACKNOWLEDGE_OPERATION_STATUS",
        "DECLINE",
        "KILL",
        "RECONCILE",
        "REVIVE",
        "SUPPRESS",
        "UPDATE_FRAMEWORK",
    }
)

# How a master (src/master/http.cpp) words a 400 that means: subscribe again.
_UNKNOWN_TO_IT = ("stream id", "framework cannot be found")


class Outcome(StrEnum):
    """What became of a call."""

    SENT = "sent"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CallResult:
    """SENT: the master took the call, which does not promise that it acts on it.

    REJECTED: the call had and will have no effect. UNKNOWN: it may have had. `stale` when the
    master no longer knows our subscription.
    """

    outcome: Outcome
    reason: str = ""
    stale: bool = False


SENT = CallResult(Outcome.SENT)


def rejected(reason: str, *, stale: bool = False) -> CallResult:
    return CallResult(Outcome.REJECTED, reason, stale)


def unknown(reason: str) -> CallResult:
    return CallResult(Outcome.UNKNOWN, reason)


class CallChannel:
    """A pool of kept-alive connections; safe to use from several threads."""

    def __init__(self, access: Access, answer_timeout: float = ANSWER_TIMEOUT_SECONDS) -> None:
        self._session = access.session()
        self._timeout = (CONNECT_TIMEOUT_SECONDS, answer_timeout)

    def send(self, url: str, stream_id: str, message: Mapping[str, Any]) -> CallResult:
        """POST one call and classify the answer; never raises for what the network does.

        urllib3 replaces an idle connection the master has closed before it writes to it. When the
        close crosses the request, calls that may safely arrive twice are sent once more; ACCEPT
        is not among them: its repetition would be answered with TASK_DROPPED for a task that runs.
        """
        body = orjson.dumps(message)
        try:
            return self._post(url, stream_id, body)
        except LoginFailed as error:
            return rejected(f"not sent: {error}")
        except requests.ConnectionError as error:
            if _never_connected(error):
                return rejected(f"not sent: {connection_problem(error)}")
            if isinstance(error, requests.Timeout) or message["type"] not in _REPEATABLE:
                return unknown(connection_problem(error))
        except requests.RequestException as error:
            return unknown(connection_problem(error))
        try:
            return self._post(url, stream_id, body)
        except requests.RequestException as error:
            return unknown(connection_problem(error))

    def close(self) -> None:
        self._session.close()

    def _post(self, url: str, stream_id: str, body: bytes) -> CallResult:
        response = self._session.post(
            url,
            data=body,
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Mesos-Stream-Id": stream_id,
            },
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
        )
        with response:
            if response.status_code in (200, 202):
                return _taken(response)
            return _refused(response.status_code, read_reason(response))


def _taken(response: requests.Response) -> CallResult:
    try:
        _ = response.content  # an unread body would keep the connection from being used again
    except requests.RequestException:
        return SENT
    return SENT


def _refused(status: int, reason: str) -> CallResult:
    text = f"HTTP {status}: {reason}"
    if status == 307:
        return rejected("this master does not lead any more", stale=True)
    if status == 403 or (status == 400 and any(text in reason.lower() for text in _UNKNOWN_TO_IT)):
        return rejected(text, stale=True)
    if status == 503 or 400 <= status < 500:
        return rejected(text)
    return unknown(text)


def _never_connected(error: requests.ConnectionError) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)
