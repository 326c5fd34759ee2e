"""Orders that name what the whole framework has: no service frees what another one's records know.

Each core looks into its own records alone, and all services have the same framework id.
"""

from collections.abc import Mapping

from holdfast.core.events import Command, Verb
from holdfast.core.ledger import Ledger


def anothers(ledgers: Mapping[str, Ledger], command: Command) -> str | None:
    """Why an order to kill or to free something is refused: it is another service's, by name."""
    find = {Verb.ORPHANS_KILL: _user_of_task, Verb.VOLUMES_DESTROY: _user_of_held}.get(command.verb)
    if find is None:
        return None
    for name, ledger in ledgers.items():
        user = find(ledger, command.target) if name != command.service else None
        if user is not None:
            return (
                f"{command.target} belongs to {user} of the service {name}; nothing was changed."
                f" Give orders for it at the address of {name}"
            )
    return None


def _user_of_task(ledger: Ledger, task_id: str) -> str | None:
    owner = ledger.owner_of(task_id)
    return ledger.retired[owner].pod if owner in ledger.retired else owner


def _user_of_held(ledger: Ledger, name: str) -> str | None:
    """Who uses, or has left behind, the volume of that id or the reservation of that name."""
    resource_id = name.partition("/")[0]
    user = ledger.index.volumes.get(name) or ledger.index.holders.get(resource_id)
    if user is not None:
        return user
    for left in ledger.retired.values():
        if any(volume.id == name for volume in left.reservation.volumes):
            return left.pod
        if resource_id in left.reservation.resource_ids:
            return left.pod
    return None
