"""Asks the URLs of disruption checks, by POST with JSON."""

import json
import time

import requests
import urllib3

from holdfast.core.effects import AskDisruption
from holdfast.core.events import DisruptionAnswered
from holdfast.mesos.stream import connection_problem

ANSWER_SECONDS = 5.0
"""How long an answer may take, all of it."""

MOST_BYTES = 65_536
MOST_OF_A_REASON = 200
PIECE_BYTES = 4096

EXPECTED = '{"allow": true} or {"allow": false, "reason": "..."}'


def said_by_url(question: AskDisruption, seconds: float = ANSWER_SECONDS) -> DisruptionAnswered:
    """What the URL says within so many seconds; anything but a clear yes is a no. Never raises for
    what the network or the other side does."""
    url = question.check.url
    try:
        status, body = _posted(question, seconds)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        return _no(question, f"{url} does not answer: {connection_problem(error)}")
    except _TooMuch as error:
        return _no(question, f"{url} {error}")
    if not 200 <= status < 300:
        return _no(question, f"{url} gave HTTP {status}, {_shown(body) or 'no reason'}")
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("allow"), bool):
        text = f"{url} answers {_shown(body)!r} in the place of {EXPECTED}"
        return _no(question, text)
    if answer["allow"]:
        return DisruptionAnswered(question.id, question.service, True)
    reason = str(answer.get("reason") or "it gives no reason")
    return _no(question, reason[:MOST_OF_A_REASON])


class _TooMuch(Exception):
    """The answer is too long, or takes too long."""


def _posted(question: AskDisruption, seconds: float) -> tuple[int, bytes]:
    """Status and body. A timeout of the connection is for each piece; here it is for all of it."""
    deadline = time.monotonic() + seconds
    with requests.post(
        question.check.url,
        json=question.question,
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        timeout=seconds,
        allow_redirects=False,
        stream=True,
    ) as response:
        body = b""
        while piece := response.raw.read1(PIECE_BYTES, decode_content=False):
            body += piece
            if len(body) > MOST_BYTES:
                raise _TooMuch(f"answers with more than {MOST_BYTES} bytes")
            if time.monotonic() > deadline:
                raise _TooMuch(f"takes more than {seconds:g} s to answer")
        return response.status_code, body


def _no(question: AskDisruption, reason: str) -> DisruptionAnswered:
    return DisruptionAnswered(question.id, question.service, False, reason)


def _shown(body: bytes) -> str:
    return body.decode(errors="replace").strip()[:MOST_OF_A_REASON]
