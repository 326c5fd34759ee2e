"""What an operator could order now, to have all that is broken mended."""

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.plans.derive import RECOVERY
from holdfast.plans.orders import Orders
from holdfast.recovery.decide import Verdict
from holdfast.recovery.failure import Cause

REPLACE_POD = "pod replace"
RESTART_POD = "pod restart"
CONTINUE_PLAN = "plan continue"


@dataclass(frozen=True, slots=True)
class Action:
    """One order, such as `pod replace etcd-0`, and why."""

    order: str
    target: str
    why: str

    @property
    def name(self) -> str:
        return f"{self.order} {self.target}"


def proposal(verdicts: Iterable[Verdict], orders: Orders | None) -> tuple[Action, ...]:
    """The orders that mend what is broken; `orders` are those on the recovery plan.

    What is out of sight is replaced; what is down where it is reached is tried again there at once.
    Agents marked gone need no word.
    """
    actions = []
    if orders is not None and (orders.interrupted or orders.phases):
        actions.append(Action(CONTINUE_PLAN, RECOVERY, "it is paused, in part or as a whole"))
    for verdict in verdicts:
        if verdict.cause is Cause.OUT_OF_SIGHT:
            actions.append(Action(REPLACE_POD, verdict.pod, verdict.reason))
        elif verdict.cause is Cause.DOWN:
            actions.append(Action(RESTART_POD, verdict.pod, verdict.reason))
    return tuple(actions)
