"""The end of a service: its tasks killed, its volumes destroyed, its reservations given back.

Ordered by an operator, or by SDK_UNINSTALL in the scheduler's environment; there is no way back.
Every pod instance becomes a retired reservation whose volumes are all ordered destroyed by their
ids. What remains is done by what always kills, destroys and gives back. Things no record explains
are left alone. The plan is shown as `deploy`, as in dcos-commons, where Cosmos waits for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from holdfast.core import events as ev
from holdfast.core.commands import Refused
from holdfast.core.effects import Decision, Effect, Teardown, Wipe
from holdfast.core.ledger import Ledger
from holdfast.core.uninstall_record import Forgotten, Holding, Left, Uninstalling
from holdfast.core.view import Quarantined
from holdfast.mesos.messages import Offer, TaskStatus
from holdfast.placement.evaluate import missing_parts
from holdfast.placement.owner import role_for
from holdfast.placement.pool import PoolKey, pools
from holdfast.plans.derive import DEPLOY
from holdfast.plans.plan import Phase, Plan, Status, Step
from holdfast.records import DestroyIntent, Retired
from holdfast.service.model import Strategy

KILL_TASKS = "kill-tasks"
UNRESERVE = "unreserve-resources-"
DEREGISTER = "deregister-service"

LOOK_SECONDS = 15.0
"""For how long after each subscription offers are awaited that show what no record explains."""

SILENT_SECONDS = 30.0
"""After which an agent that has told nothing is shown as one that is missing."""

FREED_SECONDS = 180.0
"""How long after it was given back whole a reservation may stay unseen to be taken for gone, when
its agent offers nothing: others have taken what was freed. Longer than Mesos needs to notice that
the agent is dead (75 s)."""

TEARDOWN_AGAIN_SECONDS = 5.0


class Uninstall:
    """Drives the uninstall of one ledger's service, once there is one."""

    def __init__(self, ledger: Ledger, shared: bool = False) -> None:
        """`shared` when the framework has other services, so that it stays."""
        self._ledger = ledger
        self._shared = shared
        self._heard: dict[str, float] = {}
        self._freed: dict[str, float] = {}
        self._began: float | None = None
        self._subscribed: float | None = None
        self._asked = -1e9

    @property
    def begun(self) -> bool:
        return self._ledger.uninstalling is not None

    @property
    def done(self) -> bool:
        record = self._ledger.uninstalling
        return record is not None and record.done

    def order(self, service: str, now: float) -> str:
        """The operator's word, which names the service. Raises Refused."""
        name = self._ledger.service.name
        if service != name:
            raise Refused(
                400, f"this is the service {name!r}, not {service!r}; nothing was changed"
            )
        if self.begun:
            raise Refused(409, f"{name} is being uninstalled already; see the plan deploy")
        self._ledger.put_uninstalling(Uninstalling(now))
        if self._shared:
            return (
                f"{name} is being uninstalled, which cannot be undone; its plan deploy shows how"
                " far it is. The other services of the framework are not touched"
            )
        return (
            f"{name} is being uninstalled, which cannot be undone; the plan deploy shows how far it"
            " is. A scheduler started meanwhile needs SDK_UNINSTALL=true in its environment"
        )

    # -- what is learnt -----------------------------------------------------------------------

    def subscribed(self, now: float) -> None:
        """Offers, and what was sent to the master before, are void: look and ask anew."""
        self._subscribed = now
        self._freed.clear()
        self._asked = -1e9

    def disconnected(self) -> None:
        self._subscribed = None

    def agent_failed(self, agent_id: str) -> None:
        """What was given back there may not have arrived."""
        for id_, left in self._ledger.retired.items():
            if left.reservation.agent_id == agent_id:
                self._freed.pop(id_, None)

    def heard(self, status: TaskStatus, now: float) -> None:
        """Only what has an uuid comes from an agent, not from the master."""
        left = self._ledger.retired.get(self._ledger.owner_of(status.task_id) or "")
        if status.uuid and left is not None:
            self._heard[left.reservation.hostname] = now

    def offered(self, offers: Iterable[Offer], now: float) -> None:
        """Note which agents are there, and what will be given back whole."""
        by_key = pools(offers)
        for pool in by_key.values():
            self._heard[pool.hostname] = now
        for left in self._ledger.retired.values():
            held = left.reservation
            role = role_for(self._ledger.service, held.pre_reserved_role)
            pool_of_it = by_key.get(PoolKey(held.agent_id, role))
            if pool_of_it is not None and held.resource_ids & pool_of_it.reserved.keys():
                self._freed.pop(left.id, None)
                if not missing_parts(held, pool_of_it):
                    self._freed[left.id] = now

    def closing_agents(self) -> set[str]:
        """The agents whose offers are wanted again soon."""
        return {left.reservation.agent_id for left in self._ledger.retired.values()}

    def needs(self) -> set[str]:
        """What offers are wanted for, by a key each."""
        if self._ledger.uninstalling is None or self._ledger.uninstalling.deregistering:
            return set()
        hosts = {left.reservation.hostname for left in self._ledger.retired.values()}
        return {"a look at what no record explains", *(f"{UNRESERVE}{host}" for host in hosts)}

    # -- what is done -------------------------------------------------------------------------

    def step(self, quarantined: Mapping[str, Quarantined], now: float) -> Iterator[Effect]:
        """One step further, as far as the records let it; all of it may be repeated."""
        record = self._ledger.uninstalling
        if record is None or record.done:
            return
        if self._began is None:
            self._began = now
            yield Decision(f"uninstalling {self._ledger.service.name}: this cannot be undone")
        self._take_all(now)
        for left in list(self._ledger.retired.values()):
            freed = self._freed.get(left.id)
            if freed is not None and now - freed > FREED_SECONDS and _all_dead(left):
                self._drop(left)
                yield Decision(f"what {left.pod} held on {left.reservation.hostname} is given back")
        if self._ledger.retired:
            return
        if self._ledger.framework_id is None:  # it never was known to Mesos
            yield from self.removed()
            return
        if not record.deregistering:
            if self._subscribed is None or now - self._subscribed < LOOK_SECONDS:
                return
            found = tuple(Left(q.id, q.kind, q.size, q.hostname) for q in quarantined.values())
            record = replace(record, deregistering=True, left=found)
            self._ledger.put_uninstalling(record)
            yield Decision(_report(record))
        if self._shared:
            yield from self.removed()
            return
        if self._subscribed is not None and now - self._asked >= TEARDOWN_AGAIN_SECONDS:
            self._asked = now
            yield Teardown()

    def removed(self) -> Iterator[Effect]:
        """The master has no such framework any more: nothing is left but the records."""
        record = self._ledger.uninstalling
        if record is None or record.done:
            return
        self._ledger.forget_all(replace(record, deregistering=True, done=True))
        yield Wipe()
        if record.forgotten or record.left:
            yield Decision(
                f"it is not known to be gone from machines: {_report(record)}", warning=True
            )
        if self._shared:
            yield Decision("nothing is held any more, and the records are deleted: uninstalled")
            return
        yield Decision("the framework is deregistered and the records are wiped: uninstalled")

    def _take_all(self, now: float) -> None:
        """Turn every pod instance into a retired reservation, and order every volume destroyed.

        The reservation's own id is that of the record: a crash half-way makes no second one.
        """
        ledger = self._ledger
        for pod in list(ledger.pods.values()):
            if pod.reservation is not None:
                tasks = tuple(task for task in pod.tasks if not task.dead)
                id_ = pod.reservation.resource_id
                ledger.put_retired(
                    Retired(id_, pod.name, pod.reservation, tasks, "uninstalled", now)
                )
            ledger.drop_pod(pod.name)
        for left in ledger.retired.values():
            held = left.reservation
            if left.id not in ledger.holdings:
                ids = (held.resource_id, *(volume.resource_id for volume in held.volumes))
                tasks_of_it = tuple(task.id for task in left.tasks if not task.dead)
                ledger.put_holding(Holding(left.id, left.pod, held.hostname, tasks_of_it, ids))
            for volume in held.volumes:
                if volume.id not in ledger.intents:
                    ledger.put_intent(DestroyIntent(volume.id, now))

    def _drop(self, left: Retired) -> None:
        self._ledger.drop_retired(left.id)
        for volume in left.reservation.volumes:
            if volume.id in self._ledger.intents:
                self._ledger.drop_intent(volume.id)

    def force(self, command: ev.Command, now: float) -> str:
        """Force-complete the phase of a host: what it has is forgotten. Raises Refused."""
        phase = command.phase or ""
        hostname = phase.removeprefix(UNRESERVE)
        if command.target != DEPLOY or not phase.startswith(UNRESERVE) or command.step is not None:
            raise Refused(
                409,
                "of an uninstall only what is on a host can be forgotten, all of it together: name"
                f" the plan deploy and a phase {UNRESERVE}HOST, and no step. Nothing was changed",
            )
        if not any(r.reservation.hostname == hostname for r in self._ledger.retired.values()):
            raise Refused(409, f"nothing is held on {hostname} any more; nothing was changed")
        return self._forget(hostname, now)

    def give_up(self, now: float) -> list[str]:
        """Forget what all hosts still have; says what that is, of each of them."""
        hosts = {left.reservation.hostname for left in self._ledger.retired.values()}
        return [self._forget(host, now) for host in sorted(hosts)]

    def _forget(self, hostname: str, now: float) -> str:
        record = self._ledger.uninstalling
        assert record is not None
        lost = [r for r in self._ledger.retired.values() if r.reservation.hostname == hostname]
        forgotten = tuple(
            Forgotten(r.pod, hostname, tuple(v.id for v in r.reservation.volumes), now)
            for r in lost
        )
        self._ledger.put_uninstalling(replace(record, forgotten=record.forgotten + forgotten))
        for left in lost:
            self._drop(left)
        pods = ", ".join(sorted({left.pod for left in lost}))
        return (
            f"{hostname} is forgotten, with what {pods} held there. Should the machine come back,"
            " its reservations and volumes, data included, are still on it: nothing of it runs, and"
            " nobody destroys it"
        )

    # -- what is shown ------------------------------------------------------------------------

    def plan(self, now: float) -> Plan:
        """The plan as it stands."""
        holdings = sorted(self._ledger.holdings.values(), key=lambda h: (h.pod, h.id))
        kills = Phase(
            KILL_TASKS,
            Strategy.PARALLEL,
            tuple(self._kill_step(held, id_) for held in holdings for id_ in held.tasks),
        )
        unseen = self._out_of_sight()
        by_host: dict[str, list[Step]] = {}
        for held in holdings:
            host = self._host(held)
            by_host.setdefault(host, []).extend(
                self._unreserve_steps(held, host, host in unseen, now)
            )
        hosts = (
            Phase(f"{UNRESERVE}{host}", Strategy.PARALLEL, tuple(steps))
            for host, steps in sorted(by_host.items())
        )
        last = Phase(DEREGISTER, Strategy.SERIAL, (self._last_step(now),))
        return Plan(DEPLOY, Strategy.PARALLEL, (kills, *hosts, last))

    def _host(self, held: Holding) -> str:
        left = self._ledger.retired.get(held.id)
        return left.reservation.hostname if left is not None else held.hostname

    def _kill_step(self, held: Holding, task_id: str) -> Step:
        left = self._ledger.retired.get(held.id)
        task = next((t for t in left.tasks if t.id == task_id), None) if left is not None else None
        name = f"kill-task-{task_id}"
        if left is None or task is None or task.dead:
            return Step(name, held.pod, (), Status.COMPLETE)
        where = left.reservation.hostname
        if task.uncertain:
            text = f"it was on {where}, which the master does not see; it may still run there"
        else:
            text = f"it is being killed on {where}"
        return Step(name, held.pod, (), Status.IN_PROGRESS, text)

    def _unreserve_steps(
        self, held: Holding, host: str, unseen: bool, now: float
    ) -> Iterator[Step]:
        """`unseen` when the master does not see what runs on its `host`."""
        waits = held.id in self._ledger.retired
        text = self._waits_for(host, unseen, now) if waits else ""
        for id_ in held.resource_ids:
            status = Status.IN_PROGRESS if waits else Status.COMPLETE
            yield Step(f"unreserve-{id_}", held.pod, (), status, text)

    def _waits_for(self, host: str, unseen: bool, now: float) -> str:
        began = now if self._began is None else self._began
        heard = self._heard.get(host, began)
        if now - heard < SILENT_SECONDS and not unseen:
            return f"it waits until {host} offers it, which it does once nothing uses it"
        since = datetime.fromtimestamp(heard, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        at_least = "" if host in self._heard else "at least "
        return (
            f"{host} has not been heard of since {at_least}{since}; bring it back, or"
            f" `holdfast plan force-complete {DEPLOY} {UNRESERVE}{host}` to forget it"
        )

    def _out_of_sight(self) -> set[str]:
        """The hosts of which the master does not see what runs there."""
        return {
            left.reservation.hostname
            for left in self._ledger.retired.values()
            if any(task.uncertain for task in left.tasks)
        }

    def _last_step(self, now: float) -> Step:
        record = self._ledger.uninstalling
        assert record is not None
        status, text = Status.PENDING, "it waits until nothing is held any more"
        if record.done:
            status, text = Status.COMPLETE, _report(record)
        elif record.deregistering:
            status, text = Status.IN_PROGRESS, _report(record)
        elif not self._ledger.retired:
            text = "nothing is held any more; offers are looked at for what no record explains"
        return Step("deregister", self._ledger.service.name, (), status, text)


def _all_dead(left: Retired) -> bool:
    return all(task.dead for task in left.tasks)


def _report(record: Uninstalling) -> str:
    """What of the service is still on machines, in words."""
    parts = []
    for lost in record.forgotten:
        volumes = f" with {', '.join(lost.volumes)}" if lost.volumes else ""
        parts.append(f"forgotten on {lost.hostname}: the place of {lost.pod}{volumes}")
    parts += [
        f"left on {item.hostname}, since no record explains it: {item.kind} {item.id}"
        for item in record.left
    ]
    return "; ".join(parts) or "nothing of the service is left on any agent that was seen"
