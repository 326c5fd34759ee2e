"""A simulated Mesos master, as a PARTITION_AWARE framework sees it.

Follows src/master/master.cpp of Mesos 1.11: the operations of an ACCEPT are sequential and not
atomic, unknown tasks are answered after the table in Master::reconcileTasks.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from holdfast.mesos.messages import AgentFeatures
from tests.simulation import resources
from tests.simulation.agent import PING_TIMEOUT, Agent
from tests.simulation.allocator import Allocator
from tests.simulation.clock import START, Clock
from tests.simulation.machine import TERMINAL, label_of
from tests.simulation.registry import (
    Known,
    MasterTask,
    question,
    same_executor,
    task_infos,
    words,
)
from tests.simulation.resources import Bag, Json
from tests.simulation.schedule import Planned

REREGISTER_TIMEOUT = 180.0
"""Mesos' agent_reregister_timeout is 10 minutes; shorter here, so that runs are."""


class Subscriber(Protocol):
    """One subscription of a scheduler; `open` while the master believes in it."""

    open: bool
    stream_id: str

    def deliver(self, kind: str, body: Any) -> None: ...


class Watch(Protocol):
    """Judges what the framework orders."""

    def launched(self, info: Json, agent: Agent) -> None: ...
    def destroying(self, volume_id: str) -> None: ...
    def refused(self, task_id: str, why: str) -> None: ...
    def may_go(self, agent_id: str, window: Planned, others: Mapping[str, Planned]) -> None: ...
    def tearing_down(self) -> None: ...


class Master:
    """The leading master. A failover keeps the object and makes it forget what a new one would."""

    def __init__(
        self, clock: Clock, watch: Watch, log: Callable[[str], None], roles: Collection[str]
    ) -> None:
        self._clock = clock
        self._watch = watch
        self._log = log
        self.up = True
        self.generation = 1
        self.framework_id: str | None = None
        self.subscriber: Subscriber | None = None
        self.agents: dict[str, Known] = {}
        self.tasks: dict[str, MasterTask] = {}
        self.unreachable: set[str] = set()
        self.recovered: set[str] = set()
        self.gone: set[str] = set()
        self.completed: set[str] = set()
        self.allocator = Allocator(
            *(clock, self.agents, self.tasks, self._tell),
            lambda: self.up and self.subscriber is not None and self.subscriber.open,
        )
        self.allocator.roles = tuple(roles)
        self.schedule = self.allocator.schedule
        self.drop_operations = 0
        self._frameworks = 0

    # -- subscriptions ------------------------------------------------------------------------

    def subscribe(
        self,
        subscriber: Subscriber,
        framework_id: str | None,
        roles: Collection[str],
        suppressed: Collection[str],
    ) -> None:
        if framework_id in self.completed:
            subscriber.deliver("ERROR", "Framework has been removed")
            return
        if framework_id is None:
            self._frameworks += 1
            framework_id = f"framework-{self.generation}.{self._frameworks}"
            if self.tasks or self.subscriber is not None:
                # Another framework beside the first: one that knows no id yet and was overtaken.
                subscriber.deliver("SUBSCRIBED", framework_id)
                return
        if self.subscriber is not None and self.subscriber.open:
            # Its filters stay, unlike those of a subscription that was seen to end.
            self.subscriber.deliver("ERROR", "Framework failed over")
            self.subscriber.open = False
        self._drop_subscription()
        self.framework_id = framework_id
        self.subscriber = subscriber
        self.allocator.roles, self.allocator.quiet = tuple(roles), set(suppressed)
        self.allocator.framework_id = framework_id
        subscriber.deliver("SUBSCRIBED", framework_id)
        self.allocator.soon()

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """The connection of that subscription broke, and the master noticed."""
        subscriber.open = False
        if self.subscriber is subscriber:
            self._drop_subscription()
            self.allocator.forget_filters()

    def _drop_subscription(self) -> None:
        self.subscriber = None
        self.allocator.forget()

    def _tell(self, kind: str, body: Any) -> None:
        if self.subscriber is not None and self.subscriber.open:
            self.subscriber.deliver(kind, body)

    # -- agents -------------------------------------------------------------------------------

    def register(self, agent: Agent) -> None:
        """An agent registers, or does so again, and tells what it has and runs."""
        if agent.id in self.gone:
            agent.told_gone()
            return
        for old_id in [k.id for k in self.agents.values() if k.agent is agent and k.id != agent.id]:
            # "a new agent registered at the same address"
            self._remove(old_id, "TASK_LOST")
        before = self.agents.pop(agent.id, None)
        was_recovered = agent.id in self.recovered
        self.unreachable.discard(agent.id)
        self.recovered.discard(agent.id)
        self.allocator.rescind_all(agent.id)
        agent.open_session()
        if self.framework_id in self.completed:
            agent.shut_down()
        known = Known(agent.id, agent, dict(agent.total))
        self.agents[agent.id] = known
        self._log(f"master: {agent.hostname} registered as {agent.id}")
        for executor in agent.executors.values():
            known.executors[executor.id] = executor.resources
            known.infos[executor.id] = executor.info
        for task in agent.tasks.values():
            if not task.info:
                continue
            reported = task.updates[0]["state"] if task.updates else task.state
            check = None
            if task.ready is not None:
                code = {"exit_code": 0} if task.ready else {}
                check = {"type": "COMMAND", "command": code}
            used = {} if task.terminal else resources.bag(task.info["resources"])
            self.tasks[task.id] = MasterTask(
                task.id, agent.id, task.executor_id, used, task.state, reported, check
            )
            if before is None and not was_recovered and not task.terminal:
                self._answer(task.id, reason="REASON_AGENT_REREGISTERED")
            if before is not None and task.id in before.kills and not task.terminal:
                known.kills.add(task.id)
                self._forward_kill(known, task.id)
        lost = [
            known_task
            for known_task in self.tasks.values()
            if known_task.agent_id == agent.id and known_task.id not in agent.tasks
        ]
        for forgotten in lost:
            forgotten.used = {}  # the RESERVE before its launch may have been lost with it
        if lost:
            agent.receive(partial(agent.reconcile, [forgotten.id for forgotten in lost]))
        self.allocator.soon()

    def contact_lost(self, agent: Agent, noticed: bool) -> None:
        """The agent is silent from now on; `noticed` when the connection visibly broke."""
        known = self.agents.get(agent.id)
        if known is None:
            return
        if noticed:
            known.connected = False
            self.allocator.rescind_all(agent.id)
        known.silences += 1
        silence = known.silences
        self._clock.after(PING_TIMEOUT, lambda: self._ping_timeout(known, silence))

    def _ping_timeout(self, known: Known, silence: int) -> None:
        agent, agent_id = known.agent, known.id
        if self.agents.get(agent_id) is not known or known.silences != silence:
            return
        if agent.id == agent_id and agent.reachable:
            return
        self._log(f"master: {agent_id} unreachable")
        if agent.id == agent_id:
            agent.close_session()
        self._remove(agent_id, "TASK_UNREACHABLE")
        self.unreachable.add(agent_id)

    def plan_maintenance(self, hostname: str, window: Planned | None) -> None:
        """The operator schedules a machine, or no longer; its offers are made anew."""
        if window is None:
            self.schedule.windows.pop(hostname, None)
        else:
            self.schedule.windows[hostname] = window
        self.schedule.changed(self._tell)
        for known in self.agents.values():
            if known.agent.hostname == hostname:
                self.allocator.rescind_all(known.id)
        self.allocator.soon()

    def drain(self, agent: Agent) -> None:
        """DRAIN_AGENT: all tasks are killed by the agent, and it offers nothing any more."""
        if agent.id in self.agents:
            self.schedule.drained.add(agent.id)
            self.allocator.rescind_all(agent.id)
            self.agents[agent.id].send(agent.drain)

    def reactivate(self, agent_id: str) -> None:
        self.schedule.drained.discard(agent_id)
        self.allocator.soon()

    def features(self, agent_id: str) -> AgentFeatures | None:
        """What the agent itself tells of what it can do; None when it cannot be reached."""
        for known in self.agents.values():
            if known.agent.id == agent_id and known.agent.reachable:
                return known.agent.features
        return None

    def mark_gone(self, agent: Agent) -> None:
        """An operator says the machine is gone for good."""
        self.unreachable.discard(agent.id)
        self.recovered.discard(agent.id)
        self.gone.add(agent.id)
        agent.close_session()  # should it still live, it is told when it registers again
        self._remove(agent.id, "TASK_GONE_BY_OPERATOR", "REASON_AGENT_REMOVED_BY_OPERATOR")

    def _remove(self, agent_id: str, state: str, reason: str = "REASON_AGENT_REMOVED") -> None:
        self.agents.pop(agent_id, None)
        self.allocator.rescind_all(agent_id)
        for task in [task for task in self.tasks.values() if task.agent_id == agent_id]:
            del self.tasks[task.id]
            if task.state not in TERMINAL:
                self._status(task.id, agent_id, state, reason)
        self._tell("FAILURE", (agent_id, None))

    def hog(self, agent_id: str, seconds: float) -> None:
        """Other frameworks take most of what is unreserved and not offered."""
        known = self.agents.get(agent_id)
        if known is None or known.hogged:
            return
        self.allocator.hog(known, seconds)

    def fail_over(self, seconds: float) -> None:
        """The master dies; another leads after that time, knowing the registry alone."""
        self._log("master fails over")
        self.up = False
        self.generation += 1
        if self.subscriber is not None:
            self.subscriber.open = False
        self._drop_subscription()
        self.recovered |= set(self.agents)
        for known in self.agents.values():
            known.agent.close_session()
        self.agents.clear()
        self.tasks.clear()
        self.completed.clear()  # the registry knows agents, not frameworks
        generation = self.generation
        self._clock.after(seconds, self._leads)
        self._clock.after(
            seconds + REREGISTER_TIMEOUT, lambda: self._reregister_timeout(generation)
        )

    def _leads(self) -> None:
        self.up = True
        self._log("a new master leads")

    def _reregister_timeout(self, generation: int) -> None:
        if generation != self.generation:
            return
        for agent_id in sorted(self.recovered):
            self._log(f"master: {agent_id} did not come back, unreachable")
            self._tell("FAILURE", (agent_id, None))
        self.unreachable |= self.recovered
        self.recovered.clear()

    # -- what agents tell ---------------------------------------------------------------------

    def status(self, agent: Agent, status: Json, latest: str) -> None:
        self._tell("UPDATE", status)
        task = self.tasks.get(status["task_id"]["value"])
        if task is None:
            return
        task.state, task.reported = latest, status["state"]
        if "check_status" in status:
            task.check = status["check_status"]
        if latest in TERMINAL and task.used:
            task.used = {}
            self.allocator.soon()

    def executor_exited(self, agent: Agent, executor_id: str) -> None:
        known = self.agents.get(agent.id)
        if known is not None and known.executors.pop(executor_id, None) is not None:
            del known.infos[executor_id]
            if self.allocator.offered_on(agent.id):
                known.offered_before_its_end.add(executor_id)
            self._tell("FAILURE", (agent.id, executor_id))
            self.allocator.soon()

    # -- calls --------------------------------------------------------------------------------

    def call(self, message: Mapping[str, Any]) -> None:
        """A call of the current subscription."""
        kind = message["type"]
        body = message.get(kind.lower(), {})
        match kind:
            case "ACCEPT":
                self._accept(body)
            case "DECLINE":
                ids = [offer["value"] for offer in body["offer_ids"]]
                self.allocator.decline(ids, body["filters"]["refuse_seconds"])
            case "ACCEPT_INVERSE_OFFERS" | "DECLINE_INVERSE_OFFERS":
                accept = kind == "ACCEPT_INVERSE_OFFERS"
                for agent_id, window in self.schedule.answer(body, accept):
                    self._watch.may_go(agent_id, window, self.schedule.accepted)
            case "SUPPRESS":
                self.allocator.quiet |= set(body.get("roles") or self.allocator.roles)
            case "REVIVE":
                self.allocator.revive(body.get("roles") or self.allocator.roles)
            case "UPDATE_FRAMEWORK":
                self.allocator.update(body["roles"], body["suppressed_roles"])
            case "KILL":
                self._kill(body["task_id"]["value"], body.get("agent_id", {}).get("value"))
            case "RECONCILE":
                self._reconcile(body["tasks"])
            case "ACKNOWLEDGE":
                self._acknowledge(body)
            case "TEARDOWN":
                self._tear_down()
            case _:
                raise AssertionError(f"the simulation knows no {kind}")

    def _tear_down(self) -> None:
        """Master::teardown: the framework is over, here and on every agent that can be reached."""
        assert self.framework_id is not None
        self._log(f"TEARDOWN of {self.framework_id}")
        self._watch.tearing_down()
        self.completed.add(self.framework_id)
        if self.subscriber is not None:
            self.subscriber.open = False
        self._drop_subscription()
        self.tasks.clear()
        for known in self.agents.values():
            known.executors.clear()
            known.infos.clear()
            known.send(known.agent.shut_down)

    def _accept(self, body: Json) -> None:
        ids = [offer["value"] for offer in body["offer_ids"]]
        offers = self.allocator.offers
        taken = [offers.pop(id_) for id_ in ids if id_ in offers]
        operations: Sequence[Json] = body["operations"]
        if len(taken) < len(ids) or len({(agent_id, role) for agent_id, role, _ in taken}) != 1:
            self._log(f"master: ACCEPT with invalid offers {ids}")
            for info in task_infos(operations):
                self._status(
                    info["task_id"]["value"],
                    info["agent_id"]["value"],
                    "TASK_DROPPED",
                    "REASON_INVALID_OFFERS",
                )
            self.allocator.soon()
            return
        agent_id, role, _ = taken[0]
        known = self.agents[agent_id]
        left = offered = resources.total(what for *_, what in taken)
        known.incomplete = False
        for operation in operations:
            left = self._operation(known, operation, left)
        # What operations have made, and no task took, is offered again at once.
        as_it_was = resources.common(left, offered)
        self.allocator.filter(agent_id, role, as_it_was, body["filters"]["refuse_seconds"])
        self.allocator.soon()

    def _operation(self, known: Known, operation: Json, left: Bag) -> Bag:
        """What is left of the offer; an operation that does not fit it is dropped."""
        kind = operation["type"]
        body = operation[kind.lower()]
        if kind == "LAUNCH":
            return self._launch(known, body["task_infos"], left)
        if self.drop_operations:
            self.drop_operations -= 1
            known.incomplete = True
            return self._dropped(known, kind, left)
        what = resources.bag(body["volumes" if kind in ("CREATE", "DESTROY") else "resources"])
        match kind:
            case "RESERVE":
                less, more = resources.popped(what), what
            case "UNRESERVE":
                if resources.volumes(what):
                    return self._dropped(known, kind, left)
                less, more = what, resources.popped(what)
            case "CREATE":
                existing = set(resources.volumes(known.total))
                if existing & set(resources.volumes(what)):
                    return self._dropped(known, kind, left)
                less, more = resources.without_disk(what), what
            case "DESTROY":
                less, more = what, resources.without_disk(what)
            case _:
                raise AssertionError(f"the simulation knows no {kind}")
        rest = resources.minus(left, less)
        if rest is None:
            return self._dropped(known, kind, left)
        if kind == "DESTROY":
            for id_ in resources.volumes(what):
                self._watch.destroying(id_)
        total = resources.minus(known.total, less)
        assert total is not None
        known.total = resources.plus(total, more)
        agent = known.agent
        known.send(lambda: agent.apply(less, more))
        self._log(f"{kind} on {agent.hostname}: {words(what)}")
        return resources.plus(rest, more)

    def _dropped(self, known: Known, kind: str, left: Bag) -> Bag:
        self._log(f"master: dropped {kind} on {known.agent.hostname}: it does not fit")
        return left

    def _launch(self, known: Known, infos: Sequence[Json], left: Bag) -> Bag:
        agent = known.agent
        for info in infos:
            task_id = info["task_id"]["value"]
            executor_id = info["executor"]["executor_id"]["value"]
            used = resources.bag(info["resources"])
            held: Bag = {}
            joins = executor_id in known.executors
            if not joins:
                held = resources.bag(info["executor"]["resources"])
            rest = resources.minus(left, resources.plus(used, held))
            if rest is None:
                # Who took the offer could not know of an executor's end that came after it, or of
                # which the last updates wait for the acknowledgement of earlier ones.
                untold = (
                    executor_id in known.offered_before_its_end
                    or executor_id in agent.executors_untold()
                )
                if not untold and not known.incomplete:
                    self._watch.refused(task_id, "it uses more than is offered")
            elif joins and not same_executor(known.infos[executor_id], info["executor"]):
                # validation.cpp, validateExecutor: "not compatible with existing Executor"
                self._watch.refused(task_id, "its executor runs, and is another")
                rest = None
            if rest is None or task_id in self.tasks or info["agent_id"]["value"] != known.id:
                self._log(f"master: TASK_ERROR for {task_id}")
                self._status(
                    task_id, info["agent_id"]["value"], "TASK_ERROR", "REASON_TASK_INVALID"
                )
                continue
            left = rest
            if not joins:
                known.executors[executor_id] = held
                known.infos[executor_id] = info["executor"]
            self.tasks[task_id] = MasterTask(
                task_id, known.id, executor_id, used, "TASK_STAGING", "TASK_STAGING"
            )
            self._log(f"LAUNCH {label_of(info, 'pod')} {task_id} on {agent.hostname}")
            self._watch.launched(info, agent)
            known.send(partial(agent.run_task, info, launch_executor=not joins))
        return left

    def _kill(self, task_id: str, agent_id: str | None) -> None:
        task = self.tasks.get(task_id)
        if task is None:
            self._reconcile([question(task_id, agent_id)])
            return
        known = self.agents[task.agent_id]
        self._log(f"KILL {task_id} on {known.agent.hostname}")
        known.kills.add(task_id)
        self._forward_kill(known, task_id)

    def _forward_kill(self, known: Known, task_id: str) -> None:
        known.send(partial(known.agent.kill, task_id))

    def _acknowledge(self, body: Json) -> None:
        known = self.agents.get(body["agent_id"]["value"])
        if known is None:
            return
        task_id, uuid = body["task_id"]["value"], body["uuid"]
        task = self.tasks.get(task_id)
        if task is not None and task.reported in TERMINAL:
            del self.tasks[task_id]
        known.send(partial(known.agent.acknowledge, task_id, uuid))

    def _reconcile(self, questions: Sequence[Json]) -> None:
        if not questions:
            for task_id in list(self.tasks):
                self._answer(task_id)
            return
        for asked in questions:
            task_id = asked["task_id"]["value"]
            agent_id = asked.get("agent_id", {}).get("value")
            if task_id in self.tasks:
                self._answer(task_id)
            elif agent_id in self.recovered or (agent_id is None and self.recovered):
                continue
            elif agent_id in self.agents:
                self._status(task_id, agent_id, "TASK_GONE")
            elif agent_id in self.unreachable:
                self._status(task_id, agent_id, "TASK_UNREACHABLE")
            elif agent_id in self.gone:
                self._status(task_id, agent_id, "TASK_GONE_BY_OPERATOR")
            else:
                self._status(task_id, agent_id, "TASK_UNKNOWN")

    def _answer(self, task_id: str, reason: str = "REASON_RECONCILIATION") -> None:
        task = self.tasks[task_id]
        self._status(task.id, task.agent_id, task.reported, reason, task.check)

    def _status(
        self,
        task_id: str,
        agent_id: str | None,
        state: str,
        reason: str = "REASON_RECONCILIATION",
        check: Json | None = None,
    ) -> None:
        status: Json = {
            "task_id": {"value": task_id},
            "state": state,
            "source": "SOURCE_MASTER",
            "reason": reason,
            "timestamp": START + self._clock.now,
        }
        if agent_id is not None:
            status["agent_id"] = {"value": agent_id}
        if check is not None:
            status["check_status"] = check
        self._tell("UPDATE", status)
