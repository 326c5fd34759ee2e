"""What Mesos says about itself over HTTP: who leads, and which agents it has."""

import http.client
import json
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from holdfast_playground.addresses import MASTER_PORT

SECONDS: Final = 5.0

Trust = ssl.SSLContext | None
"""How masters that speak TLS are known; None where they do not."""


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """An agent as the leading master lists it."""

    agent_id: str
    hostname: str
    active: bool


def leading_master(addresses: Iterable[str], trust: Trust = None) -> str | None:
    """The "ip:port" the masters at those addresses call their leader, if it answers too.

    None when no master answers or none is elected.
    """
    for address in addresses:
        location = _redirect(address, trust)
        if location is not None:
            return location if _redirect(location.split(":")[0], trust) == location else None
    return None


def _connection(ip: str, port: int, trust: Trust) -> http.client.HTTPConnection:
    if trust is None:
        return http.client.HTTPConnection(ip, port, timeout=SECONDS)
    return http.client.HTTPSConnection(ip, port, timeout=SECONDS, context=trust)


def _redirect(ip: str, trust: Trust) -> str | None:
    connection = _connection(ip, MASTER_PORT, trust)
    try:
        connection.request("GET", "/master/redirect")
        response = connection.getresponse()
        response.read()
        location = response.getheader("Location")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if response.status != http.HTTPStatus.TEMPORARY_REDIRECT or location is None:
        return None
    return location.removeprefix("http:").removeprefix("//")


def registered_agents(leader: str, trust: Trust = None) -> tuple[RegisteredAgent, ...]:
    """The agents of the master at "ip:port"; none while it does not answer or does not lead."""
    ip, port = leader.split(":")
    connection = _connection(ip, int(port), trust)
    try:
        connection.request("GET", "/master/slaves")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return ()
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        return ()
    return tuple(
        RegisteredAgent(agent["id"], agent["hostname"], agent["active"])
        for agent in json.loads(body)["slaves"]
    )
