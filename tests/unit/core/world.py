"""A core with a store and a few agents behind it: they keep to the rules of Mesos.

Resources are offered while nothing uses them; a task joins a running executor only with exactly
its ExecutorInfo; an executor ends with its last task. Each task does what its `behaviour` says.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.allocation import launched_tasks
from holdfast.core.conduct import USUAL
from holdfast.core.core import Core
from holdfast.core.launch import LaunchSettings
from holdfast.core.ledger import Ledger
from holdfast.core.startup import open_ledger, open_uninstall
from holdfast.mesos.messages import MasterInfo, Offer, TaskState, TaskStatus, Unavailability
from holdfast.plans.plan import Plan, Status
from holdfast.records import Pod, Task
from holdfast.service.model import ServiceSpec
from holdfast.state.memory import MemoryStore
from holdfast_executor.contract import TaskLaunch

from .offers import offer

SETTINGS = LaunchSettings("http://scheduler/executor.pyz", "scheduler", 8080)
MASTER = MasterInfo("master", "http://master:5050", "1.11.0", region="here")

RUNS = (TaskState.RUNNING,)
ENDS = (TaskState.RUNNING, TaskState.FINISHED)
FAILS = (TaskState.RUNNING, TaskState.FAILED)
CRASHES = (TaskState.FAILED,)
STARTS = (TaskState.STARTING,)
"""What a task reports by itself after its launch."""

Json = dict[str, Any]


def label(resource: Json, key: str = "resource_id") -> str:
    labels = resource["reservations"][-1]["labels"]["labels"]
    return next(str(each["value"]) for each in labels if each["key"] == key)


def numbers(resource: Json) -> set[int]:
    ranges = resource["ranges"]["range"]
    return {n for each in ranges for n in range(each["begin"], each["end"] + 1)}


@dataclass
class Running:
    """A task on an agent, and what it has still to report."""

    info: Json
    to_report: list[TaskState]
    state: TaskState = TaskState.STAGING

    @property
    def executor_id(self) -> str:
        return str(self.info["executor"]["executor_id"]["value"])


@dataclass
class Agent:
    number: int
    reserved: dict[tuple[str, str], Json] = field(default_factory=dict)
    tasks: dict[str, Running] = field(default_factory=dict)
    reachable: bool = True
    drops: bool = False
    """Whether a RESERVE comes to nothing."""
    deaf: bool = False
    """Whether nothing arrives that is sent to it; `unheard` are the tasks of launches."""
    unheard: list[str] = field(default_factory=list)
    unavailability: Unavailability | None = None
    hostname: str = ""

    def executors(self) -> dict[str, Json]:
        return {t.executor_id: t.info["executor"] for t in self.tasks.values()}

    def offer(self, id_: str, free_cpus: float) -> Offer:
        holders = [*(t.info for t in self.tasks.values()), *self.executors().values()]
        used = [resource for holder in holders for resource in holder["resources"]]
        amounts: Counter[tuple[str, str]] = Counter()
        ports: set[int] = set()
        for resource in used:
            if resource["name"] == "ports":
                ports |= numbers(resource)
            else:
                amounts[label(resource), resource["name"]] += round(
                    resource["scalar"]["value"] * 1000
                )
        offered = []
        for key, resource in self.reserved.items():
            if key[1] == "ports":
                left = sorted(numbers(resource) - ports)
                if left:
                    ranges = [{"begin": n, "end": n} for n in left]
                    offered.append({**resource, "ranges": {"range": ranges}})
                continue
            amount = round(resource["scalar"]["value"] * 1000) - amounts[key]
            assert amount >= 0, f"{key} is used more than it is reserved"
            if amount:
                offered.append({**resource, "scalar": {"value": amount / 1000}})
        made = offer(self.number, id_=id_, reserved=offered, cpus=free_cpus)
        host = self.hostname or made.hostname
        return replace(made, unavailability=self.unavailability, hostname=host)

    def apply(self, operation: Json) -> None:
        kind = operation["type"]
        part = operation[kind.lower()]
        if kind == "LAUNCH" or (kind == "RESERVE" and self.drops):
            return
        for resource in part.get("resources", part.get("volumes", ())):
            key = label(resource), resource["name"]
            if kind == "DESTROY":
                self.reserved[key] = {k: v for k, v in resource.items() if k != "disk"}
            elif kind == "CREATE":
                assert self.reserved[key]["scalar"] == resource["scalar"]
                self.reserved[key] = resource
            elif resource["name"] == "ports":
                have = numbers(self.reserved[key]) if key in self.reserved else set()
                change = numbers(resource)
                have = have | change if kind == "RESERVE" else have - change
                self._put(key, resource, {"ranges": {"range": _each(have)}} if have else None)
            else:
                before = self.reserved[key]["scalar"]["value"] if key in self.reserved else 0.0
                sign = 1 if kind == "RESERVE" else -1
                now = round(before + sign * resource["scalar"]["value"], 3)
                assert now >= 0
                self._put(key, resource, {"scalar": {"value": now}} if now else None)

    def _put(self, key: tuple[str, str], resource: Json, amount: Json | None) -> None:
        if amount is None:
            del self.reserved[key]
        else:
            self.reserved[key] = {**resource, **amount}


def _each(ports: set[int]) -> list[Json]:
    return [{"begin": n, "end": n} for n in sorted(ports)]


class World:
    """One scheduler and its agents. Every call is made as Mesos would make it."""

    def __init__(self, spec: ServiceSpec, agents: int = 1) -> None:
        self.store = MemoryStore()
        self.agents = {f"agent-{n}": Agent(n) for n in range(1, agents + 1)}
        self.now = 1_000_000.0
        self.behaviour: dict[str, tuple[TaskState, ...]] = {}
        self.launched: list[tuple[str, str]] = []
        self.killed: list[str] = []
        self.calls: list[ef.Effect] = []
        self.decisions: list[str] = []
        self.warnings: list[str] = []
        self.free_cpus = 8.0
        self.ready = True
        self.container_ips: dict[str, str] = {}
        self.torn_down = 0
        self.settings, self.conduct = SETTINGS, USUAL
        self._offer_numbers = itertools.count()
        self.start(spec)

    # -- the scheduler ------------------------------------------------------------------------

    def start(self, spec: ServiceSpec, *known: ev.Event) -> None:
        """A new scheduler process, with this svc.yml, on the same records.

        `known` is what it hears before the master.
        """
        ids = (f"id{n}" for n in itertools.count((self.store.commits + 1) * 1000))
        ledger, self.errors = open_ledger(self.store.load(), spec)
        self._lead(ledger, lambda: next(ids), *known)

    def start_uninstall(self, spec: ServiceSpec) -> None:
        """A new scheduler process with SDK_UNINSTALL in its environment."""
        self._lead(open_uninstall(self.store.load(), spec, self.now), lambda: "unused")

    def _lead(self, ledger: Ledger, new_id: Callable[[], str], *known: ev.Event) -> None:
        self.core = Core(ledger, self.settings, new_id, self.errors, conduct=self.conduct)
        if ledger.uninstalling is not None and ledger.framework_id is None:
            return
        self.step(*known, ev.Subscribed("framework", MASTER))
        for agent in self.agents.values():
            if agent.reachable:
                self._reconcile(agent)

    def step(self, *events: ev.Event, after: float = 0.0) -> list[ef.Effect]:
        self.now += after
        effects = self.core.step(events, self.now)
        writes = [(e.path, e.data) for e in effects if isinstance(e, ef.Write)]
        if writes:
            self.store.commit(writes)
        decisions = [effect for effect in effects if isinstance(effect, ef.Decision)]
        self.decisions += [each.text for each in decisions]
        self.warnings += [each.text for each in decisions if each.warning]
        for effect in effects:
            match effect:
                case ef.Accept():
                    self._accept(effect)
                case ef.Kill(task_id):
                    self._kill(task_id)
                case ef.Wipe():
                    self.store.wipe()
                case ef.Teardown():
                    self.torn_down += 1
        return effects

    def order(self, verb: ev.Verb, target: str, **parts: Any) -> int:
        """The HTTP status of an operator's command."""
        effects = self.step(ev.Command("c", verb, target, **parts))
        (reply,) = [e for e in effects if isinstance(e, ef.Reply)]
        self.answer = str(reply.body["message"])
        return reply.status

    # -- the agents ---------------------------------------------------------------------------

    def round(self, after: float = 1.0) -> None:
        """Every agent offers what it has, every task reports one thing."""
        live = [agent for agent in self.agents.values() if agent.reachable]
        number = next(self._offer_numbers)
        offers = [a.offer(f"{n}/agent-{a.number}", self.free_cpus) for n, a in
                  zip(itertools.repeat(number), live)]  # fmt: skip
        self.step(ev.OffersReceived(tuple(offers)), after=after)
        for agent in live:
            for running in list(agent.tasks.values()):
                if running.to_report and running.info["task_id"]["value"] in agent.tasks:
                    self._report(agent, running, running.to_report.pop(0))

    def settle(self, rounds: int = 12, after: float = 1.0) -> "World":
        """Enough rounds for everything to come to rest that can."""
        for _ in range(rounds):
            self.round(after)
        return self

    def until(self, true: Callable[[], bool], rounds: int = 200) -> None:
        """As many rounds as it takes."""
        for _ in range(rounds):
            if true():
                return
            self.round()
        raise AssertionError(f"not within {rounds} rounds; {self.decisions[-5:]}")

    def end(self, task: str, state: TaskState = TaskState.FAILED) -> None:
        """The task of that name, as `db-0-node`, ends by itself."""
        agent, running = self._find(task)
        self._report(agent, running, state)

    def lose(self, number: int) -> None:
        """The agent cannot be reached any more; its tasks run on."""
        agent = self.agents[f"agent-{number}"]
        agent.reachable = False
        for task_id in (*agent.tasks, *agent.unheard):
            self._status(agent, task_id, TaskState.UNREACHABLE, "SOURCE_MASTER")

    def find(self, number: int) -> None:
        """The agent is back, with its tasks."""
        agent = self.agents[f"agent-{number}"]
        agent.reachable = True
        self._reconcile(agent)

    def executor(self, task: str) -> str:
        """The id of the executor that runs the task."""
        return self._find(task)[1].executor_id

    def environment(self, task: str) -> dict[str, str]:
        data = self._find(task)[1].info["data"]
        return dict(TaskLaunch.decode(data).environment)

    def running(self) -> set[str]:
        return {t.info["name"] for agent in self.agents.values() for t in agent.tasks.values()}

    def _find(self, task: str) -> tuple[Agent, Running]:
        for agent in self.agents.values():
            for running in agent.tasks.values():
                if running.info["name"] == task:
                    return agent, running
        raise AssertionError(f"{task} does not run; there are {self.running()}")

    def _accept(self, accept: ef.Accept) -> None:
        agent = self.agents[accept.offer_ids[0].split("/")[1]]
        self.calls.append(accept)
        if agent.deaf:
            agent.unheard += launched_tasks(accept)
            return
        for operation in accept.operations:
            agent.apply(dict(operation))
            if operation["type"] == "LAUNCH":
                for info in operation["launch"]["task_infos"]:
                    self._launch(agent, info)

    def _launch(self, agent: Agent, info: Json) -> None:
        id_ = info["executor"]["executor_id"]["value"]
        running = agent.executors().get(id_)
        assert running is None or running == info["executor"], "Mesos would refuse to join"
        doing = self.behaviour.get(info["name"].split("-")[-1], RUNS)
        agent.tasks[info["task_id"]["value"]] = Running(info, list(doing))
        self.launched.append((info["name"], id_))
        agent.offer("check", 0)

    def _kill(self, task_id: str) -> None:
        for agent in self.agents.values():
            if task_id in agent.tasks and agent.reachable:
                name = agent.tasks[task_id].info["name"]
                self.killed.append(name)
                agent.tasks[task_id].to_report = [TaskState.KILLED]

    def _reconcile(self, agent: Agent) -> None:
        for task_id, running in list(agent.tasks.items()):
            self._status(agent, task_id, running.state, "SOURCE_MASTER")

    def _report(self, agent: Agent, running: Running, state: TaskState) -> None:
        task_id = running.info["task_id"]["value"]
        running.state = state
        if state not in (TaskState.RUNNING, TaskState.STARTING, TaskState.STAGING):
            del agent.tasks[task_id]
        self._status(agent, task_id, state)

    def _status(
        self, agent: Agent, task_id: str, state: TaskState, source: str = "SOURCE_EXECUTOR"
    ) -> None:
        running = agent.tasks.get(task_id)
        checked = running is not None and "check" in running.info
        self.step(
            ev.StatusReceived(
                TaskStatus(
                    task_id,
                    state,
                    agent_id=f"agent-{agent.number}",
                    uuid="uuid",
                    source=source,
                    has_check=checked,
                    check_exit_code=0 if checked and self.ready else None,
                    container_ip=self.container_ips.get(task_id),
                )
            )
        )

    # -- what is known ------------------------------------------------------------------------

    def plan(self, name: str = "deploy") -> Plan:
        return next(p for p in self.core.view(self.now).plans if p.name == name)

    def status(self, name: str = "deploy") -> Status:
        return self.plan(name).status

    def steps(self, name: str = "deploy") -> dict[str, Status]:
        return {step.name: step.status for step in self.plan(name).steps()}

    def plans(self) -> set[str]:
        return {plan.name for plan in self.core.view(self.now).plans}

    def pod(self, name: str) -> Pod:
        return self.core.ledger.pods[name]

    def task(self, pod: str, name: str) -> Task:
        task = self.pod(pod).task(name)
        assert task is not None
        return task

    def forget(self) -> None:
        """Count launches, kills, calls and decisions from now on."""
        for log in (self.launched, self.killed, self.calls, self.decisions):
            log.clear()

    def names_launched(self) -> list[str]:
        return [name for name, _ in self.launched]

    def operations(self) -> list[str]:
        return [op["type"] for call in self.calls if isinstance(call, ef.Accept)
                for op in call.operations]  # fmt: skip


def names(tasks: Iterable[Task]) -> list[str]:
    return [task.name for task in tasks]
