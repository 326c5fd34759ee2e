"""The roles a service wants offers for."""

from holdfast.core.ledger import Ledger
from holdfast.placement.owner import role_for, roles


def subscribed_roles(ledger: Ledger) -> tuple[str, ...]:
    """The roles of what the service asks for, and of what it left behind."""
    left = (one.reservation.pre_reserved_role for one in ledger.retired.values())
    return tuple(sorted({*roles(ledger.service), *(role_for(ledger.service, r) for r in left)}))
