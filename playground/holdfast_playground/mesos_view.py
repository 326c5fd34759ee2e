"""What Mesos says about itself over HTTP: who leads, and which agents it has."""

import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from holdfast_playground.addresses import MASTER_PORT

SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """An agent as the leading master lists it."""

    agent_id: str
    hostname: str
    active: bool


def leading_master(addresses: Iterable[str]) -> str | None:
    """The "ip:port" the masters at those addresses call their leader, if it answers too.

    None when no master answers or none is elected.
    """
    for address in addresses:
        location = _redirect(address)
        if location is not None:
            return location if _redirect(location.split(":")[0]) == location else None
    return None


def _redirect(ip: str) -> str | None:
    connection = http.client.HTTPConnection(ip, MASTER_PORT, timeout=SECONDS)
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


def registered_agents(leader: str) -> tuple[RegisteredAgent, ...]:
    """The agents of the master at "ip:port"; none while it does not answer or does not lead."""
    ip, port = leader.split(":")
    connection = http.client.HTTPConnection(ip, int(port), timeout=SECONDS)
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
