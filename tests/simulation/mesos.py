"""A simulated Mesos master and its allocator, as a PARTITION_AWARE framework sees them.

Follows src/master/master.cpp and src/master/allocator/mesos/hierarchical.cpp of Mesos 1.11: the
operations of an ACCEPT are sequential and not atomic, resources in use are not offered, unknown
tasks are answered after the table in Master::reconcileTasks.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from holdfast.mesos.messages import AgentFeatures
from tests.simulation import resources
from tests.simulation.agent import PING_TIMEOUT, Agent
from tests.simulation.clock import START, Clock
from tests.simulation.machine import TERMINAL, label_of
from tests.simulation.registry import (
    Filter,
    Known,
    MasterTask,
    allocatable,
    offer_message,
    question,
    same_executor,
    task_infos,
    words,
)
from tests.simulation.resources import Bag, Json
from tests.simulation.schedule import Planned, Schedule

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
        self.roles = tuple(roles)
        self.up = True
        self.generation = 1
        self.framework_id: str | None = None
        self.quiet: set[str] = set()
        """The roles whose offers are suppressed."""
        self.subscriber: Subscriber | None = None
        self.agents: dict[str, Known] = {}
        self.tasks: dict[str, MasterTask] = {}
        self.unreachable: set[str] = set()
        self.recovered: set[str] = set()
        self.gone: set[str] = set()
        self.completed: set[str] = set()
        self.offers: dict[str, tuple[str, str, Bag]] = {}
        """By id: the agent, the role it is made to, and what it offers."""
        self.schedule = Schedule(clock)
        self.drop_operations = 0
        self._frameworks = 0
        self._turn = 0
        self._allocating = False

    # -- subscriptions ------------------------------------------------------------------------

    @property
    def suppressed(self) -> bool:
        return self.quiet.issuperset(self.roles)

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
        self.roles, self.quiet = tuple(roles), set(suppressed)
        subscriber.deliver("SUBSCRIBED", framework_id)
        self._allocate_soon()

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """The connection of that subscription broke, and the master noticed."""
        subscriber.open = False
        if self.subscriber is subscriber:
            self._drop_subscription()
            for known in self.agents.values():
                known.filters.clear()

    def _drop_subscription(self) -> None:
        self.subscriber = None
        self.schedule.forget()
        self.offers.clear()

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
        self._rescind_all(agent.id)
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
        self._allocate_soon()

    def contact_lost(self, agent: Agent, noticed: bool) -> None:
        """The agent is silent from now on; `noticed` when the connection visibly broke."""
        known = self.agents.get(agent.id)
        if known is None:
            return
        if noticed:
            known.connected = False
            self._rescind_all(agent.id)
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
                self._rescind_all(known.id)
        self._allocate_soon()

    def drain(self, agent: Agent) -> None:
        """DRAIN_AGENT: all tasks are killed by the agent, and it offers nothing any more."""
        if agent.id in self.agents:
            self.schedule.drained.add(agent.id)
            self._rescind_all(agent.id)
            self.agents[agent.id].send(agent.drain)

    def reactivate(self, agent_id: str) -> None:
        self.schedule.drained.discard(agent_id)
        self._allocate_soon()

    def _ask_about_schedule(self) -> None:
        used = {task.agent_id for task in self.tasks.values() if task.used}
        used |= {agent_id for agent_id, *_ in self.offers.values()}
        busy = [known for id_, known in self.agents.items() if id_ in used and known.connected]
        questions = self.schedule.questions(busy)
        if questions:
            self._tell("INVERSE_OFFERS", questions)

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
        self._rescind_all(agent_id)
        for task in [task for task in self.tasks.values() if task.agent_id == agent_id]:
            del self.tasks[task.id]
            if task.state not in TERMINAL:
                self._status(task.id, agent_id, state, reason)
        self._tell("FAILURE", (agent_id, None))

    def _rescind_all(self, agent_id: str) -> None:
        for offer_id in [o for o, (owner, *_) in self.offers.items() if owner == agent_id]:
            self.rescind(offer_id)

    def rescind(self, offer_id: str) -> None:
        agent_id, *_ = self.offers.pop(offer_id)
        self._tell("RESCIND", offer_id)
        if agent_id in self.agents:
            self._allocate_soon()

    def hog(self, agent_id: str, seconds: float) -> None:
        """Other frameworks take most of what is unreserved and not offered."""
        known = self.agents.get(agent_id)
        if known is None or known.hogged:
            return
        free = self._available(known)
        known.hogged = {
            kind: amount * 9 // 10
            for kind, amount in free.items()
            if not resources.is_reserved(kind) and isinstance(amount, int)
        }
        self._clock.after(seconds, lambda: self._released(known))

    def _released(self, known: Known) -> None:
        known.hogged = {}
        self._allocate_soon()

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
            self._allocate_soon()

    def executor_exited(self, agent: Agent, executor_id: str) -> None:
        known = self.agents.get(agent.id)
        if known is not None and known.executors.pop(executor_id, None) is not None:
            del known.infos[executor_id]
            if any(owner == agent.id for owner, *_ in self.offers.values()):
                known.offered_before_its_end.add(executor_id)
            self._tell("FAILURE", (agent.id, executor_id))
            self._allocate_soon()

    # -- calls --------------------------------------------------------------------------------

    def call(self, message: Mapping[str, Any]) -> None:
        """A call of the current subscription."""
        kind = message["type"]
        body = message.get(kind.lower(), {})
        match kind:
            case "ACCEPT":
                self._accept(body)
            case "DECLINE":
                for offer_id in (o["value"] for o in body["offer_ids"]):
                    if offer_id in self.offers:
                        agent_id, role, what = self.offers.pop(offer_id)
                        self._filter(agent_id, role, what, body["filters"]["refuse_seconds"])
            case "ACCEPT_INVERSE_OFFERS" | "DECLINE_INVERSE_OFFERS":
                accept = kind == "ACCEPT_INVERSE_OFFERS"
                for agent_id, window in self.schedule.answer(body, accept):
                    self._watch.may_go(agent_id, window, self.schedule.accepted)
            case "SUPPRESS":
                self.quiet |= set(body.get("roles") or self.roles)
            case "REVIVE":
                self._revive(body.get("roles") or self.roles)
            case "UPDATE_FRAMEWORK":
                self._update(body["roles"], body["suppressed_roles"])
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

    def _revive(self, roles: Collection[str]) -> None:
        self.quiet -= set(roles)
        for known in self.agents.values():
            known.filters = [each for each in known.filters if each.role not in roles]
        self._allocate_soon()

    def _update(self, roles: Collection[str], suppressed: Collection[str]) -> None:
        """Master::updateFramework: what is offered to a role that is no more is taken back."""
        self.roles, self.quiet = tuple(roles), set(suppressed)
        for offer_id in [o for o, (_, role, _) in self.offers.items() if role not in self.roles]:
            self.rescind(offer_id)
        self._allocate_soon()

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
        taken = [self.offers.pop(id_) for id_ in ids if id_ in self.offers]
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
            self._allocate_soon()
            return
        agent_id, role, _ = taken[0]
        known = self.agents[agent_id]
        left = offered = resources.total(what for *_, what in taken)
        known.incomplete = False
        for operation in operations:
            left = self._operation(known, operation, left)
        # What operations have made, and no task took, is offered again at once.
        as_it_was = resources.common(left, offered)
        self._filter(agent_id, role, as_it_was, body["filters"]["refuse_seconds"])
        self._allocate_soon()

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
                # Who took the offer could not know of an executor's end that came after it.
                if executor_id not in known.offered_before_its_end and not known.incomplete:
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

    # -- the allocator ------------------------------------------------------------------------

    def _filter(self, agent_id: str, role: str, what: Bag, seconds: float) -> None:
        known = self.agents.get(agent_id)
        if known is None or not what or seconds <= 0:
            return
        known.filters.append(Filter(role, what, self._clock.now + seconds))
        self._clock.after(seconds + 0.001, self._allocate_soon)

    def _allocate_soon(self) -> None:
        if not self._allocating:
            self._allocating = True
            self._clock.after(self._clock.between(0.05, 1.0), self._allocate)

    def _allocate(self) -> None:
        self._allocating = False
        if self.schedule.windows and self.up:
            self._ask_about_schedule()
            self._clock.after(10.0, self._allocate_soon)
        if not self.up or self.suppressed or self.subscriber is None or not self.subscriber.open:
            return
        offers: list[Json] = []
        # Who is first gets what is unreserved, so each role is first in its turn.
        self._turn += 1
        turn = self._turn % max(1, len(self.roles))
        for role in (*self.roles[turn:], *self.roles[:turn]):
            if role not in self.quiet:
                offers += self._offers_to(role)
        if offers:
            self._tell("OFFERS", offers)

    def _offers_to(self, role: str) -> Iterator[Json]:
        """What is free of each agent, without what is reserved for others."""
        for agent_id, known in self.agents.items():
            free = {
                kind: amount
                for kind, amount in self._available(known).items()
                if not resources.is_reserved(kind) or resources.role(kind) == role
            }
            if (
                not known.connected
                or agent_id in self.schedule.drained
                or not allocatable(free)
                or known.filtered(role, free, self._clock.now)
            ):
                continue
            offer_id = f"offer-{self._clock.new_id()}"
            self.offers[offer_id] = (agent_id, role, free)
            message = offer_message(offer_id, known, free, self.framework_id, role)
            window = self.schedule.windows.get(known.agent.hostname)
            yield {**message, "unavailability": window.message()} if window else message

    def _available(self, known: Known) -> Bag:
        agent_id = known.id
        used = resources.total(
            [
                *(task.used for task in self.tasks.values() if task.agent_id == agent_id),
                *known.executors.values(),
                *(what for owner, _, what in self.offers.values() if owner == agent_id),
            ]
        )
        free = resources.minus(known.total, used)
        assert free is not None, f"{agent_id} uses more than it has"
        rest = resources.minus(free, known.hogged) if known.hogged else free
        if rest is None:
            return {kind: amount for kind, amount in free.items() if resources.is_reserved(kind)}
        return rest
