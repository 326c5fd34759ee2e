"""Offers put to use: pods started, leftovers cleaned up, the rest declined."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.core.confidential import Signer, certified
from holdfast.core.effects import Accept, Call, Decline
from holdfast.core.inspections import Inspections
from holdfast.core.launch import (
    Launch,
    LaunchSettings,
    accept_operations,
    executor_info,
    task_infos,
)
from holdfast.core.ledger import Ledger
from holdfast.core.leftovers import Leftovers
from holdfast.core.maintenance import closed
from holdfast.core.refused import Refused
from holdfast.core.rooms import Rooms
from holdfast.core.statuses import never_started
from holdfast.core.wanted import Wanted
from holdfast.mesos.messages import Offer, TaskState
from holdfast.placement.absence import about_to_go
from holdfast.placement.constraints import Refusal
from holdfast.placement.evaluate import Owner, Placement, join, place, present, resume
from holdfast.placement.owner import role_for
from holdfast.placement.pool import AgentPool, PoolKey, pools
from holdfast.plans.goals import RESTART
from holdfast.records import Pod, Reservation, Retired, Task
from holdfast.service.instance_names import type_of

IDLE_REFUSE_SECONDS = 3600.0
SEARCHING_REFUSE_SECONDS = 10.0
WAITING_REFUSE_SECONDS = 1.0
"""For how long to decline: with nothing to do; while a pod has no place; while its pod is due."""

SETTLE_SECONDS = 3.0
ABANDON_SECONDS = 30.0
"""How long a place is kept for a launch that never started on it: when its agent offers nothing of
it, so that resources still on their way back are not overlooked; and when it offers nothing."""


VACANT = "its whole place was offered again, so it does not run"

CREATE = "create"
"""The hook a first instance owes."""


@dataclass(slots=True)
class Result:
    """What became of a set of offers.

    `refusals` holds for every pod instance not started the first failing rule per hostname, `ask`
    the tasks that cannot be running although the records say so.
    """

    calls: list[Call] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    refusals: dict[str, dict[str, str]] = field(default_factory=dict)
    ask: list[str] = field(default_factory=list)
    declined: int = 0
    decisions: list[str] = field(default_factory=list)


class Allocation:
    """Uses offers for the pods of one ledger, which it updates."""

    def __init__(
        self,
        ledger: Ledger,
        settings: LaunchSettings,
        new_id: Callable[[], str],
        inspections: Inspections,
        rooms: Rooms,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._new_id = new_id
        self._inspections = inspections
        self._rooms = rooms
        self.leftovers = Leftovers(ledger)
        self.signer: Signer | None = None
        """Who signs the certificates of what is launched."""

    def use(
        self,
        offers: Sequence[Offer],
        wanted: Sequence[Wanted],
        home_region: str | None,
        now: float,
        closing: Iterable[str] = (),
    ) -> Result:
        """Use the offers, all of them, for the wanted pod instances in their order.

        Those of the agents `closing` are wanted again soon.
        """
        assert self._ledger.framework_id is not None
        result = Result()
        by_key = pools(offers)
        todo: dict[PoolKey, list[dict[str, Any]]] = {key: [] for key in by_key}
        home_region = self._ledger.service.region or home_region
        owner = Owner(self._ledger.service, self._ledger.framework_id, self._settings.executor)
        refused = Refused()
        for pool in by_key.values():
            result.ask += self.leftovers.contradicted(pool)
        for some in wanted:
            launch = self._launch(owner, some, by_key, home_region, refused, result, now)
            if launch is None:
                continue
            key, launch_operations = launch
            refused.taken(key)
            todo[key] += launch_operations
            result.started.append(some.name)
        for key, pool in by_key.items():
            todo[key] += self.leftovers.clean(pool, result.decisions, now)
        growing = set()
        for name, lacks in self._rooms.offered(by_key, now).items():
            held = self._ledger.pods[name].reservation
            assert held is not None
            growing.add(held.agent_id)
            if lacks is not None:
                result.refusals.setdefault(name, {})[held.hostname] = str(lacks)
        self._answer(by_key, todo, wanted, closing, growing, result)
        return result

    def _launch(
        self,
        owner: Owner,
        wanted: Wanted,
        by_key: Mapping[PoolKey, AgentPool],
        home_region: str | None,
        refused: Refused,
        result: Result,
        now: float,
    ) -> tuple[PoolKey, list[dict[str, Any]]] | None:
        """Where to launch, and the operations, now in the records; None when nothing fits."""
        if wanted.join:
            joined = self._join(owner, wanted, by_key, result)
            if joined is None:
                return None
            pod, placement = joined
            started = replace(pod, tasks=self._tasks(wanted, pod, now))
            how = "in its running executor"
        else:
            found = self._find(owner, wanted, by_key, home_region, refused, result, now)
            how = "again on its volumes" if found and found[1] else "as a new instance"
            if found is None and wanted.otherwise is not None:
                wanted = wanted.otherwise
                found = self._find(owner, wanted, by_key, home_region, refused, result, now)
                if found is not None:
                    self._rooms.fell_back(wanted.name, now)
                    how = "as it was, on its volumes, since there is no room for it to grow"
            if found is None:
                return None
            placement, _ = found
            started = self._started(wanted, placement, owner.framework_id, now)
        self._ledger.put_pod(started)
        held = started.reservation
        assert held is not None
        launch = Launch(
            service=self._ledger.configs[wanted.config_id],
            spec=wanted.spec,
            pod=started,
            tasks=tuple(task for task in wanted.spec.tasks if task.name in wanted.tasks),
            holding=placement.holding,
            peers=self._peers(started),
            framework_id=owner.framework_id,
            parameters=wanted.parameters,
            paused=self._ledger.paused.get(wanted.name, frozenset()),
        )
        what = wanted.name if not wanted.join else f"{', '.join(wanted.tasks)} of {wanted.name}"
        result.decisions.append(f"starting {what} on {held.hostname} {how}")
        return placement.pool, accept_operations(placement, task_infos(launch, self._settings))

    def _join(
        self, owner: Owner, wanted: Wanted, by_key: Mapping[PoolKey, AgentPool], result: Result
    ) -> tuple[Pod, Placement] | None:
        pod = self._ledger.pods[wanted.name]
        held = pod.reservation
        assert held is not None
        key = PoolKey(held.agent_id, role_for(self._ledger.service, held.pre_reserved_role))
        if key not in by_key:
            return None
        tasks = [wanted.spec.task(name) for name in wanted.tasks]
        joined = join(owner, wanted.spec, pod.name, held, tasks, by_key[key])
        if isinstance(joined, Refusal):
            result.refusals.setdefault(wanted.name, {})[by_key[key].hostname] = str(joined)
            return None
        return pod, joined

    def _find(
        self,
        owner: Owner,
        wanted: Wanted,
        by_key: Mapping[PoolKey, AgentPool],
        home_region: str | None,
        refused: Refused,
        result: Result,
        now: float,
    ) -> tuple[Placement, bool] | None:
        """A placement, and whether it is where the pod instance was before."""
        refusals = result.refusals.setdefault(wanted.name, {})
        pod = self._ledger.pods.get(wanted.name)
        if pod is not None and pod.reservation is not None:
            for pool in by_key.values():
                if present(pod.reservation, pool):
                    held = _to_be_offered(pod, pod.reservation, pool)
                    cannot = self._inspections.refusal(wanted.spec, pool, now)
                    resumed = cannot or resume(
                        owner, wanted.spec, pod.name, held, pool, self._new_id
                    )
                    if isinstance(resumed, Placement):
                        return resumed, True
                    refusals[pool.hostname] = str(resumed)
                    return None
            if not self._abandoned(pod, pod.reservation, by_key, result, now):
                return None
            refused.moved()
        alike = not (wanted.spec.placement and self._ledger.index.alive_of(wanted.name))
        peers: list[Reservation] | None = None
        index = self._ledger.index
        for pool in sorted(
            by_key.values(), key=lambda pool: (len(index.on_agent(pool.agent_id)), pool.hostname)
        ):
            if pool.role != owner.role(wanted.spec.pre_reserved_role):
                continue
            known = refused.by(pool.key, wanted.spec) if alike else None
            if known is not None:
                refusals[pool.hostname] = known
                continue
            if peers is None:
                peers = self._places(wanted)
            cannot = (
                closed(self._ledger, pool.hostname)
                or about_to_go(pool, now)
                or self._inspections.refusal(wanted.spec, pool, now)
            )
            placed = cannot or place(
                owner, wanted.spec, wanted.name, pool, peers, home_region, self._new_id
            )
            if isinstance(placed, Placement):
                return placed, False
            why = refusals[pool.hostname] = str(placed)
            if alike:
                refused.note(pool.key, wanted.spec, why)
        return None

    def _places(self, wanted: Wanted) -> list[Reservation]:
        """Where the other instances of the type are, and where former ones still may run.

        It looks at all of them, so only for whom it matters.
        """
        if not wanted.spec.placement:
            return []
        pods = (
            pod.reservation
            for pod in self._ledger.pods.values()
            if pod.index != wanted.index and pod.type == wanted.spec.type
        )
        former = (
            retired.reservation
            for retired in self._ledger.retired.values()
            if type_of(retired.pod) == wanted.spec.type
            and retired.pod != wanted.name
            and any(task.live for task in retired.tasks)
        )
        return [place for place in (*pods, *former) if place is not None]

    def _abandoned(
        self,
        pod: Pod,
        held: Reservation,
        by_key: Mapping[PoolKey, AgentPool],
        result: Result,
        now: float,
    ) -> bool:
        """Give up a place where the launch never started, so that no data can be there."""
        if held.confirmed or not all(task.dead for task in pod.tasks):
            return False
        since = max((task.since for task in pod.tasks), default=0.0)
        role = role_for(self._ledger.service, held.pre_reserved_role)
        here = PoolKey(held.agent_id, role)
        if here in by_key and now - since > SETTLE_SECONDS:
            # The agent offers what it has, and nothing of ours is there: it was never reserved.
            result.decisions.append(f"{pod.name}: nothing was reserved on {held.hostname}")
        elif never_started(pod) and now - since > ABANDON_SECONDS:
            self._ledger.put_retired(
                Retired(self._new_id(), pod.name, held, (), "the launch never started", now)
            )
            result.decisions.append(f"{pod.name}: giving up on {held.hostname}, never started")
        else:
            return False
        self._ledger.put_pod(replace(pod, reservation=None))
        return True

    def _started(self, wanted: Wanted, placement: Placement, framework_id: str, now: float) -> Pod:
        """The record of the pod instance with a new executor and its tasks."""
        old = self._ledger.pods.get(wanted.name) or Pod(wanted.spec.type, wanted.index, hook=CREATE)
        service = self._ledger.configs[wanted.config_id]
        executor = executor_info(
            service,
            wanted.spec,
            placement.reservation,
            wanted.index,
            f"{self._prefix()}{wanted.name}__{self._new_id()}",
            framework_id,
            placement.holding,
            self._settings,
        )
        return replace(
            old,
            reservation=placement.reservation,
            tasks=self._tasks(wanted, old, now),
            executor=executor,
            restart="",
        )

    def _tasks(self, wanted: Wanted, old: Pod, now: float) -> tuple[Task, ...]:
        """All tasks of the record: those launched now are staging, the others as they were."""
        # A new executor starts only where the whole place is on offer: nothing else runs there.
        lost = set() if wanted.join else {t.name for t in old.tasks if not t.dead}
        tasks = {
            task.name: replace(task, state=TaskState.GONE, ready=False, since=now, message=VACANT)
            if task.name in lost
            else task
            for task in old.tasks
        }
        same = self._ledger.asks_the_same(wanted.spec.type, wanted.config_id)
        for name in wanted.tasks:
            before = tasks.get(name)
            tried = before if before and same(before.config_id) else None
            run = wanted.run
            if run is None:
                run = before.run if before and before.run != RESTART else ""
            tasks[name] = Task(
                name=name,
                id=f"{self._prefix()}{wanted.name}-{name}__{self._new_id()}",
                config_id=wanted.config_id,
                state=TaskState.STAGING,
                since=now,
                launched=now,
                # A new run of a custom plan has its goal before it, whatever was before.
                reached=before.reached if before and not wanted.run else None,
                run=run,
                failures=tried.failures if tried else 0,
                not_before=tried.not_before if tried else 0.0,
                paused=name in self._ledger.paused.get(wanted.name, ()),
                certified=certified(wanted.spec.task(name), self.signer, now),
            )
        order = [task.name for task in wanted.spec.tasks]
        known = [name for name in order if name in tasks]
        # A task the configuration no longer has stays known for as long as it may run.
        extra = [name for name, task in tasks.items() if name not in order and not task.dead]
        return tuple(tasks[name] for name in (*known, *extra))

    def _prefix(self) -> str:
        return self._ledger.service.name.strip("/").replace("/", ".") + "__"

    def _peers(self, pod: Pod) -> dict[str, str]:
        """The other instances of the type that have a place for sure, and their addresses."""
        addresses = {
            other.name: self._ledger.address_of(other)
            for other in self._ledger.pods.values()
            if other.reservation is not None
            and other.reservation.confirmed
            and other.type == pod.type
            and other.index != pod.index
        }
        return {name: address for name, address in addresses.items() if address is not None}

    def _answer(
        self,
        by_key: Mapping[PoolKey, AgentPool],
        todo: Mapping[PoolKey, Sequence[Mapping[str, Any]]],
        wanted: Sequence[Wanted],
        closing: Iterable[str],
        growing: Collection[str],
        result: Result,
    ) -> None:
        """ACCEPT where something is to be done; DECLINE the rest, for as long as makes sense."""
        waiting_at = set(closing)
        searching = False
        for name in {pod.name for pod in wanted} - set(result.started):
            pod = self._ledger.pods.get(name)
            if pod is not None and pod.reservation is not None:
                waiting_at.add(pod.reservation.agent_id)
            else:
                searching = True
        declined: dict[float, list[str]] = {}
        for key, pool in by_key.items():
            if key.agent_id in waiting_at:
                refuse = WAITING_REFUSE_SECONDS
            else:
                looks = searching or key.agent_id in growing
                refuse = SEARCHING_REFUSE_SECONDS if looks else IDLE_REFUSE_SECONDS
            if todo[key]:
                result.calls.append(Accept(pool.offer_ids, tuple(todo[key]), refuse))
            else:
                declined.setdefault(refuse, []).extend(pool.offer_ids)
        for refuse, offer_ids in declined.items():
            result.declined += len(offer_ids)
            result.calls.append(Decline(tuple(offer_ids), refuse))


def _to_be_offered(pod: Pod, held: Reservation, pool: AgentPool) -> Reservation:
    """The reservation of the instance, of which all that is `certain` must be on offer there.

    A task that is out of sight may run on, if the agent is who it was: then only all of its volumes
    on offer prove that it does not, since its executor holds them; without any, only the whole.
    Under a new id an agent knows no task of former times (slave.cpp, recovery), and what it does
    not offer was never reserved: Mesos may have dropped a RESERVE or CREATE, or the whole launch.
    """
    if pool.agent_id != held.agent_id or not any(task.uncertain for task in pod.tasks):
        return held
    return held.proven() if held.volumes else held.settled()


def launched_tasks(call: Call) -> list[str]:
    """The ids of the tasks that a call launches."""
    if not isinstance(call, Accept):
        return []
    return [
        info["task_id"]["value"]
        for operation in call.operations
        if operation["type"] == "LAUNCH"
        for info in operation["launch"]["task_infos"]
    ]
