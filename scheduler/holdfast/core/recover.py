"""The operator's order to mend all that is broken, as it was shown."""

from collections.abc import Callable, Collection
from dataclasses import replace

from holdfast.core.commands import Refused, replace_pod, restart_pod
from holdfast.core.confidential import Shortage
from holdfast.core.ledger import Ledger
from holdfast.plans.derive import RECOVERY
from holdfast.plans.orders import Orders
from holdfast.recovery.proposal import CONTINUE_PLAN, REPLACE_POD, Action


def recover(
    ledger: Ledger,
    actions: Collection[Action],
    seen: Collection[str],
    shortage: Shortage,
    new_id: Callable[[], str],
    now: float,
) -> str:
    """Carry out all of `actions`; `seen` are the names of those the operator agreed to.

    Raises Refused, with nothing changed, when these are others.
    """
    names = sorted(action.name for action in actions)
    if names != sorted(seen):
        found = ", ".join(names) or "nothing"
        raise Refused(
            409,
            f"the situation has changed, and nothing was done. To be done is now: {found}."
            " Look at it, then order it again",
        )
    texts = []
    for action in actions:
        if action.order == CONTINUE_PLAN:
            orders = ledger.orders.get(RECOVERY, Orders(RECOVERY))
            ledger.put_orders(replace(orders, interrupted=False, phases=frozenset()))
            texts.append(f"{RECOVERY} goes on")
        elif action.order == REPLACE_POD:
            texts.append(replace_pod(ledger, action.target, new_id, now))
        else:
            texts.append(restart_pod(ledger, action.target, shortage))
    return "; ".join(texts) or "there was nothing to order"
