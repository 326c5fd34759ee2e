"""Which pod instances do not serve, as far as the records tell."""

from holdfast.core.commands import REPLACE
from holdfast.core.ledger import Ledger
from holdfast.plans.goals import any_plan_tasks, planned_tasks, serves
from holdfast.plans.single import replace_steps
from holdfast.records import Pod
from holdfast.service.model import Goal


def is_down(ledger: Ledger, pod: Pod) -> bool:
    """Whether a wanted instance that was launched does not serve now."""
    if not pod.tasks:
        return pod.deployed is not None or pod.hook == REPLACE
    if replace_steps(ledger.service, pod) or _has_yet_to_take_over(ledger, pod):
        return True
    planned = any_plan_tasks(ledger.service, pod.type, pod.index)
    return not serves(ledger.spec_of(pod), pod, planned)


def is_broken(ledger: Ledger, pod: Pod) -> bool:
    """Whether an instance never came up as it was launched, so that recovery is no help."""
    if not is_down(ledger, pod):
        return False
    if not pod.tasks:  # replaced before it was deployed again
        return pod.deployed is None
    if pod.deployed is None and _has_yet_to_take_over(ledger, pod):
        return True
    return any(
        task.reached is None or not ledger.asks_the_same(pod.type, task.config_id)(task.reached)
        for task in pod.tasks
        if not task.running
    )


def _has_yet_to_take_over(ledger: Ledger, pod: Pod) -> bool:
    """Whether a replaced instance lacks what its predecessor ran, whoever is to launch it."""
    if pod.replaced is None:
        return False
    spec = ledger.service.pod(pod.type)
    return any(
        spec.task(name).goal is Goal.RUNNING and pod.task(name) is None
        for name in planned_tasks(ledger.service, pod.type, pod.index)
    )
