"""All records of one service in memory, and which of them changed and must be stored."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from immutables import Map

from holdfast import records
from holdfast.core import upkeep
from holdfast.core.effects import Reply
from holdfast.core.events import Command
from holdfast.core.index import Index
from holdfast.core.journal import Entry, Journal, entry_to_json, journal_path
from holdfast.core.uninstall_record import (
    UNINSTALLING_PATH,
    Holding,
    Uninstalling,
    holding_path,
    holding_to_json,
    uninstalling_to_json,
)
from holdfast.mesos.messages import TaskState
from holdfast.plans.derive import surplus
from holdfast.plans.goals import Aim, is_done, is_spared, planned_tasks
from holdfast.plans.orders import Orders, orders_to_json
from holdfast.records import DestroyIntent, Pod, Retired
from holdfast.recovery.history import History, history_to_json
from holdfast.service.changes import pod_changed
from holdfast.service.encode import to_json
from holdfast.service.instance_names import type_and_index
from holdfast.service.model import Goal, PodSpec, ServiceSpec

FRAMEWORK_PATH = "framework"
TARGET_PATH = "target"
PAUSED = "paused/"
DEPLOYED_PATH = "deployed"
"""Which configuration the whole service was last deployed under."""

HISTORY_PATH = "recovery"
"""What was replaced by policy, and when there was a disaster."""


def config_path(config_id: str) -> str:
    return f"configs/{config_id}"


def paused_path(pod: str) -> str:
    return f"{PAUSED}{pod}"


def orders_path(plan: str) -> str:
    return f"plans/{plan}"


def file_path(name: str) -> str:
    return f"files/{name}"


class Ledger:
    """The records, the indexes over them, and the writes not yet handed out."""

    def __init__(
        self,
        service: ServiceSpec,
        target_id: str,
        configs: Mapping[str, ServiceSpec],
        *,
        framework_id: str | None = None,
        pods: Mapping[str, Pod] | None = None,
        retired: Mapping[str, Retired] | None = None,
        intents: Mapping[str, DestroyIntent] | None = None,
        orders: Mapping[str, Orders] | None = None,
        files: Mapping[str, str] | None = None,
        windows: Mapping[str, upkeep.Window] | None = None,
        cordons: Mapping[str, upkeep.Cordon] | None = None,
        journal: Iterable[Entry] = (),
        deployed: str | None = None,
        updating: bool = False,
        uninstalling: Uninstalling | None = None,
        holdings: Mapping[str, Holding] | None = None,
        history: History | None = None,
        paused: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        """`configs` holds the target and every configuration a pod was launched with, by id.

        `deployed` is the configuration the whole service was last deployed under, `updating`
        whether there was one when the target was set.
        """
        self.service = service
        self.target_id = target_id
        self.configs = dict(configs)
        self.framework_id = framework_id
        self.pods: dict[str, Pod] = {}
        self.retired: dict[str, Retired] = {}
        self.intents: dict[str, DestroyIntent] = dict(intents or {})
        self.orders: dict[str, Orders] = dict(orders or {})
        self.journal = Journal(journal)
        self.files: dict[str, str] = dict(files or {})
        self.windows: dict[str, upkeep.Window] = dict(windows or {})
        self.cordons: dict[str, upkeep.Cordon] = dict(cordons or {})
        self.deployed = deployed
        self.updating = updating
        self.uninstalling = uninstalling
        self.holdings: dict[str, Holding] = dict(holdings or {})
        self.history = history or History()
        self.paused: dict[str, frozenset[str]] = dict(paused or {})
        """The tasks an operator has paused, by pod instance."""
        self.index = Index()
        self._kept: Map[str, Pod] = Map()
        self._followers: list[dict[str, None]] = []
        self._same: dict[tuple[str, str, str], bool] = {}
        self._writes: dict[str, dict[str, Any] | None] = {}
        self._types = {spec.type: (n, spec.count) for n, spec in enumerate(service.pods)}
        self._surplus: set[str] = set()
        for pod in (pods or {}).values():
            self._set_pod(pod)
        for left in (retired or {}).values():
            self._set_retired(left)

    # -- changes ------------------------------------------------------------------------------

    def put_pod(self, pod: Pod) -> None:
        self._set_pod(pod)
        self._write(records.pod_path(pod.name), records.pod_to_json(pod))

    def drop_pod(self, name: str) -> None:
        self.index.remove_pod(self.pods.pop(name), for_good=True)
        self._kept = self._kept.delete(name)
        self._surplus.discard(name)
        self._tell(name)
        if name in self.paused:  # another one of that name is not meant
            self.put_paused(name, frozenset())
        self._write(records.pod_path(name), None)

    def put_retired(self, retired: Retired) -> None:
        self._set_retired(retired)
        self._write(records.retired_path(retired.id), records.retired_to_json(retired))

    def drop_retired(self, id_: str) -> None:
        retired = self.retired.pop(id_)
        self.index.remove_retired(retired, for_good=True)
        self._tell(retired.pod)
        self._write(records.retired_path(id_), None)

    def put_intent(self, intent: DestroyIntent) -> None:
        self.intents[intent.volume_id] = intent
        self._write(records.intent_path(intent.volume_id), records.intent_to_json(intent))

    def drop_intent(self, volume_id: str) -> None:
        del self.intents[volume_id]
        self._write(records.intent_path(volume_id), None)

    def put_orders(self, orders: Orders) -> None:
        self.orders[orders.plan] = orders
        self._write(orders_path(orders.plan), orders_to_json(orders))

    def put_file(self, name: str, content: str) -> None:
        self.files[name] = content
        self._write(file_path(name), {"content": content})

    def put_paused(self, pod: str, tasks: frozenset[str]) -> None:
        """These tasks of the instance are paused from now on, and no others."""
        self.paused[pod] = tasks
        if not tasks:
            del self.paused[pod]
        self._write(paused_path(pod), {"tasks": sorted(tasks)} if tasks else None)

    def journal_command(self, command: Command, reply: Reply, now: float) -> Entry:
        entry = self.journal.note(command, reply, now)
        self._write(journal_path(entry), entry_to_json(entry))
        return entry

    def put_uninstalling(self, record: Uninstalling) -> None:
        self.uninstalling = record
        self._write(UNINSTALLING_PATH, uninstalling_to_json(record))

    def put_holding(self, holding: Holding) -> None:
        self.holdings[holding.id] = holding
        self._write(holding_path(holding.id), holding_to_json(holding))

    def forget_all(self, record: Uninstalling) -> None:
        """Nothing is to be written any more: the store is about to be wiped."""
        self.uninstalling = record
        self._writes = {}

    def put_history(self, history: History) -> None:
        self.history = history
        self._write(HISTORY_PATH, history_to_json(history))

    def put_window(self, window: upkeep.Window) -> None:
        self.windows[window.agent_id] = window
        self._write(upkeep.window_path(window.agent_id), upkeep.window_to_json(window))

    def put_cordon(self, cordon: upkeep.Cordon) -> None:
        self.cordons[cordon.hostname] = cordon
        self._tell_on_host(cordon.hostname)
        self._write(upkeep.cordon_path(cordon.hostname), upkeep.cordon_to_json(cordon))

    def drop_cordon(self, hostname: str) -> None:
        del self.cordons[hostname]
        self._tell_on_host(hostname)
        self._write(upkeep.cordon_path(hostname), None)

    def drop_window(self, agent_id: str) -> None:
        del self.windows[agent_id]
        self._write(upkeep.window_path(agent_id), None)

    def set_deployed(self) -> None:
        """The whole service is deployed under the target."""
        self.deployed = self.target_id
        self._write(DEPLOYED_PATH, {"config": self.target_id})

    def set_framework_id(self, framework_id: str) -> None:
        self.framework_id = framework_id
        self._write(FRAMEWORK_PATH, {"id": framework_id})

    def touch(self) -> None:
        """Have something written, unchanged, so that a fenced scheduler finds out."""
        self._writes.setdefault(FRAMEWORK_PATH, {"id": self.framework_id})

    def store_target(self) -> None:
        """Have the target configuration written; done once, when it is new."""
        self._write(config_path(self.target_id), to_json(self.service))
        self._write(TARGET_PATH, {"id": self.target_id, "updating": self.updating})

    def drop_unused_configs(self) -> None:
        """Forget the configurations that neither the target nor any pod instance needs."""
        used = {self.target_id}
        for pod in self.pods.values():
            for task in pod.tasks:
                used.update({task.config_id, task.reached or task.config_id})
            used.update({pod.deployed} if pod.deployed else ())
        for config_id in set(self.configs) - used:
            del self.configs[config_id]
            self._write(config_path(config_id), None)

    def _write(self, path: str, record: dict[str, Any] | None) -> None:
        self._writes[path] = record

    def take_writes(self) -> list[tuple[str, dict[str, Any] | None]]:
        """What must be stored before anything is sent; each path once, in order of change."""
        writes = list(self._writes.items())
        self._writes = {}
        return writes

    # -- questions ----------------------------------------------------------------------------

    def owner_of(self, task_id: str) -> str | None:
        """The pod instance or retired reservation whose task this is."""
        return self.index.owners.get(task_id)

    def agent_of(self, task_id: str) -> str | None:
        owner = self.index.owners.get(task_id, "")
        holder: Pod | Retired | None = self.pods.get(owner) or self.retired.get(owner)
        return holder.reservation.agent_id if holder and holder.reservation else None

    def unsettled_tasks(self) -> Iterator[str]:
        """Every task that is to be asked about, since its state or its agent's is not known."""
        for pod in self.pods.values():
            yield from self._unsettled(pod)
        for retired in self.retired.values():
            yield from (task.id for task in retired.tasks if not task.dead)

    def live_tasks_on(self, agent_id: str) -> Iterator[str]:
        for name in self.index.on_agent(agent_id):
            yield from (task.id for task in self.pods[name].tasks if not task.dead)

    def unsettled_on(self, agent_id: str) -> Iterator[str]:
        """Those of `unsettled_tasks` that the pod instances on that agent have."""
        for name in self.index.on_agent(agent_id):
            yield from self._unsettled(self.pods[name])

    def _unsettled(self, pod: Pod) -> list[str]:
        """The tasks that are not known to be dead; of an instance that is down one, for its agent.

        Should an operator mark that gone, Mesos tells it of tasks that run, and else if asked. What
        has finished waits for the agent as well while the deploy plan has more to launch there.
        """
        known = [task.id for task in pod.tasks if not task.dead]
        if known or not pod.tasks or pod.reservation is None:
            return known
        goals = {task.name: task.goal for task in self.spec_of(pod).tasks}
        more = not all(self._reached(pod, self.target_id).values())
        return [
            task.id
            for task in pod.tasks
            if task.state is not TaskState.GONE_BY_OPERATOR
            and (more or task.reached is None or goals.get(task.name) is Goal.RUNNING)
        ][:1]

    def forget_pauses(self) -> None:
        """Whatever was to be paused of instances that are not asked for, and never were launched.

        Nobody could resume them, and another one of that name is not meant.
        """
        for name in list(self.paused):
            if name not in self.pods and self.rank(name) is None:
                self.put_paused(name, frozenset())

    def instance_names(self) -> list[str]:
        """Every wanted pod instance, in the order of the service."""
        return [f"{spec.type}-{index}" for spec, index in self.service.instances()]

    def rank(self, name: str) -> tuple[int, int] | None:
        """Where a wanted pod instance stands in the order of the service; None when unwanted."""
        pod_type, index = self.instance(name)
        number, count = self._types.get(pod_type, (0, 0))
        return (number, index) if index < count else None

    def snapshot(self) -> Mapping[str, Pod]:
        """All pod records as they are now; never changed afterwards."""
        return self._kept

    def leaving(self) -> Pod | None:
        """Of the pod instances that nobody asks for any more the one that is to go next."""
        if not self._surplus:
            return None
        return surplus(self.service, {name: self.pods[name] for name in self._surplus})[0]

    def follow(self) -> "Changes":
        """What changes from now on, to begin with all there is: for whoever derives from it."""
        names: dict[str, None] = dict.fromkeys(self.pods)
        self._followers.append(names)
        return Changes(names)

    def instance(self, name: str) -> tuple[str, int]:
        """The pod type and the index of a pod instance's name."""
        return type_and_index(name)

    def spec_of(self, pod: Pod) -> PodSpec:
        """The pod as its tasks were launched."""
        return self.configs[self.launched_with(pod)].pod(pod.type)

    def address_of(self, pod: Pod) -> str | None:
        """The IP address its tasks are reached at: the agent's, or that of its own container.

        None when it has none, or none that is known yet.
        """
        if pod.reservation is None:
            return None
        if not pod.tasks or self.spec_of(pod).uses_host_ports:
            return pod.reservation.ip
        return next((task.ip for task in pod.tasks if task.ip and not task.dead), None)

    def config_for(self, pod: Pod | None, may_move: bool) -> str:
        """The configuration a pod instance should have now.

        That is the target when the deploy plan has come to it, or when it is new; before that it
        keeps what it has, so that a failure does not jump the queue.
        """
        if pod is None or not pod.tasks or may_move:
            return self.target_id
        config_id = self.launched_with(pod)
        if self.asks_the_same(pod.type, self.target_id)(config_id):
            return self.target_id
        return config_id

    def asks_the_same(self, pod_type: str, config_id: str) -> Callable[[str], bool]:
        """Whether another configuration asks the same of that pod type as `config_id` does."""

        def same(other: str) -> bool:
            if other == config_id:
                return True
            key = (pod_type, config_id, other)
            if key not in self._same:
                here, there = self._pod_of(config_id, pod_type), self._pod_of(other, pod_type)
                self._same[key] = bool(here and there and not pod_changed(there, here))
            return self._same[key]

        return same

    def asks_as_target(self, pod_type: str) -> Callable[[str], bool]:
        return self.asks_the_same(pod_type, self.target_id)

    def _pod_of(self, config_id: str, pod_type: str) -> PodSpec | None:
        service = self.configs.get(config_id)
        pods = service.pods if service else ()
        return next((pod for pod in pods if pod.type == pod_type), None)

    def is_deployed(self, pod: Pod, config_id: str) -> bool:
        """Whether all that the deploy plan launches in the instance has reached its goal."""
        reached = self._reached(pod, config_id)
        return bool(reached) and all(reached.values())

    def _reached(self, pod: Pod, config_id: str) -> dict[str, bool]:
        """What the deploy plan launches in the instance, and whether that has reached its goal."""
        spec = self._pod_of(config_id, pod.type)
        if spec is None:
            return {}
        aim = Aim(self.asks_the_same(pod.type, config_id))
        return {
            name: is_done(spec.task(name), pod.task(name), aim)
            or is_spared(spec.task(name), pod, aim)
            for name in planned_tasks(self.configs[config_id], pod.type, pod.index)
        }

    def deployed_tasks(self, pod: Pod) -> tuple[str, ...]:
        """What the deploy plan launches in the instance under the configuration it is deployed."""
        service = self.configs.get(pod.deployed or "")
        spec = self._pod_of(pod.deployed, pod.type) if pod.deployed else None
        return planned_tasks(service, pod.type, pod.index) if service and spec else ()

    def launched_with(self, pod: Pod) -> str:
        """The configuration of what runs of the instance, or ran last; it must have tasks."""
        live = [task for task in pod.tasks if not task.dead]
        newest = max(live or pod.tasks, key=lambda task: task.since)
        return newest.config_id

    # -- indexes ------------------------------------------------------------------------------

    def _set_pod(self, pod: Pod) -> None:
        name = pod.name
        before = self.pods.get(name)
        if before is not None:
            self.index.remove_pod(before)
        elif self.rank(name) is None:
            self._surplus.add(name)
        self.pods[name] = pod
        self._kept = self._kept.set(name, pod)
        self.index.add_pod(pod)
        self._tell(name)

    def _set_retired(self, retired: Retired) -> None:
        before = self.retired.get(retired.id)
        if before is not None:
            self.index.remove_retired(before)
        self.retired[retired.id] = retired
        self.index.add_retired(retired)
        self._tell(retired.pod)

    def names_on_host(self, hostname: str) -> list[str]:
        """The pod instances that hold a reservation there. It looks at all."""
        pods = self.pods.values()
        return [p.name for p in pods if p.reservation and p.reservation.hostname == hostname]

    def _tell_on_host(self, hostname: str) -> None:
        for name in self.names_on_host(hostname):
            self._tell(name)

    def _tell(self, name: str) -> None:
        for names in self._followers:
            names[name] = None


class Changes:
    """The pod instances with a change of their record, or of what they left, not yet looked at."""

    def __init__(self, names: dict[str, None]) -> None:
        self._names = names

    def waiting(self) -> Collection[str]:
        """Those that are still to be looked at."""
        return self._names.keys()

    def take(self) -> list[str]:
        """Each name once, in the order of its first change."""
        names = list(self._names)
        self._names.clear()
        return names
