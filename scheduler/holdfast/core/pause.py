"""Tasks held back from what they do, for an operator to look at their data and sandbox.

A paused task is launched with a command that only sleeps, without its health check, and with a
readiness check that fails, so that no plan goes past it. Which tasks are to be paused is stored for
each pod instance, and outlives everything until they are resumed. As in dcos-commons.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from holdfast.core.commands import Refused
from holdfast.core.confidential import Shortage
from holdfast.core.events import Command, Verb
from holdfast.core.ledger import Ledger
from holdfast.mesos.messages import TaskState
from holdfast.records import Pod, Task

PAUSED, PAUSING, RESUMING = "PAUSED", "PAUSING", "RESUMING"
"""How tasks and steps are shown (dcos-commons, GoalStateOverride)."""


INSIST = "--force"
"""The parameter of an order that is carried out although its disruption check says no: "true".
The others are names of tasks, and none of these begins so."""


def shown(task: Task | None, wanted: bool) -> str | None:
    """Where the task is on the way to being paused or resumed; None when it is neither."""
    if task is None:
        return PAUSING if wanted else None
    if wanted:
        settled = task.paused and task.state is TaskState.RUNNING and task.stopping is None
        return PAUSED if settled else PAUSING
    return RESUMING if task.paused else None


def step_shown(pod: Pod | None, tasks: Iterable[str], paused: Collection[str]) -> str | None:
    """The same for a step; None unless all of its tasks are to be paused."""
    names = list(tasks)
    if pod is None or not names or not set(names) <= set(paused):
        return None
    each = {shown(pod.task(name), wanted=True) for name in names}
    return PAUSED if each == {PAUSED} else PAUSING


@dataclass(frozen=True, slots=True)
class Change:
    """That tasks of a pod instance, by their short names, are to be paused or resumed.

    `tasks` are those the order is about, `paused` all that are to be paused then.
    """

    pod: str
    pause: bool
    tasks: tuple[str, ...]
    paused: frozenset[str]
    before: frozenset[str]

    @property
    def changed(self) -> frozenset[str]:
        return self.before ^ self.paused

    @property
    def verb(self) -> str:
        return "paused" if self.pause else "resumed"


def ordered_change(ledger: Ledger, command: Command, shortage: Shortage) -> Change:
    """What the order comes to: all tasks of the pod instance when it names none.

    What runs is left alone while a secret is missing that it would not start without. Raises
    Refused.
    """
    name, pause = command.target, command.verb is Verb.POD_PAUSE
    given = [task for task in command.parameters if task != INSIST]
    known = _task_names(ledger, name)
    chosen = [known_name for known_name in known if not given or known_name in _short(name, given)]
    unknown = set(_short(name, given)) - set(known)
    if unknown:
        raise Refused(
            404,
            f"{name} has no task {', '.join(sorted(unknown))}; it has {', '.join(known)}."
            " Nothing was changed",
        )
    before = ledger.paused.get(name, frozenset())
    after = before | set(chosen) if pause else before - set(chosen)
    change = Change(name, pause, tuple(chosen), after, before)
    if after == before:
        raise Refused(409, f"{_full(change)}: not to be {change.verb}; nothing was changed")
    pod = ledger.pods.get(name)
    live = [t.name for t in pod.tasks if t.live and t.name in change.changed] if pod else []
    short = shortage.of(ledger.spec_of(pod), live) if pod and live else None
    if short:
        raise Refused(
            409, f"{name} would not start again and was left alone: {short}; nothing was changed"
        )
    return change


def stopped_by(ledger: Ledger, change: Change) -> tuple[str, ...]:
    """What may run of the pod instance and is stopped: with an essential task, all others too."""
    pod = ledger.pods.get(change.pod)
    if pod is None or not pod.tasks:
        return ()
    essential = {task.name for task in ledger.spec_of(pod).tasks if task.essential}
    alive = [task.name for task in pod.tasks if not task.dead]
    direct = [name for name in alive if name in change.changed]
    return tuple(alive if essential.intersection(direct) else direct)


def carry_out(ledger: Ledger, change: Change, down: Iterable[str]) -> str:
    """The words for the operator warn of other instances that are `down`."""
    name, pod = change.pod, ledger.pods.get(change.pod)
    ledger.put_paused(name, change.paused)
    if pod is not None:
        tasks = (_relaunched(t, change.verb, t.name in change.changed) for t in pod.tasks)
        ledger.put_pod(replace(pod, tasks=tuple(tasks)))
    are = "is" if len(change.tasks) == 1 else "are"
    text = f"{_full(change)} {are} being {change.verb}, on the same volumes"
    others = sorted(down)
    if change.pause and others:
        text += f"; mind that {', '.join(others)} {'is' if len(others) == 1 else 'are'} down too"
    return text


def _full(change: Change) -> str:
    return ", ".join(f"{change.pod}-{task}" for task in change.tasks)


def _task_names(ledger: Ledger, name: str) -> list[str]:
    """The tasks of the instance: those asked for, and those that were launched."""
    pod = ledger.pods.get(name)
    launched = [task.name for task in pod.tasks] if pod else []
    if name in ledger.instance_names():
        launched = [t.name for t in ledger.service.pod(ledger.instance(name)[0]).tasks] + launched
    if not launched:
        raise Refused(404, f"no pod instance {name}; nothing was changed")
    return list(dict.fromkeys(launched))


def _short(pod: str, given: Iterable[str]) -> list[str]:
    """`server` and `hello-0-server` are both the task `server` of `hello-0`."""
    return [name.removeprefix(f"{pod}-") for name in given]


def _relaunched(task: Task, verb: str, changed: bool) -> Task:
    """On its way to be launched anew, its failures forgiven. What has ended stays as it is.

    One on an agent out of reach may come back with it, and is stopped then.
    """
    if not changed or task.dead:
        return task
    return replace(task, stopping=f"{verb} by the operator", failures=0, not_before=0.0)


def paused_from_json(data: Mapping[str, Any]) -> frozenset[str]:
    """The names in a record of paused tasks. Raises KeyError or TypeError when it is none."""
    return frozenset(data["tasks"])
