"""What an operator could order now, to have all that is broken mended."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.plans.derive import RECOVERY
from holdfast.plans.orders import Orders
from holdfast.records import Pod
from holdfast.recovery.decide import Verdict
from holdfast.recovery.failure import Cause
from holdfast.service.instance_names import type_of
from holdfast.service.model import ServiceSpec

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


def dangers(actions: Iterable[Action], service: ServiceSpec, pods: Iterable[Pod]) -> Iterator[str]:
    """Of which pods more than max-unavailable would begin without data, in words.

    Those that are being replaced already count as well.
    """
    given_up = {action.target for action in actions if action.order == REPLACE_POD}
    under_way = {pod.name for pod in pods if pod.replaced is not None}
    for spec in service.pods:
        ordered = sorted(name for name in given_up if type_of(name) == spec.type)
        empty = sorted(name for name in given_up | under_way if type_of(name) == spec.type)
        if ordered and spec.volumes and len(empty) > spec.max_unavailable:
            yield (
                f"{', '.join(empty)} would be without data: more than max-unavailable"
                f" ({spec.max_unavailable}) of {spec.type}: its quorum begins without data"
            )
