"""Hosts an operator services: closed to the service until the operator says so, step by step.

On a closed host instances are stopped as `max-unavailable` allows and wait there with their data;
nothing new is placed on it.
"""

from holdfast.core.commands import Refused
from holdfast.core.ledger import Ledger
from holdfast.core.upkeep import Cordon
from holdfast.placement.constraints import Refusal


def start_maintenance(ledger: Ledger, hostname: str, now: float) -> str:
    """Close the host; what is there is stopped in turn. Returns the words for the operator."""
    if not hostname or "/" in hostname or len(hostname) > 253:
        raise Refused(400, f"{hostname!r} is no name of a host; nothing was changed")
    if hostname in ledger.cordons:
        raise Refused(409, f"{hostname} is in maintenance already; nothing was changed")
    ledger.put_cordon(Cordon(hostname, now))
    names = ledger.names_on_host(hostname)
    if not names:
        return (
            f"{hostname} is in maintenance: nothing will be placed there. Nothing of this service"
            " is there now; if you expected something, compare the name with `holdfast pod status`"
        )
    return (
        f"{hostname} is in maintenance: {', '.join(sorted(names))} will be stopped as"
        " max-unavailable allows, and stays there with its data. `holdfast maintenance show` tells"
        f" when all is stopped, `holdfast maintenance end {hostname}` starts it again"
    )


def end_maintenance(ledger: Ledger, hostname: str) -> str:
    """Open the host again: its instances start there on their volumes."""
    if hostname not in ledger.cordons:
        raise Refused(404, f"{hostname} is not in maintenance; nothing was changed")
    ledger.drop_cordon(hostname)
    names = ledger.names_on_host(hostname)
    what = f"{', '.join(sorted(names))} will start again there" if names else "it is used again"
    return f"the maintenance of {hostname} has ended; {what}"


def closed(ledger: Ledger, hostname: str) -> Refusal | None:
    """Why nothing new is placed on the host."""
    if hostname not in ledger.cordons:
        return None
    return Refusal("maintenance", f"`holdfast maintenance end {hostname}` opens the agent again")


def rest_reason(hostname: str) -> str:
    """Why an instance on a closed host is stopped."""
    return f"its agent {hostname} is in maintenance"
