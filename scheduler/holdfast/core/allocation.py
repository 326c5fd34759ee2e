"""Offers put to use: pods started, leftovers cleaned up, the rest declined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.core.effects import Accept, Call, Decline
from holdfast.core.launch import Launch, LaunchSettings, accept_operations, task_infos
from holdfast.core.ledger import Ledger
from holdfast.core.leftovers import Leftovers
from holdfast.core.statuses import never_started
from holdfast.mesos.messages import Offer, TaskState
from holdfast.placement.evaluate import Owner, Placement, place, present, resume
from holdfast.placement.owner import role_for
from holdfast.placement.pool import AgentPool, PoolKey, pools
from holdfast.plans.goals import to_launch
from holdfast.records import Pod, Reservation, Retired, Task
from holdfast.service.model import PodSpec

IDLE_REFUSE_SECONDS = 3600.0
SEARCHING_REFUSE_SECONDS = 10.0
WAITING_REFUSE_SECONDS = 1.0
"""For how long to decline: with nothing to do; while a pod has no place; while its pod is due."""

SETTLE_SECONDS = 3.0
ABANDON_SECONDS = 30.0
"""How long a place is kept for a launch that never started on it: when its agent offers nothing of
it, so that resources still on their way back are not overlooked; and when it offers nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pod instance to start: `spec` is it under the configuration `config_id`."""

    name: str
    spec: PodSpec
    index: int
    config_id: str


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

    def __init__(self, ledger: Ledger, settings: LaunchSettings, new_id: Callable[[], str]) -> None:
        self._ledger = ledger
        self._settings = settings
        self._new_id = new_id
        self.leftovers = Leftovers(ledger)

    def use(
        self,
        offers: Sequence[Offer],
        wanted: Sequence[Wanted],
        home_region: str | None,
        now: float,
    ) -> Result:
        """Use the offers, all of them, for the wanted pod instances in their order."""
        assert self._ledger.framework_id is not None
        result = Result()
        by_key = pools(offers)
        operations: dict[PoolKey, list[dict[str, Any]]] = {key: [] for key in by_key}
        owner = Owner(self._ledger.service, self._ledger.framework_id)
        for pool in by_key.values():
            result.ask += self.leftovers.contradicted(pool)
        for pod in wanted:
            found = self._find(owner, pod, by_key, home_region, result, now)
            if found is None:
                continue
            placement, again = found
            started = self._started(pod, placement, now)
            self._ledger.put_pod(started)
            operations[placement.pool] += self._operations(pod, started, placement)
            result.started.append(pod.name)
            how = "again on its volumes" if again else "as a new instance"
            result.decisions.append(
                f"starting {pod.name} on {placement.reservation.hostname} {how}"
            )
        for key, pool in by_key.items():
            operations[key] += self.leftovers.clean(pool, result.decisions, now)
        self._answer(by_key, operations, wanted, result)
        return result

    def _find(
        self,
        owner: Owner,
        wanted: Wanted,
        by_key: Mapping[PoolKey, AgentPool],
        home_region: str | None,
        result: Result,
        now: float,
    ) -> tuple[Placement, bool] | None:
        """A placement, and whether it is where the pod instance was before."""
        refusals = result.refusals.setdefault(wanted.name, {})
        pod = self._ledger.pods.get(wanted.name)
        if pod is not None and pod.reservation is not None:
            held = pod.reservation
            if any(task.uncertain for task in pod.tasks):
                # It may be running: only the whole of it on offer proves that it is not.
                held = held.settled()
            for pool in by_key.values():
                if present(held, pool):
                    resumed = resume(owner, wanted.spec, pod.name, held, pool, self._new_id)
                    if isinstance(resumed, Placement):
                        return resumed, True
                    refusals[pool.hostname] = str(resumed)
                    return None
            if not self._abandoned(pod, pod.reservation, by_key, result, now):
                return None
        peers = [
            other.reservation
            for other in self._ledger.pods.values()
            if other.index != wanted.index
            and other.type == wanted.spec.type
            and other.reservation is not None
        ]
        crowd = self._crowd()
        for pool in sorted(
            by_key.values(), key=lambda pool: (crowd.get(pool.agent_id, 0), pool.hostname)
        ):
            if pool.role != owner.role(wanted.spec.pre_reserved_role):
                continue
            placed = place(owner, wanted.spec, wanted.name, pool, peers, home_region, self._new_id)
            if isinstance(placed, Placement):
                return placed, False
            refusals[pool.hostname] = str(placed)
        return None

    def _crowd(self) -> dict[str, int]:
        """How many pod instances of ours each agent has."""
        crowd: dict[str, int] = {}
        for pod in self._ledger.pods.values():
            if pod.reservation is not None:
                agent_id = pod.reservation.agent_id
                crowd[agent_id] = crowd.get(agent_id, 0) + 1
        return crowd

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

    def _started(self, wanted: Wanted, placement: Placement, now: float) -> Pod:
        """The record of the pod instance with its new tasks; they are staging from now on."""
        old = self._ledger.pods.get(wanted.name)
        same = self._ledger.asks_the_same(wanted.spec.type, wanted.config_id)
        service = self._ledger.service.name.strip("/").replace("/", ".")
        launched = {
            task.name: Task(
                name=task.name,
                id=f"{service}__{wanted.name}-{task.name}__{self._new_id()}",
                config_id=wanted.config_id,
                state=TaskState.STAGING,
                since=now,
            )
            for task in to_launch(wanted.spec, old, same)
        }
        before = {task.name: task for task in (old.tasks if old else ())}
        tasks = {**before, **launched}
        names = [task.name for task in wanted.spec.tasks if task.name in tasks]
        return Pod(
            type=wanted.spec.type,
            index=wanted.index,
            reservation=placement.reservation,
            tasks=tuple(tasks[name] for name in names),
            executor_id=f"{service}__{wanted.name}__{self._new_id()}",
            deployed=old.deployed if old else None,
            hook=old.hook if old else "create",
            failures=old.failures if old else 0,
            not_before=old.not_before if old else 0.0,
            launched=now,
        )

    def _operations(
        self, wanted: Wanted, started: Pod, placement: Placement
    ) -> list[dict[str, Any]]:
        assert self._ledger.framework_id is not None
        fresh = {t.name for t in started.tasks if t.state is TaskState.STAGING}
        launch = Launch(
            service=self._ledger.configs[wanted.config_id],
            spec=wanted.spec,
            pod=started,
            tasks=tuple(task for task in wanted.spec.tasks if task.name in fresh),
            holding=placement.holding,
            peers={
                other.name: other.reservation.ip
                for other in self._ledger.pods.values()
                if other.reservation is not None
                and other.reservation.confirmed
                and other.type == started.type
                and other.index != started.index
            },
            framework_id=self._ledger.framework_id,
        )
        infos = task_infos(launch, self._settings)
        return accept_operations(placement, infos)

    def _answer(
        self,
        by_key: Mapping[PoolKey, AgentPool],
        operations: Mapping[PoolKey, Sequence[Mapping[str, Any]]],
        wanted: Sequence[Wanted],
        result: Result,
    ) -> None:
        """ACCEPT where something is to be done; DECLINE the rest, for as long as makes sense."""
        waiting_at: set[str] = set()
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
                refuse = SEARCHING_REFUSE_SECONDS if searching else IDLE_REFUSE_SECONDS
            if operations[key]:
                result.calls.append(Accept(pool.offer_ids, tuple(operations[key]), refuse))
            else:
                declined.setdefault(refuse, []).extend(pool.offer_ids)
        for refuse, offer_ids in declined.items():
            result.declined += len(offer_ids)
            result.calls.append(Decline(tuple(offer_ids), refuse))


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
