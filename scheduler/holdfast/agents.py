"""Asks agents what they can do, by the operator API of each (GET_FLAGS and GET_VERSION)."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import requests
import structlog

from holdfast.asking import Asker
from holdfast.core.effects import InspectAgent
from holdfast.core.events import AgentInspected
from holdfast.mesos.access import Access
from holdfast.mesos.messages import AgentFeatures
from holdfast.mesos.stream import connection_problem

ANSWER_SECONDS = 5.0
MOST_OF_A_REASON = 200
DEFAULT_ISOLATION = "posix/cpu,posix/mem"

log = structlog.get_logger("holdfast.agents")


class AgentInspector(Asker[InspectAgent, AgentInspected]):
    """Asks agents what they can do."""

    def __init__(
        self,
        access: Access,
        post: Callable[[AgentInspected], None],
        encrypted: Callable[[], bool] = lambda: False,
    ) -> None:
        """`encrypted` tells whether the master is spoken to by TLS: agents then are as well."""
        super().__init__(post, "inspect")
        self._access = access
        self._encrypted = encrypted

    def answer(self, question: InspectAgent) -> AgentInspected:
        if self._encrypted():
            # Masters offer agents as http:// whether these speak TLS or not (Mesos 1.11).
            question = replace(question, url=question.url.replace("http://", "https://", 1))
        event = inspect(self._access, question)
        if event.reason:
            log.warning("an agent does not tell what it can do", why=event.reason)
        return event

    def failed(self, question: InspectAgent, reason: str) -> AgentInspected:
        return AgentInspected(question.agent_id, None, reason)


def inspect(access: Access, question: InspectAgent) -> AgentInspected:
    """What the agent says; never raises for what the network or the agent does."""
    id_ = question.agent_id
    if not question.url:
        return AgentInspected(id_, None, "its offers do not tell its address")
    try:
        with access.session() as session:
            flags = _call(session, question.url, "GET_FLAGS")["get_flags"]
            version = _call(session, question.url, "GET_VERSION")["get_version"]
        return AgentInspected(id_, features(flags, version))
    except requests.JSONDecodeError as error:
        reason = f"its API at {question.url} answers with something else than JSON: {error}"
    except requests.RequestException as error:
        reason = f"its API at {question.url} does not answer: {connection_problem(error)}"
    except Refused as error:
        reason = f"its API at {question.url} refuses: {error}"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"the answer of its API at {question.url} is not understood: {error!r}"
    return AgentInspected(id_, None, reason)


class Refused(Exception):
    """The agent answered with another HTTP status than 200."""


def _call(session: requests.Session, url: str, kind: str) -> Any:
    answer = session.post(
        f"{url}/api/v1",
        json={"type": kind},
        headers={"Accept": "application/json"},
        timeout=ANSWER_SECONDS,
        allow_redirects=False,
    )
    if answer.status_code != 200:
        text = answer.text.strip()[:MOST_OF_A_REASON] or answer.reason or "no reason given"
        raise Refused(f"{kind} gave HTTP {answer.status_code}, {text}")
    return answer.json()


def features(flags: Any, version: Any) -> AgentFeatures:
    """Of the answers' parts. Raises KeyError, TypeError, ValueError or AttributeError."""
    values = {flag["name"]: flag.get("value", "") for flag in flags["flags"]}
    return AgentFeatures(
        launcher=values.get("launcher", "posix"),
        isolation=_names(values.get("isolation", DEFAULT_ISOLATION)),
        image_providers=_names(values.get("image_providers", "")),
        has_cni=bool(values.get("network_cni_config_dir")),
        version=_version(version["version_info"]["version"]),
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


def _version(text: str) -> tuple[int, ...]:
    """(1, 11, 0) of `1.11.0-dev`. Raises ValueError."""
    found = re.match(r"\d+(\.\d+)*", text)
    if found is None:
        raise ValueError(f"{text!r} is no version")
    return tuple(int(part) for part in found[0].split("."))
