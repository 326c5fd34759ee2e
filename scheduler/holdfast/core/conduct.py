"""How the core goes about its work, where operators may want it otherwise."""

from dataclasses import dataclass

from holdfast.core.reconcile import PERIOD
from holdfast.core.statuses import DEFAULT_BACKOFF, Backoff


@dataclass(frozen=True, slots=True)
class Conduct:
    """`reconciliation` is the time between two rounds of it, in seconds.

    Without `suppress` offers come also when nothing is to be done. `renew_before` is how many
    seconds before a certificate ends its instance is restarted for a new one; None is never.
    """

    backoff: Backoff = DEFAULT_BACKOFF
    reconciliation: float = PERIOD
    suppress: bool = True
    renew_before: float | None = None


USUAL = Conduct()
