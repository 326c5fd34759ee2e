"""What an operator orders, turned into records. Each returns the words for the operator."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from holdfast.core.confidential import Shortage
from holdfast.core.ledger import Ledger
from holdfast.core.view import Quarantined
from holdfast.plans.single import spared_tasks
from holdfast.records import DestroyIntent, Pod, Predecessor, Retired, Task

REPLACE = "replace"
"""The hook an instance owes that takes over from one that has run."""


FORCE = "force"
"""The parameter of an order that is carried out although too many would be down: "true"."""


class Refused(Exception):
    """The order cannot be carried out; `status` is the HTTP status that says so."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def restart_pod(
    ledger: Ledger, name: str, shortage: Shortage, reason: str = "restarted by the operator"
) -> str:
    """Kill the tasks of a pod instance and start them again on the same volumes.

    What runs is left alone while a secret is missing that it would not start without.
    """
    pod = _pod(ledger, name)
    if not pod.tasks:
        raise Refused(409, f"{name} has not been launched yet; there is nothing to restart")
    short = shortage.of(ledger.spec_of(pod), (task.name for task in pod.tasks))
    if short and pod.has_live_tasks:
        raise Refused(409, f"{name} would not start again and was left alone: {short}")
    tasks = tuple(_stopped(task, reason) for task in pod.tasks)
    ledger.put_pod(replace(pod, tasks=tasks, restart=""))
    where = pod.reservation.hostname if pod.reservation else "?"
    if any(task.uncertain for task in pod.tasks):
        return f"{name} will start again on its volumes when agent {where} is back"
    return f"{name} is being restarted on agent {where}, on its own volumes"


def _stopped(task: Task, reason: str) -> Task:
    """The task on its way to be launched anew, its failures forgiven.

    One on an agent out of reach may come back with it, and is stopped then.
    """
    stopping = task.stopping if task.dead else reason
    return replace(task, stopping=stopping, failures=0, not_before=0.0)


def replace_pod(
    ledger: Ledger,
    name: str,
    new_id: Callable[[], str],
    now: float,
    reason: str = "replaced by the operator",
) -> str:
    """Give up the instance's place; a new instance with new, empty volumes takes over.

    The old volumes are kept until they are destroyed by name. The new instance starts only once
    no task of the old one is known to run.
    """
    pod = _pod(ledger, name)
    if pod.reservation is None:
        raise Refused(409, f"{name} has no place yet; there is nothing to replace")
    retired = Retired(
        id=new_id(),
        pod=name,
        reservation=pod.reservation,
        tasks=tuple(task for task in pod.tasks if not task.dead),
        reason=reason,
        at=now,
    )
    ledger.put_retired(retired)
    # While a hook is still owed nothing has run yet, and there is nothing to take over from.
    hook = pod.hook or REPLACE
    replaced = pod.replaced
    if replaced is None and hook == REPLACE:
        own = next((task.ip for task in pod.tasks if task.ip), None)
        replaced = Predecessor(own or pod.reservation.ip, pod.reservation.hostname)
    ledger.put_pod(
        Pod(
            pod.type,
            pod.index,
            hook=hook,
            deployed=pod.deployed,
            replaced=replaced,
            spared=spared_tasks(ledger.service, pod),
        )
    )
    kept = ", ".join(volume.id for volume in retired.reservation.volumes)
    text = f"{name} is being replaced"
    if kept:
        text += (
            f"; its former data stays on agent {retired.reservation.hostname} as {kept}"
            " until you run `holdfast volumes destroy`"
        )
    return text


def destroy_volume(
    ledger: Ledger, volume_id: str, quarantined: Mapping[str, Quarantined], now: float
) -> str:
    """Record that the volume may be destroyed, which happens when its agent offers it.

    A quarantined reservation without a volume is given back in the same way.
    """
    user = ledger.index.volumes.get(volume_id)
    if user is not None:
        raise Refused(
            409,
            f"volume {volume_id} belongs to {user}, which uses it; nothing was changed."
            f" `holdfast pod replace {user}` would release it first",
        )
    retired = {v.id for left in ledger.retired.values() for v in left.reservation.volumes}
    if volume_id not in retired and volume_id not in quarantined:
        raise Refused(404, f"no volume {volume_id} is known; `holdfast volumes list` shows all")
    item = quarantined.get(volume_id)
    if item is not None and item.principal not in (None, ledger.service.principal):
        raise Refused(
            409,
            f"{volume_id} was reserved by {item.principal!r}, not by this service's principal"
            f" {ledger.service.principal!r}; nothing was changed. Whoever that is can free it",
        )
    ledger.put_intent(DestroyIntent(volume_id, now))
    if item is not None and item.kind != "volume":
        return f"{volume_id} will be given back as soon as its agent offers it"
    return f"volume {volume_id} will be destroyed as soon as its agent offers it"


def forget_retired(ledger: Ledger, target: str) -> str:
    """Give up a reservation left on a machine that never returns: nothing is destroyed.

    `target` is the id of a volume on it or of the reservation, or the pod instance that left it,
    when it left but one.
    """
    found = [
        left
        for left in ledger.retired.values()
        if target in (left.id, left.pod, left.reservation.resource_id)
        or any(volume.id == target for volume in left.reservation.volumes)
    ]
    if not found:
        raise Refused(
            404,
            f"nothing retired is called {target}; `holdfast volumes list` shows what is, and only"
            " that can be forgotten. Nothing was changed",
        )
    if len(found) > 1:
        ids = ", ".join(left.reservation.resource_id for left in found)
        raise Refused(409, f"{target} left several: name one of {ids}. Nothing was changed")
    (left,) = found
    where = left.reservation.hostname
    if any(task.live for task in left.tasks):
        raise Refused(
            409, f"a task of {left.pod} still runs on {where}; nothing was changed. Ask again later"
        )
    ledger.drop_retired(left.id)
    for volume in left.reservation.volumes:
        if volume.id in ledger.intents:
            ledger.drop_intent(volume.id)
    return (
        f"what {left.pod} left on {where} is forgotten, and nothing of it destroyed. Should the"
        " machine come back, its reservation and volumes are quarantined: kept until you destroy"
        " them by name"
    )


def refuse_known(ledger: Ledger, task_id: str) -> None:
    """Only what no record explains is killed by its id."""
    owner = ledger.index.owners.get(task_id)
    if owner is not None:
        raise Refused(
            409,
            f"{task_id} belongs to {owner}; nothing was changed. `holdfast pod restart` or"
            " `holdfast pod replace` is for that",
        )


def _pod(ledger: Ledger, name: str) -> Pod:
    pod = ledger.pods.get(name)
    if pod is not None:
        return pod
    wanted = [f"{spec.type}-{index}" for spec, index in ledger.service.instances()]
    if name in wanted:
        raise Refused(409, f"{name} has not been launched yet")
    raise Refused(404, f"no pod instance {name}; there are {', '.join(wanted)}")
