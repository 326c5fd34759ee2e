"""What the soak acts on: a cluster, two services with their schedulers, and a checker on each."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import requests

from holdfast_playground import processes
from holdfast_playground.checker.etcd import CLIENT_PORT, EtcdStore
from holdfast_playground.checker.load import Load
from holdfast_playground.cluster import Cluster, ClusterSpec, running
from holdfast_playground.faults import Container, containers
from holdfast_playground.processes import ProcessRecord
from tests.cluster import invariants
from tests.cluster.running_service import EXIT_LEADERSHIP_LOST, Scheduler
from tests.cluster.soak.redis_store import PORT as REDIS_PORT
from tests.cluster.soak.redis_store import RedisStore
from tests.cluster.stepped_clock import set_ahead
from tests.cluster.taken_down import TakenDown

SERVICES: Final = Path(__file__).parents[3] / "services"
SPEC: Final = ClusterSpec(
    agents=5,
    masters=2,
    ping_timeout_seconds=2,
    max_ping_timeouts=3,
    network_namespaces=True,
    agent_disk_mb=700,
)
MEMBERS: Final = ("etcd-0", "etcd-1", "etcd-2")
ETCD_AGENTS: Final = (1, 2, 3, 4)
REDIS_AGENT: Final = 5
AGENTS: Final = range(1, SPEC.agents + 1)
# What fails every minute is not a task that crashes in a loop: do not wait ever longer.
BACKOFF: Final = {
    "ENABLE_BACKOFF": "true",
    "FRAMEWORK_INITIAL_BACKOFF": "1",
    "FRAMEWORK_BACKOFF_FACTOR": "1.2",
    "FRAMEWORK_MAX_LAUNCH_DELAY": "5",
}
ANSWER_SECONDS: Final = 3.0
PAUSE_SECONDS: Final = 0.1
WATCH_SECONDS: Final = 0.5
COMMANDS: Final = "events?kind=command&limit=500"
INSIST_SECONDS: Final = 120.0
# Leadership lost, and an order to end: what a supervisor starts a scheduler again after.
EXPECTED_EXITS: Final = (0, EXIT_LEADERSHIP_LOST, -signal.SIGKILL, -signal.SIGTERM)


class SoakFailed(Exception):
    """Something is so that must not be."""


@dataclass
class Service:
    """A service and its schedulers: one leads, others stand by; `away` are kept from running."""

    name: str
    schedulers: list[Scheduler]
    load: Load
    clock: Path
    away: set[int] = field(default_factory=set)
    down: TakenDown = field(default_factory=TakenDown)

    def tend(self) -> None:
        """Start schedulers again that ended, as a supervisor would."""
        for number, scheduler in enumerate(self.schedulers):
            if number in self.away:
                continue
            code = scheduler.ended_with()
            if code is None:
                continue
            if code not in EXPECTED_EXITS:
                raise SoakFailed(
                    f"a scheduler of {self.name} ended with {code}:\n{scheduler.log[-3000:]}"
                )
            scheduler.start()

    def ask(self, path: str) -> Any:
        """The JSON of whichever scheduler leads; None when none answers."""
        found = self.leader()
        return None if found is None else get(self.schedulers[found], path)

    def leader(self) -> int | None:
        """The scheduler that serves the API, by its place in the list."""
        return next(iter(self.leaders()), None)

    def leaders(self) -> Iterator[int]:
        """All that serve the API."""
        for number, scheduler in enumerate(self.schedulers):
            if isinstance(get(scheduler, "state/frameworkId"), list):
                yield number

    def order(self, path: str, method: str = "POST", **more: Any) -> str:
        """Give an order to the leader; what became of it, in a few words."""
        found = self.leader()
        if found is None:
            return "nobody answers"
        try:
            answer = requests.request(
                method, f"{self.schedulers[found].url}/v1/{path}", timeout=15, **more
            )
        except requests.RequestException as error:
            return f"no answer ({type(error).__name__})"
        return "taken" if answer.ok else f"refused ({answer.status_code})"

    def amiss(self) -> str | None:
        """Why the service is not well, None when it is."""
        found = self.leader()
        if found is None:
            return f"no scheduler of {self.name} answers"
        scheduler = self.schedulers[found]
        health = get(scheduler, "health")
        if not isinstance(health, dict) or not health.get("connected"):
            return f"the scheduler of {self.name} is not connected"
        for plan in ("deploy", "recovery"):
            status = (get(scheduler, f"plans/{plan}") or {}).get("status")
            if status != "COMPLETE":
                return f"plan {plan} of {self.name} is {status}: {self._waiting(scheduler)}"
        return self._waiting(scheduler)

    def _waiting(self, scheduler: Scheduler) -> str | None:
        body = get(scheduler, "pod/status") or {"pods": []}
        instances = [one for pod in body["pods"] for one in pod["instances"]]
        waiting = [
            f"{one['name']} is {one['state']}{', ' + one['reason'] if one['reason'] else ''}"
            for one in instances
            if one["state"] != "running"
        ]
        if not instances:
            return f"{self.name} has no instances"
        return "; ".join(waiting) or None


def get(scheduler: Scheduler, path: str) -> Any:
    """The JSON at a path, None when the scheduler does not answer in time."""
    with suppress(requests.RequestException, ValueError):
        # Without its session: that is not for several threads.
        return requests.get(f"{scheduler.url}/v1/{path}", timeout=ANSWER_SECONDS).json()
    return None


@dataclass
class Ground:
    """All of it. `say` prints a line of the soak's report."""

    cluster: Cluster
    etcd: Service
    redis: Service
    say: Callable[[str], None]
    cpus: float = 0.5
    seen: list[str] = field(default_factory=list)
    """What the watches have seen that must not be."""

    @property
    def services(self) -> tuple[Service, Service]:
        """Both."""
        return self.etcd, self.redis

    def ip(self, agent: int) -> str:
        """The address, and host name, of an agent."""
        return self.cluster.agents[agent - 1].ip

    def agent_of(self, service: Service, instance: str) -> int | None:
        """The agent an instance is on, by number; None when that is not known."""
        status = service.ask(f"pod/{instance}/status")
        ip = status.get("agent") if isinstance(status, dict) else None
        return next((a.number for a in self.cluster.agents if a.ip == ip), None)

    def members_on(self, agent: int) -> list[str]:
        """The etcd instances that have their place on an agent."""
        body = self.etcd.ask("pod/status") or {"pods": []}
        instances = (one for pod in body["pods"] for one in pod["instances"])
        return [one["name"] for one in instances if one["agent"] == self.ip(agent)]

    def insist(self, service: Service, path: str) -> None:
        """Give an order until it is taken, or refused as there is nothing to be done (any more)."""
        deadline = time.monotonic() + INSIST_SECONDS
        while (said := service.order(path)) not in ("taken", "refused (409)", "refused (404)"):
            if time.monotonic() > deadline:
                raise SoakFailed(f"{path} of {service.name}: {said} for {INSIST_SECONDS:g} s")
            self.rest(PAUSE_SECONDS)
        self.say(f"     {path}: {said}")

    def processes_of(self, instance: str) -> list[ProcessRecord]:
        """The processes of an instance's task."""
        if instance == "redis-0":
            # Its title, "redis-server IP:PORT", has taken the place of its environment.
            found = f"{self.ip(REDIS_AGENT)}:{REDIS_PORT}"
            titles = ((p.pid, p.info["cmdline"]) for p in psutil.process_iter(["cmdline"]))
            pids = [pid for pid, words in titles if words and found in words[0]]
            return [record for record in map(processes.record_of, pids) if record is not None]
        container = self.container(instance)
        tasks = container.tasks.values() if container is not None else ()
        return [record for records in tasks for record in records]

    def container(self, instance: str) -> Container | None:
        """The container of an instance, None when it has none now."""
        for agent in self.cluster.agents:
            for one in containers(self.cluster, agent.number):
                if f"__{instance}__" in one.executor_id:
                    return one
        return None

    def amiss(self) -> str | None:
        """Why not all is well, None when it is."""
        for service in self.services:
            service.tend()
        away = {agent.number for agent in self.cluster.agents} - self.cluster.agent_ids().keys()
        if away:
            return f"agents {sorted(away)} are not registered"
        amiss = next(filter(None, (service.amiss() for service in self.services)), None)
        return amiss or self._dead() or self._no_voters()

    def _dead(self) -> str | None:
        """The scheduler may not have heard yet what has ended: so look at the processes, too."""
        dead = [name for name in (*MEMBERS, "redis-0") if not self.processes_of(name)]
        return f"{dead} have no process" if dead else None

    def _no_voters(self) -> str | None:
        """etcd's members as each of them knows them: all vote, and all know of a quorum."""
        body = self.etcd.ask("pod/status") or {"pods": []}
        for ip in [one["agent"] for pod in body["pods"] for one in pod["instances"]]:
            url = f"http://{ip}:{CLIENT_PORT}"
            try:
                health = requests.get(f"{url}/health", timeout=ANSWER_SECONDS).json()
                listed = requests.post(
                    f"{url}/v3/cluster/member/list", data="{}", timeout=ANSWER_SECONDS
                ).json()
            except (requests.RequestException, ValueError) as error:
                return f"etcd at {ip} does not answer: {type(error).__name__}"
            names = sorted(m.get("name", "") for m in listed["members"] if not m.get("isLearner"))
            if health.get("health") != "true" or names != list(MEMBERS):
                return f"etcd at {ip} says it is {health}, and voters are {names}"
        return None

    def wait_well(self, seconds: float, writes: int = 3) -> float:
        """Return, once all is well and both stores took some writes, how many seconds it took."""
        began = time.monotonic()
        goals = [service.load.acknowledged + writes for service in self.services]
        while True:
            reason = self.amiss()
            if reason is None:
                short = [
                    service.name
                    for service, goal in zip(self.services, goals, strict=True)
                    if service.load.acknowledged < goal
                ]
                if not short:
                    return time.monotonic() - began
                reason = f"{short} take no writes"
            if time.monotonic() - began > seconds:
                raise SoakFailed(f"not well again within {seconds:g} s: {reason}")
            time.sleep(PAUSE_SECONDS)

    def rest(self, seconds: float) -> None:
        """Let time go by, with schedulers tended."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for service in self.services:
                service.tend()
            time.sleep(min(left, PAUSE_SECONDS))


def _watch(ground: Ground, look: Callable[[Ground], list[str]], stop: threading.Event) -> None:
    """Look all the time for what the end of a round would not show any more."""
    try:
        while not stop.wait(WATCH_SECONDS):
            ground.seen += look(ground)
    except Exception as error:
        # Nobody would look any more, and nothing be found.
        ground.seen.append(f"{look.__name__}: the watch itself failed: {error!r}")
        raise


def twice_owned(ground: Ground) -> list[str]:
    """I2, by the processes of this machine."""
    return invariants.twice_owned(ground.cluster)


def too_many_down(ground: Ground) -> list[str]:
    """I6, by the first scheduler of each service that answers."""
    return [fault for service in ground.services for fault in _too_many_down(service)]


def _too_many_down(service: Service) -> list[str]:
    for number, scheduler in enumerate(service.schedulers):
        status = get(scheduler, "pod/status") or {}
        # After the status, which an order must not have had its effect on unseen.
        events, target = (
            get(scheduler, path) or {} for path in (COMMANDS, "configurations/target")
        )
        if "pods" in status and "pods" in target and "events" in events:
            now = time.monotonic()
            return service.down.look(number, now, target, status, events["events"])
    return []


@contextmanager
def ground(folder: Path, say: Callable[[str], None], pause: float) -> Iterator[Ground]:
    """Everything, deployed and well, with writers running; all of it is gone afterwards."""
    with ExitStack() as stack:
        cluster = stack.enter_context(running(folder / "cluster", SPEC, keep_logs=True))
        ips = {agent.number: agent.ip for agent in cluster.agents}
        etcd = [
            _scheduler(cluster, "etcd", folder, port=8080, client=number, environment=_etcd(ips))
            for number in (1, 2)
        ]
        redis = [_scheduler(cluster, "redis", folder, port=8090, environment=_redis(ips))]
        for scheduler in (*etcd, *redis):
            stack.callback(scheduler.kill)
            scheduler.start()
        addresses = [ips[number] for number in ETCD_AGENTS]
        made = Ground(
            cluster,
            Service(
                *("etcd", etcd, Load(lambda: EtcdStore(addresses), pause)),
                clock=folder / "etcd-clock",
            ),
            Service(
                *("redis", redis, Load(lambda: RedisStore([ips[REDIS_AGENT]]), pause)),
                clock=folder / "redis-clock",
            ),
            say,
        )
        made.wait_well(180, writes=0)
        for service in made.services:
            service.load.start()
            stack.callback(service.load.stop)
        stop = threading.Event()
        for look in (twice_owned, too_many_down):
            watch = threading.Thread(target=_watch, args=(made, look, stop), daemon=True)
            stack.callback(watch.join)
            stack.callback(stop.set)
            watch.start()
        yield made


def _scheduler(cluster: Cluster, name: str, folder: Path, **more: Any) -> Scheduler:
    client = more.get("client")
    logs = folder / f"{name}-{client}" if client else folder / name
    logs.mkdir()
    clock = folder / f"{name}-clock"
    set_ahead(clock, 0)
    made = Scheduler(cluster, SERVICES / name / "svc.yml", logs, **more)
    made.program = (
        *("tests.cluster.stepped_clock", str(clock)),
        *("tests.cluster.dying_scheduler", str(armed(made))),
    )
    return made


def armed(scheduler: Scheduler) -> Path:
    """The file that has one of the soak's schedulers die at a boundary between two steps."""
    return scheduler.log_file.with_suffix(".armed")


def _etcd(ips: Mapping[int, str]) -> dict[str, str]:
    return {"NODE_DISK": "256", "PLACEMENT_CONSTRAINT": _on(ips, ETCD_AGENTS), **BACKOFF}


def _redis(ips: Mapping[int, str]) -> dict[str, str]:
    return {"NODE_DISK": "128", "PLACEMENT_CONSTRAINT": _on(ips, [REDIS_AGENT]), **BACKOFF}


def _on(ips: Mapping[int, str], agents: Sequence[int]) -> str:
    hosts = "|".join(ips[number].replace(".", "[.]") for number in agents)
    return f'[["hostname", "UNIQUE"], ["hostname", "LIKE", "{hosts}"]]'
